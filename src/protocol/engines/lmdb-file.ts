/**
 * A look at an LMDB file before it is mapped: LMDB believes what it maps, and a page that lies past the end of the file ends
 * the process with SIGBUS, which nobody can catch.
 *
 *     page 0 and 1      byte 0         16       18        20       24        28         48         112
 *     (the metas)       page number    -        flags     -        magic     version    page size  root of the free pages
 *                       160 is missing from the picture: 136 root of the entries, 144 last page, 152 transaction
 *
 * What is seen: that it is no LMDB file, that it is of another version, and that it ends before the roots of its newest
 * meta, which are among the last pages written: nearly every file that was cut off. What is not: a page that is damaged where
 * it stands, and a cut that leaves the roots. The end of the file cannot be compared with the last page, since pages that were
 * taken and given back in one transaction are never written.
 */
import type { Files } from '../files.ts';
import { attempt, storeError } from './faults.ts';

const MAGIC = 0xbeef_c0de;
/** Of lmdb-js since its version 2: pages have a transaction id, and so are not those of LMDB 0.9. */
const VERSION = 2;
const META_BYTES = 160;
const AT = { magic: 24, version: 28, pageBytes: 48, freeRoot: 88, mainRoot: 136, transaction: 152 };
const META_FLAG_AT = 18;
const META_FLAG = 8;
const PAGE_BYTES_MIN = 256;
const PAGE_BYTES_MAX = 65_536;
/** The root of a tree without pages. */
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

/** Throws STORE_FOREIGN for what is no LMDB file, and STORE_CORRUPT for one that was cut off. None, or an empty one, is new. */
export function checkLmdbFile(files: Files, path: string): void {
  const stat = attempt('look at', path, () => files.statSync(path, { throwIfNoEntry: false }));
  if (stat === undefined || stat.size === 0) {
    return;
  }
  const next = 'move the file away, or put a copy of it back';
  const fd = attempt('open', path, () => files.openSync(path, 'r'));
  try {
    const first = readMeta(files, path, fd, 0);
    if (first === undefined || first.readUInt32LE(AT.magic) !== MAGIC || (first[META_FLAG_AT] ?? 0) !== META_FLAG) {
      throw storeError('STORE_FOREIGN', path, `Expected an LMDB file at ${path}, found something else. Next: ${next}`);
    }
    const version = first.readUInt32LE(AT.version) & 0xffff;
    if (version !== VERSION) {
      const known = `lmdb-js reads ${VERSION}`;
      throw storeError(
        'STORE_FOREIGN',
        path,
        `The LMDB file at ${path} is of version ${version}; ${known}. Next: ${next}`,
      );
    }
    const pageBytes = first.readUInt32LE(AT.pageBytes);
    const isPage = pageBytes >= PAGE_BYTES_MIN && pageBytes <= PAGE_BYTES_MAX;
    const second = isPage ? readMeta(files, path, fd, pageBytes) : undefined;
    if (
      second === undefined ||
      second.readUInt32LE(AT.magic) !== MAGIC ||
      pagesBefore(newest(first, second)) * pageBytes > stat.size
    ) {
      throw storeError('STORE_CORRUPT', path, `The LMDB file at ${path} was cut off, or damaged. Next: ${next}`);
    }
  } finally {
    files.closeSync(fd);
  }
}

function readMeta(files: Files, path: string, fd: number, position: number): Buffer | undefined {
  const meta = Buffer.alloc(META_BYTES);
  const read = attempt('read', path, () => files.readSync(fd, meta, 0, META_BYTES, position));
  return read === META_BYTES ? meta : undefined;
}

function newest(first: Buffer, second: Buffer): Buffer {
  return first.readBigUInt64LE(AT.transaction) >= second.readBigUInt64LE(AT.transaction) ? first : second;
}

/** How many pages there must be for the roots to be there. */
function pagesBefore(meta: Buffer): number {
  const roots = [meta.readBigUInt64LE(AT.freeRoot), meta.readBigUInt64LE(AT.mainRoot)];
  return Math.max(...roots.map((root) => (root === NO_PAGE ? 0 : Number(root) + 1)));
}
