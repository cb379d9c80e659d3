import { describe, expect, test } from 'vitest';
import { adviceOn } from '../../src/main/cli/advice.ts';
import type { ComparedPolicy, Comparison } from '../../src/main/cli/comparison.ts';
import { given, points, share, size } from '../../src/main/cli/figures.ts';
import { seededRandom } from '../support/random.ts';

const SIZES = [100, 200, 400, 800];

/** Hit ratios by policy, one for each of the sizes; those of other numbers of shards under 'policy/shards'. */
function comparisonOf(ratios: Record<string, readonly number[]>, more: Partial<Comparison> = {}): Comparison {
  const all = more.sizes ?? SIZES;
  const cells = Object.entries(ratios).flatMap(([name, row]) => {
    const [policy = '', shards = '1'] = name.split('/');
    return row.map((hitRatio, i) => ({
      ...{ policy, shards: Number(shards), size: all[i] as number, hitRatio },
      ...{ requests: 1_000, hits: hitRatio * 1_000, misses: 1_000 - hitRatio * 1_000, byteHitRatio: undefined },
      ...{ evictions: 1, expirations: 0, refused: 0, tooLarge: 0, entries: 0, bytes: undefined },
    }));
  });
  const names = Object.keys(ratios).map((name) => name.split('/'));
  const policies = [...new Set(names.map(([name]) => name))].filter((name) => name !== 'belady') as ComparedPolicy[];
  const shards = [...new Set(names.map(([, count = '1']) => Number(count)))];
  const row = Object.values(ratios)[0] as readonly number[];
  const sizes = all.slice(0, row.length);
  return {
    unit: 'entries',
    policies,
    sizes,
    shards,
    requests: 1_000,
    keys: 100_000,
    footprintBytes: 10_000_000,
    ceiling: 0.9,
    cells,
    ...more,
  };
}

const BELADY = { belady: [0.5, 0.6, 0.7, 0.8] };

describe('the policy', () => {
  test('is the one that hits most often on average, and says how much of the gap it closes', () => {
    const comparison = comparisonOf({ lru: [0.1, 0.2, 0.3, 0.4], arc: [0.2, 0.3, 0.4, 0.5], ...BELADY });
    const advice = adviceOn(comparison, undefined);
    expect(advice).toMatchObject({ policy: 'arc', size: 800, hitRatio: 0.5, shards: 1 });
    expect(advice.reasons.slice(0, 2)).toEqual([
      'arc hits most often on average over these sizes, 10 points above lru.',
      'It closes 25 % of the gap between lru and the optimum.',
    ]);
  });

  test('is the default where that is as good as the best', () => {
    const comparison = comparisonOf({ 'as3-fifo': [0.1, 0.2, 0.3, 0.4], arc: [0.104, 0.204, 0.304, 0.404], ...BELADY });
    expect(adviceOn(comparison, undefined)).toMatchObject({ policy: 'as3-fifo' });
    expect(adviceOn(comparison, undefined).reasons[0]).toBe(
      'arc hits most often on average over these sizes, but as3-fifo is only 0.4 points behind, is the default and needs no tuning.',
    );
    const farther = comparisonOf({ 'as3-fifo': [0.1, 0.2, 0.3, 0.4], arc: [0.11, 0.21, 0.31, 0.41], ...BELADY });
    expect(adviceOn(farther, undefined)).toMatchObject({ policy: 'arc' });
  });

  test('is another one as good as the best where that is better at the size', () => {
    const comparison = comparisonOf({ 'as3-fifo': [0.14, 0.24, 0.3, 0.4], arc: [0.12, 0.22, 0.3, 0.43], ...BELADY });
    const advice = adviceOn(comparison, undefined);
    expect(advice).toMatchObject({ policy: 'arc', size: 800 });
    expect(advice.reasons[0]).toMatch(
      /^as3-fifo hits most often .*, but arc is only 0\.25 points behind, and better at this size\.$/,
    );
  });

  test('that is worse at its size than another says so', () => {
    const comparison = comparisonOf({ lru: [0.1, 0.2, 0.3, 0.45], arc: [0.3, 0.36, 0.38, 0.41], ...BELADY });
    expect(adviceOn(comparison, undefined).reasons).toContain('At this size alone lru is 4 points better.');
  });

  test('matters little where all hit the same', () => {
    const row = [0.1, 0.2, 0.3, 0.4];
    const advice = adviceOn(comparisonOf({ lru: row, arc: row, 'as3-fifo': row, ...BELADY }), undefined);
    expect(advice.policy).toBe('as3-fifo');
    expect(advice.reasons[0]).toBe(
      'It hardly matters which policy: all are within 0.1 points of each other on average over these sizes.',
    );
  });

  test('that is the only one needs no reason', () => {
    const advice = adviceOn(comparisonOf({ lru: [0.3], belady: [0.5] }), undefined);
    expect(advice).toMatchObject({ policy: 'lru', size: 100, reasons: [] });
  });

  test('in bytes is not measured by an optimum that is none', () => {
    const ratios = { lru: [0.1, 0.2, 0.3, 0.4], arc: [0.2, 0.3, 0.4, 0.5], ...BELADY };
    expect(adviceOn(comparisonOf(ratios, { unit: 'bytes' }), undefined).reasons.join()).not.toMatch(/optimum/);
  });
});

