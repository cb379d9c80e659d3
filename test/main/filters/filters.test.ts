import { describe, expect, test } from 'vitest';
import {
  BinaryFuseFilter,
  BlockedBloomFilter,
  BloomFilter,
  type CacheKey,
  CuckooFilter,
  XorFilter,
} from '../../../src/main/filters/index.ts';
import { type AnyFilter, type FilterClass, keysOf, runFilterClassSuite } from '../../support/filter-class-suite.ts';

const CAPACITY = 20_000;
const COUNTS_ADDS = { test: 'a key may come twice and counts once', reason: 'it cannot tell whether a key was there' };
const FORGETS_NOTHING = {
  test: 'a key that is deleted is gone, and no other',
  reason: 'its bits may be those of others',
};
const FROZEN = 'its table is made from all keys at once';

interface Growing extends AnyFilter {
  add(key: CacheKey): void;
}

const growing =
  (create: (options: { capacity: number; seed?: number }) => Growing): FilterClass['of'] =>
  (keys, options = {}) => {
    const filter = create({ capacity: CAPACITY, ...options });
    for (const key of keys) {
      filter.add(key);
    }
    return filter;
  };

const CLASSES: Omit<FilterClass, 'foreign'>[] = [
  {
    name: 'BloomFilter',
    of: growing((options) => new BloomFilter(options)),
    fromBytes: BloomFilter.fromBytes,
    bitsPerKeyMax: 9.65,
    exceptions: [COUNTS_ADDS, FORGETS_NOTHING],
  },
  {
    name: 'BlockedBloomFilter',
    of: growing((options) => new BlockedBloomFilter(options)),
    fromBytes: BlockedBloomFilter.fromBytes,
    bitsPerKeyMax: 9.95,
    exceptions: [COUNTS_ADDS, FORGETS_NOTHING],
  },
  {
    name: 'CuckooFilter',
    of: growing((options) => new CuckooFilter(options)),
    fromBytes: CuckooFilter.fromBytes,
    bitsPerKeyMax: 10.7,
    exceptions: [COUNTS_ADDS],
  },
  ...[XorFilter, BinaryFuseFilter].map((made) => ({
    name: made === XorFilter ? 'XorFilter' : 'BinaryFuseFilter',
    of: (keys: Iterable<CacheKey>, options?: { readonly seed?: number }) => made.from(keys, options),
    fromBytes: made.fromBytes,
    bitsPerKeyMax: 9.9,
    exceptions: [
      { test: 'a key that is added is there', reason: FROZEN },
      { test: 'more keys than it was made for are there, or are refused', reason: FROZEN },
      { test: 'a key that is deleted is gone, and no other', reason: FROZEN },
    ],
  })),
];

for (const subject of CLASSES) {
  const foreign = () => CLASSES.filter((other) => other !== subject).map((other) => other.of(['a']).toBytes());
  describe(subject.name, () => runFilterClassSuite({ ...subject, foreign }));
}

const hostile = (value: unknown) => value as never;

function errorOf(act: () => unknown): Record<string, unknown> {
  try {
    act();
  } catch (error) {
    return error as Record<string, unknown>;
  }
  return expect.fail('no error');
}

