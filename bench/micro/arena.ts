/**
 * A full arena in steady churn: each operation frees a random block and allocates another of a random size, with the moves
 * that this takes. Beside it the same arena with blocks of one size, which needs no moves.
 */
import { Arena } from '../../src/worker/arena.ts';
import { Draws, seededRandom } from '../support/keys.ts';
import { LOOP_OPERATIONS, type MicroTask } from '../support/micro.ts';
import { Walk } from '../support/walk.ts';
import type { Subject } from './subject.ts';

const MIB = 1024 * 1024;
const ARENA_BYTES = 64 * MIB;
const QUICK_ARENA_BYTES = 8 * MIB;
/** Log-uniform, as sizes of values are; the average is 216 bytes. */
const MIXED = { least: 64, most: 512 };
const EQUAL = { least: 192, most: 192 };
const SEED = 0x5eed;
/** Where a block says which of the live ones it is. */
const NAME = 1;
/** Sizes are drawn once and used in a circle: their logarithms cost as much as to allocate. */
const DRAWN = 2 ** 16;

export function arena(quick: boolean): Subject {
  const arenaBytes = quick ? QUICK_ARENA_BYTES : ARENA_BYTES;
  const mib = `${arenaBytes / MIB} MiB`;
  const mixed = new Churn(`arena: free and allocate 64 to 512 B in ${mib}`, arenaBytes, MIXED);
  const equal = new Churn(`arena: free and allocate ${EQUAL.least} B in ${mib}`, arenaBytes, EQUAL);
  const walk = new Walk(`floor: walk, ${mib}`, Math.floor(arenaBytes / EQUAL.least), EQUAL.least);
  return { tasks: [mixed, equal, walk], floors: { [mixed.name]: walk.name, [equal.name]: walk.name } };
}

class Churn implements MicroTask {
  readonly name: string;
  readonly #words: Int32Array;
  readonly #arena: Arena;
  /** Live blocks, by name. */
  readonly #blocks: Int32Array;
  readonly #sizes: Int32Array;
  #live = 0;
  #drawn = 0;
  readonly #draws = new Draws();

  constructor(name: string, arenaBytes: number, { least, most }: { readonly least: number; readonly most: number }) {
    this.name = name;
    this.#words = new Int32Array(new SharedArrayBuffer(arenaBytes));
    this.#arena = new Arena(this.#words, (from, to, length) => this.#relocate(from, to, length));
    this.#blocks = new Int32Array(Math.ceil(arenaBytes / least));
    const random = seededRandom(SEED);
    this.#sizes = Int32Array.from({ length: DRAWN }, () => Math.round((least * (most / least) ** random()) / 4));
    while (this.#allocate()) {
      // Until it is full.
    }
    // Until holes lie where they will.
    for (let i = 0; i < this.#live * 2; i += LOOP_OPERATIONS) {
      this.loop();
    }
  }

  readonly loop = (): void => {
    for (let i = 0; i < LOOP_OPERATIONS; i++) {
      this.#free();
      while (!this.#allocate()) {
        this.#free();
      }
    }
  };

  #allocate(): boolean {
    const words = this.#sizes[this.#drawn & (DRAWN - 1)] as number;
    if (this.#arena.liveBytes + Arena.bytesFor(words) > this.#arena.bytesMax) {
      return false;
    }
    const block = this.#arena.allocate(words);
    if (block === 0) {
      return false;
    }
    this.#drawn++;
    this.#words[block + NAME] = this.#live;
    this.#blocks[this.#live++] = block;
    return true;
  }

  /** Frees any of the live blocks; the last one takes its name. */
  #free(): void {
    const name = this.#draws.below(this.#live);
    const block = this.#blocks[name] as number;
    const last = this.#blocks[--this.#live] as number;
    this.#blocks[name] = last;
    this.#words[last + NAME] = name;
    this.#arena.free(block);
  }

  #relocate(from: number, to: number, length: number): void {
    this.#words.copyWithin(to, from, from + length);
    this.#blocks[this.#words[to + NAME] as number] = to;
  }
}
