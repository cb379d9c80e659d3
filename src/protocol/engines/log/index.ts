/**
 * An append-only log with an index in memory: every write goes to the end of a file, so that it costs one call, and what is
 * there already is never touched. For one process at a time, with keys by the million.
 *
 *     DIR/0000000007.log      segments (segment.ts) of frames (frame.ts): full, and never changed again
 *     DIR/0000000008.log      the one that is written to
 *     DIR/closed              how whoever closed it has left it (note.ts)
 *     DIR/*.damaged-N         what a repair has put aside
 *
 * A write is acknowledged when the system has it, where it survives the end of the process; with `sync: true` when the medium
 * has it (commit.ts). A full segment is made to survive the machine's end while the next is written to; should the machine
 * end before that, what is missing in a segment that is not the last is damage, which `repair` mends.
 *
 * What it is bad at: all keys are in memory and the whole log is read to open it, a million entries a second or so. What
 * is replaced takes room until the log is compacted (cleaner.ts), which it is by itself.
 */
import type { Answer, Engine, EngineFacts, EngineKind } from '../engine.ts';
import { amountOption, flagOption } from '../place-options.ts';
import { LogCleaner } from './cleaner.ts';
import { SET } from './frame.ts';
import { pagesOfKeys } from './key-pages.ts';
import { NONE } from './places.ts';
import type { FrameBytes } from './reader.ts';
import type { LogRecords } from './records.ts';
import type { LogSegments } from './segments.ts';
import { closeSession, factsOf, type LogSession, openSession } from './session.ts';
import { verifyLog } from './verify.ts';

const SEGMENT_BYTES = 64 * 1024 * 1024;
/** Below this a segment would be mostly files. */
const SEGMENT_BYTES_MIN = 4 * 1024;
/** Offsets have room for 64 GiB, but one segment is copied forward at a time. */
const SEGMENT_BYTES_MAX = 4 * 1024 ** 3;

class LogEngine implements Engine {
  readonly #records: LogRecords;
  readonly #segments: LogSegments;
  readonly #cleaner: LogCleaner;
  readonly #sync: boolean;
  readonly #session: LogSession;

  constructor(session: LogSession, sync: boolean) {
    this.#session = session;
    this.#records = session.records;
    this.#segments = session.records.segments;
    this.#cleaner = new LogCleaner(session.records);
    this.#sync = sync;
  }

  get(key: string): Answer<Uint8Array | undefined> {
    const found = this.#records.read(key);
    return found instanceof Promise ? found.then(recordOf) : found?.record;
  }

  set(key: string, record: Uint8Array): Answer<void> {
    this.#records.put(key, SET, record);
    return this.#written();
  }

  delete(key: string): Answer<boolean> {
    const entry = this.#records.find(key);
    if (entry === NONE) {
      return false;
    }
    this.#records.drop(entry);
    const written = this.#written();
    return written === undefined ? true : written.then(() => true);
  }

  update(key: string, change: (record: Uint8Array | undefined) => Uint8Array | undefined): Answer<void> {
    const before = this.#records.readNow(key)?.record;
    const after = change(before);
    if (after === before) {
      return;
    }
    if (after === undefined) {
      this.#records.drop(this.#records.find(key));
    } else {
      this.#records.put(key, SET, after);
    }
    return this.#written();
  }

  getMany(keys: readonly string[]): (Uint8Array | undefined)[] {
    return keys.map((key) => {
      const record = this.#records.readNow(key)?.record;
      return record === undefined ? undefined : Buffer.from(record);
    });
  }

  setMany(entries: readonly (readonly [string, Uint8Array])[]): Answer<void> {
    if (entries.length > 0) {
      this.#records.putMany(entries, SET);
      return this.#written();
    }
  }

  clear(): Answer<number> {
    if (this.size() === 0) {
      return 0;
    }
    const count = this.#records.clear();
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
    return this.#segments.commits.commit();
  }

  async close(): Promise<void> {
    await this.#cleaner.stop();
    await closeSession(this.#session);
  }

  facts(): EngineFacts {
    return factsOf(this.#session, this.#cleaner);
  }

  verify(): AsyncIterable<string> {
    return verifyLog(this.#segments.files, this.#segments.directory, true);
  }

  async compact(): Promise<void> {
    await this.#cleaner.compact();
  }

  #written(): Promise<void> | undefined {
    this.#cleaner.nudge();
    return this.#sync ? this.#segments.commits.commit() : undefined;
  }
}

function recordOf(frame: FrameBytes): Uint8Array {
  return frame.record;
}

export const logEngine: EngineKind = {
  keeps: 'directory',
  access: 'exclusive',
  options: ['sync', 'segmentBytes', 'repair'],
  async open(place) {
    const sync = flagOption(place.options, 'sync');
    const repair = flagOption(place.options, 'repair');
    const segmentBytes = amountOption(place.options, 'segmentBytes', 'a number of bytes', {
      from: SEGMENT_BYTES_MIN,
      to: SEGMENT_BYTES_MAX,
      otherwise: SEGMENT_BYTES,
    });
    return await openSession(place, { segmentBytes, repair }, (session) => new LogEngine(session, sync));
  },
};
