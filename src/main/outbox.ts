/**
 * The frames of a lane that have not left: one that is being written, and those that are full. Frames are numbered in
 * the order in which their shard will answer them.
 */
import { FrameReader, FrameWriter } from '../protocol/frame.ts';
import type { KeyEncoder } from '../protocol/key.ts';
import type { Call, CallValue } from './call.ts';
import { EVER } from './units.ts';

/** A frame with the calls in it. */
export interface Flight {
  readonly id: number;
  readonly frame: Uint8Array;
  readonly calls: readonly Call[];
  readonly deadlineMs: number;
}

export class Outbox {
  readonly #timeoutMs: number;
  readonly #writer = new FrameWriter();
  #calls: Call[] = [];
  #openedMs = 0;
  #openId = 1;
  readonly #sealed: Flight[] = [];

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
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

  /** When the first of the waiting calls is due; Infinity when none waits. */
  get deadlineMs(): number {
    return this.#sealed[0]?.deadlineMs ?? (this.#calls.length > 0 ? this.#openedMs + this.#timeoutMs : EVER);
  }

  add(call: Call, op: number, key: KeyEncoder, { tag, ttlMs, bytes, byteLength }: CallValue): void {
    if (!this.#writer.admits(key.byteLength, byteLength)) {
      this.#seal();
    }
    if (this.#calls.length === 0) {
      this.#openedMs = performance.now();
    }
    this.#writer.add(op, key, tag, ttlMs, bytes, byteLength);
    this.#calls.push(call);
  }

  /** The next frame to leave, undefined when nothing waits. */
  take(): Flight | undefined {
    if (this.#sealed.length === 0 && this.#calls.length > 0) {
      this.#seal();
    }
    return this.#sealed.shift();
  }

  /** Takes out every frame whose deadline has passed. */
  takeExpired(nowMs: number): Flight[] {
    if (this.#calls.length > 0 && this.#openedMs + this.#timeoutMs <= nowMs) {
      this.#seal();
    }
    const first = this.#sealed.findIndex(({ deadlineMs }) => deadlineMs > nowMs);
    return this.#sealed.splice(0, first === -1 ? this.#sealed.length : first);
  }

  /** Makes a waiting record do nothing. False when its frame has left. `index` is its place in frame `id`. */
  withdraw(id: number, index: number): boolean {
    const frame = id === this.#openId ? this.#writer.view : this.#find(id);
    frame?.seek(index);
    frame?.blank();
    return frame !== undefined;
  }

  /** Waiting frames, oldest first. */
  frames(): FrameReader[] {
    const sealed = this.#sealed.map(({ frame }) => new FrameReader(frame));
    return this.#calls.length > 0 ? [...sealed, this.#writer.view] : sealed;
  }

  #find(id: number): FrameReader | undefined {
    const flight = this.#sealed.find((sealed) => sealed.id === id);
    return flight === undefined ? undefined : new FrameReader(flight.frame);
  }

  #seal(): void {
    const deadlineMs = this.#openedMs + this.#timeoutMs;
    this.#sealed.push({ id: this.#openId++, frame: this.#writer.seal(), calls: this.#calls, deadlineMs });
    this.#calls = [];
  }
}
