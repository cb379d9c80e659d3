/**
 * What a memo keeps, to look at: `f.store`. Keys are those of the tier that outlives the process; results in memory go by the same,
 * unless `hashMemory` says otherwise. Everything is a promise of an array, since the memory of a cache is.
 */
import { misuse } from '../../protocol/errors.ts';
import { type EncodingOptions, openRecordCodec } from '../codec/encoding.ts';
import { type CompactOptions, compact } from './file/compact.ts';
import type { Rewritten } from './file/rewriting.ts';
import { upgrade } from './file/upgrade.ts';
import type { Memo } from './memo.ts';
import type { MemoRecord } from './tier.ts';

/** A result as it is kept, with what is known of it. */
export interface RawResult<V = unknown> {
  readonly result: V;
  /** Those of the call; undefined where they could not be stored. */
  readonly args: readonly unknown[] | undefined;
  /** Of the function, where the memo has a `sourceVersion`. */
  readonly version: string | undefined;
  readonly createdAt: Date;
}

/** What outlives the process, where it is a file. */
export interface StoredFile {
  readonly path: string;
  readonly encoding: EncodingOptions;
}

export class MemoStore<V = unknown> {
  readonly #memo: Memo;
  readonly #file: StoredFile | undefined;

  constructor(memo: Memo, file: StoredFile | undefined) {
    this.#memo = memo;
    this.#file = file;
  }

  /** The path of the file, or the name of the store; undefined where nothing outlives the process. */
  get filename(): string | undefined {
    return this.#memo.parts.filename;
  }

  /** How often a tier could not do what it was to do, where the call had its result all the same. */
  get failures(): number {
    return this.#memo.parts.plan.log.failures;
  }

  /** Of both tiers. */
  async keys(): Promise<string[]> {
    return [...new Set([...(await this.diskKeys()), ...(await this.memoryKeys())])];
  }

  async values(): Promise<V[]> {
    return (await this.entries()).map(([, value]) => value);
  }

  /** Of both tiers, what is in both once. */
  async entries(): Promise<[string, V][]> {
    return [...new Map([...(await this.memoryEntries()), ...(await this.diskEntries())])];
  }

  async memoryKeys(): Promise<string[]> {
    const { memory, keys } = this.#memo.parts;
    const found: string[] = [];
    for await (const [text] of memory.keys((key) => keys.textOf(key))) found.push(text);
    return found;
  }

  async memoryEntries(): Promise<[string, V][]> {
    const { memory, keys } = this.#memo.parts;
    const found: [string, V][] = [];
    for await (const [text, result] of memory.entries((key) => keys.textOf(key))) found.push([text, result as V]);
    return found;
  }

  async diskKeys(): Promise<string[]> {
    const tier = await this.#memo.openTier();
    return tier === undefined ? [] : [...(await tier.keys())];
  }

  async diskEntries(): Promise<[string, V][]> {
    return (await this.rawEntries()).map(([key, { result }]) => [key, result]);
  }

  /** What is kept on disk, with the arguments and the version it is of, and when it was made. */
  async rawEntries(): Promise<[string, RawResult<V>][]> {
    const tier = await this.#memo.openTier();
    const found: [string, RawResult<V>][] = [];
    for (const key of (await tier?.keys()) ?? []) {
      const record = await tier?.get(key);
      if (record !== undefined) found.push([key, rawOf(record) as RawResult<V>]);
    }
    return found;
  }

  async rawValues(): Promise<RawResult<V>[]> {
    return (await this.rawEntries()).map(([, raw]) => raw);
  }

  /** Results in both tiers, what is in both counted once. */
  async size(): Promise<number> {
    return (await this.keys()).length;
  }

  /** Removes all results of this memo, and says how many there were. */
  async clear(): Promise<number> {
    const size = await this.size();
    await this.#memo.clear();
    return size;
  }

  /** Gives back what replaced and removed results take in the file, while others use it. INVALID_CONFIG where there is none. */
  async compact(options?: Pick<CompactOptions, 'backup'>): Promise<Rewritten> {
    return await compact(this.#fileFor('compact').path, options);
  }

  /** Puts every result in the file under the key that the memo has for its arguments now: for when `hash`, `ignore` and the like have changed. */
  async upgrade(options?: Pick<CompactOptions, 'backup'>): Promise<Rewritten> {
    const { keys } = this.#memo.parts;
    const hash = (args: readonly unknown[]) => keys.text(keys.keyed(args));
    const { path, encoding } = this.#fileFor('upgrade');
    return await upgrade(path, { ...options, hash, codec: await openRecordCodec(encoding) });
  }

  #fileFor(what: string): StoredFile {
    if (this.#file === undefined) {
      throw misuse('INVALID_CONFIG', `a memo with a file to ${what}`, this.filename, { option: 'filename' });
    }
    return this.#file;
  }
}

function rawOf({ result, args, version, createdAtMs }: MemoRecord): RawResult {
  return { result, args, version, createdAt: new Date(createdAtMs) };
}
