/**
 * Between the bytes of a value and its sealed record: what stores, tiers and `shardstash/codec` have in common.
 *
 *     tag, bytes  --compression?-->  --base64?-->  payload  --seal-->  record
 *
 * A record says itself how it was made, so whatever wrote it, `unseal` reads it. What takes more than a millisecond to compress
 * goes to Node's thread pool, at most OFF_THREAD_MAX values of this thread at a time: each holds a copy. What comes beyond
 * is done at once and holds up the thread, which is what slows down its callers.
 */
import {
  type Compression,
  compressionOfId,
  framed,
  isCompressible,
  lengthOf,
  unframe,
  unframeSync,
} from './compression/index.ts';
import { CacheError } from './errors.ts';
import { type OpenedRecord, openRecord, type RecordHead, sealRecord } from './record.ts';
import type { Tag } from './value-tags.ts';

const OFF_THREAD_MAX = 16;
/** Whole groups of three bytes, which are four characters. */
const BASE64_STEP_BYTES = 3 * 2 ** 20;
const BASE64_STEP_CHARACTERS = 4 * 2 ** 20;
let offThread = 0;

/** Encoded, and not sealed: of `bytes` only the first `byteLength` count. */
export interface PlainValue {
  readonly tag: Tag;
  readonly bytes: Uint8Array;
  readonly byteLength: number;
}

/** How long a value lives. */
export type Lifetime = Pick<RecordHead, 'expiresAtMs' | 'slideMs'>;

export interface UnsealedValue extends Lifetime {
  readonly tag: Tag;
  /** A part of the record's own bytes where nothing had to be undone. */
  readonly bytes: Buffer;
}

export class Sealing {
  /** Loaded. */
  readonly compression: Compression | undefined;
  /** Whether payloads are written as text. */
  readonly base64: boolean;

  constructor({ compression, base64 }: { compression: Compression | undefined; base64: boolean }) {
    this.compression = compression;
    this.base64 = base64;
  }

  /**
   * A promise only where a large value is compressed off the thread. Nothing is kept of the bytes after the call. Throws
   * VALUE_TOO_LARGE, or rejects with it.
   */
  seal(value: PlainValue, lifetime: Lifetime): Buffer | Promise<Buffer> {
    const { compression } = this;
    const { tag, byteLength } = value;
    if (
      compression !== undefined &&
      byteLength >= compression.compressLongBytes &&
      isCompressible(byteLength) &&
      offThread < OFF_THREAD_MAX
    ) {
      const bytes = Buffer.from(value.bytes.subarray(0, byteLength));
      return this.#sealOffThread(compression, tag, bytes, lifetime);
    }
    return this.sealSync(value, lifetime);
  }

  sealSync({ tag, bytes, byteLength }: PlainValue, lifetime: Lifetime): Buffer {
    const { compression } = this;
    if (compression === undefined || !isCompressible(byteLength)) {
      return this.#seal(tag, 0, bytes, byteLength, lifetime);
    }
    const plain = byteLength === bytes.length ? bytes : bytes.subarray(0, byteLength);
    let compressed: Buffer;
    try {
      compressed = compression.compressSync(plain);
    } catch (cause) {
      throw notCompressed(compression, cause);
    }
    return this.#sealSmaller(compression, tag, plain, compressed, lifetime);
  }

  async #sealOffThread(compression: Compression, tag: Tag, bytes: Buffer, lifetime: Lifetime): Promise<Buffer> {
    offThread++;
    let compressed: Buffer;
    try {
      compressed = await compression.compress(bytes);
    } catch (cause) {
      throw notCompressed(compression, cause);
    } finally {
      offThread--;
    }
    return this.#sealSmaller(compression, tag, bytes, compressed, lifetime);
  }

  #sealSmaller(compression: Compression, tag: Tag, plain: Uint8Array, made: Buffer, lifetime: Lifetime): Buffer {
    const smaller = framed(made, plain.length);
    return smaller === undefined
      ? this.#seal(tag, 0, plain, plain.length, lifetime)
      : this.#seal(tag, compression.id, smaller, smaller.length, lifetime);
  }

  #seal(
    tag: Tag,
    compression: number,
    bytes: Uint8Array,
    byteLength: number,
    { expiresAtMs, slideMs }: Lifetime,
  ): Buffer {
    const head = { tag, compression, base64: this.base64, expiresAtMs, slideMs };
    return this.base64 ? sealRecord(head, inBase64(bytes, byteLength)) : sealRecord(head, bytes, byteLength);
  }
}

/**
 * A promise only where much is decompressed, and then nothing is kept of the record after the call. Throws or rejects with
 * STORE_CORRUPT, STORE_FOREIGN or MISSING_DEPENDENCY.
 */
export function unseal(record: Uint8Array): UnsealedValue | Promise<UnsealedValue> {
  const opened = openRecord(record);
  if (opened.compression === 0) {
    return plainOf(opened, textless(opened));
  }
  const compression = compressionOfId(opened.compression);
  const bytes = textless(opened);
  if (lengthOf(compression, bytes) < compression.decompressLongBytes || offThread >= OFF_THREAD_MAX) {
    return plainOf(opened, unframeSync(compression, bytes));
  }
  return unsealOffThread(compression, opened, opened.base64 ? bytes : Buffer.from(bytes));
}

export function unsealSync(record: Uint8Array): UnsealedValue {
  const opened = openRecord(record);
  const bytes = textless(opened);
  return plainOf(opened, opened.compression === 0 ? bytes : unframeSync(compressionOfId(opened.compression), bytes));
}

async function unsealOffThread(
  compression: Compression,
  opened: OpenedRecord,
  payload: Buffer,
): Promise<UnsealedValue> {
  offThread++;
  try {
    return plainOf(opened, await unframe(compression, payload));
  } finally {
    offThread--;
  }
}

function plainOf({ tag, expiresAtMs, slideMs }: OpenedRecord, bytes: Buffer): UnsealedValue {
  return { tag, bytes, expiresAtMs, slideMs };
}

function textless({ base64, payload }: OpenedRecord): Buffer {
  return base64 ? fromBase64(payload) : payload;
}

/** In steps: no string holds 512 MiB. */
function inBase64(bytes: Uint8Array, byteLength: number): Buffer {
  const plain = Buffer.from(bytes.buffer, bytes.byteOffset, byteLength);
  const text = Buffer.allocUnsafe(Math.ceil(byteLength / 3) * 4);
  let written = 0;
  for (let at = 0; at < byteLength; at += BASE64_STEP_BYTES) {
    written += text.write(plain.toString('base64', at, at + BASE64_STEP_BYTES), written, 'latin1');
  }
  return text;
}

function fromBase64(payload: Buffer): Buffer {
  const plain = Buffer.allocUnsafe(Math.ceil(payload.length / 4) * 3);
  let written = 0;
  for (let at = 0; at < payload.length; at += BASE64_STEP_CHARACTERS) {
    written += plain.write(payload.toString('latin1', at, at + BASE64_STEP_CHARACTERS), written, 'base64');
  }
  return plain.subarray(0, written);
}

function notCompressed({ name }: Compression, cause: unknown): CacheError {
  const message = `Cannot compress a value with ${name}. Next: see the cause; \`compression: false\` stores it as it is`;
  return new CacheError('ENGINE_ERROR', message, { cause });
}
