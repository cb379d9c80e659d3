/**
 * A doubly linked list of slots in one flat array of [ older | newer ] pairs: eight bytes an entry, nothing for the
 * garbage collector. Pairs, because whoever changes one link of an entry needs the other: at 1 M entries an LRU
 * overwrite takes 15 % less time than with a column for each. The pair one past the last slot is the end of the list.
 */
export class SlotList {
  readonly #links: Int32Array;
  /** Index of the end's pair. */
  readonly #end: number;

  constructor(slots: number) {
    // Shared only so that pages are handed out when touched, as they are for the shard's own memory.
    this.#links = new Int32Array(new SharedArrayBuffer((slots + 1) * 8));
    this.#end = slots << 1;
    this.clear();
  }

  /** The slot at the old end, -1 when the list is empty. */
  get oldest(): number {
    const at = this.#links[this.#end + NEWER] as number;
    return at === this.#end ? -1 : at >> 1;
  }

  /** The next newer slot, -1 when this one is the newest. */
  newerThan(slot: number): number {
    const at = this.#links[(slot << 1) + NEWER] as number;
    return at === this.#end ? -1 : at >> 1;
  }

  /** Writes the slots at the old end, oldest first, and says how many. */
  oldestInto(slots: Int32Array): number {
    const links = this.#links;
    let count = 0;
    for (let at = links[this.#end + NEWER] as number; at !== this.#end && count < slots.length; ) {
      slots[count++] = at >> 1;
      at = links[at + NEWER] as number;
    }
    return count;
  }

  push(slot: number): void {
    const links = this.#links;
    const at = slot << 1;
    const newest = links[this.#end] as number;
    links[at] = newest;
    links[at + NEWER] = this.#end;
    links[newest + NEWER] = at;
    links[this.#end] = at;
  }

  remove(slot: number): void {
    const links = this.#links;
    const at = slot << 1;
    const older = links[at] as number;
    const newer = links[at + NEWER] as number;
    links[older + NEWER] = newer;
    links[newer] = older;
  }

  /** Makes `slot` newest. */
  refresh(slot: number): void {
    if (this.#links[(slot << 1) + NEWER] !== this.#end) {
      this.remove(slot);
      this.push(slot);
    }
  }

  /** Puts `slot` in the place of `previous`, which may be the same. */
  replace(slot: number, previous: number): void {
    const links = this.#links;
    const at = slot << 1;
    const older = links[previous << 1] as number;
    const newer = links[(previous << 1) + NEWER] as number;
    links[at] = older;
    links[at + NEWER] = newer;
    links[older + NEWER] = at;
    links[newer] = at;
  }

  clear(): void {
    this.#links[this.#end] = this.#end;
    this.#links[this.#end + NEWER] = this.#end;
  }
}

/** Offset of the newer link in a pair; the older one is first. */
const NEWER = 1;
