/**
 * A doubly linked list of slots in two flat arrays: eight bytes an entry, nothing for the garbage collector.
 * The end sentinel is the index one past the last slot; `newest` and `oldest` are its neighbours.
 */
export class SlotList {
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  readonly #end: number;

  constructor(slots: number) {
    // Shared only so that pages are handed out when touched, as they are for the shard's own memory.
    this.#older = new Int32Array(new SharedArrayBuffer((slots + 1) * 4));
    this.#newer = new Int32Array(new SharedArrayBuffer((slots + 1) * 4));
    this.#end = slots;
    this.clear();
  }

  /** The slot at the old end, -1 when the list is empty. */
  get oldest(): number {
    const slot = this.#newer[this.#end] as number;
    return slot === this.#end ? -1 : slot;
  }

  push(slot: number): void {
    const newest = this.#older[this.#end] as number;
    this.#older[slot] = newest;
    this.#newer[slot] = this.#end;
    this.#newer[newest] = slot;
    this.#older[this.#end] = slot;
  }

  remove(slot: number): void {
    const older = this.#older[slot] as number;
    const newer = this.#newer[slot] as number;
    this.#newer[older] = newer;
    this.#older[newer] = older;
  }

  /** Makes `slot` newest. */
  refresh(slot: number): void {
    if (this.#newer[slot] !== this.#end) {
      this.remove(slot);
      this.push(slot);
    }
  }

  /** Puts `slot` in the place of `previous`. */
  replace(slot: number, previous: number): void {
    const older = this.#older[previous] as number;
    const newer = this.#newer[previous] as number;
    this.#older[slot] = older;
    this.#newer[slot] = newer;
    this.#newer[older] = slot;
    this.#older[newer] = slot;
  }

  clear(): void {
    this.#older[this.#end] = this.#end;
    this.#newer[this.#end] = this.#end;
  }
}
