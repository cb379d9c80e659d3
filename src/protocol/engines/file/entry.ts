/**
 * One file of the engine 'file': an entry, with its key beside the record.
 *
 *     byte  0            3        4             8              12       16
 *           's' 't' 'f'  format   key length    record length  CRC-32   key      record
 *                        1        uint32        uint32                  UTF-8
 *
 * Little-endian. The CRC-32 is of the head before it and of the key, so that a list of keys need read no more than those; a record
 * has its own (record.ts), which whoever opens it checks. Both lengths together must be the file's.
 */
import { crc32 } from 'node:zlib';
import type { CacheError } from '../../errors.ts';
import { type Files, writeWhole } from '../../files.ts';
import { KEY_BYTES_MAX } from '../../memory.ts';
import { storeError } from '../faults.ts';

const MAGIC = Buffer.from('stf', 'latin1');
const FORMAT = 1;
const FORMAT_AT = 3;
const KEY_LENGTH_AT = 4;
const RECORD_LENGTH_AT = 8;
const CHECKSUM_AT = 12;
const HEAD_BYTES = 16;
/** A key of Latin-1 characters may double in UTF-8. Twice U+0000 and a letter before it. */
const KEY_TEXT_BYTES_MAX = KEY_BYTES_MAX * 2 + 4;
/** What is read and written at once: a call for each part would cost more than to copy it together. */
const SMALL_BYTES = 64 * 1024;
/** Read for the head of an entry alone: most keys are shorter. */
const HEAD_READ_BYTES = 512;

/** Of a key in a message. */
const KEY_SHOWN_MAX = 100;

/** Used by one call at a time, from its begin to its end. */
const scratch = Buffer.allocUnsafeSlow(HEAD_BYTES + KEY_TEXT_BYTES_MAX + SMALL_BYTES);

export interface EntryHead {
  readonly key: string;
  /** Where the record begins, and where it and the file end. */
  readonly start: number;
  readonly end: number;
  /** Bytes that were read, all from the begin of the file. */
  readonly read: number;
}

/** Writes an entry to an empty file. The bytes of `record` are the caller's again when this returns. */
export function writeEntry(files: Files, fd: number, key: string, record: Uint8Array): void {
  const keyLength = scratch.write(key, HEAD_BYTES, 'utf8');
  const start = HEAD_BYTES + keyLength;
  MAGIC.copy(scratch);
  scratch[FORMAT_AT] = FORMAT;
  scratch.writeUInt32LE(keyLength, KEY_LENGTH_AT);
  scratch.writeUInt32LE(record.length, RECORD_LENGTH_AT);
  scratch.writeUInt32LE(checksum(scratch, start), CHECKSUM_AT);
  if (record.length <= SMALL_BYTES) {
    scratch.set(record, start);
    writeWhole(files, fd, scratch.subarray(0, start + record.length));
  } else {
    writeWhole(files, fd, scratch.subarray(0, start));
    writeWhole(files, fd, record);
  }
}

/** The head of an entry, as much of the file as it takes. Throws STORE_CORRUPT, STORE_FOREIGN and what the disk throws. */
export function readHead(files: Files, fd: number, path: string): EntryHead {
  return headOf(files, fd, path, readUpTo(files, fd, 0, HEAD_READ_BYTES));
}

/**
 * A small entry whole: its record is a part of the scratch, good until the next call. A head alone for one that is not small, which
 * `readLarge` goes on with.
 */
export function readSmall(files: Files, fd: number, path: string): { head: EntryHead; record: Buffer | undefined } {
  const read = readUpTo(files, fd, 0, SMALL_BYTES);
  const head = headOf(files, fd, path, read);
  if (head.end - head.start > SMALL_BYTES) {
    return { head, record: undefined };
  }
  // One byte more than there should be, to see that there is none.
  const all = head.read >= head.end ? head.read : readUpTo(files, fd, head.read, head.end + 1);
  assertLength(path, head, all);
  return { head, record: scratch.subarray(head.start, head.end) };
}

