/**
 * Makes another store of one that is there: with another engine, another encoding, or both. Every entry keeps its deadline, and
 * its record byte for byte where the encoding stays.
 *
 *     FROM  --read-->  PARENT/.shardstash-convert-x/NAME  --counted, closed, renamed-->  PARENT/NAME
 *
 * So TO is there whole or not at all. On a server, which has no rename, the entries that were written are removed again where it
 * fails; what the new store said of itself stays, and is told as a store without entries.
 */

import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Engine } from '../../protocol/engines/engine.ts';
import { attempt, storeError } from '../../protocol/engines/faults.ts';
import { CacheError, misuse } from '../../protocol/errors.ts';
import { diskFiles } from '../../protocol/files.ts';
import { deadlineOf } from '../../protocol/record.ts';
import { type EngineModule, type EngineName, findEngine } from '../engines/engine-registry.ts';
import { checkName } from '../engines/place.ts';
import type { SerializerOption } from '../serializers/index.ts';
import { hasExpired } from './deadline.ts';
import { openParts } from './open.ts';
import type { StoreOptions } from './options.ts';
import type { OpenedParts } from './store.ts';
import { findStoreAt, isServer, openPartsAt, shownPlace } from './store-at.ts';
import { storesIn } from './store-bytes.ts';
import { versionsOf, withVersion } from './versions.ts';

/** Records that are read and written at once, and where a batch ends before: a page of keys may stand for gigabytes. */
export const BATCH_MAX = 64;

export interface ConvertOptions {
  /** Of the new store. Default: that of the old one, on a server 'redis'. */
  readonly engine?: EngineName | (string & {}) | EngineModule | undefined;
  /** Of its values. Default: as they are. */
  readonly serializer?: SerializerOption | undefined;
  readonly compression?: boolean | string | undefined;
  readonly base64?: boolean | undefined;
  /** Of the store that is on a server, whichever of the two it is. */
  readonly name?: string | undefined;
  /** Of the old store, where it was made with one of your own. */
  readonly fromSerializer?: SerializerOption | undefined;
}

export interface Converted {
  readonly entries: number;
  /** They are not copied. */
  readonly expired: number;
  /** Stores within the old one, which are not copied either. */
  readonly stores: readonly string[];
  readonly from: OpenedParts['config'];
  readonly to: OpenedParts['config'];
}

type Counted = Pick<Converted, 'entries' | 'expired'>;
type Filled = Pick<Converted, 'entries' | 'expired' | 'to'>;
/** Stores what there is in a new store, in batches, and counts it. */
type Fill = (target: OpenedParts) => Promise<Counted>;

/**
 * Copies a store. `to` must not be there, or be an empty folder; on a server the store of that name must be empty. Rejects with what
 * `openStore` rejects with, and leaves no entry behind then.
 */
export async function convertStore(from: string, to: string, options: ConvertOptions = {}): Promise<Converted> {
  const { name, fromSerializer, engine } = options;
  await assertNew(to, engine);
  const stores = isServer(from) ? [] : storesIn(diskFiles, findStoreAt(diskFiles, from).directory);
  const source = await openPartsAt(diskFiles, from, { name, serializer: fromSerializer });
  try {
    const wanted = wantedOf(source.config, options);
    const done = await makeStore(to, wanted, name, (target) => copy(source, target));
    return { ...done, stores, from: source.config };
  } finally {
    await source.engine.close();
  }
}

/** A mistake of the caller's is told before anything is opened. Throws INVALID_CONFIG, or STORE_FOREIGN where something is at `to`. */
export async function assertNew(to: string, engine: ConvertOptions['engine']): Promise<void> {
  if (engine !== undefined && !isServer(to) && (await findEngine(engine)).kind.keeps !== 'directory') {
    throw misuse('INVALID_CONFIG', '`engine` to be one that keeps its entries in a folder', engine, {
      option: 'engine',
    });
  }
  assertFree(to);
}

/** A store that is there when `fill` has filled it, or not at all. `name` is that of one on a server. */
export function makeStore(to: string, wanted: StoreOptions, name: string | undefined, fill: Fill): Promise<Filled> {
  return isServer(to) ? toServer(to, wanted, name, fill) : toDirectory(to, wanted, fill);
}

function wantedOf(config: OpenedParts['config'], options: ConvertOptions): StoreOptions {
  const serializer = options.serializer ?? options.fromSerializer ?? config.serializer;
  return {
    engine: options.engine ?? config.engine,
    serializer: serializer as SerializerOption,
    compression: options.compression ?? config.compression,
    base64: options.base64 ?? config.base64,
    ...(serializer === 'json' ? { strict: config.strict } : {}),
    appendMode: config.appendMode,
  };
}

