/** Simulations of whole traces, for tests. */
import type { PolicyFactory, PolicyOptions } from '../../src/protocol/policy.ts';
import { Belady, nextUses } from '../../src/worker/simulation/belady.ts';
import { Simulator, type SimulatorOptions } from '../../src/worker/simulation/simulator.ts';
import type { Random } from './random.ts';

export interface Traffic {
  /** From 0 to `keys` - 1. */
  readonly ids: Int32Array;
  readonly keys: number;
  readonly sizes?: Float64Array;
}

export type Capacity = Pick<SimulatorOptions, 'entriesMax' | 'bytesMax'>;

/** A policy after all requests, checked. */
export function simulated(
  createPolicy: PolicyFactory,
  { ids, keys, sizes }: Traffic,
  capacity: Capacity,
  more: { seed?: number; policyOptions?: PolicyOptions } = {},
): Simulator {
  const simulator = new Simulator({ createPolicy, keys, ...capacity, ...more });
  for (let i = 0; i < ids.length; i++) {
    simulator.request(ids[i] as number, sizes === undefined ? 1 : (sizes[i] as number));
  }
  simulator.check();
  return simulator;
}

/** The optimum after all requests. */
export function optimum({ ids, keys, sizes }: Traffic, capacity: Capacity): Belady {
  const belady = new Belady({ requests: ids.length, sized: sizes !== undefined, ...capacity });
  const next = nextUses(ids, keys);
  for (let i = 0; i < ids.length; i++) {
    belady.request(next[i] as number, sizes === undefined ? 1 : (sizes[i] as number));
  }
  return belady;
}

export function hitRatioOf({ hits, requests }: { hits: number; requests: number }): number {
  return hits / requests;
}

/** Requests as caches see them: some keys are wanted often, some stretches are scans, some are loops. */
export function someTraffic(random: Random, requests: number): Traffic {
  const keys = random.logUniform(1, 2_000);
  const ids = new Int32Array(requests);
  for (let i = 0; i < requests; ) {
    const stretch = Math.min(requests - i, random.logUniform(1, 1_000));
    const kind = random.below(3);
    const start = random.below(keys);
    const length = random.logUniform(1, keys);
    for (let j = 0; j < stretch; j++, i++) {
      ids[i] =
        kind === 0 ? random.logUniform(1, keys) - 1 : kind === 1 ? (start + j) % keys : (start + (j % length)) % keys;
    }
  }
  return { ids, keys };
}
