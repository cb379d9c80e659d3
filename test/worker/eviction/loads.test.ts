/**
 * What policies promise of loads of one kind each, whatever the traces say: in points of hit ratio, by simulation. All of
 * it is seeded, so nothing is left to chance.
 */
import { describe, expect, test } from 'vitest';
import type { PolicyFactory } from '../../../src/protocol/policy.ts';
import type { PolicyName } from '../../../src/protocol/spec.ts';
import { policies } from '../../../src/worker/eviction/index.ts';
import { LOAD_ENTRIES, LOADS } from '../../support/loads.ts';
import { hitRatioOf, simulated } from '../../support/simulated.ts';

const points = new Map<string, number>();

function hits(policy: PolicyName, load: string): number {
  const name = `${policy} ${load}`;
  if (!points.has(name)) {
    const made = (LOADS[load] as NonNullable<(typeof LOADS)[string]>)();
    const outcome = simulated(policies[policy] as PolicyFactory, made, { entriesMax: LOAD_ENTRIES });
    points.set(name, 100 * hitRatioOf(outcome));
  }
  return points.get(name) as number;
}

describe('the default, as3-fifo', () => {
  test.each(['Zipf 0.7', 'Zipf 1', 'Zipf 1, drifting', 'Zipf 1 and scans'])('is as good as s3-fifo at %s', (load) => {
    expect(hits('as3-fifo', load)).toBeGreaterThan(hits('s3-fifo', load) - 0.2);
  });

  test.each(['twice, within 0.3', 'twice, within 0.9', 'twice and loops in turn'])(
    'is within a point of LRU where recency is all there is: %s',
    (load) => {
      expect(hits('as3-fifo', load)).toBeGreaterThan(hits('lru', load) - 1);
    },
  );

  test('hits in loops in proportion to their length, where LRU hits nothing', () => {
    for (const length of [1.05, 2, 4]) {
      const load = `loop of ${length}`;
      expect(hits('lru', load)).toBe(0);
      expect(hits('as3-fifo', load)).toBeGreaterThan((0.8 * 100) / length);
    }
  });

  test('is far above s3-fifo where popularity and recency are mixed', () => {
    expect(hits('as3-fifo', 'Zipf 1 and twice')).toBeGreaterThan(hits('s3-fifo', 'Zipf 1 and twice') + 10);
  });
});

describe('w-tinylfu', () => {
  test('finds a small window for loops and a large one for recency', () => {
    expect(hits('w-tinylfu', 'loop of 2')).toBeGreaterThan(44);
    expect(hits('w-tinylfu', 'twice, within 0.3')).toBeGreaterThan(hits('lru', 'twice, within 0.3') - 3);
  });
});

describe('arc', () => {
  test('is close to LRU where that is best, and above it where it is not', () => {
    expect(hits('arc', 'twice, within 0.9')).toBeGreaterThan(hits('lru', 'twice, within 0.9') - 1);
    expect(hits('arc', 'Zipf 1')).toBeGreaterThan(hits('lru', 'Zipf 1') + 5);
  });
});
