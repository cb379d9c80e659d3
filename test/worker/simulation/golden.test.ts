import { describe, expect, test } from 'vitest';
import type { PolicyFactory, PolicyOptions } from '../../../src/protocol/policy.ts';
import type { PolicyName } from '../../../src/protocol/spec.ts';
import { policies } from '../../../src/worker/eviction/index.ts';
import { Simulator } from '../../../src/worker/simulation/simulator.ts';
import { differenceMax, GOLDEN } from '../../support/golden.ts';
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
/** Policies by their names in golden_bytes.csv. */
const BY_BYTES: Record<string, { name: PolicyName; policyOptions: PolicyOptions }> = {
  LRU: { name: 'lru', policyOptions: {} },
  FIFO: { name: 'fifo', policyOptions: {} },
  Clock: { name: 'clock', policyOptions: {} },
  Sieve: { name: 'sieve', policyOptions: {} },
  S3FIFO: { name: 's3-fifo', policyOptions: { smallShare: 0.1 } },
};
const ROUNDING = 1e-6;
/** The table has four decimals of byte hit ratios. */
const BYTES_ROUNDING = 1e-4;
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
      expect(Math.abs(ours - hitRatio), `${trace} at ${entries} entries`).toBeLessThanOrEqual(ROUNDING);
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
        ROUNDING,
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
      expect(Math.abs(hitRatioOf(simulator) - hitRatio)).toBeLessThanOrEqual(ROUNDING);
    }
  });
});

function policyOf(name: PolicyName): PolicyFactory {
  return policies[name] as PolicyFactory;
}

/**
 * The requests that a reference would store. Its S3-FIFO has no room for what is larger than the small queue, and never
 * asks for it again; ours takes what fits the shard, since whoever sets a value expects it to be there.
 */
function storedBy(policy: string, { ids, keys, sizes }: Traffic, bytes: number): Traffic {
  if (policy !== 'S3FIFO' || sizes === undefined) {
    return { ids, keys, ...(sizes === undefined ? {} : { sizes }) };
  }
  const isStored = (i: number) => (sizes[i] as number) <= Math.floor(bytes * 0.1);
  return { ids: ids.filter((_, i) => isStored(i)), keys, sizes: sizes.filter((_, i) => isStored(i)) };
}

function shortCells(reference: string): Cell[] {
  const cells = goldenCells([reference]).filter(({ trace }) => SHORT.includes(trace));
  expect(cells.length).toBeGreaterThan(20);
  return cells;
}

function trafficOf(trace: string): Traffic {
  const { keys: ids, sizes } = requestsOf(trace);
  const keys = ids.reduce((most, id) => Math.max(most, id + 1), 0);
  return { ids, keys, ...(Number.isNaN(sizes[0]) ? {} : { sizes }) };
}
