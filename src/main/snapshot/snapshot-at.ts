/**
 * A snapshot by its path alone, without a cache, as people at a command line name it. It may be binary or text, which its first bytes
 * tell; either way its entries come in batches, coldest first, and others get their turn between two of them.
 *
 *     binary    one batch a block. What the index says of the whole is known at once
 *     text      one batch a slice, its values encoded anew. What it says of itself is known when it has ended
 *
 * Somebody may save a new snapshot over one that is being read: that is told as what it is, and not as damage.
 */
import { resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { CacheError, misuse } from '../../protocol/errors.ts';
import { diskFiles, type Files } from '../../protocol/files.ts';
import { coldestFirst } from '../../protocol/snapshot/block-index.ts';
import { entriesIn, type SnapshotEntry } from '../../protocol/snapshot/entry.ts';
import { diskError, loadError } from '../../protocol/snapshot/faults.ts';
import { SNAPSHOT_MAGIC, SNAPSHOT_VERSION } from '../../protocol/snapshot/file.ts';
import { idIn, readIndex, withSource } from '../../protocol/snapshot/source.ts';
import {
  createCodec,
  isSerializerName,
  loadSerializer,
  resolveSerializer,
  type SerializerOption,
  type ValueCodec,
} from '../serializers/index.ts';
import { JsonCutter } from './json-cutter.ts';
import { entriesInText, isText, JSON_VERSION, toldByText } from './json-file.ts';

/** How a text begins that is a snapshot. Other JSON may begin so, too: whoever reads it is told. */
const TEXT = /^(?:\xef\xbb\xbf)?\s*\{\s*"(?:version|serializer|eviction|savedAt|entries)"\s*:/;
const SNIFF_BYTES = 1_024;

export type SnapshotFormat = 'binary' | 'json';

export interface SnapshotPlaceOptions {
  /** Where the snapshot was saved with one of your own. Default: the one that it names. */
  readonly serializer?: SerializerOption | undefined;
}

/** What a snapshot says of itself. */
export interface ToldBySnapshot {
  readonly version: number;
  /** Undefined for a text that does not say. */
  readonly serializer: string | undefined;
  /** Of V8, where the serializer is 'v8'. */
  readonly v8: string | undefined;
  /** '' for none. */
  readonly eviction: string;
  /** Undefined for a text: it has none. */
  readonly shards: number | undefined;
  /** Milliseconds since 1970; undefined for a text that does not say. */
  readonly savedAtMs: number | undefined;
}

export interface OpenedSnapshot {
  /** Absolute. */
  readonly path: string;
  readonly format: SnapshotFormat;
  readonly bytes: number;
  /** Reads the values of its entries; undefined for a serializer of somebody's own that was not given. */
  readonly codec: ValueCodec | undefined;
  /** Of a text all is known when the last batch has been read. */
  told(): ToldBySnapshot;
  /**
   * Those that have expired are among them. Rejects with CACHE_LOAD_ERROR at what is damaged; with `onDamage` a block that is damaged is
   * told, and those behind it are read. In a text nothing can be read behind what is no JSON.
   */
  batches(onDamage?: (finding: string) => void): AsyncGenerator<readonly SnapshotEntry[]>;
}

/** Whether a file begins as a snapshot does, binary or text. Nothing else is looked at, and there may be no file at all. */
export function isSnapshot(path: string): boolean {
  try {
    const head = withSource(diskFiles, path, (source) => source.read(0, SNIFF_BYTES)).toString('latin1');
    return head.startsWith(SNAPSHOT_MAGIC) || TEXT.test(head);
  } catch {
    // What cannot be read says why when it is.
    return false;
  }
}

/** Rejects with CACHE_LOAD_ERROR, INVALID_CONFIG and UNKNOWN_PLUGIN. `option` is what the caller calls the serializer of the snapshot. */
export async function openSnapshot(
  place: string,
  { serializer }: SnapshotPlaceOptions = {},
  option = 'serializer',
): Promise<OpenedSnapshot> {
  if (typeof place !== 'string' || place === '' || place.includes('\0')) {
    throw misuse('INVALID_CONFIG', '`path` to be the path of a file', place, { option: 'path' });
  }
  const path = resolve(place);
  const given = await givenCodec(serializer);
  const bytes = withSource(diskFiles, path, (source) => source.bytes);
  return isText(diskFiles, path) ? openText(path, bytes) : openBinary(path, bytes, given, option);
}

/** Of a serializer that a caller has named or brought; undefined for none. Rejects as `resolveSerializer` throws. */
export async function givenCodec(serializer: SerializerOption | undefined): Promise<ValueCodec | undefined> {
  return serializer === undefined ? undefined : createCodec(await loadSerializer(resolveSerializer(serializer)));
}

/** What reads the values. Throws INVALID_CONFIG where it was not given. */
export function codecOf({ codec, path, told }: OpenedSnapshot, option = 'serializer'): ValueCodec {
  if (codec === undefined) {
    const expected = `\`${option}\` to be the one named '${told().serializer}', with which the snapshot ${path} was saved`;
    throw misuse('INVALID_CONFIG', expected, undefined, { option });
  }
  return codec;
}

/** When nobody may be served with an entry any more. */
export function hasExpired({ deadlineMs, graceMs }: SnapshotEntry, nowMs: number): boolean {
  return deadlineMs + graceMs <= nowMs;
}

function openText(path: string, bytes: number): OpenedSnapshot {
  const cutter = new JsonCutter();
  // Whatever its values were made with: this one encodes all that a text can say.
  const codec = createCodec('json');
  return {
    path,
    format: 'json',
    bytes,
    codec,
    told: () => ({ version: JSON_VERSION, v8: undefined, shards: undefined, ...toldByText(cutter) }),
    async *batches() {
      try {
        yield* entriesInText(diskFiles, path, cutter, codec, new AbortController().signal);
      } catch (error) {
        throw diskError('CACHE_LOAD_ERROR', 'read the snapshot', path, error);
      }
    },
  };
}

function openBinary(path: string, bytes: number, given: ValueCodec | undefined, option: string): OpenedSnapshot {
  const index = readIndex(diskFiles, path);
  const { serializer, v8, eviction, shards, savedAtMs } = index.facts;
  if (given !== undefined && given.name !== serializer) {
    const expected = `\`${option}\` to be '${serializer}', with which the snapshot ${path} was saved`;
    throw misuse('INVALID_CONFIG', expected, given.name, { option });
  }
  return {
    path,
    format: 'binary',
    bytes,
    codec: given ?? (isSerializerName(serializer) ? createCodec(serializer) : undefined),
    told: () => ({ version: SNAPSHOT_VERSION, serializer, v8, eviction, shards, savedAtMs }),
    async *batches(onDamage) {
      for (const place of coldestFirst(index)) {
        let batch: readonly SnapshotEntry[] = [];
        try {
          batch = withSource(diskFiles, path, (source) => entriesIn(source, place, index.id));
        } catch (error) {
          assertSame(diskFiles, path, index.id);
          if (onDamage === undefined || !isDamage(error)) throw error;
          onDamage(error.message);
        }
        yield batch;
        await setImmediate();
      }
    },
  };
}

/** Throws CACHE_LOAD_ERROR where another snapshot lies at the path by now. */
function assertSame(files: Files, path: string, id: Buffer): void {
  if (!withSource(files, path, idIn).equals(id)) {
    throw loadError(path, 'was saved anew while it was read', 'read it again');
  }
}

/** Of the file: what the file system refuses is told otherwise. */
export function isDamage(error: unknown): error is CacheError {
  return error instanceof CacheError && (error.cause as { syscall?: unknown } | undefined)?.syscall === undefined;
}
