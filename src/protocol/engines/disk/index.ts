/**
 * A bounded store: what the engine `log` is made of, with an order in which entries are evicted, and large records in files
 * of their own.
 *
 *     DIR/0000000007.log   ...      keys, small records, and pointers to large ones (segment.ts)
 *     DIR/blobs/3f/3f09a1c27be4     records above 32 KiB (blobs.ts)
 *
 * It stays below `maxBytes` at all times (room.ts). The order of eviction is kept in memory (order.ts).
 *
 * A segment that is cleaned to make room is removed at once, and a blob with its entry: should the machine end in the next
 * moments, older entries may be lost than the last ones, and a key may point at a blob that is missing. With `sync: true` a
 * segment goes only when its copies are on the medium, and a blob when that is what replaces or deletes it.
 *
 * What it is bad at: with 'lru' and 'lfu' whatever lives in the oldest segment is copied again and again, where 'lrs', the
 * default, evicts what lies there anyway. All keys are in memory, as for the log.
 */
import { CacheError, misuse } from '../../errors.ts';
import type { Answer, Engine, EngineFacts, EngineKind } from '../engine.ts';
import { LogCleaner } from '../log/cleaner.ts';
import { BLOB, FRAME_HEAD_BYTES, SET } from '../log/frame.ts';
import { pagesOfKeys } from '../log/key-pages.ts';
import type { Replay } from '../log/opening.ts';
import { NONE } from '../log/places.ts';
import type { FrameBytes } from '../log/reader.ts';
import type { LogRecords } from '../log/records.ts';
import { closeSession, factsOf, type LogSession, openSession } from '../log/session.ts';
import { verifyLog } from '../log/verify.ts';
import { amountOption, flagOption } from '../place-options.ts';
import { DiskBlobs, POINTER_BYTES } from './blobs.ts';
import { type DiskEviction, DiskOrder, EVICTIONS } from './order.ts';
import { DiskRoom, MAX_BYTES_MIN, segmentBytesFor } from './room.ts';

const MAX_BYTES = 1024 ** 3;
/** A record above this is a file of its own: a compaction would copy more than an open costs. */
const INLINE_MAX = 32 * 1024;

interface Parts {
  readonly session: LogSession;
  readonly blobs: DiskBlobs;
  readonly order: DiskOrder;
  readonly cleaner: LogCleaner;
  readonly room: DiskRoom;
  readonly sync: boolean;
  readonly segmentBytes: number;
}

