/**
 * The loops around a get.
 *
 * Fresh keys are built for each request, as a service does; warm ones are strings that are reused, whose hash V8 has
 * kept since the last time, and which are the very strings that the contenders were filled with. Each contender runs a
 * copy of the loop that V8 compiles for it alone: in a loop that all share, no get can be inlined and the cheapest
 * contender loses most.
 */
import type { Asked } from './keys.ts';
import { LOOP_OPERATIONS, type MicroTask } from './micro.ts';

export interface Lookup {
  get(key: string): unknown;
}

/** What a lookup must find; a bench that misses where it should hit measures something else. */
export type Expected = 'hits' | 'misses';

type FreshLoop = (peer: Lookup, ids: Int32Array, from: number, count: number) => number;
type WarmLoop = (peer: Lookup, keys: readonly string[], from: number, count: number) => number;
type AwaitedLoop = (peer: Lookup, ids: Int32Array, from: number, count: number) => Promise<number>;

/** How many keys are asked for must be a multiple of LOOP_OPERATIONS, here and below. */
export function freshLookups(name: string, peer: Lookup, { ids }: Pick<Asked, 'ids'>, expected: Expected): MicroTask {
  const loop = ownCopy<FreshLoop>(freshLoop);
  const cursor = new Cursor(ids.length);
  return { name, loop: () => check(name, expected, loop(peer, ids, cursor.advance(), LOOP_OPERATIONS)) };
}

export function warmLookups(name: string, peer: Lookup, { keys }: Asked, expected: Expected): MicroTask {
  const loop = ownCopy<WarmLoop>(warmLoop);
  const cursor = new Cursor(keys.length);
  return { name, loop: () => check(name, expected, loop(peer, keys, cursor.advance(), LOOP_OPERATIONS)) };
}

/** One get at a time, each awaited, with fresh keys. */
export function awaitedLookups(name: string, peer: Lookup, { ids }: Asked, expected: Expected): MicroTask {
  const loop = ownCopy<AwaitedLoop>(awaitedLoop);
  const cursor = new Cursor(ids.length);
  return { name, loop: async () => check(name, expected, await loop(peer, ids, cursor.advance(), LOOP_OPERATIONS)) };
}

/** What building a fresh key costs, which every figure with fresh keys includes. */
export function keyBuilding(name: string, asked: Asked): MicroTask {
  // Looks at a character, or V8 would not build the string at all.
  return freshLookups(name, { get: (key) => key.charCodeAt(key.length - 1) }, asked, 'hits');
}

// The loops name nothing but their arguments: their copies are compiled outside of this module.

function freshLoop(peer: Lookup, ids: Int32Array, from: number, count: number): number {
  let found = 0;
  for (let i = from; i < from + count; i++) {
    if (peer.get(`user:${ids[i]}`) !== undefined) found++;
  }
  return found;
}

function warmLoop(peer: Lookup, keys: readonly string[], from: number, count: number): number {
  let found = 0;
  for (let i = from; i < from + count; i++) {
    if (peer.get(keys[i] as string) !== undefined) found++;
  }
  return found;
}

async function awaitedLoop(peer: Lookup, ids: Int32Array, from: number, count: number): Promise<number> {
  let found = 0;
  for (let i = from; i < from + count; i++) {
    if ((await peer.get(`user:${ids[i]}`)) !== undefined) found++;
  }
  return found;
}

let copies = 0;

function ownCopy<Loop>(loop: Loop): Loop {
  // The number makes the source unique, so V8 does not give two copies one set of type feedback.
  return new Function(`/* ${copies++} */ return ${loop}`)() as Loop;
}

/** Where in the order a contender is: each starts elsewhere, so none warms the keys of the next. */
class Cursor {
  readonly #loops: number;
  #loop: number;

  constructor(keys: number) {
    this.#loops = keys / LOOP_OPERATIONS;
    this.#loop = Math.floor(this.#loops * ((copies * 0.618) % 1));
  }

  advance(): number {
    this.#loop = (this.#loop + 1) % this.#loops;
    return this.#loop * LOOP_OPERATIONS;
  }
}

function check(name: string, expected: Expected, found: number): void {
  if (found !== (expected === 'hits' ? LOOP_OPERATIONS : 0)) {
    throw new Error(`${name}: ${found} of ${LOOP_OPERATIONS} gets found something where only ${expected} are measured`);
  }
}
