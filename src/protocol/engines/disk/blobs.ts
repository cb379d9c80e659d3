/**
 * Records too large to be copied by a compaction: a file each, in one of 256 folders, and a pointer to it in the log.
 *
 *     DIR/blobs/3f/3f09a1c27be4     the record, as it is
 *
 *     pointer   byte  0             6    8                16             20
 *                     id (uint48)   0    bytes (float64)  CRC-32 (uint32)
 *
 * A blob is written under another name, renamed, and then pointed at: it is whole or not there. What is renamed but was never
 * pointed at, or is not any more, is removed when the store is opened next. A blob never changes.
 *
 * With `sync: true` a blob that is replaced or deleted is doomed first, and removed when what says so is on the medium: until then
 * the machine's end would bring its pointer back.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { discard, type Files, isLeftover, readWhole, replaceFile, syncDirectory } from '../../files.ts';
import type { Answer } from '../engine.ts';
import { attempt, engineError, storeError } from '../faults.ts';

export const POINTER_BYTES = 20;
const ID_BYTES = 6;
const BYTES_AT = 8;
const CRC_AT = 16;
const FOLDER = 'blobs';
const NAME = /^[0-9a-f]{12}$/;
const ENTRIES_BEFORE_GROWTH = 1_024;
/** Files that are read away from the thread at once; the rest is read by the thread itself, since a blob may be gone later. */
const OPEN_MAX = 256;
/** Files that are looked at in one turn of the event loop. */
const SWEEP_SLICE = 256;

export class DiskBlobs {
  readonly #files: Files;
  readonly #directory: string;
  readonly #folder: string;
  readonly #sync: boolean;
  readonly #made = new Set<string>();
  /** Of each entry of the index, 0 where it has none. */
  #ids = new Float64Array(ENTRIES_BEFORE_GROWTH);
  #sizes = new Float64Array(ENTRIES_BEFORE_GROWTH);
  count = 0;
  /** Of all blobs, those that could not be removed included. */
  bytes = 0;
  /** Could not be removed: the next opening does. */
  orphans = 0;

  #doomed: { readonly id: number; readonly bytes: number }[] = [];
  #doomedBytes = 0;
  #removed = 0;
  #reading = 0;

  constructor(files: Files, directory: string, sync: boolean) {
    this.#files = files;
    this.#directory = directory;
    this.#sync = sync;
    this.#folder = join(directory, FOLDER);
  }

  /** Without those that are doomed. */
  get liveBytes(): number {
    return this.bytes - this.#doomedBytes;
  }

  /** How many blobs were ever doomed. */
  get doomed(): number {
    return this.#removed + this.#doomed.length;
  }

  /** Removes the doomed, up to that one of all that ever were. */
  removeDoomed(until = this.doomed): void {
    const due = this.#doomed.splice(0, Math.max(0, until - this.#removed));
    this.#removed += due.length;
    for (const { id, bytes } of due) {
      this.#doomedBytes -= bytes;
      this.#removeOrCount(id, bytes);
    }
  }

  /** Writes a record and answers what points at it. */
  write(record: Uint8Array): Buffer {
    const pointer = Buffer.alloc(POINTER_BYTES);
    randomBytes(ID_BYTES).copy(pointer);
    pointer.writeDoubleLE(record.length, BYTES_AT);
    pointer.writeUInt32LE(crc32(record), CRC_AT);
    const id = idOf(pointer);
    attempt('write a blob', this.#pathOf(id), () => {
      this.#makeFolder(nameOf(id).slice(0, 2));
      replaceFile(this.#files, this.#pathOf(id), record, { sync: this.#sync });
    });
    return pointer;
  }

