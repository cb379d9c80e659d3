/** What every membership filter must do, however it remembers keys. A filter that cannot lists the test and why. */
import { describe, expect, test } from 'vitest';
import { FILTER_GENERATION, type FilterName } from '../../src/protocol/filter.ts';
import { FilterModel, runOperations } from './filter-model.ts';
import { SEED, seededRandom } from './random.ts';

export interface FilterException {
  readonly test: string;
  readonly reason: string;
}

const RATES = [0.1, 0.01, 0.001];
/** Enough for a rate of 0.001 to be measured to a tenth. */
const PROBES = 100_000;
/** Slots that one add may have the source look at. */
const ASKED_MAX = 64;

export function runFilterSuite(type: FilterName, exceptions: readonly FilterException[]): void {
  const names = new Set<string>();
  const fact = (name: string, run: () => void) => {
    names.add(name);
    const exception = exceptions.find((candidate) => candidate.test === name);
    test.skipIf(exception !== undefined)(exception === undefined ? name : `${name} (not: ${exception.reason})`, run);
  };
  const model = (slots: number, rate = 0.01) => new FilterModel(type, slots, rate, seededRandom(`${slots}, ${rate}`));

  fact('an empty filter rules every key out', () => {
    expect(model(1_000).falsePositives(10_000)).toBe(0);
  });

  fact('a key that was added is not ruled out, whatever the high bits that a block does not keep', () => {
    const { filter, reader } = model(1_000);
    for (const low of [0, 1, -1, 0x7fff_ffff, -0x8000_0000]) {
      for (const high of [0, 1, 0x7ff, -1]) {
        filter.add(low, high);
        expect(reader.rulesOut(low, high)).toBe(false);
        expect(reader.rulesOut(low, high & 0x7ff)).toBe(false);
        expect(reader.rulesOut(low, high ^ 0x5555_5800)).toBe(false);
      }
    }
  });

  fact('each of the 43 bits of a hash counts', () => {
    for (let bit = 0; bit < 43; bit++) {
      const { filter, reader } = model(1_000, 0.000_001);
      const low = SEED | 0;
      filter.add(low, 0);
      expect(reader.rulesOut(bit < 32 ? low ^ (1 << bit) : low, bit < 32 ? 0 : 1 << (bit - 32))).toBe(true);
    }
  });

  fact('no live key is ever ruled out, through 200,000 random adds, removals and clears', () => {
    expect(runOperations(model(6_000), seededRandom('filter operations'), 200_000)).toBe(0);
  });

  fact('it is built anew before stale keys fill it, again and again', () => {
    const target = model(6_000);
    for (let i = 0; i < 20 * target.slots; i++) {
      target.churn();
    }
    expect(target.filter.counts().rebuilds).toBeGreaterThan(10);
    expect(target.lost()).toBe(0);
  });

  for (const rate of RATES) {
    fact(`at ${rate} it lets at most 1.5 times as many strangers pass when it holds as many keys as it can`, () => {
      const target = model(5_000, rate);
      const isFull = () => {
        const { keys, capacity } = target.filter.counts();
        return keys >= 0.99 * capacity;
      };
      // It has grown to its full size by then, and has been churned.
      for (let adds = 0; adds < 100_000 && !(adds >= 20_000 && isFull()); adds++) {
        target.churn();
      }
      expect(isFull()).toBe(true);
      expect(target.falsePositives(2 * PROBES)).toBeLessThanOrEqual(1.5 * rate);
    });

    fact(`at ${rate} it lets at most twice as many strangers pass, at every moment of churn`, () => {
      const slots = 4_000;
      const target = model(slots, rate);
      for (let i = 1; i <= 20 * slots; i++) {
        target.churn();
        if (i % 1_500 === 0) {
          const passed = target.falsePositives(PROBES);
          expect(passed).toBeLessThanOrEqual(2 * rate);
          // The rate that it says it has: to a fifth, and to four standard deviations of the count.
          const said = target.filter.counts().falsePositiveRate;
          expect(Math.abs(passed - said)).toBeLessThanOrEqual(said * 0.2 + 4 * Math.sqrt((said + 1e-5) / PROBES));
        }
      }
      expect(target.lost()).toBe(0);
    });
  }

  fact('keys of one stripe and one tag are told apart like any others', () => {
    const random = seededRandom('one stripe');
    const { filter, reader } = model(3_600);
    const word = () => ((random.word() & 0x07ff_fc00) | 0x1800_0155) >>> 0;
    // Fewer than would start a rebuild: the source has none of them.
    for (let i = 0; i < 3_500; i++) {
      filter.add(word(), random.word());
    }
    let passed = 0;
    for (let i = 0; i < 50_000; i++) {
      passed += reader.rulesOut(word(), random.word()) ? 0 : 1;
    }
    expect(passed / 50_000).toBeLessThanOrEqual(0.02);
  });

  fact('after a clear it knows no old key, and every new one', () => {
    for (const slots of [100, 20_000]) {
      const target = model(slots);
      while (!target.isFull) {
        target.insert();
      }
      const old = target.used;
      target.clear();
      target.filter.check();
      expect(target.filter.counts().keys).toBe(0);
      let known = 0;
      for (let slot = 0; slot < old; slot++) {
        known += target.isRuledOut(slot) ? 0 : 1;
      }
      expect(known).toBe(0);
      while (!target.isFull) {
        target.insert();
      }
      target.filter.check();
      expect(target.lost()).toBe(0);
      expect(target.falsePositives(PROBES)).toBeLessThanOrEqual(0.02);
    }
  });

  fact('a clear at any moment of a rebuild leaves nothing of it', () => {
    const target = model(3_000);
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 3_700 + round * 10; i++) {
        target.churn();
      }
      target.clear();
      expect(target.falsePositives(1_000)).toBe(0);
      for (let i = 0; i < 4_200; i++) {
        target.churn();
      }
      target.filter.check();
      expect(target.lost()).toBe(0);
      expect(target.falsePositives(5_000)).toBeLessThanOrEqual(0.015);
      target.clear();
    }
  });

  fact('a rebuild is done in time, a bounded slice with each add', () => {
    for (const slots of [2, 1_000, 5_000, 30_000]) {
      const target = model(slots);
      let askedMost = 0;
      let fullest = 0;
      for (let i = 0; i < 3 * slots + 10_000; i++) {
        const before = target.asked;
        target.churn();
        const asked = target.asked - before;
        askedMost = Math.max(askedMost, asked);
        if (asked > 0 || i % 10 === 0) {
          const { keys, capacity } = target.filter.counts();
          fullest = Math.max(fullest, keys / capacity);
        }
      }
      expect(askedMost).toBeLessThanOrEqual(ASKED_MAX);
      expect(fullest).toBeLessThanOrEqual(1);
      expect(target.lost()).toBe(0);
    }
  });

  fact('nor does an add pay for more when few entries live in many slots', () => {
    const target = model(100_000);
    while (!target.isFull) {
      target.insert();
    }
    while (target.entries > 50) {
      target.remove(target.anyLive());
    }
    const start = target.asked;
    let askedMost = 0;
    for (let i = 0; i < 400_000; i++) {
      const before = target.asked;
      target.insert();
      target.remove(target.anyLive());
      askedMost = Math.max(askedMost, target.asked - before);
    }
    expect(askedMost).toBeLessThanOrEqual(ASKED_MAX);
    expect((target.asked - start) / 400_000).toBeLessThan(3);
    expect(target.lost()).toBe(0);
  });

  fact('a removed key is ruled out again', () => {
    const target = model(1_000, 0.001);
    const slots: number[] = [];
    while (!target.isFull) {
      slots.push(target.insert());
    }
    const gone = slots.splice(0, 500);
    for (const slot of gone) {
      target.remove(slot);
    }
    // But for those that it takes for one of the 499 that stay.
    expect(gone.filter((slot) => !target.isRuledOut(slot)).length).toBeLessThan(8);
    for (const slot of slots) {
      target.remove(slot);
    }
    expect([...gone, ...slots].filter((slot) => !target.isRuledOut(slot))).toEqual([]);
  });

  fact('keys that are one to the filter leave one by one', () => {
    const target = model(1_000);
    const alike = Array.from({ length: 40 }, () => target.insert(7, 7));
    target.filter.check();
    for (const slot of alike) {
      expect(target.isRuledOut(slot)).toBe(false);
      target.remove(slot);
      target.filter.check();
      expect(target.lost()).toBe(0);
    }
  });

  fact('a new owner’s filter has the entries that are there, and readers go on', () => {
    const target = model(9_000);
    let lost = 0;
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 3_000; i++) {
        target.churn();
      }
      if (round % 2 === 1) {
        // It died within a change.
        target.words[FILTER_GENERATION] = (target.words[FILTER_GENERATION] as number) | 1;
        expect(target.falsePositives(10)).toBe(1);
      }
      target.onAsked = () => {
        lost += target.lost();
      };
      target.adopt();
      target.onAsked = undefined;
      target.filter.check();
      expect(lost + target.lost()).toBe(0);
      expect(target.falsePositives(PROBES)).toBeLessThanOrEqual(0.02);
      expect(target.filter.counts().keys).toBe(target.entries);
    }
  });

  describe('its exceptions', () => {
    test('name tests of this suite and say why', () => {
      for (const exception of exceptions) {
        expect(names).toContain(exception.test);
        expect(exception.reason).not.toBe('');
      }
    });
  });
}
