import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  BLOCK_EXPIRES_AT,
  BLOCK_WORDS,
  BUCKETS_MIN,
  bucketOf,
  EXPIRY_WORDS,
  headWords,
  KEY_BYTES_MAX,
  META_ENCODING_SHIFT,
  META_EXPIRES,
  META_KEY_MASK,
  META_TAG_SHIFT,
  reserveShard,
  SEQ_HIGH_MASK,
  SHARD_BYTES_MAX,
  ShardMemory,
  STRIPE_MASK,
  STRIPES,
  STRIPES_AT,
  TALLY_CELLS,
  TOUCHED_MAX,
  tagOf,
  wordsFor,
} from '../../src/protocol/memory.ts';
import { SEED } from '../support/random.ts';
import { makeShard } from '../support/shard.ts';

describe('the layout holds together', () => {
  test('a chain lies in one stripe for ever: bucket counts start at a multiple of the stripes', () => {
    expect(STRIPE_MASK).toBe(STRIPES - 1);
    expect(STRIPES & STRIPE_MASK).toBe(0);
    expect(BUCKETS_MIN % STRIPES).toBe(0);
    expect(BUCKETS_MIN & (BUCKETS_MIN - 1)).toBe(0);
  });

  test('the fields of a meta word do not overlap', () => {
    const fields = [KEY_BYTES_MAX, 0xff << META_TAG_SHIFT, 7 << META_ENCODING_SHIFT, META_EXPIRES];
    for (const [i, field] of fields.entries()) {
      for (const other of fields.slice(i + 1)) {
        expect(field & other).toBe(0);
      }
    }
    expect(META_KEY_MASK).toBe(KEY_BYTES_MAX | (7 << META_ENCODING_SHIFT));
  });

  test('the high word of a sequence leaves 11 bits for the hash: 53 bits in all', () => {
    expect(SEQ_HIGH_MASK).toBe(2 ** 21 - 1);
    expect((-1 << 21) & SEQ_HIGH_MASK).toBe(0);
  });

  test('an expiry is a float64 on an even word of the block', () => {
    expect(BLOCK_EXPIRES_AT).toBe(BLOCK_WORDS);
    expect(BLOCK_EXPIRES_AT % 2).toBe(0);
    expect(headWords(0)).toBe(BLOCK_WORDS);
    expect(headWords(META_EXPIRES)).toBe(BLOCK_WORDS + EXPIRY_WORDS);
  });

  test('touched counts fit their byte', () => {
    expect(TOUCHED_MAX).toBeLessThanOrEqual(0xff);
  });

  test.each([
    [0, 0],
    [1, 1],
    [4, 1],
    [5, 2],
    [0xffff, 0x4000],
  ])('%i bytes take %i words', (bytes, words) => {
    expect(wordsFor(bytes)).toBe(words);
  });
});

describe('regions', () => {
  const sizes = (limits: Parameters<typeof reserveShard>[0]) => {
    const regions = reserveShard(limits);
    return Object.fromEntries(Object.entries(regions).map(([name, region]) => [name, region.byteLength]));
  };

  test('have a slot for each entry that fits', () => {
    expect(sizes({ bytesMax: 1024 * 1024, entriesMax: 100 })).toEqual({
      header: (STRIPES_AT + STRIPES) * 4,
      heads: BUCKETS_MIN * 8,
      slots: 100 * 4,
      touched: 100,
      lastRead: 100 * 8,
      filter: 0,
      tally: TALLY_CELLS * 8,
      arena: 1024 * 1024,
    });
  });

  test('have a bucket for every slot of a shard that only bytes bound', () => {
    const { slots, heads, touched } = sizes({ bytesMax: 2 ** 24, entriesMax: Number.POSITIVE_INFINITY });
    expect(heads).toBe((slots as number) * 2);
    expect(touched).toBe((slots as number) / 4);
  });

  test.each([1, 8, 100, 127, 128, 1001])(
    'of a shard of %i bytes are whole words, and it keeps its limits',
    (bytesMax) => {
      const target = makeShard({ bytesMax });
      for (let i = 0; i < 20; i++) {
        target.set(`${i}`, 'v'.repeat(i));
        target.shard.check();
      }
    },
  );

  test('are reserved up to the largest shard, and cost nothing until they are touched', () => {
    const before = process.memoryUsage().rss;
    const memory = new ShardMemory(reserveShard({ bytesMax: SHARD_BYTES_MAX, entriesMax: 1000 }));
    expect(memory.bytes.length).toBe(SHARD_BYTES_MAX - 8);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
  });

  test('hold as many entries as the smallest blocks allow', () => {
    const target = makeShard({ bytesMax: 32 * 1024 });
    for (let i = 0; i < 2_000; i++) {
      target.set(String.fromCharCode(i & 0xff, i >> 8), '');
    }
    target.shard.check();
    expect(target.size()).toBeGreaterThan(450);
  });
});

describe('linear hashing', () => {
  /** The table as Litwin describes it: buckets split in turn, each entry kept where its hash says. */
  class NaiveTable {
    readonly buckets: number[][] = Array.from({ length: BUCKETS_MIN }, () => []);
    #level = BUCKETS_MIN;
    #next = 0;

    split(): void {
      const moved = this.buckets[this.#next] as number[];
      const at = (hash: number) => (hash >>> 0) % (this.#level * 2);
      this.buckets.push(moved.filter((hash) => at(hash) !== this.#next));
      this.buckets[this.#next] = moved.filter((hash) => at(hash) === this.#next);
      this.#next++;
      if (this.#next === this.#level) {
        this.#level *= 2;
        this.#next = 0;
      }
    }

    add(hash: number): void {
      const low = (hash >>> 0) % this.#level;
      const bucket = low < this.#next ? (hash >>> 0) % (this.#level * 2) : low;
      (this.buckets[bucket] as number[]).push(hash);
    }
  }

  test('bucketOf agrees with the naive table through every split from 1,024 to 4,500 buckets', () => {
    const table = new NaiveTable();
    const hashes = Array.from({ length: 3_000 }, (_, i) => Math.imul(i + SEED, 0x9e37_79b1));
    for (const hash of hashes) {
      table.add(hash);
    }
    while (table.buckets.length < 4_500) {
      table.split();
      if (table.buckets.length % 97 === 0 || (table.buckets.length & (table.buckets.length - 1)) === 0) {
        table.buckets.forEach((bucket, i) => {
          for (const hash of bucket) {
            if (bucketOf(hash, table.buckets.length) !== i) {
              expect.fail(`hash ${hash} is in bucket ${i} of ${table.buckets.length}`);
            }
          }
        });
      }
    }
  });

  test('a bucket is one of the table and of the stripe of its hash, for tables of any size', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: BUCKETS_MIN, max: 2 ** 27 }), (hash, buckets) => {
        const bucket = bucketOf(hash, buckets);
        expect(bucket).toBeGreaterThanOrEqual(0);
        expect(bucket).toBeLessThan(buckets);
        expect(bucket & STRIPE_MASK).toBe(hash & STRIPE_MASK);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  test('a tag is one bit, taken from bits that no bucket index uses', () => {
    fc.assert(
      fc.property(fc.integer(), (hash) => {
        const tag = tagOf(hash);
        expect(tag !== 0 && (tag & (tag - 1)) === 0).toBe(true);
        expect(tagOf(hash ^ 0x07ff_ffff)).toBe(tag);
      }),
      { seed: SEED },
    );
  });
});
