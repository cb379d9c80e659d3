import { describe, expect, test } from 'vitest';
import type { PolicyFactory } from '../../../src/protocol/policy.ts';
import type { PolicyName } from '../../../src/protocol/spec.ts';
import { policies } from '../../../src/worker/eviction/index.ts';
import { Simulator } from '../../../src/worker/simulation/simulator.ts';
import { differenceMax, GOLDEN } from '../../support/golden.ts';
import { BY_BYTES, BYTES_ROUNDING, HITS_ROUNDING, storedBy, trafficOf } from '../../support/golden-bytes.ts';
import { hitRatioOf, optimum, simulated, type Traffic } from '../../support/simulated.ts';
import {
  type Cell,
  goldenByteCells,
  goldenCells,
  goldenTtlCells,
  hasTraces,
  NO_TRACES,
  requestsOf,
} from '../../support/traces.ts';

/** Traces of fewer than 200,000 requests. */
const SHORT = ['web07', 'adaptsize_web', 'corda', 'lirs_gli', 'lirs_multi2', 'lirs_sprite'];
/** Policies of whose figures nothing is left to judgement. */
const EXACT = Object.entries(GOLDEN).filter(([, { margins }]) => margins === undefined);
const SEEDS = [1, 2, 3];

const traffics = new Map(hasTraces() ? SHORT.map((trace) => [trace, trafficOf(trace)]) : []);

describe.skipIf(!hasTraces())(`a simulation (skipped where ${NO_TRACES})`, () => {
  test.each(EXACT)('of %s agrees with golden.csv on short traces', (_, golden) => {
    const seeds = golden.name === 'random' ? SEEDS : [0];
    const policyOptions = golden.options ?? {};
    for (const { trace, entries, hitRatio } of shortCells(golden.reference)) {
      const traffic = traffics.get(trace) as Traffic;
      const ratios = seeds.map((seed) =>
        hitRatioOf(simulated(policyOf(golden.name), traffic, { entriesMax: entries }, { seed, policyOptions })),
      );
      const ours = ratios.reduce((sum, ratio) => sum + ratio, 0) / seeds.length;
      expect(Math.abs(ours - hitRatio), `${trace} at ${entries} entries`).toBeLessThanOrEqual(
        differenceMax(golden, entries, traffic.ids.length),
      );
    }
  });

  test('of the optimum agrees with golden.csv on short traces', () => {
    for (const { trace, entries, hitRatio } of shortCells('Belady')) {
      const ours = hitRatioOf(optimum(traffics.get(trace) as Traffic, { entriesMax: entries }));
      expect(Math.abs(ours - hitRatio), `${trace} at ${entries} entries`).toBeLessThanOrEqual(HITS_ROUNDING);
    }
  });

  test('agrees with golden_bytes.csv where sizes count', () => {
    const cells = goldenByteCells();
    expect(cells.length).toBeGreaterThanOrEqual(20);
    for (const { trace, policy, bytes, hitRatio, byteHitRatio } of cells) {
      const { name, policyOptions } = BY_BYTES[policy] as (typeof BY_BYTES)[string];
      const traffic = traffics.get(trace) as Traffic;
      const outcome = simulated(
        policyOf(name),
        storedBy(policy, traffic, bytes),
        { bytesMax: bytes },
        { policyOptions },
      );
      expect(Math.abs(outcome.hits / traffic.ids.length - hitRatio), `${policy} in ${bytes}`).toBeLessThanOrEqual(
        HITS_ROUNDING,
      );
      const ofBytes = outcome.bytesHit / (traffic.sizes as Float64Array).reduce((sum, size) => sum + size, 0);
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
      expect(Math.abs(hitRatioOf(simulator) - hitRatio)).toBeLessThanOrEqual(HITS_ROUNDING);
    }
  });
});

function policyOf(name: PolicyName): PolicyFactory {
  return policies[name] as PolicyFactory;
}

function shortCells(reference: string): Cell[] {
  const cells = goldenCells([reference]).filter(({ trace }) => SHORT.includes(trace));
  expect(cells.length).toBeGreaterThan(20);
  return cells;
}
