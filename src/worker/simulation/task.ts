/**
 * What the threads of a pool do for `simulate`: first `inspect` looks at the columns once and writes what the optimum needs
 * to know; then every call plays the whole trace against one policy at one capacity.
 *
 * A cache of several shards is as many simulators with a part of the capacity each, and a key belongs to one of them.
 */
import { describeThrown, thrownText } from '../../protocol/describe.ts';
import type { PolicyFactory } from '../../protocol/policy.ts';
import {
  type CellTask,
  CHUNK_REQUESTS,
  type Counts,
  type Inspection,
  type Played,
  type TraceColumns,
} from '../../protocol/simulation.ts';
import { loadPolicy, PolicyRefusal } from '../custom-policy.ts';
import { policies } from '../eviction/index.ts';
import { Belady, NO_NEXT_USE, nextUses } from './belady.ts';
import { shardOf } from './mix.ts';
import { Simulator } from './simulator.ts';

const NEVER = Number.POSITIVE_INFINITY;

export function inspect(trace: TraceColumns): Inspection {
  const { ids, keys, sizes } = trace;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i] as number;
    if (!(id >= 0 && id < keys)) {
      return { wrong: `request ${i} has id ${id}, and there are ${keys} keys from 0 on` };
    }
  }
  let sizeMin = sizes === undefined ? 1 : NEVER;
  for (let i = 0; sizes !== undefined && i < sizes.length; i++) {
    const size = sizes[i] as number;
    if (!(size >= 0 && size <= Number.MAX_SAFE_INTEGER)) {
      return { wrong: `request ${i} has size ${size}` };
    }
    sizeMin = Math.min(sizeMin, size);
  }
  if (trace.nextUses !== undefined) {
    nextUses(ids, keys, trace.nextUses);
  }
  return { sizeMin };
}

/** The pool's task. */
export default async function playCell(task: CellTask): Promise<Played> {
  const { eviction } = task;
  if (eviction === undefined) {
    return summed(playOptimum(task));
  }
  if ('name' in eviction) {
    return summed(playPolicy(task, policies[eviction.name] as PolicyFactory));
  }
  try {
    return summed(playPolicy(task, await loadPolicy(eviction)));
  } catch (error) {
    // Whatever it threw while it was played is the user's, or says what the user's policy has done.
    const code = error instanceof PolicyRefusal ? error.code : 'POLICY_ERROR';
    const cause = error instanceof PolicyRefusal ? error.cause : error;
    return { is: 'refusal', code, message: describeThrown(error), cause: thrownText(cause) };
  }
}

function summed(players: readonly Counts[]): Counts {
  // Two shards with the same share differ by their keys alone, so sums are all there is to tell.
  return {
    requests: total(players, 'requests'),
    hits: total(players, 'hits'),
    bytesRequested: total(players, 'bytesRequested'),
    bytesHit: total(players, 'bytesHit'),
    evictions: total(players, 'evictions'),
    expirations: total(players, 'expirations'),
    refused: total(players, 'refused'),
    tooLarge: total(players, 'tooLarge'),
    entries: total(players, 'entries'),
    bytes: total(players, 'bytes'),
  };
}

function playPolicy(
  { trace, eviction, shares, sizeMin, seed, requestsPerSecond, chunksPlayed }: CellTask,
  createPolicy: PolicyFactory,
): Simulator[] {
  const { ids, keys, sizes, ttls } = trace;
  const simulators = shares.map(({ entriesMax, bytesMax }, shard) => {
    return new Simulator({
      createPolicy,
      policyOptions: eviction?.options ?? {},
      // As a shard has them: where there is no bound of entries, policies divide bytes.
      entriesMax,
      bytesMax,
      // There are no more keys than requests, whatever was announced, and no slots beyond.
      keys: Math.min(keys, ids.length),
      sizeMin,
      seed: (seed + shard) | 0,
      expires: ttls !== undefined,
    });
  });
  const shards = simulators.length;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i] as number;
    const simulator = simulators[shards === 1 ? 0 : shardOf(id, shards)] as Simulator;
    const size = sizes === undefined ? 1 : (sizes[i] as number);
    if (ttls === undefined) {
      simulator.request(id, size);
    } else {
      const now = i / requestsPerSecond;
      const ttl = ttls[i] as number;
      simulator.request(id, size, Number.isNaN(ttl) ? NEVER : now + ttl, now);
    }
    if ((i + 1) % CHUNK_REQUESTS === 0) {
      Atomics.add(chunksPlayed, 0, 1);
    }
  }
  return simulators;
}

function playOptimum({ trace, shares, chunksPlayed }: CellTask): Belady[] {
  const { ids, sizes } = trace;
  const uses = trace.nextUses as Int32Array;
  const shards = shares.length;
  const { places, counts } = shards === 1 ? { places: undefined, counts: [ids.length] } : placesByShard(ids, shards);
  const optima = shares.map(
    (share, shard) => new Belady({ requests: counts[shard] as number, sized: sizes !== undefined, ...share }),
  );
  for (let i = 0; i < ids.length; i++) {
    const use = uses[i] as number;
    const optimum = optima[shards === 1 ? 0 : shardOf(ids[i] as number, shards)] as Belady;
    const place = use === NO_NEXT_USE || places === undefined ? use : (places[use] as number);
    optimum.request(place, sizes === undefined ? 1 : (sizes[i] as number));
    if ((i + 1) % CHUNK_REQUESTS === 0) {
      Atomics.add(chunksPlayed, 0, 1);
    }
  }
  return optima;
}

/** Of each request the position among those of its shard, and how many a shard has. */
function placesByShard(ids: Int32Array, shards: number): { places: Int32Array; counts: number[] } {
  const places = new Int32Array(ids.length);
  const counts = new Array<number>(shards).fill(0);
  for (let i = 0; i < ids.length; i++) {
    const shard = shardOf(ids[i] as number, shards);
    const count = counts[shard] as number;
    places[i] = count;
    counts[shard] = count + 1;
  }
  return { places, counts };
}

function total(players: readonly Counts[], name: keyof Counts): number {
  return players.reduce((sum, player) => sum + player[name], 0);
}
