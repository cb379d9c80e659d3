import { describe, expect, test } from 'vitest';
import { decodeKey } from '../../src/protocol/key.ts';
import { BUCKETS_MIN, HEADER_BUCKETS } from '../../src/protocol/memory.ts';
import { FLAG_KEYS_ONLY, OP_SCAN, SCAN_END, type StoredPage } from '../../src/protocol/operations.ts';
import { BUCKETS_MAX, scan } from '../../src/worker/scan.ts';
import { seededRandom } from '../support/random.ts';
import { makeShard, numbers, type ShardUnderTest } from '../support/shard.ts';

interface Page {
  readonly keys: string[];
  readonly next: number;
}

function pageAt(target: ShardUnderTest, cursor: number, size: number): Page {
  const page = target.call(OP_SCAN, '', numbers(size), cursor, FLAG_KEYS_ONLY) as StoredPage;
  return { keys: page.entries.map((entry) => decodeKey(entry.key, entry.encoding) as string), next: page.next };
}

function bucketsOf(target: ShardUnderTest): number {
  return target.memory.header[HEADER_BUCKETS] as number;
}

/** Walks all pages, `between` any two of them something happens. Throws when a key comes twice. */
function walk(target: ShardUnderTest, sizeOf: () => number, between: () => void): Set<string> {
  const met = new Set<string>();
  for (let next = 0; next < SCAN_END; between()) {
    const page = pageAt(target, next, sizeOf());
    for (const key of page.keys) {
      if (met.has(key)) {
        throw new Error(`${key} came twice`);
      }
      met.add(key);
    }
    expect(page.next).toBeGreaterThan(next);
    next = page.next;
  }
  return met;
}

describe('a walk', () => {
  test.each([1, 2, 7, 100, 5_000])('by pages of %i meets every key once', (size) => {
    for (const count of [0, 1, 5, 1_024, 1_025, 3_000]) {
      const target = makeShard();
      for (let i = 0; i < count; i++) {
        target.set(`k${i}`, 'v');
      }
      expect(
        walk(
          target,
          () => size,
          () => {},
        ).size,
      ).toBe(count);
    }
  });

  test('meets every key once though a bucket splits after every page', () => {
    // The table is full: each further key splits a bucket. Walks begin at every state of a round of splits.
    const target = makeShard({ bytesMax: 4 * 1024 * 1024 });
    let keys = 0;
    while (bucketsOf(target) < BUCKETS_MIN + 1) {
      target.set(`k${keys++}`, 'v');
    }
    for (let round = 0; round < 4; round++) {
      const staying = keys;
      const buckets = bucketsOf(target);
      const met = walk(
        target,
        () => 1,
        () => target.set(`k${keys++}`, 'v'),
      );
      expect(Array.from({ length: staying }, (_, i) => `k${i}`).filter((key) => !met.has(key))).toEqual([]);
      expect(bucketsOf(target)).toBeGreaterThan(buckets + 500);
    }
  });

  test('from a table of 1,024 buckets to one of 100,000 meets what stays once, and nothing twice', () => {
    const random = seededRandom('scan and grow');
    const target = makeShard({ bytesMax: 32 * 1024 * 1024 });
    const sizes = [1, 2, 5, 30, 200, 1_000, 5_000];
    let born = 0;
    let first = 0;
    for (const size of sizes) {
      for (let i = 0; i < 500; i++) {
        target.set(`k${born++}`, 'v');
      }
      // Those before are deleted, in order, while the walk goes on; those after are born while it does.
      const [from, to] = [born - 500, born];
      const growth = Math.ceil((100_000 - bucketsOf(target)) / 40);
      let pages = 0;
      const met = walk(
        target,
        () => Math.min(5_000, size * (1 + random.below(2))),
        () => {
          if (pages++ % Math.ceil(2_000 / size / 40 + 1) === 0 && bucketsOf(target) < 100_000) {
            for (let i = 0; i < growth / 4; i++) {
              target.set(`k${born++}`, 'v');
            }
          }
          for (let i = 0; i < 20 && first < from; i++) {
            target.delete(`k${first++}`);
          }
          // An overwrite gives a key another block, an expired one is not told.
          target.set(`k${from + random.below(500)}`, 'again');
          target.set(`brief ${random.below(50)}`, 'v', 1);
          target.clock.nowMs += 1;
        },
      );
      const missed = Array.from({ length: to - from }, (_, i) => `k${from + i}`).filter((key) => !met.has(key));
      expect(missed).toEqual([]);
      expect([...met].filter((key) => key.startsWith('brief'))).toEqual([]);
    }
    expect(bucketsOf(target)).toBeGreaterThan(80_000);
    target.shard.check();
  });
});

describe('a page', () => {
  test('ends at the border of a bucket, so it may be a few entries longer than asked for', () => {
    const target = makeShard({ bytesMax: 4 * 1024 * 1024 });
    for (let i = 0; i < 20_000; i++) {
      target.set(`k${i}`, 'v');
    }
    for (let next = 0; next < SCAN_END; ) {
      const page = pageAt(target, next, 100);
      expect(page.keys.length).toBeLessThan(100 + 20);
      expect(page.next === SCAN_END || page.keys.length >= 100).toBe(true);
      next = page.next;
    }
  });

  test(`looks into ${BUCKETS_MAX} buckets at most, and goes on behind them`, () => {
    const target = makeShard({ bytesMax: 32 * 1024 * 1024 });
    for (let i = 0; bucketsOf(target) < 3 * BUCKETS_MAX; i++) {
      target.set(`k${i}`, '');
    }
    target.clear();
    let visited = 0;
    let pages = 0;
    for (let next = 0; next < SCAN_END; pages++) {
      next = scan(target.memory, next, () => {
        visited++;
        return true;
      });
    }
    expect([pages, visited]).toEqual([3, 0]);
    target.set('last', 'v');
    const met = walk(
      target,
      () => 1,
      () => {},
    );
    expect([...met]).toEqual(['last']);
  });

  test('at a cursor that no page gave is a page all the same, and the walk ends', () => {
    const random = seededRandom('foreign cursors');
    const target = makeShard();
    for (let i = 0; i < 3_000; i++) {
      target.set(`k${i}`, 'v');
    }
    for (let round = 0; round < 200; round++) {
      let next = random.word();
      for (let pages = 0; next < SCAN_END; pages++) {
        expect(pages).toBeLessThan(200);
        next = pageAt(target, next, 100).next;
      }
    }
  });

  test.each([-1, 0.5, 2 ** 32, Number.NaN, Number.POSITIVE_INFINITY])('at cursor %d is refused', (cursor) => {
    expect(makeShard().ask(OP_SCAN, '', numbers(10), cursor)).toBe('PROTOCOL_ERROR');
  });

  test.each([0, -5, Number.NaN])('of %d entries is refused', (size) => {
    expect(makeShard().ask(OP_SCAN, '', numbers(size), 0)).toBe('PROTOCOL_ERROR');
  });
});
