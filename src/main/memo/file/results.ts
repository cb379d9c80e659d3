/** Which results are in a memo file, and where: one entry of a Map for each key, and a second for those that expire. */
import { EVER, type FrameView } from './frame.ts';

export class MemoResults {
  /** Where in the file a key's result stands. */
  readonly #places = new Map<string, number>();
  readonly #deadlines = new Map<string, number>();

  clear(): void {
    this.#places.clear();
    this.#deadlines.clear();
  }

  add(key: string, frame: FrameView, offset: number): void {
    this.#places.set(key, offset);
    const { expiresAtMs } = frame;
    if (expiresAtMs !== EVER) {
      this.#deadlines.set(key, expiresAtMs);
    } else if (this.#deadlines.size > 0) {
      this.#deadlines.delete(key);
    }
  }

  remove(key: string): void {
    this.#places.delete(key);
    this.#deadlines.delete(key);
  }

  /** Undefined where there is none, or it has expired. */
  placeOf(key: string): number | undefined {
    const place = this.#places.get(key);
    // No clock is read for what lives for ever.
    if (place === undefined || this.#deadlines.size === 0 || !this.#hasExpired(key, Date.now())) {
      return place;
    }
    this.remove(key);
    return undefined;
  }

  /** Of what has not expired, in the order in which the keys came. */
  get keys(): string[] {
    this.#sweep();
    return Array.from(this.#places.keys());
  }

  /** Of what has not expired. */
  get places(): number[] {
    this.#sweep();
    return Array.from(this.#places.values());
  }

  get size(): number {
    this.#sweep();
    return this.#places.size;
  }

  #sweep(): void {
    const nowMs = Date.now();
    for (const [key, deadline] of this.#deadlines) {
      if (deadline <= nowMs) this.remove(key);
    }
  }

  #hasExpired(key: string, nowMs: number): boolean {
    const deadline = this.#deadlines.get(key);
    return deadline !== undefined && deadline <= nowMs;
  }
}
