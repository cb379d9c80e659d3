/**
 * The keys of a log, page by page. An entry has its number from when it was written first, or found when the log was opened, so
 * entries lie in the segments nearly in the order of their numbers: where frames are small one read is for hundreds of them,
 * and listing a million takes 0.3 s instead of 0.9. Where the next ones lie elsewhere each is read by itself.
 *
 * What was read ahead is good until the thread has its next turn: after that a compaction may have moved it.
 */
import { KEYS_PER_PAGE } from '../engine.ts';
import { FRAME_HEAD_BYTES, FrameView } from './frame.ts';
import type { LogRecords } from './records.ts';
import { offsetOfPlace } from './segment.ts';

const WINDOW_BYTES = 64 * 1024;
/** It is read where so many of the next entries are in it. */
const WINDOW_ENTRIES = 8;

/** The keys of all entries that are there when it begins and when their turn comes, by their numbers. */
export async function* pagesOfKeys(records: LogRecords): AsyncGenerator<readonly string[]> {
  const { index } = records;
  const reader = index.beginReader();
  const window = new KeyWindow(records);
  for (let entry = 0; entry < index.end; ) {
    const page: number[] = [];
    for (; page.length < KEYS_PER_PAGE && entry < index.end; entry++) {
      if (index.isFor(entry, reader)) page.push(entry);
    }
    if (page.length > 0) {
      yield window.keysOf(page);
    }
  }
}

class KeyWindow {
  readonly #records: LogRecords;
  readonly #bytes = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  readonly #frame = new FrameView();
  /** The places (segment.ts) whose bytes are here. */
  #from = 0;
  #to = 0;

  constructor(records: LogRecords) {
    this.#records = records;
  }

  keysOf(entries: readonly number[]): string[] {
    this.#to = this.#from;
    return entries.map((entry, i) => {
      const place = this.#records.index.place(entry);
      if (!this.#has(place)) {
        const ahead = entries[i + WINDOW_ENTRIES];
        if (ahead !== undefined && this.#isNear(place, this.#records.index.place(ahead))) this.#read(entry, place);
      }
      // It is read by itself, too, where what is here is not right: what is wrong is told there.
      return this.#keyAt(entry, place) ?? this.#records.keyOf(entry);
    });
  }

  #has(place: number): boolean {
    return place >= this.#from && place + FRAME_HEAD_BYTES <= this.#to;
  }

  #isNear(place: number, next: number): boolean {
    return next > place && next - place < WINDOW_BYTES;
  }

  #read(entry: number, place: number): void {
    this.#from = place;
    this.#to = place + this.#records.readFrom(entry, this.#bytes);
  }

  #keyAt(entry: number, place: number): string | undefined {
    if (!this.#has(place)) {
      return undefined;
    }
    const at = place - this.#from;
    const { seed } = this.#records.segmentOf(entry);
    if (!this.#frame.readHead(this.#bytes, at, seed, offsetOfPlace(place))) {
      return undefined;
    }
    const start = at + FRAME_HEAD_BYTES;
    const end = start + this.#frame.keyLength;
    return this.#from + end <= this.#to && this.#records.isHashOf(entry, this.#bytes, start, end)
      ? this.#bytes.toString('utf8', start, end)
      : undefined;
  }
}
