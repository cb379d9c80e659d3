/** When what is written now will expire. The answer is one object for all writes, good until the next. */
import type { Clock } from '../protocol/clock.ts';
import type { FrameReader } from '../protocol/frame.ts';
import { FLAG_SLIDING } from '../protocol/operations.ts';
import { type Blocks, type Expiry, FOR_EVER } from './blocks.ts';

export class Deadlines {
  readonly #blocks: Blocks;
  readonly #clock: Clock;
  readonly #expiry = { atMs: 0, slideMs: 0, graceMs: 0 };

  constructor(blocks: Blocks, clock: Clock) {
    this.#blocks = blocks;
    this.#clock = clock;
  }

  /** The expiry that a record asks for. */
  askedBy(record: FrameReader): Expiry {
    return this.after(record.argument, (record.flags & FLAG_SLIDING) !== 0);
  }

  /** Of an entry that lives for `ttlMs`, 0 for ever, and may be served for `graceMs` more. */
  after(ttlMs: number, slides: boolean, graceMs = 0): Expiry {
    if (!(ttlMs > 0) || ttlMs === Number.POSITIVE_INFINITY) {
      return FOR_EVER;
    }
    this.#expiry.atMs = this.#clock.now() + ttlMs;
    this.#expiry.slideMs = slides ? ttlMs : 0;
    // An entry that expires dies at some time: the wheel has no place for one that never does.
    this.#expiry.graceMs = graceMs > 0 ? Math.min(graceMs, Number.MAX_SAFE_INTEGER) : 0;
    return this.#expiry;
  }

  /** The expiry that an entry has. */
  again(block: number): Expiry {
    this.#expiry.atMs = this.#blocks.expiresAt(block);
    this.#expiry.slideMs = this.#blocks.slideOf(block);
    this.#expiry.graceMs = this.#blocks.graceOf(block);
    return this.#expiry;
  }
}
