/**
 * A look at an LMDB file before it is mapped: LMDB believes what it maps, and a page that lies past the end of the file ends
 * the process with SIGBUS, which nobody can catch.
 *
 *     page 0 and 1 (metas)    18 flags   24 magic   28 version   48 page size   88 root of the free pages
 *                             136 root of the entries   144 last page   152 transaction
 *     any other               0 its own number   18 flags   20 bytes of pointers (uint16, from 24 on, each counted from 24)
 *       node of a branch      0 page, 48 bits            6 length of the key   8 key
 *       node of a leaf        0 length, 32 bits          4 flags   6 length of the key   8 key, record or its first page
 *
 * What is seen: that it is no LMDB file, that it is of another version, and that it was cut off. That it ends before its last
 * page says little: pages that were taken and given back in one transaction are never written. So such a file, and no other, is
 * read through for what its trees point at. A page that is damaged where it stands is seen by a verification only; LMDB
 * answers with an error, or with bytes that a record's checksum refuses, or it ends the process.
 */
import { CacheError } from '../../errors.ts';
import type { Files } from '../../files.ts';
import { attempt, storeError } from '../faults.ts';

const MAGIC = 0xbeef_c0de;
/** Of lmdb-js: its pages have a transaction, and so are not those of LMDB 0.9. */
const VERSION = 2;
const META_BYTES = 160;
const META = { magic: 24, version: 28, pageBytes: 48, freeRoot: 88, mainRoot: 136, lastPage: 144, transaction: 152 };
const HEAD_BYTES = 24;
const FLAGS_AT = 18;
const POINTER_BYTES_AT = 20;
const FLAG_BRANCH = 1;
const FLAG_LEAF = 2;
const FLAG_META = 8;
/** Of a node in a leaf: its record is in pages of its own. */
const NODE_BIG = 1;
const NODE_HEAD_BYTES = 8;
const PAGE_BYTES_MIN = 256;
const PAGE_BYTES_MAX = 65_536;
/** The root of a tree without pages. */
const NO_PAGE = 0xffff_ffff_ffff_ffffn;
/** How often it is looked at again when another process has written meanwhile, whose work is then proof enough. */
const LOOKS_MAX = 3;
const NEXT = 'Next: move the file away, or put a copy of it back';

/** Throws STORE_FOREIGN for what is no LMDB file, and STORE_CORRUPT for one that was cut off. None, or an empty one, is new. */
export function checkLmdbFile(files: Files, path: string): void {
  const stat = attempt('look', path, () => files.statSync(path, { throwIfNoEntry: false }));
  if (stat === undefined || stat.size === 0) {
    return;
  }
  withPages(files, path, (pages) => pages.check(false));
}

/**
 * What is wrong with the trees of a file, read through from their roots; undefined for nothing. LMDB itself ends the process when a
 * cursor meets a page that is none.
 */
export function findLmdbDamage(files: Files, path: string): string | undefined {
  try {
    withPages(files, path, (pages) => pages.check(true));
    return undefined;
  } catch (error) {
    if (error instanceof CacheError && error.code !== 'ENGINE_ERROR') {
      return error.message;
    }
    throw error;
  }
}

function withPages(files: Files, path: string, look: (pages: LmdbPages) => void): void {
  const fd = attempt('open', path, () => files.openSync(path, 'r'));
  try {
    attempt('read', path, () => look(new LmdbPages(files, path, fd)));
  } finally {
    files.closeSync(fd);
  }
}

class LmdbPages {
  readonly #files: Files;
  readonly #path: string;
  readonly #fd: number;
  #pageBytes = 0;

  constructor(files: Files, path: string, fd: number) {
    this.#files = files;
    this.#path = path;
    this.#fd = fd;
  }

