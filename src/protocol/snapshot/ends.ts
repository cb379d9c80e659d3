/**
 * The first and the last 64 bytes of a snapshot: what it is, and where its index is.
 *
 *     header   0         8        12   28                                           60
 *              SHSTSNAP  version  id   zeros                                        CRC-32 of what is before it
 *
 *     footer   0         8        12   28      32      40     48                    60
 *              PANSTSHS  version  id   CRC-32  index:  index: bytes of the file,    CRC-32 of what is before it
 *                                      of the  offset  bytes  then zeros
 *                                      index
 *
 * Version and checksums are uint32, the numbers from 32 on float64. The footer begins with the header's magic read backwards, so that
 * one is never taken for the other. Both keep this layout in all versions: so an older shardstash can say of a newer file what it is.
 */
import { crc32 } from 'node:zlib';
import { damaged, loadError, truncated } from './faults.ts';
import { FOOTER_BYTES, HEADER_BYTES, ID_BYTES, SNAPSHOT_MAGIC, SNAPSHOT_VERSION } from './file.ts';

const FOOTER_MAGIC = 'PANSTSHS';
const VERSION_AT = 8;
const ID_AT = 12;
const INDEX_CHECKSUM_AT = 28;
const INDEX_OFFSET_AT = 32;
const INDEX_BYTES_AT = 40;
const FILE_BYTES_AT = 48;
const CHECKSUM_AT = 60;

/** Where the index is. It ends where the footer begins. */
export interface IndexPlace {
  readonly offset: number;
  readonly bytes: number;
  readonly checksum: number;
}

/** The first bytes of a file: `id` is 16 random bytes. */
export function snapshotHeader(id: Uint8Array): Buffer {
  return sealed(begun(SNAPSHOT_MAGIC, id));
}

/** The last ones. */
export function snapshotFooter(id: Uint8Array, index: IndexPlace): Buffer {
  const footer = begun(FOOTER_MAGIC, id);
  footer.writeUInt32LE(index.checksum, INDEX_CHECKSUM_AT);
  footer.writeDoubleLE(index.offset, INDEX_OFFSET_AT);
  footer.writeDoubleLE(index.bytes, INDEX_BYTES_AT);
  footer.writeDoubleLE(index.offset + index.bytes + FOOTER_BYTES, FILE_BYTES_AT);
  return sealed(footer);
}

/** The id of a snapshot, from the first 64 bytes of a file, or as many as there are. Throws CACHE_LOAD_ERROR. */
export function parseHeader(header: Buffer, path: string): Buffer {
  if (header.toString('latin1', 0, VERSION_AT) !== SNAPSHOT_MAGIC) {
    throw loadError(path, 'is no snapshot of shardstash', 'look whether the path is the right one');
  }
  if (header.length < HEADER_BYTES) {
    throw truncated(path);
  }
  checkEnd(header, path, 'header');
  return Buffer.from(header.subarray(ID_AT, ID_AT + ID_BYTES));
}

/** Where the index of a file of so many bytes is, from its last 64. Throws CACHE_LOAD_ERROR. */
export function parseFooter(footer: Buffer, id: Buffer, fileBytes: number, path: string): IndexPlace {
  if (footer.length < FOOTER_BYTES || footer.toString('latin1', 0, VERSION_AT) !== FOOTER_MAGIC) {
    throw truncated(path);
  }
  checkEnd(footer, path, 'footer');
  if (!footer.subarray(ID_AT, ID_AT + ID_BYTES).equals(id)) {
    throw damaged(path, 'its end is that of another one');
  }
  const written = footer.readDoubleLE(FILE_BYTES_AT);
  if (written !== fileBytes) {
    throw damaged(path, `it has ${fileBytes} bytes, and had ${written} when it was written`);
  }
  const place: IndexPlace = {
    offset: footer.readDoubleLE(INDEX_OFFSET_AT),
    bytes: footer.readDoubleLE(INDEX_BYTES_AT),
    checksum: footer.readUInt32LE(INDEX_CHECKSUM_AT),
  };
  const isWhole = isLength(place.offset) && isLength(place.bytes);
  if (!isWhole || place.offset < HEADER_BYTES || place.offset + place.bytes + FOOTER_BYTES !== fileBytes) {
    throw damaged(path, 'its footer leads to no index');
  }
  return place;
}

/** Whether a number may be an offset or a length in a snapshot. */
export function isLength(candidate: number): boolean {
  return Number.isSafeInteger(candidate) && candidate >= 0 && candidate % 4 === 0;
}

function begun(magic: string, id: Uint8Array): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write(magic, 'latin1');
  bytes.writeUInt32LE(SNAPSHOT_VERSION, VERSION_AT);
  bytes.set(id.subarray(0, ID_BYTES), ID_AT);
  return bytes;
}

function sealed(bytes: Buffer): Buffer {
  bytes.writeUInt32LE(crc32(bytes.subarray(0, CHECKSUM_AT)), CHECKSUM_AT);
  return bytes;
}

function checkEnd(bytes: Buffer, path: string, what: 'header' | 'footer'): void {
  if (bytes.readUInt32LE(CHECKSUM_AT) !== crc32(bytes.subarray(0, CHECKSUM_AT))) {
    throw damaged(path, `its ${what} has changed`);
  }
  const version = bytes.readUInt32LE(VERSION_AT);
  if (version !== SNAPSHOT_VERSION) {
    const which = version > SNAPSHOT_VERSION ? 'a newer shardstash wrote it' : 'there was no such version';
    const what = `is a snapshot of version ${version}, where ${SNAPSHOT_VERSION} is known: ${which}`;
    throw loadError(path, what, 'load it with the version of shardstash that wrote it');
  }
}
