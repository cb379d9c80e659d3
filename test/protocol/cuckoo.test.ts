import { describe, expect, test } from 'vitest';
import {
  bucketsFor,
  CUCKOO_BITS_MAX,
  CUCKOO_BITS_MIN,
  CUCKOO_HEADER_WORDS,
  CUCKOO_HOMELESS_MAX,
  CUCKOO_LANES,
  CUCKOO_LOAD_CHURNED,
  CUCKOO_LOAD_MAX,
  cuckooHolds,
  cuckooRate,
  cuckooWords,
  fingerprintBits,
  fingerprintOf,
  firstBucket,
  laneAt,
  otherBucket,
  setLane,
} from '../../src/protocol/cuckoo.ts';
import { CuckooTable } from '../../src/protocol/cuckoo-table.ts';
import {
  FILTER_AT,
  FILTER_BLOCKS,
  FILTER_GENERATION,
  FILTER_HEADER_WORDS,
  FILTER_PROBES,
  filterBytes,
} from '../../src/protocol/filter.ts';
import { FilterModel } from '../support/filter-model.ts';
import { Random, seededRandom } from '../support/random.ts';

const BUCKETS = [8, 64, 1_000, 4_096, 12_345_672];

function tableFor(keys: number, bits: number): CuckooTable {
  const buckets = bucketsFor(keys, CUCKOO_LOAD_MAX);
  return new CuckooTable(new Int32Array(cuckooWords(buckets, bits)), 0, buckets, bits);
}

