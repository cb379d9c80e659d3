/**
 * The snapshots of one cache, in the thread that opened it: whoever asks for a save or a load, here it takes its turn. And what the
 * cache does by itself: it saves now and then, and begins with what was saved.
 *
 *     openCache    autosave: takes the lock of the directory    restore: loads
 *     then         one save or load at a time, in the order in which they were asked for
 *     close        what runs is waited for, or given up with CACHE_CLOSED; autosave saves once more; the lock is given back
 */
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../../protocol/clock.ts';
import { CacheError, misuse } from '../../protocol/errors.ts';
import type { Files } from '../../protocol/files.ts';
import type { HashSeed } from '../../protocol/key.ts';
import type { ShardLimits } from '../../protocol/memory.ts';
import type { SnapshotIndex } from '../../protocol/snapshot/block-index.ts';
import { loadError } from '../../protocol/snapshot/faults.ts';
import { readIndex } from '../../protocol/snapshot/source.ts';
import { evictionName } from '../eviction.ts';
import type { Notices } from '../notices.ts';
import type { CacheConfig } from '../options.ts';
import type { ValueCodec } from '../serializers/index.ts';
import type { SnapshotCounts } from './counts.ts';
import { sweepDirectory, useDirectory } from './directory.ts';
import { fileError } from './faults.ts';
import { isJsonPath, saveAsJson, withBinary } from './json-file.ts';
import { type LoadWork, loadSnapshot } from './load.ts';
import type { Owners } from './owners.ts';
import { newestOf, pathOf, stampedPath, diskWorld as world } from './paths.ts';
import type { LoadedSnapshot, SavedSnapshot, SnapshotCall, SnapshotCaller } from './requests.ts';
import { publish, type SaveWork, writeSnapshot } from './save.ts';
import { orAborted, Turns } from './turns.ts';
import { V8_FORMAT, v8FormatOf } from './v8-format.ts';

/** What a cache brings. */
export interface SnapshotPurpose {
  readonly config: CacheConfig;
  readonly codec: ValueCodec;
  /** Of the files of its serializer, without the dot; undefined for SNAPSHOT_EXTENSION. */
  readonly extension: string | undefined;
  readonly clock: Clock;
  /** What the wall's clock says when one that is turned by hand is at 0; undefined for the machine's. */
  readonly wallOriginMs: number | undefined;
  readonly hashSeed: HashSeed;
  readonly limits: readonly ShardLimits[];
  readonly files: Files;
  readonly notices: Notices;
  readonly counts: SnapshotCounts;
}

/** Of a snapshot whose serializer has no extension of its own. */
const SNAPSHOT_EXTENSION = 'snapshot';
/** The save that a cache does by itself. */
const ITSELF = { do: 'save', path: undefined, useTimestamp: undefined } as const;

export class Snapshots implements SnapshotCaller {
  readonly #purpose: SnapshotPurpose;
  readonly #owners: Owners;
  readonly #turns = new Turns();
  /** Those of the calls that have not ended. */
  readonly #controllers = new Set<AbortController>();
  #loads = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Gives the directory of `storage` back, where it is held all the time. */
  #release: (() => void) | undefined;
  #closed = false;

  constructor(owners: Owners, purpose: SnapshotPurpose) {
    this.#owners = owners;
    this.#purpose = purpose;
  }

