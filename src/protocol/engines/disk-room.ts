/**
 * Keeps a disk engine below its bound, with everything counted that is on the disk: blobs, segments, and in these the bytes
 * that are dead.
 *
 *     |--- live records and blobs ---|- dead, waiting to be cleaned -|- reserve -|
 *     0                                                                        maxBytes
 *
 * Before a write, entries are evicted until it would fit without touching the reserve. A blob's room is there at once; a
 * record's only when its segment is cleaned, so as soon as two segments' worth are dead, the oldest segment is. The reserve
 * is what that takes on its way: the copy of one segment, what the deletions of evicted records take (at most as much as they
 * give back, one and a half segments), and the segment that is written to. A segment is a 128th of the bound, the reserve six.
 */
import { CacheError } from '../errors.ts';
import type { DiskBlobs } from './disk-blobs.ts';
import type { DiskOrder } from './disk-order.ts';
import type { LogCleaner } from './log-cleaner.ts';
import { RETIRE_FRAME_BYTES } from './log-frame.ts';
import { NONE } from './log-index.ts';
import type { LogRecords } from './log-records.ts';

export const MAX_BYTES_MIN = 1024 * 1024;
const SEGMENTS = 128;
const RESERVE_SEGMENTS = 6;
const DEAD_SEGMENTS = 2;
/** Turns of one call beyond one for each entry and segment: a loop that frees nothing ends. */
const TURNS_SPARE = 64;

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

  get bytes(): number {
    return this.#records.segments.bytes + this.#blobs.bytes;
  }

  /** What entries may take together. */
  get capacity(): number {
    return this.#maxBytes - RESERVE_SEGMENTS * this.#segmentBytes;
  }

  /** Makes room for so many bytes more. Throws CACHE_FULL when nothing may go. */
  make(bytes: number): void {
    const { segments, index } = this.#records;
    let turns = 2 * (index.size + segments.all.length) + TURNS_SPARE;
    while (this.bytes + bytes > this.capacity) {
      const victim = this.#order.victim;
      if (turns-- === 0) {
        throw this.#full(bytes);
      }
      if (segments.sealedDeadBytes >= DEAD_SEGMENTS * this.#segmentBytes) {
        this.#cleaner.cleanOldest(this.#sync);
      } else if (victim !== NONE) {
        this.evict(victim);
      } else if (!this.#cleanLast()) {
        throw this.#full(bytes);
      }
    }
  }

  evict(entry: number): void {
    this.#records.dropEntry(entry);
    this.#blobs.attach(entry, undefined);
    this.#order.remove(entry);
    this.evictions++;
  }

  /** When nothing may be evicted: whatever is dead, however little. */
  #cleanLast(): boolean {
    const { segments } = this.#records;
    if (segments.all.length > 1 && segments.sealedDeadBytes > segments.all.length * RETIRE_FRAME_BYTES) {
      this.#cleaner.cleanOldest(this.#sync);
      return true;
    }
    if (segments.active.deadBytes > 0 && segments.active.deadBytes > this.#segmentBytes / 2) {
      segments.room(0);
      segments.roll();
      return true;
    }
    return false;
  }

  #full(bytes: number): CacheError {
    const path = this.#records.segments.directory;
    const message =
      `The store at ${path} is full: it holds ${this.bytes} of ${this.#maxBytes} bytes (${RESERVE_SEGMENTS} of ${SEGMENTS} parts ` +
      `are kept for its compaction), and ${bytes} more were to be stored. Next: delete entries, raise \`maxBytes\`, or choose an \`eviction\``;
    return new CacheError('CACHE_FULL', message, { path });
  }
}
