/** The engines there are. A new one is one file that keeps the contract of engine.ts, and one line here. */
import { diskEngine } from './disk/index.ts';
import type { EngineKind } from './engine.ts';
import { fileEngine } from './file/index.ts';
import { jsonEngine } from './json/index.ts';
import { lmdbEngine } from './lmdb/index.ts';
import { logEngine } from './log/index.ts';
import { memoryEngine } from './memory.ts';
import { redisEngine } from './redis/index.ts';
import { sqliteEngine } from './sqlite/index.ts';

export const engines = {
  file: fileEngine,
  json: jsonEngine,
  log: logEngine,
  disk: diskEngine,
  lmdb: lmdbEngine,
  sqlite: sqliteEngine,
  redis: redisEngine,
  memory: memoryEngine,
} satisfies Record<string, EngineKind>;

export type EngineName = keyof typeof engines;

/** What the engines of other programs are called here. */
export const OLD_NAMES: Readonly<Record<string, string>> = {
  pairtree: 'file',
  shelve: 'log',
  pickledb: 'json',
  diskcache: 'disk',
};
