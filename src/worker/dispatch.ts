/**
 * A frame in, a reply out.
 *
 * The frame is read twice. The first pass checks every record, so that a damaged frame changes nothing, and touches the
 * bucket of each; the second applies them, LOOKAHEAD_CALLS at a time, after it has touched what their entries will need and the
 * entries that will have to go. Loads made for no other reason do not wait for each other, while those of the calls
 * themselves would: at 1 M entries an overwrite takes 0.6 of the time that it takes when only the first block of each bucket
 * is touched, with as3-fifo as with lru (512 in a frame, 100 bytes, the core alone).
 */
import { FRAME_CALLS_MAX, FrameReader } from '../protocol/frame.ts';
import { bucketOf, HEADER_BUCKETS, type ShardMemory } from '../protocol/memory.ts';
import { Answers, NOBODY } from './answers.ts';
import type { FrameClock } from './frame-clock.ts';
import { LOOKAHEAD_CALLS } from './lookahead.ts';
import type { Shard } from './shard.ts';
import type { Tier } from './tier/tier.ts';
import { TieredAnswers } from './tier/tiered-answers.ts';

export class Dispatch {
  readonly #shard: Shard;
  readonly #memory: ShardMemory;
  readonly #clock: FrameClock;
  readonly #answers: Answers | TieredAnswers;
  readonly #hashes = new Int32Array(FRAME_CALLS_MAX);
  /** Where loads leave what they found, so that no compiler may leave them out. */
  warmed = 0;

  /** `clock` is the one by which the shard tells the time. */
  constructor(shard: Shard, memory: ShardMemory, clock: FrameClock, tier?: Tier) {
    this.#shard = shard;
    this.#memory = memory;
    this.#clock = clock;
    const answers = new Answers(shard, memory);
    this.#answers = tier === undefined ? answers : new TieredAnswers(shard, answers, tier);
  }

  /**
   * Applies the calls of a client's frame. Anything that is not a frame is answered with PROTOCOL_ERROR. A promise only where
   * some of them have to wait for the tier.
   */
  call(frame: unknown, asker = NOBODY): number | Uint8Array | Promise<number | Uint8Array> {
    let reader: FrameReader;
    try {
      reader = this.#open(frame);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return this.#answers.refuse(error.message);
    }
    // What readers did before this frame was sent comes before what it does.
    this.#shard.advisor?.drain();
    this.#shard.beginFrame(reader.count);
    this.#answers.begin(asker);
    try {
      for (let i = 0; i < reader.count; i++) {
        if (i % LOOKAHEAD_CALLS === 0) {
          this.warmed ^= this.#shard.contents.warm(this.#hashes, i, Math.min(reader.count, i + LOOKAHEAD_CALLS));
          this.#clock.hold();
          this.#memory.beat();
        }
        reader.next();
        this.#answers.add(reader);
      }
    } finally {
      this.#clock.release();
    }
    return this.#answers.seal();
  }

  #open(frame: unknown): FrameReader {
    if (!(frame instanceof Uint8Array)) {
      throw new RangeError(`not a frame: ${typeof frame}`);
    }
    if (!(frame.buffer instanceof ArrayBuffer)) {
      throw new RangeError('a frame in shared memory, which could change after it was checked');
    }
    const { heads, header } = this.#memory;
    const buckets = header[HEADER_BUCKETS] as number;
    const reader = new FrameReader(frame);
    if (reader.count > FRAME_CALLS_MAX) {
      throw new RangeError(`${reader.count} records in a frame of at most ${FRAME_CALLS_MAX}`);
    }
    for (let i = 0; i < reader.count; i++) {
      reader.next();
      this.#hashes[i] = reader.hashLow;
      this.warmed ^= heads[bucketOf(reader.hashLow, buckets) << 1] as number;
    }
    reader.rewind();
    return reader;
  }
}
