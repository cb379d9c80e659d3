import { describe, expect, test } from 'vitest';
import { adviceOn } from '../../src/main/cli/advice.ts';
import type { ComparedPolicy, Comparison } from '../../src/main/cli/comparison.ts';
import { points, share, size } from '../../src/main/cli/figures.ts';

const SIZES = [100, 200, 400, 800];

/** Hit ratios by policy, one for each of the sizes; those of other numbers of shards under 'policy/shards'. */
function comparisonOf(ratios: Record<string, readonly number[]>, more: Partial<Comparison> = {}): Comparison {
  const cells = Object.entries(ratios).flatMap(([name, row]) => {
    const [policy = '', shards = '1'] = name.split('/');
    return row.map((hitRatio, i) => ({
      ...{ policy, shards: Number(shards), size: SIZES[i] as number, hitRatio },
      ...{ requests: 1_000, hits: hitRatio * 1_000, misses: 1_000 - hitRatio * 1_000, byteHitRatio: undefined },
      ...{ evictions: 0, expirations: 0, refused: 0, tooLarge: 0, entries: 0, bytes: undefined },
    }));
  });
  const names = Object.keys(ratios).map((name) => name.split('/'));
  const policies = [...new Set(names.map(([name]) => name))].filter((name) => name !== 'belady') as ComparedPolicy[];
  const shards = [...new Set(names.map(([, count = '1']) => Number(count)))];
  const row = Object.values(ratios)[0] as readonly number[];
  const sizes = SIZES.slice(0, row.length);
  return {
    unit: 'entries',
    policies,
    sizes,
    shards,
    requests: 1_000,
    keys: 100,
    footprintBytes: 1,
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

describe('the size', () => {
  const sizeOf = (row: number[], target?: number) => adviceOn(comparisonOf({ lru: row, ...BELADY }), target);

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
