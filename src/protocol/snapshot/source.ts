/**
 * Where a snapshot is read from: a file, or bytes that somebody has. What is read is a copy that begins at a whole word.
 * Whoever reads a file opens it, reads what he needs, and closes it: nobody holds one open between two turns of an event loop.
 */
import { type Files, READ_ONLY, readFully } from '../files.ts';
import { BlockReader } from './block.ts';
import { parseIndex, type SnapshotIndex } from './block-index.ts';
import { parseFooter, parseHeader } from './ends.ts';
import { diskError, loadError, truncated } from './faults.ts';
import { FOOTER_BYTES, HEADER_BYTES } from './file.ts';
import type { BlockPlace } from './tasks.ts';

export interface SnapshotSource {
  /** For messages. */
  readonly path: string;
  readonly bytes: number;
  /** Fewer bytes only where the source ends. Throws CACHE_LOAD_ERROR. */
  read(offset: number, length: number): Buffer<ArrayBuffer>;
}

/** Opens a file for as long as `use` runs. Throws CACHE_LOAD_ERROR. */
export function withSource<T>(files: Files, path: string, use: (source: SnapshotSource) => T): T {
  const doing = 'read the snapshot';
  let fd: number;
  try {
    fd = files.openSync(path, READ_ONLY);
  } catch (cause) {
    throw diskError('CACHE_LOAD_ERROR', doing, path, cause);
  }
  try {
    const stat = files.fstatSync(fd);
    if (!stat.isFile()) {
      throw loadError(path, 'is no file', 'look whether the path is the right one');
    }
    return use({ path, bytes: stat.size, read: (offset, length) => readAt(files, fd, offset, length) });
  } catch (cause) {
    throw diskError('CACHE_LOAD_ERROR', doing, path, cause);
  } finally {
    files.closeSync(fd);
  }
}

export function sourceOf(bytes: Uint8Array, path: string): SnapshotSource {
  return {
    path,
    bytes: bytes.length,
    read(offset, length) {
      const part = bytes.subarray(offset, offset + length);
      const copy = Buffer.allocUnsafeSlow(part.length);
      copy.set(part);
      return copy;
    },
  };
}

/** What is in a snapshot, and where. Throws CACHE_LOAD_ERROR. */
export function readIndex(files: Files, path: string): SnapshotIndex {
  return withSource(files, path, indexIn);
}

export function indexIn(source: SnapshotSource): SnapshotIndex {
  const { path, bytes } = source;
  const id = idIn(source);
  if (bytes < HEADER_BYTES + FOOTER_BYTES) {
    throw truncated(path);
  }
  const place = parseFooter(source.read(bytes - FOOTER_BYTES, FOOTER_BYTES), id, bytes, path);
  return parseIndex(source.read(place.offset, place.bytes), place, id, path);
}

/** The id of a snapshot. Throws CACHE_LOAD_ERROR. */
export function idIn(source: SnapshotSource): Buffer {
  return parseHeader(source.read(0, HEADER_BYTES), source.path);
}

/** A block that the index names, checked. Throws CACHE_LOAD_ERROR. */
export function blockIn(source: SnapshotSource, place: BlockPlace, id: Uint8Array): BlockReader {
  if (place.offset + place.bytes > source.bytes) {
    throw truncated(source.path);
  }
  return new BlockReader(source.read(place.offset, place.bytes), place, id, source.path);
}

function readAt(files: Files, fd: number, offset: number, length: number): Buffer<ArrayBuffer> {
  // Not from the pool: it gives memory that begins anywhere.
  const bytes = Buffer.allocUnsafeSlow(length);
  return bytes.subarray(0, readFully(files, fd, bytes, length, offset));
}
