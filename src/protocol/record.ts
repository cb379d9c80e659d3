/**
 * A value as stores, tiers and files keep it: it says itself how it is encoded, until when it lives, and whether it is whole.
 *
 *     byte  0        1        2            3       4        8                    16              24
 *           0xA1     tag      compression  flags   CRC-32   deadline (float64)   slide (float64) payload
 *           format   of the   0 none       1 expires        ms since 1970, only  ms, only with
 *           1        value    or its id    2 base64         with flag 1          flag 4
 *                                          4 slides
 *
 * What is not there takes no room: without a deadline the slide, or the payload, begins at byte 8.
 *
 * Little-endian. The CRC-32 is of everything but itself, so a damaged byte of the head is seen, too: half of all damaged
 * values would still decode, to something else. A compressed payload begins with the length of what it was (uint32), so
 * that nobody has to believe a few bytes that they are gigabytes.
 */
import { crc32 } from 'node:zlib';
import { CacheError } from './errors.ts';
import type { Tag } from './value-tags.ts';

/** The format, as the first byte of a record has it. Another layout takes another number. */
const FORMAT = 0xa1;
const FLAG_EXPIRES = 1;
const FLAG_BASE64 = 2;
/** Only tiers write it. Versions before it say STORE_FOREIGN, rather than lose it. */
const FLAG_SLIDES = 4;
const KNOWN_FLAGS = FLAG_EXPIRES | FLAG_BASE64 | FLAG_SLIDES;
const CHECKSUM_AT = 4;
const HEAD_BYTES = 8;
const DEADLINE_BYTES = 8;
const SLIDE_BYTES = 8;
/** SQLite takes 10^9 bytes for a row (its driver on Node 20 ends the process beyond), Node 2^31 for a write. */
const RECORD_BYTES_MAX = 900 * 1024 * 1024;
const AGAIN = 'Next: delete it, or set it again';
const OTHER_VERSION = 'Next: read it with the version that wrote it';

export interface RecordHead {
  readonly tag: Tag;
  /** The id of the compression, 0 for none. */
  readonly compression: number;
  /** Whether the payload, compressed or not, is written in base64. */
  readonly base64: boolean;
  /** Milliseconds since 1970, Infinity for what lives for ever. */
  readonly expiresAtMs: number;
  /** For how long a read lets it live on; undefined or 0 for one that does not slide. */
  readonly slideMs?: number | undefined;
}

export interface OpenedRecord extends RecordHead {
  /** A part of the record's own bytes. */
  readonly payload: Buffer;
}

/** A record in memory of its own. `byteLength` says how much of `payload` counts. Throws VALUE_TOO_LARGE. */
export function sealRecord(head: RecordHead, payload: Uint8Array, byteLength = payload.length): Buffer {
  const expires = head.expiresAtMs !== Number.POSITIVE_INFINITY;
  const slideMs = head.slideMs ?? 0;
  const flags = (expires ? FLAG_EXPIRES : 0) | (head.base64 ? FLAG_BASE64 : 0) | (slideMs > 0 ? FLAG_SLIDES : 0);
  const start = headBytesOf(flags);
  if (start + byteLength > RECORD_BYTES_MAX) {
    const message = `A value of ${byteLength} bytes cannot be stored: with all its versions it may have ${RECORD_BYTES_MAX}. Next: cut it into parts, or store the name of a file`;
    throw new CacheError('VALUE_TOO_LARGE', message);
  }
  const record = Buffer.allocUnsafe(start + byteLength);
  record[0] = FORMAT;
  record[1] = head.tag;
  record[2] = head.compression;
  record[3] = flags;
  if (expires) {
    record.writeDoubleLE(head.expiresAtMs, HEAD_BYTES);
  }
  if (slideMs > 0) {
    record.writeDoubleLE(slideMs, start - SLIDE_BYTES);
  }
  record.set(payload.length === byteLength ? payload : payload.subarray(0, byteLength), start);
  record.writeUInt32LE(checksumOf(record), CHECKSUM_AT);
  return record;
}

/** Throws STORE_CORRUPT for what is damaged, STORE_FOREIGN for what this version does not know. */
export function openRecord(bytes: Uint8Array): OpenedRecord {
  const record = bufferOf(bytes);
  const flags = record.length < HEAD_BYTES ? 0 : (record[3] as number);
  const start = headBytesOf(flags);
  if (record.length < start) {
    throw new CacheError(
      'STORE_CORRUPT',
      `A stored value ends after ${record.length} bytes, within its head. ${AGAIN}`,
    );
  }
  if (record[0] !== FORMAT) {
    throw new CacheError(
      'STORE_FOREIGN',
      `A stored value is of format ${record[0]}; this version knows ${FORMAT}. ${OTHER_VERSION}`,
    );
  }
  if (record.readUInt32LE(CHECKSUM_AT) !== checksumOf(record)) {
    throw new CacheError(
      'STORE_CORRUPT',
      `A stored value does not match its checksum: some of its bytes have changed. ${AGAIN}`,
    );
  }
  if ((flags & ~KNOWN_FLAGS) !== 0) {
    throw new CacheError(
      'STORE_FOREIGN',
      `A stored value has the flags ${flags}, which this version does not know. ${OTHER_VERSION}`,
    );
  }
  return {
    tag: record[1] as number,
    compression: record[2] as number,
    base64: (flags & FLAG_BASE64) !== 0,
    expiresAtMs: deadlineOf(record),
    slideMs: (flags & FLAG_SLIDES) === 0 ? undefined : record.readDoubleLE(start - SLIDE_BYTES),
    payload: record.subarray(start),
  };
}

/** When a record expires, without a look at the rest of it: Infinity for what lives for ever, or is no record. */
export function deadlineOf(bytes: Uint8Array): number {
  if (bytes.length < HEAD_BYTES + DEADLINE_BYTES || ((bytes[3] as number) & FLAG_EXPIRES) === 0) {
    return Number.POSITIVE_INFINITY;
  }
  return bufferOf(bytes).readDoubleLE(HEAD_BYTES);
}

/** A record of an entry that slides, with a later deadline; the same one where it does not, or lives as long anyway. */
export function slidOn(record: Uint8Array, expiresAtMs: number): Uint8Array {
  if (((record[3] ?? 0) & FLAG_SLIDES) === 0 || !(deadlineOf(record) < expiresAtMs)) {
    return record;
  }
  const { payload, ...head } = openRecord(record);
  return sealRecord({ ...head, expiresAtMs }, payload);
}

function headBytesOf(flags: number): number {
  const deadline = (flags & FLAG_EXPIRES) === 0 ? 0 : DEADLINE_BYTES;
  return HEAD_BYTES + deadline + ((flags & FLAG_SLIDES) === 0 ? 0 : SLIDE_BYTES);
}

function checksumOf(record: Buffer): number {
  return crc32(record.subarray(HEAD_BYTES), record.readUInt32LE(0));
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