/** The record of an entry that is not small, in memory of its own, read away from this thread. */
export async function readLarge(files: Files, fd: number, path: string, head: EntryHead): Promise<Buffer> {
  const { size } = files.fstatSync(fd);
  assertLength(path, head, size);
  const record = Buffer.allocUnsafeSlow(head.end - head.start);
  let read = 0;
  while (read < record.length) {
    const count = await files.read(fd, record, read, record.length - read, head.start + read);
    if (count === 0) {
      throw truncated(path, head.start + read, head.end);
    }
    read += count;
  }
  return record;
}

function assertLength(path: string, { end }: EntryHead, length: number): void {
  if (length < end) {
    throw truncated(path, length, end);
  }
  if (length > end) {
    throw damaged(path, `it has more than the ${end} bytes of its entry`);
  }
}

function headOf(files: Files, fd: number, path: string, first: number): EntryHead {
  if (first < HEAD_BYTES) {
    throw first === 0 ? damaged(path, 'it is empty') : truncated(path, first, HEAD_BYTES);
  }
  if (!scratch.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw foreign(path, `it begins with the bytes ${scratch.toString('hex', 0, MAGIC.length)}, no entry of a store`);
  }
  const keyLength = scratch.readUInt32LE(KEY_LENGTH_AT);
  const start = HEAD_BYTES + keyLength;
  if (scratch[FORMAT_AT] !== FORMAT) {
    throw foreign(path, `its format is ${scratch[FORMAT_AT]}, and this version knows ${FORMAT}`);
  }
  if (keyLength > KEY_TEXT_BYTES_MAX) {
    throw damaged(path, `its head speaks of a key of ${keyLength} bytes`);
  }
  const read = first >= start ? first : readUpTo(files, fd, first, start);
  if (read < start) {
    throw truncated(path, read, start);
  }
  if (scratch.readUInt32LE(CHECKSUM_AT) !== checksum(scratch, start)) {
    throw damaged(path, 'its head and key do not match their checksum (bytes 12 to 15)');
  }
  const end = start + scratch.readUInt32LE(RECORD_LENGTH_AT);
  return { key: scratch.toString('utf8', HEAD_BYTES, start), start, end, read };
}

/** Fills the scratch from `from` on until it has `until` bytes, or the file ends; answers how many it has. */
function readUpTo(files: Files, fd: number, from: number, until: number): number {
  let at = from;
  while (at < until) {
    const count = files.readSync(fd, scratch, at, until - at, at);
    at += count;
    // As long as its head says, and shorter than what was asked for: nobody need ask again whether there is more.
    if (count === 0 || at === lengthSaid(at)) {
      return at;
    }
  }
  return at;
}

/** What a head in the scratch says of its file's length. It may be damaged: it only saves a call. */
function lengthSaid(read: number): number {
  return read < HEAD_BYTES
    ? -1
    : HEAD_BYTES + scratch.readUInt32LE(KEY_LENGTH_AT) + scratch.readUInt32LE(RECORD_LENGTH_AT);
}

function checksum(bytes: Buffer, end: number): number {
  return crc32(bytes.subarray(HEAD_BYTES, end), crc32(bytes.subarray(0, CHECKSUM_AT)));
}

function truncated(path: string, length: number, expected: number): CacheError {
  return damaged(path, `it ends after ${length} bytes of ${expected}`);
}

/** Throws STORE_CORRUPT for an entry of another key. */
export function assertKey(path: string, head: EntryHead, key: string): void {
  if (head.key !== key) {
    throw misplaced(path, head.key);
  }
}

export function misplaced(path: string, key: string): CacheError {
  return damaged(path, `its name is not that of its key, ${JSON.stringify(key.slice(0, KEY_SHOWN_MAX))}`);
}

function damaged(path: string, what: string): CacheError {
  const next = 'set the key again, or remove the file';
  return storeError('STORE_CORRUPT', path, `The entry at ${path} is damaged: ${what}. Next: ${next}`);
}

function foreign(path: string, what: string): CacheError {
  return storeError(
    'STORE_FOREIGN',
    path,
    `The file ${path} is not this version's: ${what}. Next: move it away, or open it with the version of shardstash that made it`,
  );
}
