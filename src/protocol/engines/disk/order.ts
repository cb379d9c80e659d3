/**
 * Which entry of a disk engine goes first. Entries are numbers of the index, linked in flat arrays that double: nine to
 * fourteen bytes an entry, nothing for the garbage collector.
 *
 *     links    [ end of list 0 | ... | end of list 15 | entry 0 | entry 1 | ... ]       each [ older | newer ]
 *
 * - `lrs`: one list, in the order in which they were stored; a read changes nothing.
 * - `lru`: one list, in the order of use.
 * - `lfu`: a list for each level of use. An entry rises from level n to n + 1 with a chance of 1 in 2^n (Morris, "Counting large
 *   numbers of events in small registers", 1978), so level 15 means some 32,000 uses. After ten uses for each entry every
 *   list is joined to the one below: old fame fades. Of the lowest level goes who was used least recently.
 *
 * Uses are kept in memory only: after the store is opened again, entries stand in the order in which they were stored, all
 * at the lowest level.
 */
import { NONE } from '../log/places.ts';

export const EVICTIONS = ['lrs', 'lru', 'lfu', 'none'] as const;
export type DiskEviction = (typeof EVICTIONS)[number];

const LEVELS = 16;
const NEWER = 1;
const ENTRIES_BEFORE_GROWTH = 1_024;
const USES_PER_ENTRY = 10;
/** A few entries do not fade within moments. */
const FADE_USES_MIN = 1_000;

export class DiskOrder {
  readonly #eviction: DiskEviction;
  #links = new Int32Array(2 * (LEVELS + ENTRIES_BEFORE_GROWTH));
  /** Of each entry, as of the fade of that number. */
  #levels = new Uint8Array(ENTRIES_BEFORE_GROWTH);
  #fadeOf = new Uint32Array(ENTRIES_BEFORE_GROWTH);
  #fades = 0;
  #uses = 0;
  #size = 0;
  #state = 0x9e37_79b9;

  constructor(eviction: DiskEviction) {
    this.#eviction = eviction;
    this.clear();
  }

  /** The entry that goes first, NONE when none does. */
  get victim(): number {
    if (this.#eviction === 'none') {
      return NONE;
    }
    for (let level = 0; level < LEVELS; level++) {
      const at = this.#links[2 * level + NEWER] as number;
      if (at !== level) {
        return at - LEVELS;
      }
    }
    return NONE;
  }

  /** A new entry. */
  add(entry: number): void {
    this.#fit(entry);
    this.#levels[entry] = 0;
    this.#fadeOf[entry] = this.#fades;
    this.#insert(entry + LEVELS, 0);
    this.#size++;
  }

  /** An entry was replaced. */
  stored(entry: number): void {
    if (this.#eviction === 'lrs') {
      this.#unlink(entry + LEVELS);
      this.#insert(entry + LEVELS, 0);
    } else {
      this.used(entry);
    }
  }

  used(entry: number): void {
    if (this.#eviction === 'lru' || this.#eviction === 'none') {
      this.#unlink(entry + LEVELS);
      this.#insert(entry + LEVELS, 0);
    } else if (this.#eviction === 'lfu') {
      const level = this.#levelOf(entry);
      const rises = level < LEVELS - 1 && this.#chance() >>> (32 - LEVELS) < 2 ** (LEVELS - level);
      this.#unlink(entry + LEVELS);
      this.#levels[entry] = rises ? level + 1 : level;
      this.#fadeOf[entry] = this.#fades;
      this.#insert(entry + LEVELS, rises ? level + 1 : level);
      if (++this.#uses >= Math.max(FADE_USES_MIN, USES_PER_ENTRY * this.#size)) {
        this.#fade();
      }
    }
  }

  remove(entry: number): void {
    this.#unlink(entry + LEVELS);
    this.#size--;
  }

  clear(): void {
    for (let level = 0; level < LEVELS; level++) this.#empty(level);
    this.#size = 0;
    this.#uses = 0;
  }

  #levelOf(entry: number): number {
    return Math.max(0, (this.#levels[entry] as number) - (this.#fades - (this.#fadeOf[entry] as number)));
  }

  /** Each list is joined to the new end of the one below. */
  #fade(): void {
    this.#uses = 0;
    this.#fades++;
    const links = this.#links;
    for (let level = 1; level < LEVELS; level++) {
      const oldest = links[2 * level + NEWER] as number;
      const newest = links[2 * level] as number;
      if (oldest !== level) {
        const below = level - 1;
        const before = links[2 * below] as number;
        links[2 * before + NEWER] = oldest;
        links[2 * oldest] = before;
        links[2 * newest + NEWER] = below;
        links[2 * below] = newest;
        this.#empty(level);
      }
    }
  }

  #empty(level: number): void {
    this.#links[2 * level] = level;
    this.#links[2 * level + NEWER] = level;
  }

  #insert(at: number, level: number): void {
    const links = this.#links;
    const older = links[2 * level] as number;
    links[2 * at] = older;
    links[2 * at + NEWER] = level;
    links[2 * older + NEWER] = at;
    links[2 * level] = at;
  }

  #unlink(at: number): void {
    const links = this.#links;
    const older = links[2 * at] as number;
    const newer = links[2 * at + NEWER] as number;
    links[2 * older + NEWER] = newer;
    links[2 * newer] = older;
  }

  /** Xorshift32 (Marsaglia, 2003). */
  #chance(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return state >>> 0;
  }

  #fit(entry: number): void {
    const entries = this.#levels.length;
    if (entry < entries) {
      return;
    }
    const more = Math.max(entry + 1, entries * 2);
    const links = new Int32Array(2 * (LEVELS + more));
    links.set(this.#links);
    this.#links = links;
    const levels = new Uint8Array(more);
    levels.set(this.#levels);
    this.#levels = levels;
    const fadeOf = new Uint32Array(more);
    fadeOf.set(this.#fadeOf);
    this.#fadeOf = fadeOf;
  }
}
