/**
 * The engines of stores as somebody uses them who has no store: the same packages and files, with the few lines that one
 * writes first. Values are packed with msgpackr, as ours are; none has checksums, deadlines, keys beyond strings, or locks.
 */

import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, readSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Packr } from 'msgpackr';
import { LOOPBACK } from '../../test/support/redis-server.ts';

export interface PlainStore {
  readonly name: string;
  get(key: string): unknown;
  set(key: string, value: unknown): unknown;
  close(): unknown;
}

export type PlainName = 'memory' | 'file' | 'json' | 'log' | 'lmdb' | 'sqlite' | 'redis';

const packr = new Packr({ useRecords: false, moreTypes: true, copyBuffers: true });
const SCRATCH_BYTES = 256 * 1024;

/** In a folder of its own, which goes when it closes. `port` is that of a Redis. */
export async function openPlain(name: PlainName, port = 0): Promise<PlainStore> {
  const folder = await mkdtemp(join(tmpdir(), 'shardstash-bench-'));
  const store = await OPENERS[name](folder, port);
  return {
    name: `plain ${name}`,
    get: store.get,
    set: store.set,
    close: async () => {
      await store.close?.();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface Opened {
  get(key: string): unknown;
  set(key: string, value: unknown): unknown;
  close?(): unknown;
}

const OPENERS: Record<PlainName, (folder: string, port: number) => Promise<Opened>> = {
  async memory() {
    const map = new Map<string, Buffer>();
    return {
      get: (key) => unpack(map.get(key)),
      set: (key, value) => map.set(key, Buffer.from(packr.pack(value))),
    };
  },

  /** A file for each key, written beside and renamed. */
  async file(folder) {
    const pathOf = (key: string) => join(folder, createHash('sha256').update(key).digest('hex'));
    let writes = 0;
    return {
      get: (key) => unpack(readFileSync(pathOf(key))),
      set: (key, value) => {
        const beside = join(folder, `.${writes++}`);
        writeFileSync(beside, packr.pack(value));
        renameSync(beside, pathOf(key));
      },
    };
  },

  /** An object that is written as a whole after each set. */
  async json(folder) {
    const entries: Record<string, unknown> = {};
    const path = join(folder, 'store.json');
    return {
      get: (key) => entries[key],
      set: (key, value) => {
        entries[key] = value;
        writeFileSync(`${path}.new`, JSON.stringify(entries));
        renameSync(`${path}.new`, path);
      },
    };
  },

  /** Values one after another in a file, and a Map of where they are. */
  async log(folder) {
    const fd = openSync(join(folder, 'log'), 'w+');
    const places = new Map<string, readonly [at: number, length: number]>();
    const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
    let end = 0;
    return {
      get: (key) => {
        const [at, length] = places.get(key) as readonly [number, number];
        readSync(fd, scratch, 0, length, at);
        return packr.unpack(scratch, length);
      },
      set: (key, value) => {
        const bytes = packr.pack(value);
        writeSync(fd, bytes, 0, bytes.length, end);
        places.set(key, [end, bytes.length]);
        end += bytes.length;
      },
      close: () => closeSync(fd),
    };
  },

  async lmdb(folder) {
    const { open } = await import('lmdb');
    const database = open<unknown, string>({ path: join(folder, 'data'), compression: false, noMemInit: true });
    return {
      get: (key) => database.get(key),
      set: (key, value) => database.put(key, value),
      close: () => database.close(),
    };
  },

  async sqlite(folder) {
    const { default: Database } = await import('libsql');
    mkdirSync(folder, { recursive: true });
    const database = new Database(join(folder, 'store.db'));
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
    database.exec('CREATE TABLE entries (key TEXT PRIMARY KEY, value BLOB)');
    const read = database.prepare('SELECT value FROM entries WHERE key = ?');
    const write = database.prepare('INSERT OR REPLACE INTO entries VALUES (?, ?)');
    return {
      get: (key) => unpack((read.get(key) as { value: Buffer }).value),
      set: (key, value) => write.run(key, packr.pack(value)),
      close: () => database.close(),
    };
  },

  async redis(_folder, port) {
    const { Redis } = await import('ioredis');
    const redis = new Redis({ host: LOOPBACK, port, enableAutoPipelining: true });
    return {
      get: async (key) => unpack(await redis.getBuffer(`plain:${key}`)),
      set: (key, value) => redis.set(`plain:${key}`, Buffer.from(packr.pack(value))),
      close: () => redis.disconnect(),
    };
  },
};

function unpack(bytes: Uint8Array | undefined | null): unknown {
  return bytes === undefined || bytes === null ? undefined : packr.unpack(bytes);
}
