/**
 * What a store is, from a look at its files: nothing is changed. Files that hold the entries plainly (file, json, log) are read as
 * they are, whoever has them open. A store of another engine is opened, which changes no entry, unless somebody else has it for
 * themselves: then its entries are not counted.
 */
import { keyOfEngineKey } from '../../protocol/engine-key.ts';
import { verifyFiles } from '../../protocol/engines/file/verify.ts';
import { verifyJson } from '../../protocol/engines/json/verify.ts';
import { holderOf } from '../../protocol/engines/lock.ts';
import { verifyLog } from '../../protocol/engines/log/verify.ts';
import { CacheError } from '../../protocol/errors.ts';
import { diskFiles, type Files } from '../../protocol/files.ts';
import type { MarkParts } from '../../protocol/process-mark.ts';
import { deadlineOf } from '../../protocol/record.ts';
import type { RecordCodec } from '../codec/record-codec.ts';
import { glimpseLog } from './log-glimpse.ts';
import { codecAt, findStoreAt, isServer, openPartsAt, type PlaceOptions, shownPlace } from './store-at.ts';
import { bytesIn, storesIn } from './store-bytes.ts';
import { versionsOf } from './versions.ts';

const PLAIN = { file: verifyFiles, json: verifyJson };
/** What is wrong, in an inspection: `verifyStore` tells everything. */
const DAMAGE_MAX = 5;

export interface InspectOptions extends PlaceOptions {
  /** How many entries are shown. Default 0. */
  readonly entries?: number | undefined;
}

/** Of an entry that is shown. */
export interface InspectedEntry {
  readonly key: unknown;
  readonly value: unknown;
  /** Milliseconds since 1970, Infinity for ever. */
  readonly expiresAt: number;
}

export interface Inspection {
  readonly path: string;
  readonly engine: string;
  readonly serializer: string;
  readonly compression: string | false;
  readonly base64: boolean;
  readonly strict: boolean;
  readonly appendMode: boolean;
  /** Undefined where they cannot be counted: `notes` says why. */
  readonly entries: number | undefined;
  /** Of all its files; undefined for a server. */
  readonly bytes: number | undefined;
  /** The process that has it for itself. */
  readonly holder: MarkParts | undefined;
  readonly sample: readonly InspectedEntry[];
  /** Names of the stores within it. */
  readonly stores: readonly string[];
  /** Sentences: at most a few of what is wrong. */
  readonly damage: readonly string[];
  readonly notes: readonly string[];
}

interface Seen {
  entries: number | undefined;
  readonly sample: InspectedEntry[];
  readonly damage: string[];
  readonly notes: string[];
}

/** Rejects where there is no store: STORE_FOREIGN, STORE_CORRUPT, ENGINE_ERROR. */
export async function inspectStore(place: string, options: InspectOptions = {}): Promise<Inspection> {
  const files: Files = diskFiles;
  const seen: Seen = { entries: 0, sample: [], damage: [], notes: [] };
  if (isServer(place)) {
    const { name, engine, serializer, compression, base64, strict, appendMode } = await lookInside(
      place,
      options,
      seen,
    );
    const told = { engine, serializer, compression, base64, strict, appendMode };
    return { path: `${shownPlace(place)} ${name}`, ...told, ...seen, bytes: undefined, holder: undefined, stores: [] };
  }
  const { directory, manifest } = findStoreAt(files, place);
  const holder = holderOf(files, directory);
  if (manifest.engine in PLAIN) {
    const codec = await codecAt(manifest, options);
    const look = async (key: string, record: Uint8Array) => {
      seen.entries = (seen.entries ?? 0) + 1;
      if (seen.sample.length < (options.entries ?? 0)) {
        await show(seen, codec, key, Buffer.from(record), manifest.appendMode);
      }
      return undefined;
    };
    for await (const finding of PLAIN[manifest.engine as keyof typeof PLAIN](files, directory, look)) {
      tell(seen.damage, finding);
    }
  } else if (manifest.engine === 'log') {
    const { entries, records } = await glimpseLog(files, directory, options.entries ?? 0);
    seen.entries = entries;
    const codec = await codecAt(manifest, options);
    for (const [key, record] of records) await show(seen, codec, key, record, manifest.appendMode);
    for await (const finding of verifyLog(files, directory)) tell(seen.damage, finding);
  } else if (holder !== undefined) {
    seen.entries = undefined;
    seen.notes.push('Its entries are not counted while another process has it for itself.');
  } else {
    await lookInside(directory, options, seen);
  }
  const bytes = await bytesIn(files, directory);
  return { path: directory, ...manifest, ...seen, bytes, holder, stores: storesIn(files, directory) };
}

/** Opens a store, counts and closes it again. */
async function lookInside(place: string, options: InspectOptions, seen: Seen) {
  let opened: Awaited<ReturnType<typeof openPartsAt>>;
  try {
    opened = await openPartsAt(diskFiles, place, options);
  } catch (error) {
    tellWhatStopped(place, seen, error);
    return findStoreAt(diskFiles, place).manifest as never;
  }
  const { engine, codec, config } = opened;
  try {
    seen.entries = await engine.size();
    const wanted = options.entries ?? 0;
    for await (const page of wanted === 0 ? [] : engine.keys()) {
      for (const key of page.slice(0, wanted - seen.sample.length)) {
        const record = await engine.get(key);
        if (record !== undefined) await show(seen, codec, key, Buffer.from(record), config.appendMode);
      }
      if (seen.sample.length >= wanted) break;
    }
  } catch (error) {
    tellWhatStopped(place, seen, error);
  } finally {
    await engine.close();
  }
  return config;
}

/** It is damage, but for others who use the store. Throws what says nothing of its files: a server that is away, say. */
function tellWhatStopped(place: string, seen: Seen, error: unknown): void {
  if (!(error instanceof CacheError) || isServer(place) || error.code === 'MISSING_DEPENDENCY') {
    throw error;
  }
  seen.entries = undefined;
  const isInUse = error.code === 'BUSY' || error.code === 'LOCKED';
  tell(isInUse ? seen.notes : seen.damage, error.message);
}

async function show(
  seen: Seen,
  codec: RecordCodec | undefined,
  text: string,
  record: Buffer,
  appends: boolean,
): Promise<void> {
  try {
    const last = appends ? (versionsOf(record).at(-1)?.record ?? record) : record;
    const value = codec === undefined ? `${last.length} bytes` : await codec.decode(last);
    seen.sample.push({ key: keyOfEngineKey(text), value, expiresAt: deadlineOf(record) });
  } catch (error) {
    tell(seen.damage, `The value of ${JSON.stringify(text)} cannot be read: ${(error as Error).message}`);
  }
}

function tell(damage: string[], finding: string): void {
  if (damage.length < DAMAGE_MAX) damage.push(finding);
}