describe('a reason', () => {
  test('names all that tie, and no lead that nobody has', () => {
    const row = [0.1, 0.2, 0.3, 0.4];
    const worse = [0.05, 0.1, 0.2, 0.3];
    const tied = comparisonOf({ arc: row, 'as3-fifo': row, lru: worse, ...BELADY });
    expect(adviceOn(tied, undefined).reasons[0]).toBe(
      'as3-fifo and arc hit most often on average over these sizes; as3-fifo is the default and needs no tuning.',
    );
    const many = comparisonOf({ arc: row, sieve: row, 's3-fifo': row, clock: row, lru: worse, ...BELADY });
    expect(adviceOn(many, undefined).reasons[0]).toBe('arc and 3 others hit most often on average over these sizes.');
  });

  test('for another policy than the default has to hold at the size of that other one, too', () => {
    const comparison = comparisonOf({
      ...{ 'as3-fifo': [0.5, 0.562, 0.57, 0.5815], arc: [0.5, 0.5669, 0.5768, 0.5867] },
      ...BELADY,
    });
    const advice = adviceOn(comparison, undefined);
    expect(advice).toMatchObject({ policy: 'as3-fifo', size: 800 });
    expect(advice.reasons).toContain('At this size alone arc is 0.52 points better.');
  });

  test('holds, and a target is reached if it can be, whatever the curves', () => {
    const random = seededRandom('curves');
    for (let round = 0; round < 3_000; round++) {
      const ratios: Record<string, number[]> = {};
      for (const policy of ['as3-fifo', 'arc', 'lru', 's3-fifo']) {
        for (const shards of [1, 4]) {
          // In steps, so that there are ties.
          const row = SIZES.map((_, i) => 0.3 + i * 0.01 + random.below(12) / 400);
          ratios[`${policy}/${shards}`] = row;
        }
      }
      const comparison = comparisonOf({ ...ratios, ...BELADY });
      const target = round % 2 === 0 ? undefined : 0.3 + random.below(60) / 1_000;
      const { policy, size, shards, hitRatio, reasons } = adviceOn(comparison, target);
      const told = reasons.join(' ');
      const at = (name: string, count = 1) => ratios[`${name}/${count}`]?.[SIZES.indexOf(size)] as number;
      expect(hitRatio).toBe(at(policy, shards));
      if (target !== undefined && Object.values(ratios).some((row) => row.some((ratio) => ratio >= target))) {
        expect(hitRatio, told).toBeGreaterThanOrEqual(target);
      }
      expect(told).not.toMatch(/\b0 points/);
      const [, best = ''] = /^(\S+) hits? most often .* better at this size/.exec(told) ?? [];
      expect(best === '' || at(policy) > at(best), told).toBe(true);
    }
  });

  test('of a trace whose keys are all different is that nothing can hit', () => {
    const none = [0, 0, 0, 0];
    const comparison = comparisonOf({ lru: none, 'as3-fifo': none, belady: none }, { ceiling: 0, keys: 1_000 });
    const advice = adviceOn(comparison, 0.5);
    expect(advice).toMatchObject({ policy: 'as3-fifo', size: 100, hitRatio: 0 });
    expect(advice.reasons).toEqual(['Nothing can hit: every request is the first of its key.']);
  });
});

