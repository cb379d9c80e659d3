import { afterAll, test } from 'vitest';
import { LOOPBACK, startRedis } from '../../support/redis-server.ts';
import { runStoreSuite } from '../../support/store-suite.ts';

const server = await startRedis();
afterAll(async () => await server?.stop());

if (server === undefined) {
  test.skip('redis-server is not installed: no store with the engine `redis` is tested', () => {});
} else {
  runStoreSuite({ engine: 'redis', options: () => ({ url: `redis://${LOOPBACK}:${server.port}` }) });
}
