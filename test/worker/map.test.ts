import { describe, expect, test } from 'vitest';
import {
  BLOCK_HASH,
  BLOCK_META,
  BLOCK_SLOT,
  BLOCK_WORDS,
  BUCKETS_MIN,
  HEADER_BUCKETS,
  META_ENCODING_SHIFT,
  reserveShard,
  ShardMemory,
  STRIPES,
  STRIPES_AT,
} from '../../src/protocol/memory.ts';
import { type KeyWords, ShardMap } from '../../src/worker/map.ts';
import { seededRandom } from '../support/random.ts';

/** A block of eight words and one of key. */
const BLOCK_STEP = 12;

/** A map over memory in which every block is written by hand: key word `key`, at a hash of the test's choice. */
function makeMap(entriesMax = 5_000) {
  const memory = new ShardMemory(reserveShard({ bytesMax: entriesMax * 64 + 1_024, entriesMax }));
  const map = new ShardMap(memory);
  const meta = 4 | (0 << META_ENCODING_SHIFT);
  const source = (hashLow: number, key: number): KeyWords => ({
    hashLow,
    keyBytes: 4,
    keyWord: () => key,
  });
  const block = (slot: number, hash: number, key: number, at = 2 + slot * BLOCK_STEP) => {
    const { words } = memory;
    words[at + BLOCK_SLOT] = slot;
    words[at + BLOCK_HASH] = hash;
    words[at + BLOCK_META] = meta;
    words[at + BLOCK_WORDS] = key;
    return at;
  };
  return { memory, map, block, find: (hash: number, key: number) => map.find(source(hash, key), meta) };
}

const locks = (memory: ShardMemory) => memory.header.slice(STRIPES_AT, STRIPES_AT + STRIPES);

describe('the table', () => {
  test('tells keys with the same hash apart', () => {
    const { map, block, find } = makeMap();
    const blocks = [1, 2, 3].map((key) => block(key, 77, key));
    for (const at of blocks) {
      map.link(at);
    }
    expect([1, 2, 3].map((key) => find(77, key))).toEqual(blocks);
    expect(find(77, 4)).toBe(0);
    map.unlink(blocks[1] as number);
    expect([1, 2, 3].map((key) => find(77, key))).toEqual([blocks[0], 0, blocks[2]]);
    map.check();
  });

  test('finds every key through thousands of splits, one bucket an insert', () => {
    const { map, memory, block, find } = makeMap();
    const random = seededRandom('splits');
    const hashes = Array.from({ length: 5_000 }, () => random.word() | 0);
    hashes.forEach((hash, i) => {
      const before = memory.header[HEADER_BUCKETS] as number;
      map.link(block(i, hash, i));
      const after = memory.header[HEADER_BUCKETS] as number;
      expect(after - before).toBe(map.entries > before ? 1 : 0);
      if (i % 500 === 0) {
        map.check();
      }
    });
    map.check();
    expect(memory.header[HEADER_BUCKETS]).toBeGreaterThan(4 * BUCKETS_MIN);
    expect(hashes.every((hash, i) => find(hash, i) !== 0)).toBe(true);
  });

  test('stops to grow at its last bucket, and still takes entries', () => {
    const { map, memory, block, find } = makeMap(2_000);
    for (let i = 0; i < 2_000; i++) {
      map.link(block(i, Math.imul(i, 0x9e37_79b1), i));
    }
    expect(memory.header[HEADER_BUCKETS]).toBeLessThanOrEqual(memory.heads.length / 2);
    map.check();
    expect(find(Math.imul(1_999, 0x9e37_79b1), 1_999)).not.toBe(0);
  });

  test('agrees with a Map over random links, replacements, moves and unlinks', () => {
    const { map, memory, block, find } = makeMap();
    const random = seededRandom('map');
    const model = new Map<number, { hash: number; at: number; slot: number; place: number }>();
    const slots = Array.from({ length: 3_000 }, (_, i) => i);
    const places = Array.from({ length: 3_000 }, (_, i) => 2 + i * BLOCK_STEP);
    for (let step = 0; step < 20_000; step++) {
      const key = random.below(1_500);
      const known = model.get(key);
      if (known === undefined) {
        const place = places.pop() as number;
        // Few hashes, so that chains are long and tags shared.
        const entry = { hash: Math.imul(key % 300, 0x9e37_79b1), slot: slots.pop() as number, at: place, place };
        map.link(block(entry.slot, entry.hash, key, place));
        model.set(key, entry);
      } else if (random.oneIn(3)) {
        map.unlink(known.at);
        slots.unshift(known.slot);
        places.unshift(known.place);
        model.delete(key);
      } else if (random.oneIn(2)) {
        const place = places.pop() as number;
        map.replace(known.at, block(known.slot, known.hash, key, place));
        places.unshift(known.place);
        model.set(key, { ...known, at: place, place });
      } else {
        // Back and forth by less than the block is long: the copy overlaps itself.
        const to = known.at === known.place ? known.at + 2 : known.at - 2;
        map.relocate(known.at, to, BLOCK_WORDS + 1);
        known.at = to;
      }
      if (step % 500 === 0) {
        map.check();
      }
    }
    map.check();
    for (let key = 0; key < 1_500; key++) {
      expect(find(Math.imul(key % 300, 0x9e37_79b1), key)).toBe(model.get(key)?.at ?? 0);
    }
    map.clear();
    map.check();
    expect(map.entries).toBe(0);
    expect(memory.slots.every((word) => word === 0)).toBe(true);
  });
});

describe('the locks', () => {
  test('every change moves the stripe of its hash by two, and no other', () => {
    const { map, memory, block } = makeMap();
    const hash = 0x1234_5678;
    const stripe = hash & (STRIPES - 1);
    const first = block(1, hash, 1);
    const steps: (() => void)[] = [
      () => map.link(first),
      () => map.replace(first, block(2, hash, 1)),
      () => map.relocate(2 + 2 * BLOCK_STEP, 2 + 2 * BLOCK_STEP - 2, BLOCK_WORDS + 1),
      () => map.unlink(2 + 2 * BLOCK_STEP - 2),
    ];
    for (const step of steps) {
      const before = locks(memory);
      step();
      const moved = [...locks(memory)].flatMap((lock, i) =>
        lock === before[i] ? [] : [[i, lock - (before[i] as number)]],
      );
      expect(moved).toEqual([[stripe, 2]]);
    }
  });

  test('wrap around without ever looking odd', () => {
    const { map, memory, block } = makeMap();
    memory.header.fill(-2, STRIPES_AT);
    map.link(block(1, 5, 1));
    expect(memory.header[STRIPES_AT + 5]).toBe(0);
    memory.header.fill(0x7fff_fffe, STRIPES_AT);
    map.unlink(2 + BLOCK_STEP);
    expect(memory.header[STRIPES_AT + 5]).toBe(-0x8000_0000);
    map.check();
  });
});
