import { Redis } from 'ioredis';
import { afterAll, expect, test } from 'vitest';
import { openStore } from '../../../src/main/stores/index.ts';
import { LOOPBACK, startRedis } from '../../support/redis-server.ts';
import { runStoreSuite } from '../../support/store-suite.ts';

const server = await startRedis();
afterAll(async () => await server?.stop());

if (server === undefined) {
  test.skip('redis-server is not installed: no store with the engine `redis` is tested', () => {});
} else {
  const url = `redis://${LOOPBACK}:${server.port}`;
  runStoreSuite({ engine: 'redis', options: () => ({ url }) });

  test('nothing of a temporary store, nor of one within it, stays on the server', async () => {
    const store = await openStore.tmp({ engine: 'redis', url, name: 'gone' });
    const sub = await store.sub('too');
    await Promise.all([store.set('a', 1), sub.set('a', 1)]);
    await sub.close();
    await store.close();
    const client = new Redis(url);
    expect(await client.keys('*gone*')).toEqual([]);
    await client.quit();
  });

  test('of two who make a store at the same time the first says what it is', async () => {
    const open = (appendMode: boolean) => openStore({ engine: 'redis', url, name: 'raced', appendMode });
    const opened = await Promise.allSettled([open(true), open(false)]);
    expect(opened.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    for (const result of opened) if (result.status === 'fulfilled') await result.value.close();
  });
}