  /** Removes what was written, but could not be pointed at. */
  unwrite(pointer: Buffer): void {
    discard(this.#files, this.#pathOf(idOf(pointer)));
  }

  /** An entry has this blob now, or none; the one before is removed. */
  attach(entry: number, pointer: Buffer | undefined): void {
    this.note(entry, pointer, true);
  }

  /** The same, while the log is read: the blob before may be gone, and is no matter of this opening. */
  note(entry: number, pointer: Buffer | undefined, removes = false): void {
    this.#fit(entry);
    const [before, bytesBefore] = [this.#ids[entry] as number, this.#sizes[entry] as number];
    this.#ids[entry] = pointer === undefined ? 0 : idOf(pointer);
    this.#sizes[entry] = pointer === undefined ? 0 : pointer.readDoubleLE(BYTES_AT);
    if (pointer !== undefined) {
      this.count++;
      this.bytes += this.#sizes[entry] as number;
    }
    if (before !== 0) {
      this.count--;
      if (!removes) {
        this.bytes -= bytesBefore;
      } else if (this.#sync) {
        this.#doomed.push({ id: before, bytes: bytesBefore });
        this.#doomedBytes += bytesBefore;
      } else {
        this.#removeOrCount(before, bytesBefore);
      }
    }
  }

  has(entry: number): boolean {
    return (this.#ids[entry] ?? 0) !== 0;
  }

  /** The record that a pointer points at. STORE_CORRUPT when it is gone or has changed. */
  readNow(pointer: Buffer): Buffer {
    const path = this.#pathOf(idOf(pointer));
    const record = attempt('read a blob', path, () => readWhole(this.#files, path));
    return checked(record, pointer, path);
  }

  /** The same away from the thread. The file is open when this returns: whoever removes it meanwhile changes nothing. */
  read(pointer: Buffer): Answer<Buffer> {
    if (this.#reading === OPEN_MAX) {
      return this.readNow(pointer);
    }
    const path = this.#pathOf(idOf(pointer));
    const own = Buffer.from(pointer);
    let fd: number;
    try {
      fd = this.#files.openSync(path, 'r');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
        return Promise.reject(missing(path));
      }
      return Promise.reject(engineError('read a blob', path, cause));
    }
    this.#reading++;
    return this.#readOpen(fd, own, path);
  }

  /** Removes every file that no entry points at, some at a time. */
  async sweep(): Promise<void> {
    const known = new Set(this.#ids);
    let looked = 0;
    for (const folder of this.#list(this.#folder)) {
      for (const name of this.#list(join(this.#folder, folder))) {
        const isOurs = NAME.test(name);
        if ((isOurs && !known.has(Number.parseInt(name, 16))) || isLeftover(name)) {
          const path = join(this.#folder, folder, name);
          attempt('remove a blob that nothing points at', path, () => this.#files.unlinkSync(path));
        }
        if (++looked % SWEEP_SLICE === 0) {
          await turn();
        }
      }
    }
  }

  /** Forgets all, and removes their files where that is wished. */
  clear(removes: boolean): void {
    for (let entry = 0; entry < this.#ids.length; entry++) {
      if (this.#ids[entry] !== 0) this.note(entry, undefined, removes);
    }
  }

  async #readOpen(fd: number, pointer: Buffer, path: string): Promise<Buffer> {
    try {
      const record = Buffer.allocUnsafe(pointer.readDoubleLE(BYTES_AT));
      let read = 0;
      while (read < record.length) {
        const count = await this.#files.read(fd, record, read, record.length - read, read);
        if (count === 0) {
          break;
        }
        read += count;
      }
      return checked(record.subarray(0, read), pointer, path);
    } catch (cause) {
      throw engineError('read a blob', path, cause);
    } finally {
      this.#reading--;
      this.#files.closeSync(fd);
    }
  }

  #removeOrCount(id: number, bytes: number): void {
    try {
      this.#files.unlinkSync(this.#pathOf(id));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        // The entry is stored or gone already, so this is no failure of that. Its bytes still count, and it is told as an orphan.
        this.orphans++;
        return;
      }
    }
    this.bytes -= bytes;
  }

  #list(folder: string): string[] {
    try {
      return this.#files.readdirSync(folder) as string[];
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') {
        return [];
      }
      throw engineError('list blobs', folder, cause);
    }
  }

  #makeFolder(name: string): void {
    if (!this.#made.has(name)) {
      this.#files.mkdirSync(join(this.#folder, name), { recursive: true });
      if (this.#sync) {
        for (const path of [this.#folder, this.#directory]) syncDirectory(this.#files, path);
      }
      this.#made.add(name);
    }
  }

  #pathOf(id: number): string {
    const name = nameOf(id);
    return join(this.#folder, name.slice(0, 2), name);
  }

  #fit(entry: number): void {
    if (entry >= this.#ids.length) {
      const length = Math.max(entry + 1, this.#ids.length * 2);
      const [ids, sizes] = [new Float64Array(length), new Float64Array(length)];
      ids.set(this.#ids);
      sizes.set(this.#sizes);
      this.#ids = ids;
      this.#sizes = sizes;
    }
  }
}

function idOf(pointer: Buffer): number {
  return pointer.readUIntBE(0, ID_BYTES);
}

function nameOf(id: number): string {
  return id.toString(16).padStart(2 * ID_BYTES, '0');
}

function checked(record: Buffer | undefined, pointer: Buffer, path: string): Buffer {
  if (record === undefined) {
    throw missing(path);
  }
  const bytes = pointer.readDoubleLE(BYTES_AT);
  if (record.length !== bytes || crc32(record) !== pointer.readUInt32LE(CRC_AT)) {
    const what =
      record.length === bytes ? 'does not match its checksum' : `has ${record.length} bytes instead of ${bytes}`;
    throw storeError('STORE_CORRUPT', path, `The blob ${path} is damaged: it ${what}. Next: set or delete its key`);
  }
  return record;
}

function missing(path: string) {
  return storeError('STORE_CORRUPT', path, `The blob ${path} is missing. Next: set or delete its key`);
}