describe('the size', () => {
  const sizeOf = (row: number[], target?: number) => adviceOn(comparisonOf({ lru: row, ...BELADY }), target);
  const among = (sizes: number[], row: number[], more: Partial<Comparison> = {}) =>
    adviceOn(comparisonOf({ lru: row, belady: row }, { sizes, ...more }), undefined);

  test('is the first that holds everything, whatever larger ones there are', () => {
    const sizes = [100, 1_000_000, 10 ** 12];
    const comparison = comparisonOf({ lru: [0.1, 0.9, 0.9], belady: [0.1, 0.9, 0.9] }, { sizes });
    const cells = comparison.cells.map((cell) => ({ ...cell, evictions: cell.size < 10 ** 6 ? 1 : 0 }));
    expect(adviceOn({ ...comparison, cells }, undefined)).toMatchObject({
      size: 1_000_000,
      reasons: ['A cache of 1,000,000 entries holds everything there is: 100,000 keys.'],
    });
    expect(among(sizes, [0.1, 0.9, 0.9])).toMatchObject({
      size: 1_000_000,
      reasons: ['At 1,000,000 entries everything that could hit does.'],
    });
    const single = { ...comparison, sizes: [10 ** 12], cells: cells.filter(({ size: each }) => each === 10 ** 12) };
    expect(adviceOn(single, undefined).reasons).toEqual([
      'A cache of 1,000,000,000,000 entries holds everything there is: 100,000 keys.',
    ]);
  });

  test('that is larger than all keys has gained no more doublings than there were', () => {
    // 13 points over the ten doublings up to all keys, not over the thirty-three up to the size.
    const advice = among([100, 10 ** 12], [0.77, 0.899]);
    expect(advice).toMatchObject({ size: 10 ** 12 });
    expect(advice.reasons[0]).toMatch(/is the largest size here, 12\.9 points above 100 entries\.$/);
  });

  test('is told with the gain that there was where sizes are no doubling apart', () => {
    expect(among([1_300, 1_310], [0.5, 0.502]).reasons[0]).toBe(
      '1,310 entries is the largest size here, 0.2 points above 1,300 entries.',
    );
    expect(among([1_300, 1_310], [0.5, 0.50000001])).toMatchObject({
      size: 1_300,
      reasons: ['No larger size here gains anything.'],
    });
    expect(among([100, 100_000], [0.5, 0.54])).toMatchObject({
      size: 100,
      reasons: ['100,000 entries would gain 4 points more.'],
    });
  });

  test('is the knee: no doubling beyond gains a point', () => {
    expect(sizeOf([0.3, 0.4, 0.405, 0.409])).toMatchObject({
      size: 200,
      reasons: ['Beyond 200 entries no doubling gains 1 point.'],
    });
    expect(sizeOf([0.4, 0.4, 0.4, 0.4])).toMatchObject({ size: 100 });
  });

  test('is not taken below a step', () => {
    expect(sizeOf([0, 0, 0.5, 0.5])).toMatchObject({ size: 400 });
  });

  test('is the largest where the curve still rises, with what everything would hit', () => {
    expect(sizeOf([0.1, 0.2, 0.3, 0.4])).toMatchObject({
      size: 800,
      reasons: [
        '800 entries is the largest size here, and the last doubling still gained 10 points.',
        'A cache of everything would hit 90 %.',
      ],
    });
  });

  test('is the smallest that reaches a target', () => {
    expect(sizeOf([0.1, 0.2, 0.3, 0.4], 0.2)).toMatchObject({
      size: 200,
      reasons: ['200 entries is the smallest of these sizes that reaches 20 %.'],
    });
  });

  test('is the smallest at which any policy that is near reaches the target, and the policy one of those', () => {
    const usual = [0.1, 0.2, 0.3, 0.4];
    const early = comparisonOf({ 'as3-fifo': usual, arc: [0.09, 0.208, 0.3, 0.4], ...BELADY });
    expect(adviceOn(early, 0.205)).toMatchObject({ policy: 'arc', size: 200, hitRatio: 0.208 });
    expect(adviceOn(early, 0.205).reasons.slice(0, 1)).toEqual([
      'as3-fifo hits most often on average over these sizes, but arc is only 0.05 points behind, and reaches 20.5 % at this size.',
    ]);
    const late = comparisonOf({ 'as3-fifo': usual, arc: [0.1, 0.2, 0.3, 0.402], ...BELADY });
    expect(adviceOn(late, 0.401)).toMatchObject({ policy: 'arc', size: 800 });
    expect(adviceOn(late, 0.4)).toMatchObject({ policy: 'as3-fifo', size: 800 });
  });

  test('reaches a target that only a policy far behind reaches, and names one that would with less', () => {
    const usual = [0.3, 0.35, 0.38, 0.4];
    const odd = comparisonOf({ 'as3-fifo': usual, lfu: [0, 0, 0, 0.45], ...BELADY });
    expect(adviceOn(odd, 0.44)).toMatchObject({ policy: 'lfu', size: 800, hitRatio: 0.45 });
    expect(adviceOn(odd, 0.44).reasons[0]).toMatch(/but lfu is 24\.5 points behind, and reaches 44 % at this size\.$/);
    const less = adviceOn(comparisonOf({ 'as3-fifo': usual, lfu: [0.36, 0, 0, 0], ...BELADY }), 0.35);
    expect(less).toMatchObject({ policy: 'as3-fifo', size: 200 });
    expect(less.reasons).toContain('lfu does with 100 entries, but is 26.75 points behind on average.');
  });

  test('tells the target as it was given', () => {
    expect(sizeOf([0.1, 0.2, 0.3, 0.5808], 0.5807).reasons[0]).toMatch(/that reaches 58\.07 %\.$/);
    expect(sizeOf([0.1, 0.2, 0.3, 0.5806], 0.5807).reasons[0]).toBe(
      'No size here reaches 58.07 %, whatever the policy.',
    );
    expect([given(0.07), given(0.57), given(1 / 8), given(0.123456)]).toEqual(['7 %', '57 %', '12.5 %', '12.3456 %']);
  });

  test('is the knee where no size reaches the target, and says why none does', () => {
    const tooFew = sizeOf([0.1, 0.4, 0.4, 0.4], 0.6);
    expect(tooFew).toMatchObject({ size: 200 });
    expect(tooFew.reasons[0]).toBe('No size here reaches 60 %, whatever the policy.');
    expect(sizeOf([0.1, 0.4, 0.4, 0.4], 0.95).reasons[0]).toBe(
      'No size here reaches 95 %, and none can: 10 % of all requests are the first of their key.',
    );
  });
});

