/**
 * Which keys a client has written to without having heard back: a get of one of them must queue behind the write, and a
 * getSync, which cannot queue, is answered with it.
 *
 * Frames of a lane are answered in order, so all there is to remember of a key is the last frame with a write to it. Keys
 * share BUCKETS places; a key that shares one with a write in flight only pays for a hop that it did not need.
 */
import type { FrameReader } from '../protocol/frame.ts';
import type { KeyEncoder } from '../protocol/key.ts';
import { isWrite, OP_CLEAR, OP_SET, type StoredValue } from '../protocol/operations.ts';
import { EVER } from './units.ts';

const BUCKETS = 8192;

/** A write that the shard has not acknowledged: what it stores, or that the key will be absent. */
export type OwnWrite = StoredValue | 'absent';

export class OwnWrites {
  /** By bucket, the number of the last frame that writes to one of its keys. Float64: frames are counted for ever. */
  readonly #frames = new Float64Array(BUCKETS);
  #clearFrame = 0;
  #answered = 0;

  note(op: number, key: KeyEncoder, frame: number): void {
    if (op === OP_CLEAR) {
      this.#clearFrame = frame;
    } else if (isWrite(op)) {
      this.#frames[bucketOf(key)] = frame;
    }
  }

  /** All frames up to this one have been answered. */
  settle(frame: number): void {
    this.#answered = frame;
  }

  /** Nothing will be answered any more. */
  end(): void {
    this.#answered = EVER;
  }

  /** Whether a write to the key is in flight. May be mistaken towards yes. */
  mayHold(key: KeyEncoder): boolean {
    return (this.#frames[bucketOf(key)] as number) > this.#answered || this.#clearFrame > this.#answered;
  }
}

/** The last write to the key in frames that are given oldest first, undefined where there is none. */
export function lastWrite(frames: readonly FrameReader[], key: KeyEncoder): OwnWrite | undefined {
  for (let i = frames.length - 1; i >= 0; i--) {
    const last = lastWriteIn(frames[i] as FrameReader, key);
    if (last !== undefined) {
      return last;
    }
  }
  return undefined;
}

function lastWriteIn(frame: FrameReader, key: KeyEncoder): OwnWrite | undefined {
  let last: OwnWrite | undefined;
  for (let i = 0; i < frame.count; i++) {
    frame.next();
    if (frame.op === OP_CLEAR) {
      last = 'absent';
    } else if (isWrite(frame.op) && frame.isAbout(key)) {
      last = frame.op === OP_SET ? { tag: frame.tag, bytes: Buffer.from(frame.value) } : 'absent';
    }
  }
  return last;
}

function bucketOf(key: KeyEncoder): number {
  return (key.hashLow >>> 5) & (BUCKETS - 1);
}