describe('a cuckoo filter', () => {
  test.each([
    [0.1, 7, 7.4],
    [0.01, 10, 10.6],
    [0.001, 13, 13.8],
    [0.0001, 17, 18.1],
    [0.000_001, 23, 24.5],
  ])('for a rate of %f has fingerprints of %i bits, %f bits a key', (rate, bits, bitsPerKey) => {
    expect(fingerprintBits(rate, CUCKOO_LOAD_MAX)).toBe(bits);
    expect(bits / CUCKOO_LOAD_MAX).toBeCloseTo(bitsPerKey, 1);
    expect(cuckooRate(CUCKOO_LOAD_MAX, bits)).toBeLessThanOrEqual(rate);
    expect(cuckooWords(bucketsFor(1e6, CUCKOO_LOAD_MAX), bits) * 32).toBeLessThan(1e6 * (bitsPerKey + 0.1) + 2_000);
  });

  test('has fingerprints of a length that fits the lanes, whatever the rate', () => {
    for (const rate of [0.999_999, 0.5, 1e-9, 1e-300]) {
      const bits = fingerprintBits(rate, CUCKOO_LOAD_CHURNED);
      expect(bits).toBeGreaterThanOrEqual(CUCKOO_BITS_MIN);
      expect(bits).toBeLessThanOrEqual(CUCKOO_BITS_MAX);
    }
  });

  test('either bucket of a fingerprint leads to the other, and none outside', () => {
    const random = seededRandom('buckets');
    for (const buckets of BUCKETS) {
      for (let i = 0; i < 20_000; i++) {
        const bits = CUCKOO_BITS_MIN + random.below(CUCKOO_BITS_MAX - CUCKOO_BITS_MIN + 1);
        const [low, high] = [random.word() | 0, random.word() | 0];
        const fingerprint = fingerprintOf(bits, low, high);
        const first = firstBucket(buckets, low);
        const second = otherBucket(buckets, first, fingerprint);
        const isWell =
          fingerprint >= 1 && fingerprint < 2 ** bits && first < buckets && second >= 0 && second < buckets;
        if (!isWell || otherBucket(buckets, second, fingerprint) !== first) {
          expect.fail(`${buckets} buckets, hash ${low} ${high}: ${fingerprint} in ${first} and ${second}`);
        }
      }
    }
  });

  test('the lanes of a bucket do not touch each other, nor those of its neighbours, at any length', () => {
    const random = seededRandom('lanes');
    for (let bits = CUCKOO_BITS_MIN; bits <= CUCKOO_BITS_MAX; bits++) {
      const buckets = 24;
      const words = new Int32Array(5 + cuckooWords(buckets, bits));
      const expected = new Int32Array(buckets * CUCKOO_LANES);
      for (let i = 0; i < 2_000; i++) {
        const lane = random.below(expected.length);
        expected[lane] = random.oneIn(4) ? 2 ** bits - 1 : random.below(2 ** bits);
        setLane(words, 5, bits, lane >> 2, lane & 3, expected[lane] as number);
      }
      const found = expected.map((_, lane) => laneAt(words, 5, bits, lane >> 2, lane & 3));
      expect(found).toEqual(expected);
      expect(words.subarray(0, 5 + CUCKOO_HEADER_WORDS).every((word) => word === 0)).toBe(true);
    }
  });

  test.each([7, 10, 13])('of %i bits finds a place for every key at its load, and for each in its churn', (bits) => {
    const random = seededRandom('places');
    const keys = 50_000;
    const table = tableFor(keys, bits);
    const hashes = Int32Array.from({ length: keys * 2 }, () => random.word() | 0);
    let homeless = 0;
    const add = (key: number) => {
      table.aim(hashes[2 * key] as number, hashes[2 * key + 1] as number);
      homeless += table.place() || table.kick() ? 0 : 1;
    };
    for (let key = 0; key < keys; key++) {
      add(key);
    }
    for (let i = 0; i < 2 * keys; i++) {
      const key = random.below(keys);
      table.aim(hashes[2 * key] as number, hashes[2 * key + 1] as number);
      expect(table.take()).toBe(true);
      [hashes[2 * key], hashes[2 * key + 1]] = [random.word() | 0, random.word() | 0];
      add(key);
    }
    expect(homeless).toBe(0);
    let lost = 0;
    for (let key = 0; key < keys; key++) {
      lost += cuckooHolds(table.words, 0, table.buckets, bits, hashes[2 * key] as number, hashes[2 * key + 1] as number)
        ? 0
        : 1;
    }
    expect(lost).toBe(0);
    expect([...table.likenesses()].length).toBe(keys);
  });

  test('a likeness leads to the same fingerprint and buckets', () => {
    const random = seededRandom('likeness');
    const table = tableFor(10_000, 23);
    for (let i = 0; i < 1_000; i++) {
      table.aim(random.word() | 0, random.word() | 0);
      const { likeness, fingerprint } = table;
      expect(table.place()).toBe(true);
      table.aimAtLike(likeness);
      expect([table.likeness, table.fingerprint, table.copies()]).toEqual([likeness, fingerprint, 1]);
      expect(table.take()).toBe(true);
      expect(table.copies()).toBe(0);
    }
  });

  test('what was written is gone after a clear, and a page that was not is not touched', () => {
    const table = tableFor(100_000, 10);
    const last = table.words.length - 1;
    // Nobody wrote this through the table: a clear that went over all words would take it away.
    table.words[last] = 7;
    table.aim(0, 1);
    table.place();
    table.clear();
    expect(table.words[last]).toBe(7);
    table.erase();
    expect(table.words.every((word) => word === 0)).toBe(true);
    const random = seededRandom('clear');
    for (let i = 0; i < 90_000; i++) {
      table.aim(random.word() | 0, random.word() | 0);
      if (!table.place()) table.kick();
    }
    table.clear();
    expect(table.words.every((word) => word === 0)).toBe(true);
  });
});

