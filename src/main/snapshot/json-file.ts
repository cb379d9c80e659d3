/**
 * A snapshot as text, for people, jq and other programs:
 *
 *     {
 *       "version": 1,
 *       "serializer": "msgpack",
 *       "eviction": "as3-fifo",
 *       "savedAt": "2026-12-31T23:59:59.000Z",
 *       "entries": [
 *         {"key":"user:1","value":{"name":"Ann"},"expiresAt":null},
 *         ...                                                            coldest first: json-entry.ts
 *       ]
 *     }
 *
 * It is made of a binary snapshot, and becomes one before it is loaded, under a temporary name, in this thread: values have to be
 * decoded and encoded, 1 to 3 us each. In slices, so that a service goes on; the whole text is checked before anything is loaded. Only
 * `version` and `entries` have to be there, so that one may be written by hand.
 */
import { realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { describeThrown } from '../../protocol/describe.ts';
import { discard, type Files, READ_ONLY, temporaryFor, writeWhole } from '../../protocol/files.ts';
import { KeyEncoder } from '../../protocol/key.ts';
import { coldestFirst } from '../../protocol/snapshot/block-index.ts';
import { entriesIn, type SnapshotEntry, SnapshotWriter } from '../../protocol/snapshot/entry.ts';
import { loadError } from '../../protocol/snapshot/faults.ts';
import { indexIn, withSource } from '../../protocol/snapshot/source.ts';
import type { ValueCodec } from '../serializers/index.ts';
import { aboutFile } from './faults.ts';
import { JsonCutter } from './json-cutter.ts';
import { entryOf, lineOf } from './json-entry.ts';
import { publish } from './save.ts';

export const JSON_VERSION = 1;
/** How long a slice may be at work before others get their turn, and how many entries pass without a look at the time. */
const SLICE_MS = 4;
const LOOK_EVERY = 16;
/** Text that is collected for one write, and read at once. */
const WRITE_CHARS = 256 * 1024;
const READ_BYTES = 256 * 1024;
/** How far to look for what a file begins with. */
const SNIFF_BYTES = 1_024;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
/** Where a file is that may not be written beside. */
const REFUSALS = ['EACCES', 'EPERM', 'EROFS'];
const MENDING = 'correct it there, or load another snapshot';

/** Whether a save to this path is one in JSON. */
export function isJsonPath(path: string): boolean {
  return path.endsWith('.json');
}

/** Converts a binary snapshot into text under a temporary name, and gives that its own. Nothing is left where it rejects. */
export async function saveAsJson(
  files: Files,
  binary: string,
  path: string,
  nameOf: () => string,
  codec: ValueCodec,
  signal: AbortSignal,
): Promise<{ readonly path: string; readonly bytes: number }> {
  const temporary = temporaryFor(path);
  const fd = files.openSync(temporary, 'wx+');
  try {
    const index = withSource(files, binary, indexIn);
    const { serializer, eviction, savedAtMs } = index.facts;
    const head = JSON.stringify(
      { version: JSON_VERSION, serializer, eviction, savedAt: new Date(savedAtMs) },
      undefined,
      2,
    );
    let text = `${head.slice(0, -2)},\n  "entries": [`;
    let bytes = 0;
    let entries = 0;
    const write = () => {
      const chunk = Buffer.from(text);
      writeWhole(files, fd, chunk);
      bytes += chunk.length;
      text = '';
    };
    const slice = new Slice(signal);
    for (const place of coldestFirst(index)) {
      for (const entry of withSource(files, binary, (source) => entriesIn(source, place, index.id))) {
        text += `${entries++ === 0 ? '' : ','}\n    ${lineOf(entry, codec)}`;
        if (text.length >= WRITE_CHARS) write();
        if (slice.isOver()) await slice.next();
      }
    }
    text += `${entries === 0 ? '' : '\n  '}]\n}\n`;
    write();
    return { path: await publish(files, fd, temporary, nameOf, signal), bytes };
  } finally {
    files.closeSync(fd);
    discard(files, temporary);
  }
}

/**
 * Hands on the path of a binary snapshot with what is in the file, which is gone afterwards: another name of the file, or, where that is
 * text, a temporary one. Throws CACHE_LOAD_ERROR for text that is no snapshot.
 */
export async function withBinary<T>(
  files: Files,
  path: string,
  codec: ValueCodec,
  signal: AbortSignal,
  use: (binary: string) => Promise<T>,
): Promise<T> {
  if (!isText(files, path)) {
    return await withSecondName(files, path, use);
  }
  const { temporary, fd } = openBeside(files, path);
  try {
    try {
      await convertText(files, path, fd, codec, signal);
    } finally {
      files.closeSync(fd);
    }
    return await use(temporary);
  } catch (error) {
    throw aboutFile('CACHE_LOAD_ERROR', path, temporary, error);
  } finally {
    discard(files, temporary);
  }
}

/**
 * A load opens the file for every block, and all of them have to be of one: what is saved meanwhile takes the first name alone. Where
 * a file can have one name only, a load fails that is overtaken by a save.
 */
async function withSecondName<T>(files: Files, path: string, use: (name: string) => Promise<T>): Promise<T> {
  const second = temporaryFor(path);
  try {
    files.linkSync(realpathSync(path), second);
  } catch {
    // Nothing is wrong with the file because of that, and if there is, whoever reads it is told.
    return await use(path);
  }
  try {
    return await use(second);
  } catch (error) {
    throw aboutFile('CACHE_LOAD_ERROR', path, second, error);
  } finally {
    discard(files, second);
  }
}

/**
 * The entries of a text in batches, each what a slice has read; `cutter.head` is whole when it has ended. Throws CACHE_LOAD_ERROR for
 * text that is no snapshot.
 */
export async function* entriesInText(
  files: Files,
  path: string,
  cutter: JsonCutter,
  codec: ValueCodec,
  signal: AbortSignal,
): AsyncGenerator<SnapshotEntry[]> {
  const keys = new KeyNumbers();
  const slice = new Slice(signal);
  const chunk = Buffer.allocUnsafeSlow(READ_BYTES);
  const from = files.openSync(path, READ_ONLY);
  try {
    for (let at = 0; ; ) {
      const count = files.readSync(from, chunk, 0, READ_BYTES, at);
      if (count === 0) {
        break;
      }
      // A copy, since the cutter keeps what has not ended.
      const bytes = Buffer.from(chunk.subarray(0, count));
      const hasMark = at === 0 && bytes.indexOf(BYTE_ORDER_MARK) === 0;
      let batch: SnapshotEntry[] = [];
      for (const line of cutter.cut(hasMark ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes)) {
        batch.push(checkedEntry(line, cutter.entries, keys, codec));
        if (slice.isOver()) {
          yield batch;
          batch = [];
          await slice.next();
        }
      }
      yield batch;
      at += count;
      await slice.next();
    }
    cutter.end();
    checkVersion(cutter.head.get('version'), path);
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof TypeError)) throw cause;
    throw Object.assign(loadError(path, `is no snapshot: ${describeText(cause)}`, MENDING), { cause });
  } finally {
    files.closeSync(from);
  }
}

