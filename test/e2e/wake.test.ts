/** `lane: 'wake'`: calls without messages, that keep neither side from its event loop. */
import { MessagePort } from 'node:worker_threads';
import { expect, test, vi } from 'vitest';
import { cachesOfOneTest, isOverTier } from '../support/caches.ts';

const make = cachesOfOneTest();
const CALLS = 2_000;

test.skipIf(isOverTier('an answer that waited for the tier comes by a message'))(
  'calls that are awaited one after another mostly need no message',
  async () => {
    const cache = await make({ lane: 'wake', reads: 'owner', shards: 1 });
    const post = vi.spyOn(MessagePort.prototype, 'postMessage');
    for (let i = 0; i < CALLS; i++) {
      await cache.set(`k${i % 100}`, { i });
      expect(await cache.get(`k${i % 100}`)).toEqual({ i });
    }
    const messages = post.mock.calls.length;
    post.mockRestore();
    expect(messages).toBeLessThan(CALLS);
    expect((await cache.metrics()).sets).toBe(CALLS);
  },
);

test('an owner that is called without a break sweeps what has expired', async () => {
  const cache = await make({ lane: 'wake', shards: 1, cleanupInterval: 10 });
  await cache.set('mortal', 1, { ttl: 20 });
  let swept = 0;
  for (let round = 0; swept === 0 && round < 1_000; round++) {
    for (let i = 0; i < 100; i++) await cache.set('k', i);
    swept = (await cache.metrics()).expirations;
  }
  expect(swept).toBe(1);
});

test('values of all sizes come and go', async () => {
  const cache = await make({ lane: 'wake', reads: 'owner', shards: 1 });
  for (const size of [0, 1, 100, 4_000, 16_000, 16_384, 17_000, 2_000_000]) {
    await cache.set('k', 'warm');
    await cache.set('k', 'x'.repeat(size));
    expect(await cache.get('k')).toHaveLength(size);
    expect(await cache.get('k')).toHaveLength(size);
  }
});
