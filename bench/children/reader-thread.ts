/**
 * A thread that reads: a cache that another thread has opened, Redis, or nothing but memory. Told what and for how long, it
 * answers with the nanoseconds of one read. Runs as a worker.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { attachCache, type Cache, type CacheHandle } from 'shardstash';
import { LOOPBACK } from '../../test/support/redis-server.ts';
import { askedKeys } from '../support/keys.ts';
import type { SmallObject } from '../support/values.ts';
import { Walk } from '../support/walk.ts';

export interface ReaderBirth {
  readonly handle: CacheHandle;
  /** What the walk walks along. */
  readonly words: Int32Array;
  readonly entries: number;
  /** Which part of the keys it begins with, 0 to 1. */
  readonly from: number;
  /** Where Redis listens; undefined where there is none. */
  readonly redisPort: number | undefined;
}

export type ReaderKind = 'walk' | 'getSync' | 'get' | 'ioredis';

export interface ReaderJob {
  readonly kind: ReaderKind;
  /** When to begin, on the clock that all threads share. */
  readonly startMs: number;
  readonly sliceMs: number;
}

/** Reads between two looks at the clock. */
const READS = 256;
const NS_PER_MS = 1e6;

const { handle, words, entries, from, redisPort } = workerData as ReaderBirth;
const port = parentPort as MessagePort;
const { keys } = askedKeys(entries);
const walk = new Walk('walk', entries, (words.length / entries) * 4, words);
const cache = await attachCache<SmallObject, string>(handle);
const redis = await redisAt(redisPort);
let at = Math.floor(entries * from);

port.on('message', async ({ kind, startMs, sliceMs }: ReaderJob) => {
  while (performance.now() < startMs);
  port.postMessage(await measure(kind, sliceMs));
});
port.postMessage('ready');

async function measure(kind: ReaderKind, sliceMs: number): Promise<number> {
  if (kind === 'walk') {
    return walk.measure(sliceMs);
  }
  const startMs = performance.now();
  let elapsedMs = 0;
  let reads = 0;
  let found = 0;
  while (elapsedMs < sliceMs) {
    found += await readSome(kind);
    reads += READS;
    at = (at + READS) % entries;
    elapsedMs = performance.now() - startMs;
  }
  if (found !== reads) {
    throw new Error(`${kind}: ${found} of ${reads} reads found something where all should`);
  }
  return (elapsedMs * NS_PER_MS) / reads;
}

function readSome(kind: ReaderKind): number | Promise<number> {
  switch (kind) {
    case 'getSync':
      return getSyncs(cache);
    case 'get':
      return gets(cache);
    default:
      return redisGets();
  }
}

// A loop of its own for each, so that V8 compiles it for what it reads alone.

function getSyncs(from: Cache<SmallObject, string>): number {
  let found = 0;
  for (let i = 0; i < READS; i++) {
    if (from.getSync(keys[(at + i) % entries] as string) !== undefined) found++;
  }
  return found;
}

async function gets(from: Cache<SmallObject, string>): Promise<number> {
  let found = 0;
  for (let i = 0; i < READS; i++) {
    if ((await from.get(keys[(at + i) % entries] as string)) !== undefined) found++;
  }
  return found;
}

async function redisGets(): Promise<number> {
  let found = 0;
  for (let i = 0; i < READS; i++) {
    const text = await redis?.get(keys[(at + i) % entries] as string);
    if (typeof text === 'string' && JSON.parse(text) !== undefined) found++;
  }
  return found;
}

/** Imported when it is needed: what else the process measures is slower with it. */
async function redisAt(redisAtPort: number | undefined) {
  if (redisAtPort === undefined) {
    return undefined;
  }
  const { Redis } = await import('ioredis');
  return new Redis({ host: LOOPBACK, port: redisAtPort, enableAutoPipelining: true });
}
