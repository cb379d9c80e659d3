/** The engines there are. A new one is one file that keeps the contract of engine.ts, and one line here. */
import type { EngineKind } from './engine.ts';
import { lmdbEngine } from './lmdb.ts';
import { memoryEngine } from './memory.ts';
import { redisEngine } from './redis.ts';
import { sqliteEngine } from './sqlite.ts';

export const engines = {
  lmdb: lmdbEngine,
  memory: memoryEngine,
  redis: redisEngine,
  sqlite: sqliteEngine,
} satisfies Record<string, EngineKind>;

export type EngineName = keyof typeof engines;

/** What the engines of other programs are called here. */
export const OLD_NAMES: Readonly<Record<string, string>> = {
  pairtree: 'file',
  shelve: 'log',
  pickledb: 'json',
  diskcache: 'disk',
};