  /** What the options want of a cache that opens. Rejects as `load` does, and with LOCKED; then it wants nothing more. */
  async open(): Promise<void> {
    const { config, files } = this.#purpose;
    const { autosave, restore, storage } = config;
    const path = pathOf(undefined, storage, this.#extension, world);
    try {
      if (autosave !== false) {
        this.#release = await useDirectory(files, dirname(path)).catch((error: unknown) => {
          throw fileError('CACHE_SAVE_ERROR', path, error);
        });
      }
      if (restore && world.isDirectory(dirname(path))) {
        sweepDirectory(files, dirname(path));
      }
      if (restore && this.#isThere(path)) {
        await this.call({ do: 'load', path: undefined, merge: false }, new AbortController());
      }
    } catch (error) {
      this.#closed = true;
      this.#giveBack();
      throw error;
    }
    if (autosave !== false) {
      this.#timer = setInterval(() => this.#saveAgain(), autosave.everyMs).unref();
    }
  }

  async call(call: SnapshotCall, controller: AbortController): Promise<SavedSnapshot | LoadedSnapshot> {
    if (this.#closed) {
      throw closed(call);
    }
    return await this.#run(call, controller);
  }

  drained(): Promise<void> {
    return this.#turns.drained();
  }

  /** Gives up what runs, saves once more where that was wished, and rejects with what that rejects with. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const wasOpen = !this.#closed;
    this.#closed = true;
    for (const controller of this.#controllers) {
      controller.abort(new CacheError('CACHE_CLOSED', 'The cache was closed before it was saved or loaded'));
    }
    const { autosave } = this.#purpose.config;
    try {
      if (wasOpen && autosave !== false && autosave.onClose) {
        await this.#run(ITSELF, new AbortController());
      }
    } finally {
      this.#giveBack();
    }
  }

  async #run(call: SnapshotCall, controller: AbortController): Promise<SavedSnapshot | LoadedSnapshot> {
    const { signal } = controller;
    this.#controllers.add(controller);
    try {
      // What is no path, or cannot be loaded at all, is the caller's mistake and no failure of a save.
      const { config } = this.#purpose;
      const path = pathOf(call.path, config.storage, this.#extension, world);
      if (call.do === 'load' && config.tier !== false) {
        const expected =
          'a cache without a `tier`, which keeps its entries by itself: `load` would store what it does not know';
        throw misuse('INVALID_CONFIG', expected, config.tier.engine, { option: 'tier' });
      }
      return await this.#turns.take(signal, async () => {
        // Of a call that was given up owners may still be writing.
        await orAborted(this.#owners.idle(), signal);
        return call.do === 'save' ? await this.#save(call, path, signal) : await this.#load(call, path, signal);
      });
    } finally {
      this.#controllers.delete(controller);
    }
  }

  get #extension(): string {
    return this.#purpose.extension ?? SNAPSHOT_EXTENSION;
  }

  #giveBack(): void {
    const release = this.#release;
    this.#release = undefined;
    release?.();
  }

  /** Every so often. One that takes longer than that is let finish. */
  #saveAgain(): void {
    if (this.#turns.isBusy) {
      return;
    }
    this.call(ITSELF, new AbortController()).catch((cause: unknown) => {
      if (!this.#closed) this.#purpose.notices.tell('autosave:failed', 'The cache could not save itself', { cause });
    });
  }

  async #save(
    { useTimestamp }: Extract<SnapshotCall, { do: 'save' }>,
    path: string,
    signal: AbortSignal,
  ): Promise<SavedSnapshot> {
    const { config, codec, files, counts } = this.#purpose;
    const stamped = useTimestamp ?? config.storage.timestamps;
    const nameOf = () => (stamped ? stampedPath(path, new Date(), world) : path);
    try {
      const release = await useDirectory(files, dirname(path));
      try {
        sweepDirectory(files, dirname(path));
        const saved = await writeSnapshot(this.#saveWork(), path, signal, async (temporary, { entries, bytes }, fd) =>
          isJsonPath(path)
            ? { entries, ...(await saveAsJson(files, temporary, path, nameOf, codec, signal)) }
            : { entries, bytes, path: await publish(files, fd, temporary, nameOf, signal) },
        );
        counts.saved(saved.entries, saved.bytes);
        return { path: saved.path, entries: saved.entries, bytes: saved.bytes };
      } finally {
        release();
      }
    } catch (error) {
      counts.failed();
      throw signal.aborted ? signal.reason : fileError('CACHE_SAVE_ERROR', path, error);
    }
  }

  async #load(
    { merge }: Extract<SnapshotCall, { do: 'load' }>,
    asked: string,
    signal: AbortSignal,
  ): Promise<LoadedSnapshot> {
    const { codec, files, counts } = this.#purpose;
    let path = asked;
    try {
      path = this.#find(asked);
      sweepDirectory(files, dirname(path));
      const loaded = await withBinary(files, path, codec, signal, async (binary) => {
        const index = readIndex(files, binary);
        this.#assertFits(index, path);
        return await loadSnapshot(this.#loadWork(index, merge), binary, index, signal);
      });
      counts.loaded();
      return loaded;
    } catch (error) {
      counts.failed();
      throw signal.aborted ? signal.reason : fileError('CACHE_LOAD_ERROR', path, error);
    }
  }

  /** The newest that was saved under that name, where names have the time in them. */
  #find(path: string): string {
    const { config, files } = this.#purpose;
    if (!config.storage.timestamps || !world.isDirectory(dirname(path))) {
      return path;
    }
    return newestOf(path, files.readdirSync(dirname(path)) as string[]) ?? path;
  }

  /** What nobody may look at is there: loading it says why it cannot be. */
  #isThere(path: string): boolean {
    try {
      return statSync(this.#find(path), { throwIfNoEntry: false }) !== undefined;
    } catch {
      return true;
    }
  }

  #saveWork(): SaveWork {
    const { config, codec, files, clock } = this.#purpose;
    const wallOriginMs = this.#wallOriginMs();
    const facts = {
      serializer: codec.name,
      ...v8FormatOf(codec.name),
      eviction: evictionName(config.eviction),
      shards: config.shards,
      savedAtMs: Math.floor(wallOriginMs + clock.now()),
    };
    return { files, owners: this.#owners, facts, wallOriginMs };
  }

  #loadWork({ facts }: SnapshotIndex, merge: boolean): LoadWork {
    const { config, hashSeed, limits, clock } = this.#purpose;
    const nowMs = clock.now();
    // Where the wall's clock was set back, nothing lives longer than it had left when it was saved.
    const nowWallMs = Math.max(facts.savedAtMs, this.#wallOriginMs() + nowMs);
    return {
      owners: this.#owners,
      limits,
      hashSeed,
      standings: facts.eviction === evictionName(config.eviction),
      merge,
      load: ++this.#loads,
      wallOriginMs: nowWallMs - nowMs,
      nowWallMs,
    };
  }

  /** Looked at anew each time: somebody may have set the machine's clock. */
  #wallOriginMs(): number {
    const { wallOriginMs, clock } = this.#purpose;
    return wallOriginMs ?? Date.now() - clock.now();
  }

  /** Throws CACHE_LOAD_ERROR where this cache could not read the values. */
  #assertFits({ facts: { serializer, v8 } }: SnapshotIndex, path: string): void {
    const { name } = this.#purpose.codec;
    if (serializer !== name) {
      const next = `open the cache with \`serializer: '${serializer}'\`, or save to a path that ends in .json, which every serializer reads`;
      throw loadError(path, `has values of the serializer '${serializer}', and this cache has '${name}'`, next);
    }
    if (v8 !== undefined && !(Number(v8) <= V8_FORMAT)) {
      const what = `has values that V8 wrote in its format ${v8}, and Node ${process.versions.node} reads them up to ${V8_FORMAT}`;
      throw loadError(path, what, 'load it with the Node that saved it, or a later one');
    }
  }
}

function closed({ do: what }: SnapshotCall): CacheError {
  return new CacheError('CACHE_CLOSED', `The cache was closed before the ${what} began`, { outcome: 'not-sent' });
}
