/**
 * What one thread of a load asks for, drawn before the clock starts: drawing a key takes 0.1 us, a third of a get. A thread
 * that makes more calls than were drawn begins again.
 */
import { mulberry32, ZipfSampler } from './workload.ts';

/** Some tens of megabytes of key strings, at most. */
const DRAWN_MAX = 2 ** 20;
/** Of the golden ratio: the threads' seeds lie far apart. */
const SEED_STEP = 0x9e37_79b9;

export interface DrawOptions {
  readonly thread: number;
  /** Of this thread. */
  readonly operations: number;
  readonly keys: number;
  readonly exponent: number;
  readonly readShare: number;
  readonly seed: number;
}

export interface Draws {
  /** By draw: the key to get, or ~key where it is to be set. */
  readonly ids: Int32Array;
  /** The same as text. Built in this order, so they lie in memory as they are asked for. */
  readonly keys: readonly string[];
}

export function drawnFor({ thread, operations, keys, exponent, readShare, seed }: DrawOptions): Draws {
  const random = mulberry32(seed + Math.imul(thread + 1, SEED_STEP));
  const sampler = new ZipfSampler({ keys, exponent }, random);
  const names = new Map<number, string>();
  const count = Math.min(operations, DRAWN_MAX);
  const ids = new Int32Array(count);
  const drawn = new Array<string>(count);
  for (let i = 0; i < count; i++) {
    const id = idOf(sampler.next(), keys);
    const name = names.get(id) ?? keyOf(id);
    names.set(id, name);
    drawn[i] = name;
    ids[i] = random() < readShare ? id : ~id;
  }
  return { ids, keys: drawn };
}

export function keyOf(id: number): string {
  return `load:${id}`;
}

/** Ranks are scattered over the keys: else those that are wanted most would lie together, as they were filled in. */
function idOf(rank: number, keys: number): number {
  return (rank * scatterOf(keys)) % keys;
}

/** A factor that shares no divisor with `keys`, so that each rank has a key of its own. */
function scatterOf(keys: number): number {
  return keys % 611_953 === 0 ? 1 : 611_953;
}