  /** Throws STORE_CORRUPT. Without `isThorough` only a file that is too short is read through. */
  check(isThorough: boolean): void {
    for (let look = 0; look < LOOKS_MAX; look++) {
      const meta = this.#newestMeta();
      // After the meta, since the file only grows.
      const pages = Math.floor(this.#files.fstatSync(this.#fd).size / this.#pageBytes);
      const isLong = pages > Number(meta.readBigUInt64LE(META.lastPage));
      if ((isLong && !isThorough) || this.#isWhole(meta, pages)) {
        return;
      }
      if (this.#newestMeta().readBigUInt64LE(META.transaction) === meta.readBigUInt64LE(META.transaction)) {
        throw this.#cutOff();
      }
    }
  }

  #newestMeta(): Buffer {
    const first = this.#read(0, META_BYTES);
    if (first?.readUInt32LE(META.magic) !== MAGIC || first.readUInt16LE(FLAGS_AT) !== FLAG_META) {
      const what = `Expected an LMDB file at ${this.#path}, found something else`;
      throw storeError('STORE_FOREIGN', this.#path, `${what}. ${NEXT}`);
    }
    const version = first.readUInt32LE(META.version) & 0xffff;
    if (version !== VERSION) {
      const what = `The LMDB file at ${this.#path} is of version ${version}, lmdb-js reads ${VERSION}`;
      throw storeError('STORE_FOREIGN', this.#path, `${what}. ${NEXT}`);
    }
    this.#pageBytes = first.readUInt32LE(META.pageBytes);
    const isSize = this.#pageBytes >= PAGE_BYTES_MIN && this.#pageBytes <= PAGE_BYTES_MAX;
    const second = isSize ? this.#read(this.#pageBytes, META_BYTES) : undefined;
    if (second?.readUInt32LE(META.magic) !== MAGIC) {
      throw this.#cutOff();
    }
    return first.readBigUInt64LE(META.transaction) > second.readBigUInt64LE(META.transaction) ? first : second;
  }

  /** Whether all pages that the trees of `meta` point at are among the first `pages`. */
  #isWhole(meta: Buffer, pages: number): boolean {
    const roots = [meta.readBigUInt64LE(META.freeRoot), meta.readBigUInt64LE(META.mainRoot)];
    const left = roots.filter((root) => root !== NO_PAGE).map(Number);
    // A page that is damaged may point back: no tree has more pages than the file.
    for (let read = 0; left.length > 0; read++) {
      const page = left.pop() as number;
      const bytes = page < pages && read < pages ? this.#read(page * this.#pageBytes, this.#pageBytes) : undefined;
      const isItself = bytes !== undefined && bytes.readUIntLE(0, 6) === page;
      const end = isItself ? endOf(bytes, left) : undefined;
      if (end === undefined || end > pages) {
        return false;
      }
    }
    return true;
  }

  #read(position: number, length: number): Buffer | undefined {
    const bytes = Buffer.alloc(length);
    return this.#files.readSync(this.#fd, bytes, 0, length, position) === length ? bytes : undefined;
  }

  #cutOff() {
    return storeError(
      'STORE_CORRUPT',
      this.#path,
      `The LMDB file at ${this.#path} was cut off, or is damaged. ${NEXT}`,
    );
  }
}

/**
 * The end of the last record that a leaf has in pages of its own, 0 for none; the pages that a branch points at are added to
 * `children`. Undefined for what is neither.
 */
function endOf(page: Buffer, children: number[]): number | undefined {
  const flags = page.readUInt16LE(FLAGS_AT);
  if ((flags & (FLAG_BRANCH | FLAG_LEAF)) === 0) {
    return undefined;
  }
  const count = page.readUInt16LE(POINTER_BYTES_AT) >> 1;
  let end = 0;
  for (let i = 0; i < count && HEAD_BYTES + 2 * i + 2 <= page.length; i++) {
    const node = HEAD_BYTES + page.readUInt16LE(HEAD_BYTES + 2 * i);
    const at = node + NODE_HEAD_BYTES;
    if (at > page.length) {
      return undefined;
    }
    if ((flags & FLAG_BRANCH) !== 0) {
      children.push(page.readUIntLE(node, 6));
    } else if ((page.readUInt16LE(node + 4) & NODE_BIG) !== 0) {
      const first = at + page.readUInt16LE(node + 6);
      if (first + 8 > page.length) {
        return undefined;
      }
      const taken = Math.floor((HEAD_BYTES - 1 + page.readUInt32LE(node)) / page.length) + 1;
      end = Math.max(end, Number(page.readBigUInt64LE(first)) + taken);
    }
  }
  return end;
}
