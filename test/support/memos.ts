/** Memos of the built package, for tests: in a cache folder of their own, which goes with the file, and closed after each test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cache, openCache } from 'shardstash';
import { openMemo } from 'shardstash/memo';
import { afterAll, afterEach, beforeAll } from 'vitest';

interface Closable {
  close(): Promise<void>;
}

export interface MemoFolder {
  /** Where files are whose names are no paths. */
  readonly root: string;
  /** A cache that all tests share, which each of them finds empty. */
  readonly cache: Cache;
  /** Closes it after the test, or before. */
  closing<M extends Closable>(memo: M): M;
}

export function memoFolder(): MemoFolder {
  const before = process.env['XDG_CACHE_HOME'];
  const home = mkdtempSync(join(tmpdir(), 'shardstash-memo-'));
  const open: Closable[] = [];
  let cache: Cache | undefined;
  let anchor: Closable | undefined;
  beforeAll(async () => {
    process.env['XDG_CACHE_HOME'] = home;
    cache = await openCache({ shards: 2, maxBytes: '32mb' });
    // As long as there is one, the others need not open the memory that they have in common.
    anchor = await openMemo(() => 1, undefined, { filename: false });
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((memo) => memo.close()));
    await cache?.clear();
    rmSync(join(home, 'shardstash'), { recursive: true, force: true });
  });
  afterAll(async () => {
    await anchor?.close();
    await cache?.close();
    if (before === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = before;
    rmSync(home, { recursive: true, force: true });
  });
  return {
    root: join(home, 'shardstash'),
    get cache() {
      if (cache === undefined) {
        throw new Error('The cache is there when the first test begins');
      }
      return cache;
    },
    closing(memo) {
      open.push(memo);
      return memo;
    },
  };
}

/** A function that counts its runs. */
export function counted<F extends (this: never, ...args: never[]) => unknown>(fn: F): F & { readonly runs: number } {
  const counts = { runs: 0 };
  function counting(this: unknown, ...args: unknown[]): unknown {
    counts.runs++;
    return Reflect.apply(fn, this as never, args as never[]);
  }
  return Object.defineProperty(counting, 'runs', { get: () => counts.runs }) as unknown as F & {
    readonly runs: number;
  };
}

/** The error of a call that is to fail. */
export async function errorOf(call: () => unknown): Promise<Error & { code?: unknown }> {
  try {
    await call();
  } catch (error) {
    return error as Error & { code?: unknown };
  }
  throw new Error('Expected an error');
}

/** A promise and its ends. */
export function held<T>(): { promise: Promise<T>; resolve(value: T): void; reject(error: unknown): void } {
  let ends: { resolve(value: T): void; reject(error: unknown): void } | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    ends = { resolve, reject };
  });
  return { promise, resolve: (value) => ends?.resolve(value), reject: (error) => ends?.reject(error) };
}
