/** How calls travel: many in one message, bounded queues, and none at all for what can be read in place. */
import { describe, expect, test } from 'vitest';
import { cachesOfOneTest, isOverTier, pairs, READS } from '../support/caches.ts';

const make = cachesOfOneTest();

describe.each(READS)('reads: %s', (reads) => {
  test('a thousand pairs are one message to each shard', async () => {
    const cache = await make({ reads });
    const before = (await cache.metrics()).messages;
    await cache.setMany(pairs(1_000));
    const after = await cache.metrics();
    // Two shards, and the message of each that asked for the metrics.
    expect(after.messages - before - 2).toBeLessThanOrEqual(2);
    await cache.deleteMany(pairs(1_000).map(([key]) => key));
    expect((await cache.metrics()).messages - after.messages - 2).toBeLessThanOrEqual(2);
  });

  test('more calls than may wait reject with OVERLOADED, and those that were taken succeed', async () => {
    const cache = await make({ reads, shards: 1, maxPendingCalls: 100 });
    const outcomes = await Promise.allSettled(Array.from({ length: 150 }, (_, i) => cache.set(`k${i}`, i)));
    const rejected = outcomes.filter(({ status }) => status === 'rejected');
    expect(rejected).toHaveLength(50);
    expect(rejected[0]).toMatchObject({ reason: { code: 'OVERLOADED', outcome: 'not-sent' } });
    expect(await cache.size()).toBe(100);
  });
});

test.skipIf(isOverTier('without a filter the tier is asked for what is not there'))(
  'a get of what is in memory sends no message, unless reads are the owner’s',
  async () => {
    for (const [reads, sent] of [
      ['shared', 0],
      ['owner', 100],
    ] as const) {
      const cache = await make({ reads, shards: 1, filter: false });
      await cache.set('k', 'v');
      const before = (await cache.metrics()).messages;
      for (let i = 0; i < 50; i++) {
        await cache.get('k');
        await cache.get('nobody');
      }
      expect((await cache.metrics()).messages - before - 1).toBe(sent);
    }
  },
);

test('a thousand sets of one turn to one shard are at most two frames', async () => {
  const cache = await make({ shards: 1 });
  const before = await cache.metrics();
  await Promise.all(Array.from({ length: 1_000 }, (_, i) => cache.set(`k${i}`, i)));
  const after = await cache.metrics();
  expect(after.messages - before.messages - 1).toBeLessThanOrEqual(2);
  expect(after.calls - before.calls - 1).toBe(1_000);
});

test('a thousand pairs are one message, more leave early, whatever phase of the event loop they are set in', async () => {
  const cache = await make({ shards: 1 });
  for (const [count, messages] of [
    [1_000, 1],
    [1_024, 2],
  ] as const) {
    const before = (await cache.metrics()).messages;
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise<void>((resolve, reject) => {
      setImmediate(() => {
        cache.setMany(pairs(count)).then(resolve, reject);
      });
    });
    expect((await cache.metrics()).messages - before - 1).toBe(messages);
  }
});
