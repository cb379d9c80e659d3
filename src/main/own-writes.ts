/**
 * Which keys a client has written to without having heard back: a get of one of them must queue behind the write, and a
 * getSync, which cannot queue, is answered with it.
 *
 * Frames of a lane are answered in order, so all there is to remember of a key is where its last write stands: in which
 * frame, as which record. Keys share BUCKETS places. One that shares its place with another's write in flight pays for a
 * hop that it did not need, or for a search through the frames.
 */
import type { FrameReader } from '../protocol/frame.ts';
import type { KeyEncoder } from '../protocol/key.ts';
import { isWide, isWrite, OP_CLEAR, OP_DELETE, OP_POP, OP_SET, type StoredValue } from '../protocol/operations.ts';
import { EVER } from './units.ts';

const BUCKETS = 8192;

/**
 * A write that the shard has not acknowledged: what it stores, or that the key will be absent. Writes that may or may not
 * happen (add, update, increment ...) are none: until the shard has said so, the key reads as before.
 */
export type OwnWrite = OwnValue | 'absent';

export interface OwnValue extends StoredValue {
  /** 0 for ever, else counted from a moment that is no earlier than `sinceMs`. */
  readonly ttlMs: number;
  readonly sinceMs: number;
}

/** A frame that has not been answered, by its number. */
export interface UnansweredFrame {
  readonly id: number;
  readonly frame: FrameReader;
  /** When its first call was made. */
  readonly openedMs: number;
}

export class OwnWrites {
  /** By bucket, the number of the last frame that writes to one of its keys. Float64: frames are counted for ever. */
  readonly #frames = new Float64Array(BUCKETS);
  /** By bucket, the word at which that write stands in its frame. */
  readonly #places = new Int32Array(BUCKETS);
  /** The number of the last frame that may write to any key. */
  #wideFrame = 0;
  #answered = 0;

  /** A call on the key was written at word `place` of a frame. */
  note(op: number, key: KeyEncoder, frame: number, place: number): void {
    if (isWide(op)) {
      this.#wideFrame = frame;
    } else if (isWrite(op)) {
      const bucket = bucketOf(key.hashLow);
      this.#frames[bucket] = frame;
      this.#places[bucket] = place;
    }
  }

  /** In no frame up to this one is there a write that waits for its answer. */
  settle(frame: number): void {
    this.#answered = Math.max(this.#answered, frame);
  }

  /** Nothing will be answered any more. */
  end(): void {
    this.#answered = EVER;
  }

  /** Whether a write to the key is in flight. May be mistaken towards yes. */
  mayHold(hashLow: number): boolean {
    return (this.#frames[bucketOf(hashLow)] as number) > this.#answered || this.#wideFrame > this.#answered;
  }

  /** The last write to the key in the frames without an answer, given oldest first; undefined where there is none. */
  last(key: KeyEncoder, unanswered: readonly UnansweredFrame[]): OwnWrite | undefined {
    const own = this.#find(key, unanswered);
    const isOver = typeof own === 'object' && own.ttlMs > 0 && performance.now() - own.sinceMs >= own.ttlMs;
    // It may have expired, or live for a moment yet: the memory knows.
    return isOver ? undefined : own;
  }

  #find(key: KeyEncoder, unanswered: readonly UnansweredFrame[]): OwnWrite | undefined {
    const bucket = bucketOf(key.hashLow);
    const noted = unanswered.find(({ id }) => id === this.#frames[bucket]);
    if (noted !== undefined && this.#wideFrame <= this.#answered) {
      noted.frame.jump(this.#places[bucket] as number);
      const write = noted.frame.isAbout(key) ? writeOf(noted) : undefined;
      if (write !== undefined) {
        return write;
      }
    }
    for (let i = unanswered.length - 1; i >= 0; i--) {
      const last = lastIn(unanswered[i] as UnansweredFrame, key);
      if (last !== undefined) {
        return last;
      }
    }
    return undefined;
  }
}

function lastIn(unanswered: UnansweredFrame, key: KeyEncoder): OwnWrite | undefined {
  const { frame } = unanswered;
  let last: OwnWrite | undefined;
  frame.rewind();
  for (let i = 0; i < frame.count; i++) {
    frame.next();
    if (frame.op === OP_CLEAR) {
      last = 'absent';
    } else if (frame.isAbout(key)) {
      last = writeOf(unanswered) ?? last;
    }
  }
  return last;
}

/** What the current record makes of its key, whatever the shard holds; undefined where that cannot be said. */
function writeOf({ frame, openedMs }: UnansweredFrame): OwnWrite | undefined {
  if (frame.op === OP_SET) {
    return { tag: frame.tag, bytes: Buffer.from(frame.value), ttlMs: frame.argument, sinceMs: openedMs };
  }
  return frame.op === OP_DELETE || frame.op === OP_POP ? 'absent' : undefined;
}

function bucketOf(hashLow: number): number {
  return (hashLow >>> 5) & (BUCKETS - 1);
}
