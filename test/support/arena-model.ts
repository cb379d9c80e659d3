/**
 * An arena beside a model of it: which blocks live, how long they are, and a word that every word of theirs holds. The
 * names of blocks are those at birth, since the arena moves them.
 */
import { Arena } from '../../src/worker/arena.ts';
import type { Random } from './random.ts';

/** The first word of a block is the arena's. */
const HEAD_WORDS = 1;

interface LiveBlock {
  readonly name: number;
  readonly words: number;
  readonly fill: number;
  at: number;
}

export class ArenaModel {
  readonly arena: Arena;
  readonly words: Int32Array;
  moves = 0;
  readonly #byName = new Map<number, LiveBlock>();
  readonly #byPlace = new Map<number, LiveBlock>();
  /** Names, for a random choice. */
  readonly #names: number[] = [];
  #born = 0;

  constructor(words: number) {
    this.words = new Int32Array(words);
    this.arena = new Arena(this.words, (from, to, length) => this.#relocate(from, to, length));
  }

  get live(): number {
    return this.#byName.size;
  }

  /** The name of a new block that is filled to its last word, or 0. */
  allocate(words: number): number {
    const length = Math.max(2, Math.floor(words));
    const at = this.arena.allocate(length);
    if (at === 0) {
      return 0;
    }
    if (this.arena.bytesOf(at) < length * 4) {
      throw new Error(`a block of ${this.arena.bytesOf(at)} bytes for ${length} words`);
    }
    this.#born++;
    const name = this.#byName.has(at) ? -this.#born : at;
    const block = { name, words: length, fill: Math.imul(this.#born, 0x9e37_79b1), at };
    this.words.fill(block.fill, at + HEAD_WORDS, at + length);
    this.#byName.set(name, block);
    this.#byPlace.set(at, block);
    this.#names.push(name);
    return name;
  }

  free(name: number): void {
    const block = this.#byName.get(name) as LiveBlock;
    this.checkContents(block);
    this.#byName.delete(name);
    this.#byPlace.delete(block.at);
    this.#names.splice(this.#names.indexOf(name), 1);
    this.arena.free(block.at);
  }

  freeAny(random: Random): void {
    const name = this.#names[random.below(this.#names.length)];
    if (name !== undefined) {
      this.free(name);
    }
  }

  clear(): void {
    this.#byName.clear();
    this.#byPlace.clear();
    this.#names.length = 0;
    this.arena.clear();
  }

  /** Throws when the arena contradicts itself or the model. */
  check(): void {
    this.arena.check();
    let bytes = 0;
    for (const block of this.#byName.values()) {
      this.checkContents(block);
      bytes += this.arena.bytesOf(block.at);
    }
    if (bytes !== this.arena.liveBytes) {
      throw new Error(`${this.arena.liveBytes} bytes live, ${bytes} in the model`);
    }
  }

  checkContents({ name, at, words, fill }: LiveBlock): void {
    for (let i = HEAD_WORDS; i < words; i++) {
      if (this.words[at + i] !== fill) {
        throw new Error(`word ${i} of block ${name} at ${at} is ${this.words[at + i]}, not ${fill}`);
      }
    }
  }

  #relocate(from: number, to: number, length: number): void {
    const block = this.#byPlace.get(from);
    if (block === undefined) {
      throw new Error(`moved a block at ${from} that does not live`);
    }
    if (to >= from || length < block.words) {
      throw new Error(`moved ${length} words of a block of ${block.words} from ${from} to ${to}`);
    }
    this.words.copyWithin(to, from, from + length);
    this.#byPlace.delete(from);
    this.#byPlace.set(to, block);
    block.at = to;
    this.moves++;
  }
}
