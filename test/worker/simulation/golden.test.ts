import { describe, expect, test } from 'vitest';
import type { PolicyName } from '../../../src/protocol/spec.ts';
import { policies } from '../../../src/worker/eviction/index.ts';
import { Simulator } from '../../../src/worker/simulation/simulator.ts';
import { differenceMax, GOLDEN_NAMES } from '../../support/golden.ts';
import { hitRatioOf, optimum, simulated, type Traffic } from '../../support/simulated.ts';
import {
  goldenByteCells,
  goldenCells,
  goldenTtlCells,
  hasTraces,
  NO_TRACES,
  requestsOf,
} from '../../support/traces.ts';

/** Traces of fewer than 200,000 requests. */
const SHORT = ['web07', 'adaptsize_web', 'corda', 'lirs_gli', 'lirs_multi2', 'lirs_sprite'];
const ROUNDING = 1e-6;
/** The table has four decimals of byte hit ratios. */
const BYTES_ROUNDING = 1e-4;
const SEEDS = [1, 2, 3];

describe.skipIf(!hasTraces())(`a simulation (skipped where ${NO_TRACES})`, () => {
  test.each(SHORT)('agrees with golden.csv on %s, and so does the optimum', (trace) => {
    const traffic = trafficOf(trace);
    const cells = goldenCells([...Object.keys(GOLDEN_NAMES), 'Belady']).filter((cell) => cell.trace === trace);
    expect(cells.length).toBeGreaterThan(0);
    for (const cell of cells) {
      const name = `${cell.policy} at ${cell.entries} entries`;
      const capacity = { entriesMax: cell.entries };
      if (cell.policy === 'Belady') {
        expect(Math.abs(hitRatioOf(optimum(traffic, capacity)) - cell.hitRatio), name).toBeLessThanOrEqual(ROUNDING);
        continue;
      }
      const policy: PolicyName = GOLDEN_NAMES[cell.policy as keyof typeof GOLDEN_NAMES];
      const seeds = policy === 'random' ? SEEDS : [0];
      const sum = seeds.reduce(
        (total, seed) => total + hitRatioOf(simulated(policies[policy], traffic, capacity, { seed })),
        0,
      );
      const difference = Math.abs(sum / seeds.length - cell.hitRatio);
      expect(difference, name).toBeLessThanOrEqual(differenceMax(cell, traffic.ids.length));
    }
  });

  test('agrees with golden_bytes.csv where sizes count', () => {
    const cells = goldenByteCells().filter(({ policy }) => policy.toLowerCase() in policies);
    expect(cells.length).toBeGreaterThanOrEqual(8);
    for (const { trace, policy, bytes, hitRatio, byteHitRatio } of cells) {
      const name = policy.toLowerCase() as PolicyName;
      const outcome = simulated(policies[name], trafficOf(trace), { bytesMax: bytes });
      expect(Math.abs(hitRatioOf(outcome) - hitRatio), `${policy} in ${bytes}`).toBeLessThanOrEqual(ROUNDING);
      const ofBytes = outcome.bytesHit / outcome.bytesRequested;
      expect(Math.abs(ofBytes - byteHitRatio), `${policy} in ${bytes}`).toBeLessThanOrEqual(BYTES_ROUNDING);
    }
  });

  test('agrees with golden_ttl.csv where entries expire and leave when they are asked for', () => {
    const cells = goldenTtlCells().filter(({ expiry, policy }) => expiry === 'lazy' && policy === 'LRU');
    expect(cells.length).toBeGreaterThan(0);
    for (const { trace, requestsPerSecond, entries, hitRatio } of cells) {
      const { keys: ids, ttls } = requestsOf(trace);
      const createPolicy = policies.lru;
      const simulator = new Simulator({ createPolicy, keys: ids.length, entriesMax: entries, expires: true });
      for (let i = 0; i < ids.length; i++) {
        const now = i / requestsPerSecond;
        simulator.request(ids[i] as number, 1, now + (ttls[i] as number), now);
      }
      simulator.check();
      expect(Math.abs(hitRatioOf(simulator) - hitRatio)).toBeLessThanOrEqual(ROUNDING);
    }
  });
});

function trafficOf(trace: string): Traffic {
  const { keys: ids, sizes } = requestsOf(trace);
  const keys = ids.reduce((most, id) => Math.max(most, id + 1), 0);
  return { ids, keys, ...(Number.isNaN(sizes[0]) ? {} : { sizes }) };
}
