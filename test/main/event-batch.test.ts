import { expect, test } from 'vitest';
import { batchesIn, hollowOf, OwnerChange } from '../../src/main/event-batch.ts';
import type { CacheKey } from '../../src/protocol/cache-key.ts';
import { EventBatchWriter, type EventKind, KINDS } from '../../src/protocol/events.ts';
import { ENCODING_STRUCTURED, KeyEncoder } from '../../src/protocol/key.ts';
import { META_ENCODING_SHIFT } from '../../src/protocol/memory.ts';

type Event = readonly [kind: Exclude<EventKind, 'clear'>, key: CacheKey] | readonly ['clear', entries: number];

/** What listeners are handed of a batch that the shard writes so. */
function opened(events: readonly Event[], droppedBefore: readonly EventKind[] = []): object[] {
  const writer = new EventBatchWriter();
  for (const kind of droppedBefore) writer.drop(KINDS[kind]);
  const encoder = new KeyEncoder({ low: 1, high: 2 });
  for (const [kind, what] of events) {
    if (kind === 'clear') {
      writer.addClear(what);
    } else {
      encoder.encode(what);
      writer.addRemoval(KINDS[kind], encoder.meta, encoder.words, 0);
    }
  }
  return batchesIn(3, writer.seal()).map((batch) => batch.open(0));
}

test('one batch for each kind that is there, keys in order', () => {
  const events: Event[] = [
    ['delete', 'a'],
    ['evict', 1],
    ['delete', ['b']],
    ['evict', 'ж'],
  ];
  expect(opened(events)).toEqual([
    { event: 'evict', shard: 3, keys: [1, 'ж'], dropped: 0 },
    { event: 'delete', shard: 3, keys: ['a', ['b']], dropped: 0 },
  ]);
});

test('what left before a clear is told before it, what left after it after', () => {
  const events: Event[] = [
    ['evict', 'a'],
    ['clear', 5],
    ['evict', 'b'],
    ['expire', 'c'],
    ['clear', 2],
  ];
  expect(opened(events, ['evict', 'clear'])).toEqual([
    { event: 'evict', shard: 3, keys: ['a'], dropped: 1 },
    { event: 'clear', shard: 3, entries: 5, dropped: 1 },
    { event: 'evict', shard: 3, keys: ['b'], dropped: 0 },
    { event: 'expire', shard: 3, keys: ['c'], dropped: 0 },
    { event: 'clear', shard: 3, entries: 2, dropped: 0 },
  ]);
});

test('what was dropped is told even where nothing else is', () => {
  expect(opened([], ['expire', 'clear', 'expire'])).toEqual([
    { event: 'expire', shard: 3, keys: [], dropped: 2 },
    { event: 'clear', shard: 3, entries: 0, dropped: 1 },
  ]);
});

test('what a listener has missed is added to what the shard has dropped; in place of a batch only that is told', () => {
  const writer = new EventBatchWriter();
  writer.drop(KINDS.evict);
  writer.drop(KINDS.clear);
  writer.addRemoval(KINDS.evict, 1, new Int32Array([97]), 0);
  writer.addClear(7);
  const [evict, clear] = batchesIn(0, writer.seal());
  expect([evict?.count, evict?.dropped, clear?.count, clear?.dropped]).toEqual([1, 1, 1, 1]);
  expect([evict?.open(5), hollowOf('evict', 0, 5)]).toEqual([
    { event: 'evict', shard: 0, keys: ['a'], dropped: 6 },
    { event: 'evict', shard: 0, keys: [], dropped: 5 },
  ]);
  expect([clear?.open(5), hollowOf('clear', 0, 5)]).toEqual([
    { event: 'clear', shard: 0, entries: 7, dropped: 6 },
    { event: 'clear', shard: 0, entries: 0, dropped: 5 },
  ]);
});

test('what one listener does to its keys is not what the next one is told', () => {
  const writer = new EventBatchWriter();
  const encoder = new KeyEncoder({ low: 1, high: 2 });
  encoder.encode(['a']);
  writer.addRemoval(KINDS.evict, encoder.meta, encoder.words, 0);
  const [batch] = batchesIn(0, writer.seal());
  const told = batch?.open(0) as { keys: unknown[][] } | undefined;
  told?.keys[0]?.push('b');
  told?.keys.splice(0);
  expect(batch?.open(0)).toEqual({ event: 'evict', shard: 0, keys: [['a']], dropped: 0 });
});

test('a key that was forged counts as dropped', () => {
  const writer = new EventBatchWriter();
  writer.addRemoval(KINDS.evict, 4 | (ENCODING_STRUCTURED << META_ENCODING_SHIFT), new Int32Array([-1]), 0);
  writer.addRemoval(KINDS.evict, 1, new Int32Array([97]), 0);
  expect(batchesIn(0, writer.seal()).map((batch) => batch.open(0))).toEqual([
    { event: 'evict', shard: 0, keys: ['a'], dropped: 1 },
  ]);
});

test('a change of owners says its cause where it has one, and is not told of when it was missed', () => {
  const cause = new Error('it fell');
  expect(new OwnerChange('shard:down', 1, cause).open()).toEqual({ event: 'shard:down', shard: 1, cause });
  expect(new OwnerChange('shard:up', 1, undefined).open()).toEqual({ event: 'shard:up', shard: 1 });
  expect(hollowOf('shard:up', 1, 1)).toBeUndefined();
});
