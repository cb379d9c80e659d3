import { afterEach, describe, expect, test, vi } from 'vitest';
import { blockedBloom } from '../../src/protocol/blocked-bloom.ts';
import { plainBloom } from '../../src/protocol/bloom.ts';
import { BLOOM_BLOCK_WORDS, blocksFor } from '../../src/protocol/bloom-layout.ts';
import {
  FILTER_AT,
  FILTER_BLOCKS,
  FILTER_GENERATION,
  FILTER_HEADER_WORDS,
  FILTER_KIND,
  type FilterName,
  FilterReader,
  filterBytes,
  generationWords,
} from '../../src/protocol/filter.ts';
import { FilterModel } from '../support/filter-model.ts';
import { seededRandom } from '../support/random.ts';

const LAYOUTS = { blocked: blockedBloom, plain: plainBloom };

describe('the bits of a Bloom filter', () => {
  test.each([
    ['blocked', 0.5, 1.44, 1],
    ['blocked', 0.1, 4.83, 3],
    ['blocked', 0.01, 9.9, 6],
    ['blocked', 0.001, 15.49, 9],
    ['blocked', 0.000_001, 38.51, 16],
    ['plain', 0.5, 1.44, 1],
    ['plain', 0.1, 4.81, 3],
    ['plain', 0.01, 9.59, 7],
    ['plain', 0.001, 14.38, 10],
    ['plain', 0.000_001, 28.76, 20],
  ] as const)('%s, for a rate of %f: %f a key, of which it sets %i', (name, rate, bits, probes) => {
    const layout = LAYOUTS[name];
    const shape = layout.shapeFor(rate);
    expect(512 / shape.load).toBeCloseTo(bits, 2);
    expect(shape.probes).toBe(probes);
    expect(layout.rateAt(shape.load, shape.probes) / rate).toBeCloseTo(1, 3);
  });

  describe.each(['blocked', 'plain'] as const)('%s', (name) => {
    const layout = LAYOUTS[name];

    test.each([1e-300, 1e-9, 1e-6, 0.7, 0.99, 0.999_999])('have a shape for a rate of %f, too', (rate) => {
      const { load, probes } = layout.shapeFor(rate);
      expect(load).toBeGreaterThan(10);
      expect(probes).toBeGreaterThan(0);
      expect(probes).toBeLessThanOrEqual(layout.probesMax);
      expect(layout.rateAt(load, probes)).toBeLessThanOrEqual(Math.max(rate, 1e-6) * 1.000_001);
    });

    test.each([0.3, 0.1, 0.01, 0.001])('let as many strangers pass as computed when full, at %f', (rate) => {
      const random = seededRandom(`full at ${rate}`);
      const keys = 30_000;
      const shape = layout.shapeFor(rate);
      const blocks = blocksFor(keys, shape);
      const words = new Int32Array(blocks * BLOOM_BLOCK_WORDS);
      const hashes = Int32Array.from({ length: keys * 2 }, () => random.word() | 0);
      const has = (low: number, high: number) => layout.hasBits(words, 0, blocks, shape.probes, low, high);
      for (let i = 0; i < keys; i++) {
        layout.setBits(words, 0, blocks, shape.probes, hashes[2 * i] as number, hashes[2 * i + 1] as number);
      }
      let lost = 0;
      for (let i = 0; i < keys; i++) {
        lost += has(hashes[2 * i] as number, hashes[2 * i + 1] as number) ? 0 : 1;
      }
      let passed = 0;
      const probes = 300_000;
      for (let i = 0; i < probes; i++) {
        passed += has(random.word() | 0, random.word() | 0) ? 1 : 0;
      }
      expect(lost).toBe(0);
      expect(passed / probes).toBeGreaterThan(0.65 * rate);
      expect(passed / probes).toBeLessThan(1.35 * rate);
    });

    test('are never outside, whatever the hash', () => {
      const random = seededRandom('blocks');
      let least = Number.POSITIVE_INFINITY;
      let most = 0;
      for (const blocks of [1, 2, 3, 1_000, 12_345_678, 2 ** 24 + 1]) {
        for (let i = 0; i < 100_000; i++) {
          const block = Math.floor((layout.wordOf(12, blocks, random.word() | 0) - 12) / BLOOM_BLOCK_WORDS);
          least = Math.min(least, block);
          most = Math.max(most, block / blocks);
        }
      }
      expect(least).toBe(0);
      expect(most).toBeLessThan(1);
      expect(most).toBeGreaterThan(0.999);
    });
  });
});

test.each(Object.values(LAYOUTS))('a region has room for two generations of twice the slots', (layout) => {
  const type = layout === plainBloom ? 'bloom' : 'blocked-bloom';
  for (const [slots, falsePositiveRate] of [
    [3, 0.01],
    [100_000, 0.01],
    [76_000_000, 0.000_000_1],
  ] as const) {
    const words = filterBytes({ type, falsePositiveRate }, slots) / 4;
    const generation = generationWords(slots, layout, falsePositiveRate);
    expect(words).toBe(FILTER_HEADER_WORDS + 2 * generation);
    expect(generation * 32).toBeGreaterThanOrEqual((2 * slots * 512) / layout.shapeFor(falsePositiveRate).load);
    expect(words).toBeLessThan(2 ** 29);
  }
});

