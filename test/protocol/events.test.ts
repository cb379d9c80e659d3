import { describe, expect, test } from 'vitest';
import type { CacheKey } from '../../src/protocol/cache-key.ts';
import {
  BATCH_BYTES_MAX,
  BATCH_EVENTS_MAX,
  EventBatchReader,
  EventBatchWriter,
  isEventMessage,
  KINDS,
} from '../../src/protocol/events.ts';
import { ENCODING_STRUCTURED, KeyEncoder } from '../../src/protocol/key.ts';
import { META_ENCODING_SHIFT } from '../../src/protocol/memory.ts';

const KEYS: CacheKey[] = [
  '',
  'a',
  'abcd',
  'caffè',
  'ключ',
  7,
  -0.5,
  Number.NaN,
  10n ** 30n,
  ['page', 2],
  { q: [new Date(0)] },
];
const LONGEST = 'x'.repeat(65_535);

function add(writer: EventBatchWriter, kind: number, key: CacheKey): boolean {
  const encoder = new KeyEncoder({ low: 1, high: 2 });
  encoder.encode(key);
  return writer.addRemoval(kind, encoder.meta, encoder.words, 0);
}

function eventsOf(batch: Uint8Array): [kind: number, what: unknown][] {
  const reader = new EventBatchReader(batch);
  const events: [number, unknown][] = [];
  while (reader.next()) {
    events.push([reader.kind, reader.kind === KINDS.clear ? { entries: reader.entries } : reader.key]);
  }
  return events;
}

describe('a batch of events', () => {
  test('carries keys of every kind, and clears, in order', () => {
    const writer = new EventBatchWriter();
    const added: [number, unknown][] = [];
    for (const [i, key] of KEYS.entries()) {
      expect(add(writer, i % 3, key)).toBe(true);
      added.push([i % 3, key]);
      expect(writer.addClear(2 ** 32 - 1 - i)).toBe(true);
      added.push([KINDS.clear, { entries: 2 ** 32 - 1 - i }]);
    }
    expect(eventsOf(writer.seal())).toEqual(added);
    expect(writer.isEmpty).toBe(true);
    expect(eventsOf(writer.seal())).toEqual([]);
  });

  test('is read on from where another reader was', () => {
    const writer = new EventBatchWriter();
    for (const key of KEYS) add(writer, KINDS.evict, key);
    const batch = writer.seal();
    const first = new EventBatchReader(batch);
    for (let i = 0; i < 5; i++) first.next();
    const second = new EventBatchReader(batch, first.position);
    second.next();
    expect(second.key).toEqual(KEYS[5]);
  });

  test('has room for the longest key, and then for no other', () => {
    const writer = new EventBatchWriter();
    expect(add(writer, KINDS.delete, LONGEST)).toBe(true);
    expect(add(writer, KINDS.delete, '')).toBe(false);
    expect(writer.addClear(1)).toBe(false);
    const batch = writer.seal();
    expect(batch.length).toBe(BATCH_BYTES_MAX);
    expect(eventsOf(batch)).toEqual([[KINDS.delete, LONGEST]]);
  });

  test('holds a bounded number of events, of either form', () => {
    const writer = new EventBatchWriter();
    for (let i = 0; i < BATCH_EVENTS_MAX; i++) {
      expect(i % 2 === 0 ? add(writer, KINDS.evict, i) : writer.addClear(i)).toBe(true);
    }
    expect([add(writer, KINDS.evict, 'one more'), writer.addClear(1)]).toEqual([false, false]);
    expect(eventsOf(writer.seal())).toHaveLength(BATCH_EVENTS_MAX);
    expect(add(writer, KINDS.evict, 'one more')).toBe(true);
  });

  test('says what was dropped before its first event, and leaves the rest to the next', () => {
    const writer = new EventBatchWriter();
    writer.drop(KINDS.expire);
    expect(writer.isEmpty).toBe(false);
    add(writer, KINDS.evict, 'a');
    writer.drop(KINDS.expire);
    expect([add(writer, KINDS.evict, 'b'), writer.addClear(1)]).toEqual([false, false]);
    writer.drop(KINDS.clear);
    const [first, second] = [writer.seal(), writer.seal()];
    expect(new EventBatchReader(first).dropped).toEqual([0, 1, 0, 0]);
    expect(new EventBatchReader(second).dropped).toEqual([0, 1, 0, 1]);
    expect(eventsOf(second)).toEqual([]);
    expect(writer.isEmpty).toBe(true);
  });

  test('has no key where somebody forged one', () => {
    const writer = new EventBatchWriter();
    writer.addRemoval(KINDS.evict, 4 | (ENCODING_STRUCTURED << META_ENCODING_SHIFT), new Int32Array([-1]), 0);
    add(writer, KINDS.evict, 'whole');
    expect(eventsOf(writer.seal())).toEqual([
      [KINDS.evict, undefined],
      [KINDS.evict, 'whole'],
    ]);
  });

  test('is told from what else a shard says', () => {
    const events = new EventBatchWriter().seal();
    expect([{ events }, { lease: 1 }, { id: 'a', type: 'RAW', value: 1 }, null, 1].map(isEventMessage)).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
  });
});
