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

/** Of calls to a tier that nobody else writes to. */
const FRESH: Passage = { isOld: false };

export class Freshness {
  readonly #isShared: boolean;
  readonly #passages = new Map<number, Set<Passage>>();
  #isTrusted = true;

  /** `isShared`: whether others write to the tier. */
  constructor(isShared: boolean) {
    this.#isShared = isShared;
  }

  /** Whether others' changes are told. */
  get isTrusted(): boolean {
    return this.#isTrusted;
  }

  begin(id: number): Passage {
    if (!this.#isShared) {
      return FRESH;
    }
    const passage = { isOld: !this.#isTrusted };
    const passages = this.#passages.get(id);
    if (passages === undefined) this.#passages.set(id, new Set([passage]));
    else passages.add(passage);
    return passage;
  }

  end(id: number, passage: Passage): void {
    const passages = this.#passages.get(id);
    passages?.delete(passage);
    if (passages?.size === 0) this.#passages.delete(id);
  }

  /** Others have written to the key of this id. */
  changed(id: number): void {
    for (const passage of this.#passages.get(id) ?? []) passage.isOld = true;
  }

  /** Others may write to any key from now on. */
  distrust(): void {
    this.#isTrusted = false;
    for (const id of this.#passages.keys()) this.changed(id);
  }

  trust(): void {
    this.#isTrusted = true;
  }
}