describe('options', () => {
  test.each([
    ['capacity', { capacity: 0 }],
    ['capacity', { capacity: 1.5 }],
    ['capacity', { capacity: '100' }],
    ['capacity', { capacity: Number.POSITIVE_INFINITY }],
    ['capacity', { capacity: 2 ** 50 }],
    ['capacity', { capacity: 2 ** 36, falsePositiveRate: 0.5 }],
    ['capacity', {}],
    ['falsePositiveRate', { capacity: 1, falsePositiveRate: 0 }],
    ['falsePositiveRate', { capacity: 1, falsePositiveRate: 1 }],
    ['falsePositiveRate', { capacity: 1, falsePositiveRate: Number.NaN }],
    ['falsePositiveRate', { capacity: 1, falsePositiveRate: '0.1' }],
    ['seed', { capacity: 1, seed: -1 }],
    ['seed', { capacity: 1, seed: 2 ** 32 }],
    ['rate', { capacity: 1, rate: 0.1 }],
    ['options', 100],
    ['options', null],
  ])('of filters that grow: a wrong `%s` is refused: %o', (option, options) => {
    for (const create of [BloomFilter, BlockedBloomFilter, CuckooFilter]) {
      const error = errorOf(() => new create(hostile(options)));
      expect(error).toBeInstanceOf(TypeError);
      expect(error).toMatchObject({ code: 'INVALID_CONFIG', option });
      expect(error['message']).toContain(option);
    }
  });

  test.each([
    ['bits', ['a'], { bits: 12 }],
    ['bits', ['a'], { bits: '8' }],
    ['seed', ['a'], { seed: 0.5 }],
    ['capacity', ['a'], { capacity: 1 }],
    ['options', ['a'], null],
    ['keys', 'abc', {}],
    ['keys', undefined, {}],
    ['keys', { length: 3 }, {}],
  ])('of static filters: a wrong `%s` is refused: %o, %o', (option, keys, options) => {
    for (const made of [XorFilter, BinaryFuseFilter]) {
      const error = errorOf(() => made.from(hostile(keys), hostile(options)));
      expect(error).toBeInstanceOf(TypeError);
      expect(error).toMatchObject({ code: 'INVALID_CONFIG', option });
    }
  });

  test('a static filter is not made with new', () => {
    for (const made of [XorFilter, BinaryFuseFilter]) {
      const error = errorOf(() => Reflect.construct(made, [['a']]));
      expect(error).toMatchObject({ code: 'INVALID_CONFIG' });
      expect(error['message']).toContain(`Expected \`${made.name}.from(keys)\` instead of \`new\``);
    }
  });

  test.each([0.5, 0.1, 0.01, 0.001, 0.000_1])('a rate of %f is kept at capacity', (falsePositiveRate) => {
    const keys = keysOf('key', CAPACITY);
    for (const create of [BloomFilter, BlockedBloomFilter, CuckooFilter]) {
      const filter = new create({ capacity: CAPACITY, falsePositiveRate });
      for (const key of keys) filter.add(key);
      expect(keys.every((key) => filter.has(key))).toBe(true);
      expect(filter.falsePositiveRate).toBeLessThanOrEqual(falsePositiveRate * 1.001);
      const probes = 100_000;
      const passed = keysOf('stranger', probes).filter((key) => filter.has(key)).length / probes;
      expect(passed).toBeLessThan(1.2 * falsePositiveRate + 4 * Math.sqrt(falsePositiveRate / probes));
    }
  });

  test('16 bits let one stranger in 65,536 pass', () => {
    const keys = keysOf('key', CAPACITY);
    for (const made of [XorFilter, BinaryFuseFilter]) {
      const filter = made.from(keys, { bits: 16 });
      expect(keys.every((key) => filter.has(key))).toBe(true);
      expect(filter.falsePositiveRate).toBe(2 ** -16);
      expect(keysOf('stranger', 200_000).filter((key) => filter.has(key)).length).toBeLessThan(18);
      expect(made.fromBytes(filter.toBytes()).toBytes()).toEqual(filter.toBytes());
    }
  });
});

describe('a cuckoo filter', () => {
  test('that a key fills refuses it, keeps the others, and takes it again when there is room', () => {
    const filter = new CuckooFilter({ capacity: 100, seed: 1 });
    filter.add('other');
    let added = 0;
    const fill = () => {
      for (; added < 1_000; added++) filter.add('again');
    };
    expect(errorOf(fill)).toMatchObject({ code: 'CACHE_FULL', key: 'again' });
    expect(added).toBe(8 + 15);
    const bytes = filter.toBytes();
    expect(errorOf(fill)).toMatchObject({ code: 'CACHE_FULL' });
    expect(filter.toBytes()).toEqual(bytes);
    const copy = CuckooFilter.fromBytes(bytes);
    for (; added > 0; added--) {
      expect(copy.has('again')).toBe(true);
      expect(copy.delete('again')).toBe(true);
    }
    expect([copy.has('again'), copy.has('other'), copy.size]).toEqual([false, true, 1]);
  });

  test('that was made for few keys takes as many', () => {
    for (const capacity of [1, 2, 10, 240, 1_000]) {
      const filter = new CuckooFilter({ capacity, falsePositiveRate: 0.5 });
      for (const key of keysOf('key', capacity)) filter.add(key);
      expect(keysOf('key', capacity).every((key) => filter.has(key))).toBe(true);
    }
  });
});

describe('a static filter', () => {
  test.each([XorFilter, BinaryFuseFilter])('of a million keys loses none, in 9.9 bits a key: %o', (made) => {
    const filter = made.from(keysOf('key', 1e6));
    let lost = 0;
    let passed = 0;
    for (let i = 0; i < 1e6; i++) {
      lost += filter.has(`key ${i}`) ? 0 : 1;
      passed += filter.has(`stranger ${i}`) ? 1 : 0;
    }
    expect(lost).toBe(0);
    expect(filter.bitsPerKey).toBeLessThanOrEqual(9.9);
    expect(passed / 1e6).toBeLessThan(0.0045);
  });

  test('takes keys from whatever yields them', () => {
    function* few() {
      yield* keysOf('key', 10);
    }
    for (const keys of [few(), new Set(few()), new Map([...few()].map((key) => [key, 1])).keys()]) {
      expect(BinaryFuseFilter.from(keys).size).toBe(10);
    }
  });

  test('takes keys that ask it while they are read', () => {
    const asked = XorFilter.from(['a', 'b'], { seed: 1 });
    const seen: boolean[] = [];
    const key = {
      get name() {
        seen.push(asked.has('a'), asked.has('b'));
        return 'c';
      },
    };
    expect(XorFilter.from([key, 'd'], { seed: 1 }).toBytes()).toEqual(
      XorFilter.from([{ name: 'c' }, 'd'], { seed: 1 }).toBytes(),
    );
    expect(seen).toContain(true);
    expect(seen).not.toContain(false);
  });
});
