import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import {
  compactStore,
  convertStore,
  inspectStore,
  openStore,
  openStoreAt,
  verifyStore,
} from '../../../src/main/stores/index.ts';
import { shownPlace } from '../../../src/main/stores/store-at.ts';
import { QUICK_DISK } from '../../support/quick-disk.ts';
import { LOOPBACK, startRedis } from '../../support/redis-server.ts';

const server = await startRedis();
const root = mkdtempSync(join(QUICK_DISK, 'shardstash-server-'));
afterAll(async () => {
  rmSync(root, { recursive: true, force: true });
  await server?.stop();
});

test('a message names a server without its password', () => {
  expect(shownPlace('redis://user:secret@host:1/2')).toBe('redis://host:1/2');
  expect(shownPlace('./a//b@c')).toBe('./a//b@c');
});

test.skipIf(server === undefined)('a store goes to a server and comes back, whole', async () => {
  const url = `redis://${LOOPBACK}:${server?.port}`;
  const store = await openStore({ root, name: 'one', engine: 'file', compression: true });
  await store.setMany([
    ['a', { b: 1 }],
    [[1, 'x'], 'y'.repeat(5_000)],
  ]);
  await store.set('until', 1, { ttl: '1h' });
  await store.close();
  await expect(inspectStore(url, { name: 'there' })).rejects.toMatchObject({ code: 'STORE_FOREIGN' });
  const there = await convertStore(join(root, 'one'), url, { name: 'there' });
  expect(there).toMatchObject({ entries: 3, to: { engine: 'redis', compression: 'zlib' } });
  await expect(convertStore(join(root, 'one'), url, { name: 'there' })).rejects.toThrow('3 entries');
  expect(await inspectStore(url, { name: 'there', entries: 3 })).toMatchObject({ engine: 'redis', entries: 3 });
  const findings: string[] = [];
  for await (const finding of verifyStore(url, { name: 'there' })) findings.push(finding);
  expect(findings).toEqual([]);
  expect(await compactStore(url, { name: 'there' })).toMatchObject({ entries: 3, bytesBefore: undefined });
  await convertStore(url, join(root, 'back'), { name: 'there', engine: 'log', compression: false });
  const back = await openStoreAt(join(root, 'back'));
  expect([await back.get('a'), await back.get([1, 'x'])]).toEqual([{ b: 1 }, 'y'.repeat(5_000)]);
  expect((await back.ttl('until')) as number).toBeGreaterThan(3_000_000);
  await back.close();
});