describe('the number of shards', () => {
  test('is the greatest that costs no hits, and says what the next one costs', () => {
    const comparison = comparisonOf({
      'lru/1': [0.4],
      'lru/2': [0.3995],
      'lru/4': [0.4],
      'lru/8': [0.39],
      belady: [0.5],
    });
    expect(adviceOn(comparison, undefined)).toMatchObject({
      ...{ shards: 4, hitRatio: 0.4 },
      reasons: ['4 shards cost no hits here.', '8 shards would cost 1 point.'],
    });
  });

  test('is told to cost what it may cost, where it does', () => {
    const comparison = comparisonOf({ 'lru/1': [0.4], 'lru/2': [0.3995], belady: [0.5] });
    expect(adviceOn(comparison, undefined).reasons).toEqual(['2 shards cost at most 0.1 points here.']);
  });

  test('never costs the target', () => {
    const comparison = comparisonOf({
      ...{ 'lru/1': [0.3, 0.4], 'lru/2': [0.3, 0.4], 'lru/4': [0.3, 0.3995], belady: [0.5, 0.6] },
    });
    expect(adviceOn(comparison, 0.3999)).toMatchObject({ size: 200, shards: 2, hitRatio: 0.4 });
    expect(adviceOn(comparison, 0.3999).reasons.at(-1)).toBe('4 shards would miss 39.99 %.');
    const only = comparisonOf({ 'lru/1': [0.3, 0.399], 'lru/2': [0.3, 0.4], belady: [0.5, 0.6] });
    expect(adviceOn(only, 0.4)).toMatchObject({ size: 200, shards: 2, hitRatio: 0.4 });
  });

  test('stays where every more costs hits', () => {
    const comparison = comparisonOf({ 'lru/1': [0.4], 'lru/2': [0.38], belady: [0.5] });
    expect(adviceOn(comparison, undefined)).toMatchObject({ shards: 1, reasons: ['2 shards would cost 2 points.'] });
  });
});

test('figures of an advice have as few digits as they need', () => {
  expect([points(0.0052), points(0.01), points(0.1)]).toEqual(['0.52 points', '1 point', '10 points']);
  expect([share(0.8), share(1 / 3)]).toEqual(['80 %', '33.3 %']);
  expect([size(67_108_864, 'bytes'), size(1_700_000, 'bytes'), size(18_688, 'entries')]).toEqual([
    ...['64 MiB', '1.6 MiB', '18,688'],
  ]);
});
