/**
 * What `route` makes of a block and `install` takes: the records of one shard, in shared memory, with the hashes of their keys
 * before them.
 *
 *     per entry     hash low     hash high     record, as block.ts in protocol/snapshot draws it
 */
import { RecordReader } from '../../protocol/snapshot/block.ts';
import type { RoutedSection } from '../../protocol/snapshot/tasks.ts';
import type { EntrySource } from '../blocks.ts';

/** Words before each record. */
export const HASH_WORDS = 2;

/** Goes through the entries of a section; the present one is a source of which the shard can make an entry. */
export class SectionReader implements EntrySource {
  readonly record: RecordReader;
  readonly words: Int32Array;
  hashLow = 0;
  hashHigh = 0;
  readonly #end: number;
  #next: number;

  constructor(memory: SharedArrayBuffer, { offset, bytes }: RoutedSection) {
    this.words = new Int32Array(memory);
    this.record = new RecordReader(this.words);
    this.#next = offset / 4;
    this.#end = this.#next + bytes / 4;
  }

  /** Goes to the next entry. The section is one that an owner has made: anything else is a fault of this code. */
  advance(): void {
    const at = this.#next;
    this.hashLow = this.words[at] as number;
    this.hashHigh = this.words[at + 1] as number;
    this.#next = this.record.read(at + HASH_WORDS, this.#end);
    if (this.#next === 0) {
      throw new Error(`no entry at word ${at} of what was routed`);
    }
  }

  /** The low words of the next hashes. The reader stays where it is. */
  lookAhead(count: number, into: Int32Array): void {
    const at = this.#next;
    for (let i = 0; i < count; i++) {
      this.advance();
      into[i] = this.hashLow;
    }
    this.#next = at;
  }

  get keyBytes(): number {
    return this.record.keyBytes;
  }

  get encoding(): number {
    return this.record.encoding;
  }

  get tag(): number {
    return this.record.tag;
  }

  get valueAt(): number {
    return this.record.valueAt;
  }

  get valueBytes(): number {
    return this.record.valueBytes;
  }

  get value(): Uint8Array {
    return new Uint8Array(this.words.buffer, this.record.valueAt * 4, this.record.valueBytes);
  }

  keyWord(index: number): number {
    return this.words[this.record.keyAt + index] as number;
  }
}
