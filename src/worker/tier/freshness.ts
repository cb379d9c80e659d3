/**
 * Whether what the tier has answered may go into memory. Several processes write to a tier on a server, and each hears of what
 * the others wrote: what memory has of such a key leaves at once. But what is on its way from the tier may be older than
 * that, so every call on a key under way is marked, and what a marked one brings goes to its caller and not into memory:
 *
 *     read of k under way   ....... old value ......>  answered, not kept
 *     others write k               x  changed(k)
 *
 * The same holds for a call that writes: nobody knows whether the server took this write or the other one first.
 * While nobody tells of changes, nothing is kept at all.
 */

/** A call on a key that has left for the tier. */
export interface Passage {
  isOld: boolean;
}

export class Freshness {
  /** By key: there is one call at a time for each. */
  readonly #passages = new Map<number, Passage>();
  #isTrusted = true;

  begin(id: number): Passage {
    const passage = { isOld: !this.#isTrusted };
    this.#passages.set(id, passage);
    return passage;
  }

  /** Whether a call on the key of this id is under way. */
  isUnderWay(id: number): boolean {
    return this.#passages.has(id);
  }

  end(id: number): void {
    this.#passages.delete(id);
  }

  /** Others have written to the key of this id. */
  changed(id: number): void {
    const passage = this.#passages.get(id);
    if (passage !== undefined) passage.isOld = true;
  }

  /** Others may write to any key from now on. */
  distrust(): void {
    this.#isTrusted = false;
    for (const passage of this.#passages.values()) passage.isOld = true;
  }

  trust(): void {
    this.#isTrusted = true;
  }
}