async function convertText(
  files: Files,
  path: string,
  into: number,
  codec: ValueCodec,
  signal: AbortSignal,
): Promise<void> {
  const cutter = new JsonCutter();
  const writer = new SnapshotWriter(into, files);
  for await (const batch of entriesInText(files, path, cutter, codec, signal)) {
    for (const entry of batch) writer.add(entry);
  }
  const { eviction, savedAtMs = 0 } = toldByText(cutter);
  writer.finish({ serializer: codec.name, eviction, savedAtMs });
}

/** What a text says of itself, beside its entries. Nothing of it has to be there. */
export function toldByText({ head }: JsonCutter) {
  const { serializer, eviction, savedAt } = Object.fromEntries(head);
  const savedAtMs = Date.parse(String(savedAt));
  return {
    serializer: typeof serializer === 'string' ? serializer : undefined,
    eviction: typeof eviction === 'string' ? eviction : '',
    savedAtMs: Number.isNaN(savedAtMs) ? undefined : savedAtMs,
  };
}

/** Throws what is wrong, with the number of the entry. */
function checkedEntry(line: unknown, number: number, keys: KeyNumbers, codec: ValueCodec): SnapshotEntry {
  try {
    const entry = entryOf(line, codec);
    keys.add(entry.key, number);
    return entry;
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== undefined && !(cause instanceof TypeError)) throw cause;
    throw new TypeError(`entry ${number} ${describeText(cause)}`, { cause });
  }
}

/** No key is twice in a snapshot: whichever of two came first would win, and nobody would know. */
class KeyNumbers {
  readonly #encoder = new KeyEncoder({ low: 0, high: 0 });
  readonly #numbers = new Map<string, number>();

  add(key: unknown, number: number): void {
    this.#encoder.encode(key);
    const { id } = this.#encoder;
    const first = this.#numbers.get(id);
    if (first !== undefined) {
      throw new TypeError(`has the key of entry ${first}: remove one of them`);
    }
    this.#numbers.set(id, number);
  }
}

/** Work in pieces: when a slice is over, others get their turn, and whoever has given up is heard. */
class Slice {
  readonly #signal: AbortSignal;
  #endsMs = performance.now() + SLICE_MS;
  #passed = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Asked once for each entry. */
  isOver(): boolean {
    this.#passed++;
    return this.#passed % LOOK_EVERY === 0 && performance.now() >= this.#endsMs;
  }

  /** Rejects with the signal's reason. */
  async next(): Promise<void> {
    await setImmediate();
    this.#signal.throwIfAborted();
    this.#endsMs = performance.now() + SLICE_MS;
  }
}

/** Whether it begins as a JSON text does. Throws CACHE_LOAD_ERROR. */
export function isText(files: Files, path: string): boolean {
  const head = withSource(files, path, (source) => source.read(0, SNIFF_BYTES));
  const hasMark = head.indexOf(BYTE_ORDER_MARK) === 0;
  return /^\s*\{/.test(head.toString('latin1', hasMark ? BYTE_ORDER_MARK.length : 0));
}

/** A temporary file beside another, or where temporary files are if that may not be. */
function openBeside(files: Files, path: string): { readonly temporary: string; readonly fd: number } {
  const beside = temporaryFor(path);
  try {
    return { temporary: beside, fd: files.openSync(beside, 'wx+') };
  } catch (error) {
    if (dirname(path) === tmpdir() || !REFUSALS.includes(String((error as { code?: unknown }).code))) throw error;
    const elsewhere = temporaryFor(join(tmpdir(), basename(path)));
    return { temporary: elsewhere, fd: files.openSync(elsewhere, 'wx+') };
  }
}

function checkVersion(version: unknown, path: string): void {
  if (version === JSON_VERSION) {
    return;
  }
  const isNewer = typeof version === 'number' && version > JSON_VERSION;
  throw isNewer
    ? loadError(
        path,
        `is a snapshot of version ${version}, and this shardstash reads ${JSON_VERSION}`,
        'load it with the shardstash that saved it',
      )
    : loadError(path, `should say \`"version": ${JSON_VERSION}\``, MENDING);
}

/** What an error says, without its class. */
function describeText(cause: unknown): string {
  return cause instanceof Error ? cause.message : describeThrown(cause);
}
