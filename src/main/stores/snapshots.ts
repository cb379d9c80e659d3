/**
 * Between stores and snapshots of caches: what a cache has saved becomes a store, and what is in a store a snapshot, which a cache
 * loads. Keys, values and deadlines come over. A store has nothing of the order in which a policy would evict, and neither slides
 * nor graces; of versions the last comes over.
 */
import { engineKeyOf, keyOfEngineKey } from '../../protocol/engine-key.ts';
import { CacheError } from '../../protocol/errors.ts';
import { diskFiles } from '../../protocol/files.ts';
import { deadlineOf } from '../../protocol/record.ts';
import type { SnapshotEntry, SnapshotWriter } from '../../protocol/snapshot/entry.ts';
import {
  createCodec,
  loadSerializer,
  resolveSerializer,
  type SerializerOption,
  type ValueCodec,
} from '../serializers/index.ts';
import { type ConvertSnapshotOptions, FROM, sameAs } from '../snapshot/convert.ts';
import { encodeValue } from '../snapshot/json-entry.ts';
import { type MadeSnapshot, makeSnapshot } from '../snapshot/make.ts';
import { readEntry } from '../snapshot/read.ts';
import { codecOf, type OpenedSnapshot, openSnapshot } from '../snapshot/snapshot-at.ts';
import { v8FormatOf } from '../snapshot/v8-format.ts';
import { assertNew, BATCH_MAX, type Converted, type ConvertOptions, makeStore } from './convert.ts';
import { hasExpired } from './deadline.ts';
import { Slice } from './slice.ts';
import type { OpenedParts } from './store.ts';
import { findStoreAt, isServer, openPartsAt, shownPlace } from './store-at.ts';
import { storesIn } from './store-bytes.ts';
import { versionsOf } from './versions.ts';

export interface SavedStore extends MadeSnapshot {
  readonly serializer: string;
  /** They are left out. */
  readonly expired: number;
  /** Stores within it, which are left out, too. */
  readonly stores: readonly string[];
  readonly from: OpenedParts['config'];
}

export interface LoadedStore extends Pick<Converted, 'entries' | 'expired' | 'to'> {
  readonly from: Pick<OpenedSnapshot, 'path' | 'format'>;
}

/**
 * Makes a store of a snapshot. `to` must not be there, or be an empty folder; on a server the store of that name must be empty. Rejects
 * with CACHE_LOAD_ERROR for what cannot be read, and as `convertStore` does.
 *
 * @example
 * await snapshotToStore('cache_storage/cache_data.snapshot', './sessions', { engine: 'log' });
 */
export async function snapshotToStore(from: string, to: string, options: ConvertOptions = {}): Promise<LoadedStore> {
  const { engine, serializer, compression, base64, name, fromSerializer } = options;
  await assertNew(to, engine);
  const source = await openSnapshot(from, { serializer: fromSerializer }, FROM);
  const batches = source.batches();
  try {
    // Behind its first entries a text has said what it is.
    let next = await batches.next();
    const codec = codecOf(source, FROM);
    const wanted = {
      engine,
      serializer: serializer ?? fromSerializer ?? (sameAs(source)?.name as SerializerOption),
      compression,
      base64,
    };
    const fill = async (target: OpenedParts) => {
      const nowMs = Date.now();
      const counted = { entries: 0, expired: 0 };
      for (; next.done !== true; next = await batches.next()) {
        const live = next.value.filter(({ deadlineMs }) => deadlineMs > nowMs);
        counted.entries += live.length;
        counted.expired += next.value.length - live.length;
        for (let at = 0; at < live.length; at += BATCH_MAX) {
          await target.engine.setMany(await sealed(live.slice(at, at + BATCH_MAX), codec, target));
        }
      }
      return counted;
    };
    const { path, format } = source;
    return { ...(await makeStore(to, wanted, name, fill)), from: { path, format } };
  } finally {
    // Where it was not read to its end its file is still open.
    await batches.return(undefined);
  }
}

/**
 * Makes a snapshot of a store: text where `to` ends in .json. `to` must not be there. Rejects with CACHE_SAVE_ERROR for what cannot be
 * written, and as `convertStore` does for what cannot be read.
 *
 * @example
 * await storeToSnapshot('./sessions', 'cache_storage/cache_data.snapshot');
 */
export async function storeToSnapshot(
  from: string,
  to: string,
  options: ConvertSnapshotOptions & Pick<ConvertOptions, 'name'> = {},
): Promise<SavedStore> {
  const { name, serializer, fromSerializer } = options;
  const stores = isServer(from) ? [] : storesIn(diskFiles, findStoreAt(diskFiles, from).directory);
  const source = await openPartsAt(diskFiles, from, { name, serializer: fromSerializer });
  try {
    const wanted = resolveSerializer(serializer ?? fromSerializer ?? source.config.serializer);
    const target = createCodec(await loadSerializer(wanted));
    let expired = 0;
    const made = await makeSnapshot(to, async (writer) => {
      expired = await copy(source, target, writer);
      const facts = { serializer: target.name, ...v8FormatOf(target.name), eviction: '', savedAtMs: Date.now() };
      return { facts, codec: () => target };
    });
    return { ...made, serializer: target.name, expired, stores, from: source.config };
  } finally {
    await source.engine.close();
  }
}

/** Answers how many had expired. */
async function copy(source: OpenedParts, target: ValueCodec, writer: SnapshotWriter): Promise<number> {
  const slice = new Slice();
  let expired = 0;
  for await (const page of source.engine.keys()) {
    for (let at = 0; at < page.length; at += BATCH_MAX) {
      const keys = page.slice(at, at + BATCH_MAX);
      const records = await source.engine.getMany(keys);
      for (const [i, record] of records.entries()) {
        if (record === undefined) continue;
        if (hasExpired(record)) expired++;
        else writer.add(await entryOf(source, target, keys[i] as string, Buffer.from(record)));
      }
      if (slice.isOver) await slice.rest();
    }
  }
  return expired;
}

/** A value that cannot be read is told with its key. */
async function entryOf(source: OpenedParts, target: ValueCodec, text: string, record: Buffer): Promise<SnapshotEntry> {
  const { codec, config } = source;
  try {
    const last = config.appendMode ? (versionsOf(record).at(-1)?.record ?? record) : record;
    const value = encodeValue(await codec.decode(last), target);
    return { key: keyOfEngineKey(text), ...value, deadlineMs: deadlineOf(record), slideMs: 0, graceMs: 0, standing: 0 };
  } catch (cause) {
    if (!(cause instanceof CacheError)) throw cause;
    const path = shownPlace(String(config.root ?? config['url']));
    const message = `Cannot convert the value of ${JSON.stringify(text)} of the store '${config.name}' at ${path}: ${cause.message}`;
    throw new CacheError(cause.code, message, { path, cause });
  }
}

function sealed(entries: readonly SnapshotEntry[], codec: ValueCodec, target: OpenedParts) {
  return Promise.all(
    entries.map(async (entry): Promise<[string, Uint8Array]> => {
      const { key, value } = readEntry(entry, codec);
      return [engineKeyOf(key), await target.codec.encode(value, entry.deadlineMs)];
    }),
  );
}