async function toDirectory(to: string, wanted: StoreOptions, fill: Fill): Promise<Filled> {
  const path = resolve(to);
  const name = checkName(basename(path));
  const above = dirname(path);
  attempt('make a directory', above, () => diskFiles.mkdirSync(above, { recursive: true }));
  const root = attempt('make a directory', above, () => mkdtempSync(join(above, '.shardstash-convert-')));
  try {
    const done = await filled(await openParts({ ...wanted, root, name }, diskFiles), fill);
    attempt('put the new store in its place', path, () => {
      // An empty folder gives way; one that is no longer empty does not.
      if (diskFiles.lstatSync(path, { throwIfNoEntry: false }) !== undefined) diskFiles.rmdirSync(path);
      diskFiles.renameSync(join(root, name), path);
    });
    return { ...done, to: { ...done.to, root: above } };
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function toServer(url: string, wanted: StoreOptions, name: string | undefined, fill: Fill): Promise<Filled> {
  if (name === undefined) {
    throw misuse('INVALID_CONFIG', `\`name\` for the store on ${shownPlace(url)}`, name, { option: 'name' });
  }
  const target = await openParts({ ...wanted, engine: 'redis', url, name }, diskFiles);
  try {
    const size = await target.engine.size();
    if (size > 0) {
      const shown = shownPlace(url);
      const message = `The store '${name}' at ${shown} has ${size} entries: choose another name`;
      throw storeError('STORE_FOREIGN', shown, message);
    }
  } catch (error) {
    await target.engine.close();
    throw error;
  }
  return await filled(target, fill, (engine) => engine.clear());
}

/** Fills, counts and closes; `undo` is called before it is closed where that fails. */
async function filled(target: OpenedParts, fill: Fill, undo: (engine: Engine) => unknown = () => {}): Promise<Filled> {
  try {
    const { entries, expired } = await fill(target);
    await target.engine.flush();
    const found = await target.engine.size();
    if (found !== entries) {
      const place = shownPlace(String(target.config.root ?? target.config['url']));
      const message = `${entries} entries were copied, and the new store has ${found}: it may be bounded, or be in use. Nothing is kept of it; choose another engine, or close it elsewhere`;
      throw storeError('ENGINE_ERROR', place, message);
    }
    return { entries, expired, to: target.config };
  } catch (error) {
    try {
      await undo(target.engine);
    } catch {
      // A server that is gone keeps what it was given. The first error is the one to tell.
    }
    throw error;
  } finally {
    await target.engine.close();
  }
}

async function copy(source: OpenedParts, target: OpenedParts): Promise<Counted> {
  const isSame = (['serializer', 'compression', 'base64', 'strict'] as const).every(
    (option) => source.config[option] === target.config[option],
  );
  let entries = 0;
  let expired = 0;
  for await (const page of source.engine.keys()) {
    for (let at = 0; at < page.length; at += BATCH_MAX) {
      const keys = page.slice(at, at + BATCH_MAX);
      const records = await source.engine.getMany(keys);
      const batch: [string, Uint8Array][] = [];
      for (const [i, record] of records.entries()) {
        if (record === undefined) continue;
        if (hasExpired(record)) expired++;
        else {
          const key = keys[i] as string;
          batch.push([key, isSame ? record : await encodedAnew(source, target, key, record)]);
        }
      }
      await target.engine.setMany(batch);
      entries += batch.length;
    }
  }
  return { entries, expired };
}

/** A value that cannot be read is told with its key. */
async function encodedAnew(
  source: OpenedParts,
  target: OpenedParts,
  key: string,
  record: Uint8Array,
): Promise<Uint8Array> {
  try {
    return await encodedByTarget(source, target, record);
  } catch (cause) {
    if (!(cause instanceof CacheError)) throw cause;
    const { root, url, name } = source.config;
    const path = shownPlace(root === undefined ? `${url} ${name}` : join(root, name));
    const message = `Cannot convert the value of ${JSON.stringify(key)} at ${path}: ${cause.message}. Next: delete it, or put a copy of it back`;
    throw new CacheError(cause.code, message, { path, cause });
  }
}

/** In append mode every version. */
async function encodedByTarget(source: OpenedParts, target: OpenedParts, record: Uint8Array): Promise<Uint8Array> {
  const expiresAtMs = deadlineOf(record);
  if (!source.config.appendMode) {
    return await target.codec.encode(await source.codec.decode(record), expiresAtMs);
  }
  let all: Buffer | undefined;
  for (const version of versionsOf(record)) {
    const value = await source.codec.decode(version.record);
    const encoded = await target.codec.encode(value, deadlineOf(version.record));
    all = withVersion(all, encoded, expiresAtMs, version.storedAtMs);
  }
  return all as Buffer;
}

/** Throws STORE_FOREIGN for a place where something is. */
function assertFree(to: string): void {
  if (isServer(to)) {
    return;
  }
  const path = resolve(to);
  const stat = attempt('look at the new place', path, () => diskFiles.lstatSync(path, { throwIfNoEntry: false }));
  const isFree = stat === undefined || (stat.isDirectory() && diskFiles.readdirSync(path).length === 0);
  if (!isFree) {
    throw storeError('STORE_FOREIGN', path, `There is something at ${path} already: choose a place where nothing is`);
  }
}