class DiskEngine implements Engine {
  readonly #parts: Parts;
  readonly #records: LogRecords;
  readonly #blobs: DiskBlobs;
  readonly #order: DiskOrder;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#records = parts.session.records;
    this.#blobs = parts.blobs;
    this.#order = parts.order;
  }

  get(key: string): Answer<Uint8Array | undefined> {
    const found = this.#records.read(key);
    if (found === undefined) {
      return undefined;
    }
    this.#order.used(this.#records.lastRead);
    return found instanceof Promise ? found.then((frame) => this.#recordOf(frame)) : this.#recordOf(found);
  }

  set(key: string, record: Uint8Array): Answer<void> {
    this.#put(key, record);
    return this.#written();
  }

  delete(key: string): Answer<boolean> {
    if (!this.#drop(key)) {
      return false;
    }
    const written = this.#written();
    return written === undefined ? true : written.then(() => true);
  }

  update(key: string, change: (record: Uint8Array | undefined) => Uint8Array | undefined): Answer<void> {
    const before = this.#readNow(key);
    const after = change(before);
    if (after === before) {
      return;
    }
    if (after === undefined) {
      this.#drop(key);
    } else {
      this.#put(key, after);
    }
    return this.#written();
  }

  getMany(keys: readonly string[]): (Uint8Array | undefined)[] {
    return keys.map((key) => {
      const record = this.#readNow(key);
      return record === undefined ? undefined : Buffer.from(record);
    });
  }

  setMany(entries: readonly (readonly [string, Uint8Array])[]): Answer<void> {
    for (const [key, record] of entries) this.#put(key, record);
    return entries.length === 0 ? undefined : this.#written();
  }

  clear(): Answer<number> {
    if (this.size() === 0) {
      return 0;
    }
    const count = this.#records.clear();
    this.#blobs.clear(true);
    this.#order.clear();
    const written = this.#written();
    return written === undefined ? count : written.then(() => count);
  }

  size(): number {
    return this.#records.index.size;
  }

  async *keys(): AsyncGenerator<readonly string[]> {
    yield* pagesOfKeys(this.#records);
  }

  flush(): Promise<void> {
    return this.#records.segments.commits.commit();
  }

  async close(): Promise<void> {
    await this.#parts.cleaner.stop();
    await closeSession(this.#parts.session);
  }

  facts(): EngineFacts {
    const { room, cleaner, session } = this.#parts;
    return {
      ...factsOf(session, cleaner),
      bytes: room.bytes,
      blobs: this.#blobs.count,
      blobBytes: this.#blobs.bytes,
      orphans: this.#blobs.orphans,
      evictions: room.evictions,
    };
  }

  async *verify(): AsyncGenerator<string> {
    const { files, directory } = this.#records.segments;
    yield* verifyLog(files, directory, true);
    for (let entry = 0; entry < this.#records.index.end; entry++) {
      if (this.#blobs.has(entry)) {
        const { record } = this.#records.frameOf(entry);
        try {
          await this.#blobs.read(record);
        } catch (error) {
          if (!(error instanceof CacheError && error.code === 'STORE_CORRUPT')) {
            throw error;
          }
          yield error.message;
        }
      }
    }
  }

  async compact(): Promise<void> {
    await this.#parts.cleaner.compact();
  }

  #put(key: string, record: Uint8Array): void {
    const { room, segmentBytes } = this.#parts;
    const keyBytes = FRAME_HEAD_BYTES + Buffer.byteLength(key);
    const isInline = record.length <= INLINE_MAX && keyBytes + record.length <= segmentBytes / 2;
    const logBytes = keyBytes + (isInline ? record.length : POINTER_BYTES);
    const blobBytes = isInline ? 0 : record.length;
    if (!room.holds(logBytes, blobBytes) || keyBytes + POINTER_BYTES > segmentBytes / 2) {
      throw new CacheError(
        'VALUE_TOO_LARGE',
        `An entry of ${logBytes + blobBytes} bytes with a key of ${keyBytes - FRAME_HEAD_BYTES} is too large for this store. ` +
          'Next: raise `maxBytes`, of which a key may take a 256th',
      );
    }
    room.make(key, logBytes, blobBytes);
    const pointer = isInline ? undefined : this.#blobs.write(record);
    let entry: number;
    try {
      entry = this.#records.put(key, pointer === undefined ? SET : BLOB, pointer ?? record);
    } catch (error) {
      if (pointer !== undefined) this.#blobs.unwrite(pointer);
      throw error;
    }
    if (this.#records.hasReplaced) {
      this.#order.stored(entry);
    } else {
      this.#order.add(entry);
    }
    this.#blobs.attach(entry, pointer);
  }

  /** Whether there was one. */
  #drop(key: string): boolean {
    if (this.#records.find(key) === NONE) {
      return false;
    }
    // What says that it is gone takes room, too. There is always some: the reserve is for that.
    this.#parts.room.clean(FRAME_HEAD_BYTES + Buffer.byteLength(key));
    const entry = this.#records.find(key);
    this.#records.drop(entry);
    this.#blobs.attach(entry, undefined);
    this.#order.remove(entry);
    return true;
  }

  #recordOf({ kind, record }: FrameBytes): Answer<Uint8Array> {
    return kind === BLOB ? this.#blobs.read(record) : record;
  }

  #readNow(key: string): Buffer | undefined {
    const found = this.#records.readNow(key);
    if (found === undefined) {
      return undefined;
    }
    this.#order.used(this.#records.lastRead);
    return found.kind === BLOB ? this.#blobs.readNow(found.record) : found.record;
  }

  #written(): Promise<void> | undefined {
    this.#parts.room.nudge();
    const { doomed } = this.#blobs;
    return this.#parts.sync
      ? this.#records.segments.commits.commit().then(() => this.#blobs.removeDoomed(doomed))
      : undefined;
  }
}

function checkEviction(value: unknown): DiskEviction {
  const eviction = value ?? 'lrs';
  const known = EVICTIONS.find((name) => name === eviction);
  if (known === undefined) {
    throw misuse('INVALID_CONFIG', `\`eviction\` to be one of ${EVICTIONS.join(', ')}`, value, { option: 'eviction' });
  }
  return known;
}

export const diskEngine: EngineKind = {
  keeps: 'directory',
  access: 'exclusive',
  options: ['maxBytes', 'eviction', 'sync', 'repair'],
  async open(place) {
    const { options, files, directory } = place;
    const maxBytes = amountOption(options, 'maxBytes', 'a number of bytes', {
      from: MAX_BYTES_MIN,
      to: Number.MAX_SAFE_INTEGER,
      otherwise: MAX_BYTES,
    });
    const eviction = checkEviction(options['eviction']);
    const sync = flagOption(options, 'sync');
    const repair = flagOption(options, 'repair');
    const segmentBytes = Math.min(segmentBytesFor(maxBytes), 2 ** 30);
    const blobs = new DiskBlobs(files, directory, sync);
    const order = new DiskOrder(eviction);
    const replay: Replay = {
      put(entry, frame, bytes, recordAt, isNew) {
        blobs.note(entry, frame.kind === BLOB ? bytes.subarray(recordAt, recordAt + POINTER_BYTES) : undefined);
        if (isNew) order.add(entry);
        else order.stored(entry);
      },
      gone(entry) {
        blobs.note(entry, undefined);
        order.remove(entry);
      },
      cleared() {
        blobs.clear(false);
        order.clear();
      },
    };
    return await openSession(place, { segmentBytes, repair, replay }, async (session) => {
      await blobs.sweep();
      // One segment at a time: the reserve has room for the copy of one.
      const cleaner = new LogCleaner(session.records, 1);
      const room = new DiskRoom({ maxBytes, sync }, session.records, blobs, order, cleaner);
      if (eviction !== 'none') {
        // The bound may have been larger before.
        room.make(undefined, 0, 0);
      }
      return new DiskEngine({ session, blobs, order, cleaner, room, sync, segmentBytes });
    });
  },
};
