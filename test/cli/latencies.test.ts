import { describe, expect, test } from 'vitest';
import { Latencies } from '../../src/main/cli/latencies.ts';
import { Random, SEED } from '../support/random.ts';

function of(...ms: number[]): Latencies {
  const latencies = new Latencies();
  for (const each of ms) latencies.record(each);
  return latencies;
}

describe('latencies', () => {
  test('of nothing are nothing', () => {
    expect(of().percentilesUs()).toEqual({ count: 0, p50: 0, p95: 0, p99: 0, p999: 0, max: 0 });
  });

  test.each([1e-6, 1e-4, 0.000255, 0.000256, 0.0013, 1, 17.3, 2_147, 2_148, 30_000, 86_400_000])(
    'one of %d ms is told within 1 %%',
    (ms) => {
      // A longer one, so that it is not the longest, which is kept as it is.
      const { p50, max } = of(ms, ms * 2).percentilesUs();
      expect(Math.abs(p50 / (ms * 1e3) - 1)).toBeLessThan(0.01);
      expect(max).toBe(ms * 2 * 1e3);
    },
  );

  test('less than nothing, as a clock may say, counts as nothing', () => {
    expect(of(-1, 0).percentilesUs()).toMatchObject({ count: 2, p50: 0, max: 0 });
  });

  test('are told as they lie in the sorted list, within 1 %', () => {
    const random = new Random(SEED);
    const all = Array.from({ length: 20_000 }, () => 0.0005 * Math.exp(random.fraction() * 18));
    const { count, p50, p95, p99, p999, max } = of(...all).percentilesUs();
    const sorted = all.toSorted((a, b) => a - b).map((ms) => ms * 1e3);
    const at = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] as number;
    expect(count).toBe(all.length);
    expect(max).toBe(sorted.at(-1));
    for (const [share, told] of [
      [0.5, p50] as const,
      [0.95, p95] as const,
      [0.99, p99] as const,
      [0.999, p999] as const,
    ]) {
      expect(Math.abs(told / at(share) - 1), `p${share} with SEED=${SEED}`).toBeLessThan(0.01);
    }
  });

  test('of many threads are added up', () => {
    const all = of(0.001, 0.002, 0.003, 5);
    const sum = new Latencies();
    for (const { counts, maxMs } of [of(0.001, 5), of(0.002, 0.003)]) sum.add(counts, maxMs);
    expect(sum.percentilesUs()).toEqual(all.percentilesUs());
  });
});
