/**
 * Many requests in one message, from the thread that reads them to the thread that drives the cache.
 *
 * The keys cross as one run of bytes, a line feed after each (no key has one), and become strings in one decoding and one
 * split: an array of strings would be cloned one by one. Sizes and TTLs cross as columns, and only if a request has one.
 * A batch is bounded by requests and by bytes, whatever the lines look like.
 */

/** A few milliseconds of work for the cache, so that a hand-over costs next to nothing for each request. */
const REQUESTS_MAX = 2048;
/** A batch is full at this many bytes of keys; the last key may reach beyond it. */
const KEY_BYTES_FULL = 64 * 1024;
const LINE_FEED = 10;

/** A size or TTL that the request leaves to the settings. */
export const UNSET = -1;

export interface Batch {
  readonly count: number;
  /** UTF-8, a line feed after each key. */
  readonly keys: Uint8Array<ArrayBuffer>;
  /** Bytes of the value, or UNSET; undefined if all are. */
  readonly sizes: Float64Array<ArrayBuffer> | undefined;
  /** Seconds, or UNSET; undefined if all are. */
  readonly ttls: Float64Array<ArrayBuffer> | undefined;
}

export const EMPTY_BATCH: Batch = { count: 0, keys: new Uint8Array(0), sizes: undefined, ttls: undefined };

/** Collects requests until `isFull`, then gives them away with `take`. */
export class BatchBuilder {
  readonly #keys: Buffer;
  readonly #sizes = new Float64Array(REQUESTS_MAX);
  readonly #ttls = new Float64Array(REQUESTS_MAX);
  #keyBytes = 0;
  #hasSizes = false;
  #hasTtls = false;
  count = 0;

  constructor(keyBytesMax: number) {
    this.#keys = Buffer.allocUnsafeSlow(KEY_BYTES_FULL + keyBytesMax + 1);
  }

  get isFull(): boolean {
    return this.count === REQUESTS_MAX || this.#keyBytes >= KEY_BYTES_FULL;
  }

  /** Adds the request whose key is `source[start..end)`. */
  add(source: Buffer, start: number, end: number, size: number, ttlSeconds: number): void {
    this.#keyBytes += source.copy(this.#keys, this.#keyBytes, start, end);
    this.#keys[this.#keyBytes++] = LINE_FEED;
    this.#sizes[this.count] = size;
    this.#ttls[this.count] = ttlSeconds;
    this.#hasSizes ||= size !== UNSET;
    this.#hasTtls ||= ttlSeconds !== UNSET;
    this.count++;
  }

  take(): Batch {
    const batch: Batch = {
      count: this.count,
      keys: new Uint8Array(this.#keys.subarray(0, this.#keyBytes)),
      sizes: this.#hasSizes ? this.#sizes.slice(0, this.count) : undefined,
      ttls: this.#hasTtls ? this.#ttls.slice(0, this.count) : undefined,
    };
    this.count = 0;
    this.#keyBytes = 0;
    this.#hasSizes = false;
    this.#hasTtls = false;
    return batch;
  }
}

/** What to transfer with a batch instead of copying it. */
export function buffersOf({ keys, sizes, ttls }: Batch): ArrayBuffer[] {
  return [keys, sizes, ttls].flatMap((column) => (column === undefined ? [] : [column.buffer]));
}

export function keysOf({ keys }: Batch): string[] {
  const text = Buffer.from(keys.buffer, keys.byteOffset, keys.byteLength).toString();
  return text.slice(0, -1).split('\n');
}
