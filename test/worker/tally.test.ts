import { expect, test } from 'vitest';
import { ClientMemory } from '../../src/protocol/client.ts';
import { OP_METRICS, OP_RESET_METRICS, type ShardCounts } from '../../src/protocol/operations.ts';
import { LIMITS, makeShard, openShard } from '../support/shard.ts';

function busyShard() {
  const target = makeShard({ entriesMax: 100 });
  for (let i = 0; i < 120; i++) {
    target.set(`k${i}`, 'value', i % 2 === 0 ? 50 : 0);
  }
  target.get('k119');
  target.read('k117');
  target.read('absent');
  target.delete('k119');
  target.ask(99);
  target.clock.nowMs += 50;
  target.shard.sweep();
  return { target, counts: () => target.call(OP_METRICS) as ShardCounts };
}

test('counts tell what happened, gauges what there is, peaks the most there was', () => {
  const { counts } = busyShard();
  expect(counts()).toMatchObject({
    sets: 120,
    hits: 2,
    misses: 1,
    deletes: 1,
    evictions: 20,
    expirations: 50,
    failures: 1,
    policyFaults: 0,
    entries: 49,
    validEntries: 49,
    entriesPeak: 100,
    validPeak: 100,
    droppedTouches: 0,
  });
});

test('a reset sets counts to zero and peaks to what there is now, and leaves gauges alone', () => {
  const { target, counts } = busyShard();
  const before = counts();
  expect(target.call(OP_RESET_METRICS)).toBeUndefined();
  const { entries, validEntries, bytes, payloadBytes, clients } = before;
  const zeros = Object.fromEntries(Object.keys(before).map((name) => [name, 0]));
  // The frame that asks is the first since.
  expect(counts()).toEqual({
    ...zeros,
    ...{
      entries,
      validEntries,
      bytes,
      payloadBytes,
      clients,
      entriesPeak: entries,
      validPeak: validEntries,
      frames: 1,
      calls: 1,
    },
  });
  target.set('new', 'value');
  target.read('new');
  target.read('absent');
  expect(counts()).toMatchObject({ sets: 1, hits: 1, misses: 1, entries: 50, entriesPeak: 50, validPeak: 50 });
});

test('a client that leaves takes nothing back, before a reset or after', () => {
  const { target, counts } = busyShard();
  target.call(OP_RESET_METRICS);
  target.read('k117');
  target.shard.disconnect(target.client);
  expect(counts()).toMatchObject({ hits: 1, misses: 0 });
  target.call(OP_RESET_METRICS);
  expect(counts()).toMatchObject({ hits: 0, misses: 0 });
});

test('a client that is gone with the owner takes back nothing that was told or reset', () => {
  const { target, counts } = busyShard();
  target.call(OP_RESET_METRICS);
  target.read('k117');
  expect(counts()).toMatchObject({ hits: 1 });
  const heir = openShard(target.memory, { limits: LIMITS, clock: target.clock });
  expect(heir.call(OP_METRICS)).toMatchObject({ hits: 1, misses: 0 });
});

test('a clear counts what it removed as deleted', () => {
  const { target, counts } = busyShard();
  target.clear();
  expect(counts()).toMatchObject({
    deletes: 50,
    entries: 0,
    validEntries: 0,
    bytes: 0,
    payloadBytes: 0,
    entriesPeak: 100,
  });
});

test('a client that comes back with the memory it had is counted once', () => {
  const { target, counts } = busyShard();
  target.shard.disconnect(target.client);
  target.shard.connect(new ClientMemory(target.client.buffer));
  expect(counts()).toMatchObject({ hits: 2, misses: 1 });
  target.read('absent');
  expect(counts()).toMatchObject({ hits: 2, misses: 2 });
});
