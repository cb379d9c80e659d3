/**
 * What `cache.metrics()` tells of snapshots. The thread that opened the cache counts in shared memory, where every thread looks by
 * itself:
 *
 *     saves | loads | failures | last saved, in ms since 1970, or 0 | its entries | its bytes        float64 each
 */
export interface SnapshotMetrics {
  /** Saves and loads that went well, those of `autosave` and `restore` among them; and those that failed or were given up. */
  readonly saves: number;
  readonly loads: number;
  readonly failures: number;
  /** When the last save that went well had its file in its place, and what is in it. */
  readonly lastSavedAt: Date | undefined;
  readonly lastEntries: number;
  readonly lastBytes: number;
}

const SAVES = 0;
const LOADS = 1;
const FAILURES = 2;
const SAVED_AT = 3;
const ENTRIES = 4;
const BYTES = 5;
const CELLS = 6;
const CELL_BYTES = 8;

export class SnapshotCounts {
  readonly buffer: SharedArrayBuffer;
  readonly #cells: Float64Array;

  constructor(buffer = new SharedArrayBuffer(CELLS * CELL_BYTES)) {
    this.buffer = buffer;
    this.#cells = new Float64Array(buffer);
  }

  saved(entries: number, bytes: number): void {
    this.#count(SAVES);
    this.#cells[SAVED_AT] = Date.now();
    this.#cells[ENTRIES] = entries;
    this.#cells[BYTES] = bytes;
  }

  loaded(): void {
    this.#count(LOADS);
  }

  failed(): void {
    this.#count(FAILURES);
  }

  /** Lets the counts begin at zero again; what was saved last stays. */
  reset(): void {
    this.#cells.fill(0, SAVES, SAVED_AT);
  }

  metrics(): SnapshotMetrics {
    const cell = (index: number) => this.#cells[index] as number;
    return {
      saves: cell(SAVES),
      loads: cell(LOADS),
      failures: cell(FAILURES),
      lastSavedAt: cell(SAVED_AT) === 0 ? undefined : new Date(cell(SAVED_AT)),
      lastEntries: cell(ENTRIES),
      lastBytes: cell(BYTES),
    };
  }

  #count(cell: number): void {
    (this.#cells[cell] as number)++;
  }
}
