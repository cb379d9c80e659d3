/**
 * The frames of a lane that have not left: one that is being written, and those that are full. Frames are numbered in
 * the order in which their shard will answer them.
 */
import { FrameWriter } from '../protocol/frame.ts';
import type { FramePool } from '../protocol/frame-pool.ts';
import type { KeyEncoder } from '../protocol/key.ts';
import type { Call, CallBody } from './call.ts';
import { type Flight, unanswered } from './flight.ts';
import type { UnansweredFrame } from './own-writes.ts';
import { EVER } from './units.ts';

/** The calls of a frame have one deadline, that of the first; so late, as a share of it, another may still join. */
const JOINING_SHARE = 1 / 16;

export class Outbox {
  readonly #timeoutMs: number;
  readonly #writer: FrameWriter;
  #calls: Call[] = [];
  #openedMs = 0;
  #openId = 1;
  readonly #sealed: Flight[] = [];

  /** `pool`: for frames that are not posted as they are. */
  constructor(timeoutMs: number, pool?: FramePool) {
    this.#timeoutMs = timeoutMs;
    this.#writer = new FrameWriter(pool);
  }

  get isEmpty(): boolean {
    return this.#calls.length === 0 && this.#sealed.length === 0;
  }

  /** Calls in the open frame. */
  get openCalls(): number {
    return this.#calls.length;
  }

  /** The number of the open frame. */
  get openId(): number {
    return this.#openId;
  }

  /** The number of the first frame that waits. */
  get firstId(): number {
    return this.#sealed[0]?.id ?? this.#openId;
  }

  /** When the first of the waiting calls is due; Infinity when none waits. */
  get deadlineMs(): number {
    return this.#sealed[0]?.deadlineMs ?? (this.#calls.length > 0 ? this.#openedMs + this.#timeoutMs : EVER);
  }

  /** Before the first call of a turn: an open frame that has waited for long takes no more. */
  beginTurn(): void {
    if (this.#calls.length > 0 && performance.now() - this.#openedMs > this.#timeoutMs * JOINING_SHARE) {
      this.#seal();
    }
  }

  /** Writes a call into the open frame, and says at which word. */
  add(call: Call, op: number, key: KeyEncoder, { tag, argument, flags, bytes, byteLength }: CallBody): number {
    if (!this.#writer.admits(key.byteLength, byteLength)) {
      this.#seal();
    }
    if (this.#calls.length === 0) {
      this.#openedMs = performance.now();
    }
    this.#calls.push(call);
    return this.#writer.add(op, key, tag, argument, bytes, byteLength, flags);
  }

  /** The next frame to leave, undefined when nothing waits. */
  take(): Flight | undefined {
    if (this.#sealed.length === 0 && this.#calls.length > 0) {
      this.#seal();
    }
    return this.#sealed.shift();
  }

  /** Lets a frame that had left wait again, before all others. */
  putBack(flight: Flight): void {
    this.#sealed.unshift(flight);
  }

  /** Takes out every frame whose deadline has passed. */
  takeExpired(nowMs: number): Flight[] {
    if (this.#calls.length > 0 && this.#openedMs + this.#timeoutMs <= nowMs) {
      this.#seal();
    }
    const first = this.#sealed.findIndex(({ deadlineMs }) => deadlineMs > nowMs);
    return this.#sealed.splice(0, first === -1 ? this.#sealed.length : first);
  }

  /** Makes the record at word `place` of frame `id` do nothing. False when the frame has left. */
  withdraw(id: number, place: number): boolean {
    const frame = this.frames().find((waiting) => waiting.id === id)?.frame;
    frame?.jump(place);
    frame?.blank();
    return frame !== undefined;
  }

  /** Waiting frames, oldest first. */
  frames(): UnansweredFrame[] {
    const sealed = this.#sealed.map(unanswered);
    const open = { id: this.#openId, frame: this.#writer.view, openedMs: this.#openedMs };
    return this.#calls.length > 0 ? [...sealed, open] : sealed;
  }

  #seal(): void {
    const deadlineMs = this.#openedMs + this.#timeoutMs;
    const id = this.#openId++;
    const frame = this.#writer.seal();
    this.#sealed.push({ id, frame, calls: this.#calls, openedMs: this.#openedMs, deadlineMs, sentMs: 0 });
    this.#calls = [];
  }
}
