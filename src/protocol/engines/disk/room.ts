/**
 * Keeps a disk engine below its bound, with everything counted that is on the disk: blobs, segments, and in these the bytes
 * that are dead.
 *
 *     |--- blobs ---|--- live records ---|- a third of that, and two segments: dead -|- reserve -|
 *     0                                                                               maxBytes
 *
 * A blob's room is there as soon as it is evicted, a record's only when its segment is cleaned. So live records keep to three
 * quarters of what the segments may take: with the rest dead, cleaning copies three bytes for each that it gives back, and
 * not a hundred. Before a write, entries are evicted until the live bytes fit, and segments are cleaned until all bytes
 * do. The reserve is what that takes on its way: the copy of one segment, the deletions of those evicted, and the segment that
 * is written to. A segment is a 128th of the bound, the reserve six.
 */
import { CacheError } from '../../errors.ts';
import type { LogCleaner } from '../log/cleaner.ts';
import { NONE } from '../log/places.ts';
import type { LogRecords } from '../log/records.ts';
import type { DiskBlobs } from './blobs.ts';
import type { DiskOrder } from './order.ts';

export const MAX_BYTES_MIN = 1024 * 1024;
const SEGMENTS = 128;
const RESERVE_SEGMENTS = 6;
/** What segments take for each byte that lives in them, and the rest that cannot be cleaned yet. */
const BYTES_PER_LIVE = 4 / 3;
const SLACK_SEGMENTS = 2;
const DEAD_SEGMENTS = 2;
/** Cleaning begins by itself when the store is this full and so much of its segments is dead: of a quarter that may be. */
const NEARLY_FULL = 15 / 16;
const DEAD_SHARE = 1 / 6;
/** Two times round must have cleaned all there is; a loop that frees nothing ends. */
const ROUNDS_MAX = 2;

export function segmentBytesFor(maxBytes: number): number {
  return Math.floor(maxBytes / SEGMENTS);
}

export class DiskRoom {
  readonly #maxBytes: number;
  readonly #segmentBytes: number;
  readonly #sync: boolean;
  readonly #records: LogRecords;
  readonly #blobs: DiskBlobs;
  readonly #order: DiskOrder;
  readonly #cleaner: LogCleaner;
  evictions = 0;

  constructor(
    { maxBytes, sync }: { maxBytes: number; sync: boolean },
    records: LogRecords,
    blobs: DiskBlobs,
    order: DiskOrder,
    cleaner: LogCleaner,
  ) {
    this.#maxBytes = maxBytes;
    this.#sync = sync;
    this.#segmentBytes = segmentBytesFor(maxBytes);
    this.#records = records;
    this.#blobs = blobs;
    this.#order = order;
    this.#cleaner = cleaner;
  }

  /** All there is on the disk. */
  get bytes(): number {
    return this.#records.segments.bytes + this.#blobs.bytes;
  }

  get #capacity(): number {
    return this.#maxBytes - RESERVE_SEGMENTS * this.#segmentBytes;
  }

  /** Whether an entry fits into the store when there is nothing else. */
  holds(logBytes: number, blobBytes: number): boolean {
    return this.#takes(logBytes, blobBytes) <= this.#capacity;
  }

  /** Makes room for a frame and a blob. Throws CACHE_FULL when nothing may go. */
  make(key: string | undefined, logBytes: number, blobBytes: number): void {
    const { segments } = this.#records;
    // Only a store that is opened with a lower bound than before is above it: then it is brought there once.
    const isAbove = this.bytes > this.#maxBytes;
    while (this.#takes(segments.liveBytes + logBytes, this.#blobs.liveBytes + blobBytes) > this.#capacity) {
      const { victim } = this.#order;
      if (victim !== NONE) {
        this.#evict(victim);
        this.#cleanDeletions(isAbove);
      } else if (this.#replaces(key, logBytes, blobBytes)) {
        break;
      } else {
        throw this.#full(logBytes + blobBytes);
      }
    }
    if (!this.clean(logBytes + blobBytes)) {
      throw this.#full(logBytes + blobBytes);
    }
  }

  /** Cleans segments until so many bytes more have room, and says whether they have. */
  clean(bytes: number): boolean {
    const { segments } = this.#records;
    if (this.bytes + bytes > this.#capacity && this.#blobs.liveBytes < this.#blobs.bytes) {
      segments.commits.commitNow();
      this.#blobs.removeDoomed();
    }
    let turns = ROUNDS_MAX * (segments.all.length + SEGMENTS);
    while (this.bytes + bytes > this.#capacity) {
      if (turns-- === 0) {
        return false;
      }
      if (segments.all.length === 1) {
        segments.room(0);
        segments.roll();
      }
      this.#cleaner.cleanOldest(this.#sync);
    }
    return true;
  }

  /** Begins to clean away from the write, so that few writes have to. */
  nudge(): void {
    if (this.bytes > this.#capacity * NEARLY_FULL) {
      this.#cleaner.nudge(DEAD_SHARE);
    }
  }

  /** What entries of so many bytes take in the end. */
  #takes(logBytes: number, blobBytes: number): number {
    return logBytes * BYTES_PER_LIVE + SLACK_SEGMENTS * this.#segmentBytes + blobBytes;
  }

  /** Whether what the key has now gives the room: nothing may be evicted, but an entry may be replaced. */
  #replaces(key: string | undefined, logBytes: number, blobBytes: number): boolean {
    const entry = key === undefined ? NONE : this.#records.find(key);
    if (entry === NONE) {
      return false;
    }
    const live = this.#records.segments.liveBytes - this.#records.index.bytes(entry);
    return this.#takes(live + logBytes, this.#blobs.liveBytes + blobBytes) <= this.#capacity;
  }

  #evict(entry: number): void {
    this.#records.dropEntry(entry);
    this.#blobs.attach(entry, undefined);
    this.#order.remove(entry);
    this.evictions++;
  }

  /** When many go for one that is large, their deletions alone would use up the reserve. */
  #cleanDeletions(isAbove: boolean): void {
    const { segments } = this.#records;
    const dead = DEAD_SEGMENTS * this.#segmentBytes + (isAbove ? segments.sealedBytes * DEAD_SHARE : 0);
    if (this.bytes > this.#capacity && segments.sealedDeadBytes > dead) {
      this.#cleaner.cleanOldest(this.#sync);
    }
  }

  #full(bytes: number): CacheError {
    const path = this.#records.segments.directory;
    const message =
      `The store at ${path} is full: it has ${this.bytes} of ${this.#maxBytes} bytes (a part of which is kept for its ` +
      `compaction), and ${bytes} more were to be stored. Next: delete entries, raise \`maxBytes\`, or choose an \`eviction\``;
    return new CacheError('CACHE_FULL', message, { path });
  }
}
