/**
 * Made-up loads, each of one kind, as a policy may meet them: what real traces mix. Seeded, so that figures can be
 * compared; sizes are in terms of the cache that they are played against.
 */
import { ZipfSampler } from '../../src/main/cli/workload.ts';
import { Random } from './random.ts';

/** Entries of the cache that the loads are made for. */
export const LOAD_ENTRIES = 1_000;
const REQUESTS = 200_000;
const SEED = 20_26;

export interface Load {
  readonly ids: Int32Array;
  readonly keys: number;
}

/** By what they are. Distances and lengths are multiples of the cache. */
export const LOADS: Record<string, () => Load> = {
  'twice, within 0.3': () => twice(0.3),
  'twice, within 0.9': () => twice(0.9),
  'stack distances around 0.4': () => stack(0.4),
  'loop of 1.05': () => loop(1.05),
  'loop of 2': () => loop(2),
  'loop of 4': () => loop(4),
  'Zipf 0.7': () => zipf(0.7),
  'Zipf 1': () => zipf(1),
  'Zipf 1, drifting': () => drifting(),
  'Zipf 1 and scans': () => mixed(zipf(1), 3_000, scan(), 1_500),
  'Zipf 1 and twice': () => mixed(zipf(1), 1, twice(0.9), 1),
  'twice and loops in turn': () => mixed(twice(0.9), 50_000, loop(2), 50_000),
};

/** Every key two times: the second within so many others, as in a log that is read back. Recency is all there is. */
function twice(within: number): Load {
  const random = new Random(SEED);
  const due = new Map<number, number[]>();
  const ids: number[] = [];
  for (let key = 0; ids.length < REQUESTS; key++) {
    ids.push(...(due.get(key) ?? []), key);
    due.delete(key);
    // Of three requests two bring no new key, so that distances in keys are two thirds of those in requests.
    const at = key + 1 + random.below(Math.max(1, Math.floor((within * LOAD_ENTRIES * 2) / 3)));
    due.set(at, [...(due.get(at) ?? []), key]);
  }
  return load(ids);
}

/** A new key, or one of those used lately: the deeper in the order of last use, the rarer. */
function stack(mean: number): Load {
  const random = new Random(SEED);
  const order: number[] = [];
  const ids: number[] = [];
  for (let key = 0; ids.length < REQUESTS; ) {
    const depth = Math.floor(-Math.log(1 - random.below(1e6) / 1e6) * mean * LOAD_ENTRIES);
    const isNew = random.below(10) < 3 || depth >= order.length;
    const [used] = isNew ? [key++] : order.splice(order.length - 1 - depth, 1);
    order.push(used as number);
    ids.push(used as number);
    if (order.length > LOAD_ENTRIES * 5) {
      order.splice(0, LOAD_ENTRIES);
    }
  }
  return load(ids);
}

function loop(length: number): Load {
  const keys = Math.floor(length * LOAD_ENTRIES);
  return load(Array.from({ length: REQUESTS }, (_, i) => i % keys));
}

function scan(): Load {
  return load(Array.from({ length: REQUESTS }, (_, i) => i));
}

/** Twenty cachefuls of keys, some of them wanted often. */
function zipf(exponent: number): Load {
  const next = zipfDraws(exponent);
  return load(Array.from({ length: REQUESTS }, next));
}

/** The same, but who is wanted often changes: by one rank in 200 requests. */
function drifting(): Load {
  const next = zipfDraws(1);
  const keys = LOAD_ENTRIES * 20;
  return load(Array.from({ length: REQUESTS }, (_, i) => (next() * 7_919 + Math.floor(i / 200)) % keys));
}

function zipfDraws(exponent: number): () => number {
  const random = new Random(SEED);
  return zipfSampler(LOAD_ENTRIES * 20, exponent, () => random.below(1e9) / 1e9);
}

/** Draws keys from 0 on, the lower the more often: in proportion to 1 / (key + 1)^exponent. `fraction` draws from [0, 1). */
export function zipfSampler(keys: number, exponent: number, fraction: () => number): () => number {
  const sampler = new ZipfSampler({ keys, exponent }, fraction);
  return () => sampler.next() - 1;
}

/** So many requests of one load, then so many of the other, and again. They share no keys. */
function mixed(one: Load, ofOne: number, other: Load, ofOther: number): Load {
  const ids: number[] = [];
  for (let at = 0, otherAt = 0; ids.length < REQUESTS; at += ofOne, otherAt += ofOther) {
    ids.push(...one.ids.subarray(at, at + ofOne));
    ids.push(...other.ids.subarray(otherAt, otherAt + ofOther).map((id) => id + one.keys));
  }
  return load(ids.slice(0, REQUESTS));
}

function load(ids: readonly number[]): Load {
  return { ids: Int32Array.from(ids), keys: ids.reduce((most, id) => Math.max(most, id + 1), 0) };
}