describe('a reader of a cuckoo filter', () => {
  const model = (slots = 1_000, rate = 0.01) => new FilterModel('cuckoo', slots, rate, seededRandom('cuckoo'));
  const generation = ({ words }: FilterModel) => words[FILTER_GENERATION] as number;

  test('is told of nothing while keys find free lanes and are the only ones of their likeness', () => {
    // The same keys in every run: of other hundreds, one in thirty or so has two that are alike.
    const target = new FilterModel('cuckoo', 1_000, 0.01, new Random(1));
    const before = generation(target);
    const slots = Array.from({ length: 100 }, () => target.insert());
    for (const slot of slots) {
      target.remove(slot);
    }
    expect(generation(target)).toBe(before);
  });

  test('is told when one of two copies goes: the other may have been behind it', () => {
    const target = model();
    const slot = target.insert(7, 7);
    const copy = target.insert(7, 7);
    const before = generation(target);
    target.remove(slot);
    expect(generation(target)).not.toBe(before);
    expect(target.isRuledOut(copy)).toBe(false);
    const after = generation(target);
    target.remove(copy);
    expect(generation(target)).toBe(after);
    expect(target.isRuledOut(copy)).toBe(true);
  });

  test('is told when others are moved', () => {
    const target = model(4_000);
    let told = 0;
    while (!target.isFull) {
      const before = generation(target);
      target.insert();
      told += generation(target) === before ? 0 : 1;
    }
    expect(told).toBeGreaterThan(100);
    expect(generation(target) & 1).toBe(0);
    target.filter.check();
  });

  test('rules nothing out while more are homeless than can be listed, and everything else again afterwards', () => {
    const target = model();
    const others = Array.from({ length: 300 }, () => target.insert());
    // Others may stand in their eight places: however many, there are no more homeless than can be listed.
    const alike = Array.from({ length: CUCKOO_HOMELESS_MAX }, () => target.insert(5, 5));
    target.filter.check();
    expect(target.falsePositives(10_000)).toBeLessThan(0.02);
    const surplus = Array.from({ length: 30 }, () => target.insert(5, 5));
    const others2 = Array.from({ length: 30 }, () => target.insert(6, 6));
    target.filter.check();
    expect(target.falsePositives(1_000)).toBe(1);
    expect(target.filter.counts().falsePositiveRate).toBe(1);
    for (const slot of [...surplus, ...others2, ...alike]) {
      expect(target.lost()).toBe(0);
      target.remove(slot);
      target.filter.check();
    }
    expect(target.lost()).toBe(0);
    expect(target.falsePositives(10_000)).toBeLessThan(0.02);
    expect(target.isRuledOut(alike[0] as number)).toBe(true);
    for (const slot of others) {
      target.remove(slot);
    }
    expect(target.falsePositives(1_000)).toBe(0);
  });

  test('a clear takes the homeless with it', () => {
    const target = model();
    for (let i = 0; i < 100; i++) {
      target.insert(5, 5);
    }
    target.clear();
    target.filter.check();
    expect(target.falsePositives(1_000)).toBe(0);
    expect(target.reader.rulesOut(5, 5)).toBe(true);
  });

  test('a new owner takes over what had no place', () => {
    const target = model();
    for (let i = 0; i < 100; i++) {
      target.insert(5, 5);
    }
    target.adopt();
    target.filter.check();
    expect(target.lost()).toBe(0);
  });

  test('the removal of what was never added takes nothing from others', () => {
    const target = model();
    const slot = target.insert(7, 7);
    target.filter.removed(8, 8);
    expect(target.isRuledOut(slot)).toBe(false);
  });

  test.each([
    ['a table that begins in the header', FILTER_AT, () => FILTER_HEADER_WORDS - 1],
    ['a table that ends behind the region', FILTER_AT, (words: Int32Array) => words.length - 10],
    ['more buckets than there are', FILTER_BLOCKS, () => 0x7fff_ffff],
    ['no buckets', FILTER_BLOCKS, () => 0],
    ['fingerprints that are too long', FILTER_PROBES, () => 0x7fff],
    ['fingerprints without bits', FILTER_PROBES, () => 0],
  ])('rules nothing out by %s', (_what, word, value) => {
    const target = model();
    target.words[word] = value(target.words);
    target.words[FILTER_GENERATION] = generation(target) + 2;
    expect(target.falsePositives(1_000)).toBe(1);
  });

  test('a region has room for all slots, in words that an int32 can count', () => {
    for (const slots of [2, 3, 100_000, 76_000_000]) {
      for (const falsePositiveRate of [0.9, 0.01, 1e-9]) {
        const words = filterBytes({ type: 'cuckoo', falsePositiveRate }, slots) / 4;
        const bits = fingerprintBits(falsePositiveRate, CUCKOO_LOAD_CHURNED);
        expect((words - FILTER_HEADER_WORDS - CUCKOO_HEADER_WORDS) * 32 * CUCKOO_LOAD_CHURNED).toBeGreaterThanOrEqual(
          slots * bits,
        );
        expect(words).toBeLessThan(2 ** 29);
      }
    }
  });
});
