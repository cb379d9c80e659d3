/**
 * One shard in this thread, without lanes or ports: it is handed frames as a lane makes them. Its keys are `keyOf` of the
 * ids 0 up, or whatever else a bench makes of an id.
 */

import type { CacheKey } from '../../src/protocol/cache-key.ts';
import { monotonic } from '../../src/protocol/clock.ts';
import type { FilterName } from '../../src/protocol/filter.ts';
import { FrameWriter } from '../../src/protocol/frame.ts';
import { KeyEncoder } from '../../src/protocol/key.ts';
import { reserveShard, ShardMemory } from '../../src/protocol/memory.ts';
import { OP_SET } from '../../src/protocol/operations.ts';
import { Dispatch } from '../../src/worker/dispatch.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { FrameClock } from '../../src/worker/frame-clock.ts';
import { Shard } from '../../src/worker/shard.ts';

/** As many calls as leave a lane early, in one frame. */
export const FRAME_CALLS = 512;
export const HASH_SEED = { low: 1, high: 2 };

export interface LoneShardSetup {
  readonly entriesMax: number;
  readonly bytesMax: number;
  readonly eviction: keyof typeof policies;
  readonly value: Uint8Array;
  readonly keyOf: (id: number) => CacheKey;
  /** Default that of a cache. */
  readonly filter?: FilterName | false;
}

const FALSE_POSITIVES = 0.01;

export class LoneShard {
  readonly memory: ShardMemory;
  readonly shard: Shard;
  readonly #dispatch: Dispatch;
  readonly #writer = new FrameWriter();
  readonly #key = new KeyEncoder(HASH_SEED);
  readonly #keyOf: (id: number) => CacheKey;
  readonly #value: Uint8Array;
  #id = 0;

  constructor({ entriesMax, bytesMax, eviction, value, keyOf, filter = 'blocked-bloom' }: LoneShardSetup) {
    const spec = filter && { type: filter, falsePositiveRate: FALSE_POSITIVES };
    const limits = { bytesMax, entriesMax };
    this.memory = new ShardMemory(reserveShard(limits, spec));
    const clock = new FrameClock(monotonic);
    this.shard = new Shard(limits, this.memory, policies[eviction], clock, { filter: spec });
    this.#dispatch = new Dispatch(this.shard, this.memory, clock);
    this.#keyOf = keyOf;
    this.#value = value;
  }

  /** Stores the ids 0 to `entries` - 1, and to the end of the last frame. */
  fill(entries: number): void {
    while (this.#id < entries) {
      this.apply(this.nextFrame());
    }
  }

  /** Sets of the next FRAME_CALLS ids. */
  nextFrame(): Uint8Array {
    for (let i = 0; i < FRAME_CALLS; i++) {
      this.#key.encode(this.#keyOf(this.#id++));
      this.#writer.add(OP_SET, this.#key, 0, 0, this.#value, this.#value.length);
    }
    return this.#writer.seal();
  }

  apply(frame: Uint8Array): void {
    if (this.#dispatch.call(frame) !== FRAME_CALLS) {
      throw new Error(`A frame of ${FRAME_CALLS} sets did not go well`);
    }
  }
}