describe('a reader', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  function full(type: FilterName = 'blocked-bloom', slots = 3_000): FilterModel {
    const model = new FilterModel(type, slots, 0.01, seededRandom('reader'));
    while (!model.isFull) {
      model.insert();
    }
    return model;
  }

  test('rules nothing out in a region that no owner has seen', () => {
    const reader = new FilterReader(
      new Int32Array(filterBytes({ type: 'blocked-bloom', falsePositiveRate: 0.01 }, 100) / 4),
    );
    expect(reader.rulesOut(1, 2)).toBe(false);
  });

  test('rules nothing out while the generation is odd, whether it knows the layout or not', () => {
    const model = full();
    expect(model.falsePositives(1_000)).toBeLessThan(0.1);
    (model.words[FILTER_GENERATION] as number)++;
    expect(model.falsePositives(1_000)).toBe(1);
    let ruledOut = 0;
    const stranger = new FilterReader(model.words);
    for (let i = 0; i < 1_000; i++) {
      ruledOut += stranger.rulesOut(i, i) ? 1 : 0;
    }
    expect(ruledOut).toBe(0);
    (model.words[FILTER_GENERATION] as number)++;
    expect(model.falsePositives(1_000)).toBeLessThan(0.1);
  });

  test.each([
    ['a kind it does not know', FILTER_KIND, () => 99],
    ['blocks that begin in the header', FILTER_AT, () => FILTER_HEADER_WORDS - 1],
    ['blocks that end behind the region', FILTER_AT, (words: Int32Array) => words.length - BLOOM_BLOCK_WORDS],
    ['more blocks than there are', FILTER_BLOCKS, () => 0x7fff_ffff],
    ['no blocks', FILTER_BLOCKS, () => 0],
  ])('rules nothing out by %s', (_what, word, value) => {
    const model = full();
    model.words[word] = value(model.words);
    model.words[FILTER_GENERATION] = (model.words[FILTER_GENERATION] as number) + 2;
    expect(model.falsePositives(1_000)).toBe(1);
  });

  /** Does `act` right before or after a look of the reader at the generation word. */
  function atLook(look: number, when: 'before' | 'after', act: () => void): void {
    const load = Atomics.load;
    let looks = 0;
    vi.spyOn(Atomics, 'load').mockImplementation(((words: Int32Array, index: number) => {
      const isNow = ++looks === look;
      if (isNow && when === 'before') {
        act();
      }
      const seen = load(words, index);
      if (isNow && when === 'after') {
        act();
      }
      return seen;
    }) as typeof load);
  }

  function rebuild(model: FilterModel): void {
    const { rebuilds } = model.filter.counts();
    for (let adds = 0; adds < 20_000 && model.filter.counts().rebuilds === rebuilds; adds++) {
      model.churn();
    }
    expect(model.filter.counts().rebuilds).toBe(rebuilds + 1);
  }

  test('does not believe a bit that was missing while the owner switched or cleared', () => {
    for (const act of [rebuild, (model: FilterModel) => model.clear()]) {
      const model = full();
      model.reader.rulesOut(0, 0);
      // Without the second look one of these would be ruled out.
      const strangers = [1, 2, 3, 4, 5].filter((low) => model.reader.rulesOut(low, low));
      const low = strangers[0] ?? expect.fail('no stranger is ruled out');
      atLook(2, 'before', () => act(model));
      expect(model.reader.rulesOut(low, low)).toBe(false);
      vi.restoreAllMocks();
    }
  });

  test('that looks into a generation which is being zeroed does not believe what it sees', () => {
    const model = full();
    const slot = model.anyLive();
    model.reader.rulesOut(0, 0);
    const at = model.words[FILTER_AT] as number;
    const words = (model.words[FILTER_BLOCKS] as number) * BLOOM_BLOCK_WORDS;
    atLook(1, 'after', () => {
      rebuild(model);
      model.words.fill(0, at, at + words);
    });
    expect(model.isRuledOut(slot)).toBe(false);
  });

  test('does not keep a layout that changed while it read it', () => {
    const model = full();
    const reader = new FilterReader(model.words);
    atLook(2, 'before', () => rebuild(model));
    expect(reader.rulesOut(1, 1)).toBe(false);
    vi.restoreAllMocks();
    expect(model.lost()).toBe(0);
  });

  test('follows every switch', () => {
    const model = full();
    for (let round = 0; round < 5; round++) {
      rebuild(model);
      expect(model.lost()).toBe(0);
      expect(model.falsePositives(10_000)).toBeLessThan(0.02);
    }
  });
});
