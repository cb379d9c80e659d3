import { describe, expect, test } from 'vitest';
import { ClientMemory, RING_FULL, RING_RECORDS } from '../../src/protocol/client.ts';

/** Word offsets as the drawing in client.ts states them. */
const TAIL = 0;
const HEAD = 1;

function drained(client: ClientMemory): [number, number][] {
  const seen: [number, number][] = [];
  client.drain((slot, seqLow) => seen.push([slot, seqLow]));
  return seen;
}

/** A ring that has already carried `records` records, all drained. */
function ringAt(records: number): ClientMemory {
  const client = new ClientMemory();
  const words = new Int32Array(client.buffer);
  words[TAIL] = records;
  words[HEAD] = records;
  return client;
}

describe('the ring of hits', () => {
  test('hands records over in order, each once', () => {
    const client = new ClientMemory();
    expect(client.push(5, 50)).toBe(1);
    expect(client.push(6, -60)).toBe(2);
    expect(drained(client)).toEqual([
      [5, 50],
      [6, -60],
    ]);
    expect(drained(client)).toEqual([]);
    expect(client.push(7, 70)).toBe(1);
    expect(drained(client)).toEqual([[7, 70]]);
  });

  test('takes RING_RECORDS records and then no more until it is drained', () => {
    const client = new ClientMemory();
    for (let i = 0; i < RING_RECORDS; i++) {
      expect(client.push(i, i)).toBe(i + 1);
    }
    expect(client.push(-1, -1)).toBe(RING_FULL);
    const seen = drained(client);
    expect(seen).toHaveLength(RING_RECORDS);
    expect(seen[0]).toEqual([0, 0]);
    expect(seen.at(-1)).toEqual([RING_RECORDS - 1, RING_RECORDS - 1]);
    expect(client.push(1, 1)).toBe(1);
  });

  test.each([
    ['from the largest signed word to the smallest', 0x7fff_ffff],
    ['from the largest unsigned word to zero', -1],
  ])('keeps its order and its bound when its counters wrap %s', (_, start) => {
    for (const before of [0, 1, 100, RING_RECORDS - 1]) {
      const client = ringAt((start - before) | 0);
      for (let i = 0; i < RING_RECORDS; i++) {
        expect(client.push(i, i)).toBe(i + 1);
      }
      expect(client.push(-1, -1)).toBe(RING_FULL);
      expect(drained(client)).toEqual(Array.from({ length: RING_RECORDS }, (_, i) => [i, i]));
    }
  });

  test.each([0x7fff_ffff, -0x8000_0000, -1, 12345, -12345, RING_RECORDS + 1])(
    'hands over at most one ring when a dead client left %i as its tail',
    (tail) => {
      const client = new ClientMemory();
      new Int32Array(client.buffer)[TAIL] = tail;
      let visits = 0;
      client.drain(() => {
        visits++;
        if (visits > RING_RECORDS) {
          throw new Error('more than one ring');
        }
      });
      expect(visits).toBeLessThanOrEqual(RING_RECORDS);
      expect(drained(client)).toEqual([]);
    },
  );

  test('is the same ring from a second view of its memory', () => {
    const client = new ClientMemory();
    const owner = new ClientMemory(client.buffer);
    client.push(1, 2);
    expect(drained(owner)).toEqual([[1, 2]]);
    expect(client.push(3, 4)).toBe(1);
  });
});

test('counters add up, beyond 32 bits, and do not touch the ring', () => {
  const client = new ClientMemory();
  const counts = { hits: 2 ** 40, misses: 1, droppedTouches: 0, droppedEvents: 3, filterNegatives: 5, nearHits: 2 };
  client.push(1, 2);
  client.countHit();
  client.countHit();
  client.countMiss();
  client.countDropped();
  client.countNegative();
  client.countNear();
  client.countDroppedEvents(7);
  client.takeCounts(counts);
  new ClientMemory(client.buffer).takeCounts(counts);
  expect(counts).toEqual({
    hits: 2 ** 40 + 2,
    misses: 2,
    droppedTouches: 1,
    droppedEvents: 10,
    filterNegatives: 6,
    nearHits: 3,
  });
  expect(drained(client)).toEqual([[1, 2]]);
});
