/**
 * Functions that remember at once: what `memoizeSync` makes looks into the memory of a cache without a promise, and what it was just told is
 * there for its next call, also of a function that calls itself a hundred thousand times in one turn of the event loop.
 */
import { CacheError, misuse } from '../../protocol/errors.ts';
import { ABSENT } from './boxed.ts';
import { CallKeys } from './call-keys.ts';
import { openFileTierSync } from './file-tier.ts';
import type { MemoSyncOptions } from './memo-options.ts';
import { MEMO_SYNC_OPTIONS, planOf } from './memo-options.ts';
import { memoPath, occupy } from './memo-place.ts';
import { Memory } from './memory.ts';
import type { MemoStatus } from './missed-call.ts';
import { SyncMemo } from './sync-memo.ts';
import type { AnyFunction } from './work.ts';
import { prefixOf, versionOf, workOf } from './work.ts';

type Result<F extends AnyFunction> = ReturnType<F>;

/** What a function memoized at once can do beside being called. */
export interface MemoSyncMethods<F extends AnyFunction> {
  /** Whether there is a result. Promotes nothing to memory. */
  has(...args: Parameters<F>): boolean;
  /** The result, if there is one; the function is not called. */
  get(...args: Parameters<F>): Result<F> | undefined;
  /** The same, but throws KEY_NOT_FOUND where there is none. */
  getOrThrow(...args: Parameters<F>): Result<F>;
  callWithStatus(this: ThisParameterType<F>, ...args: Parameters<F>): { value: Result<F>; status: MemoStatus };
  put(result: Result<F>, ...args: Parameters<F>): void;
  /** Whether there was a result. */
  uncache(...args: Parameters<F>): boolean;
  force(this: ThisParameterType<F>, ...args: Parameters<F>): Result<F>;
  /** How often a tier could not do what it was to do, where the call had its result all the same. */
  readonly failures: number;
  /** Resolves when the cache has all results that were computed. */
  flush(): Promise<void>;
  /** Flushes, and closes the file. The cache stays open. Later calls throw CACHE_CLOSED. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export type MemoizedSyncFn<F extends AnyFunction> = F & MemoSyncMethods<F>;

/**
 * Keeps the results of a function that is not async in the memory of `cache`, and in a file where `filename` says so. Throws
 * INVALID_CONFIG, and, with a file, STORE_FOREIGN or ENGINE_ERROR, since it is opened here.
 *
 * @example
 * const fib = memoizeSync((n: number): number => (n < 2 ? n : fib(n - 1) + fib(n - 2)), { cache, name: 'fib' });
 * fib(90); // 2880067194370816000
 */
export function memoizeSync<F extends AnyFunction>(fn: F, options: MemoSyncOptions<F>): MemoizedSyncFn<F> {
  if (typeof fn !== 'function') {
    throw misuse('INVALID_CONFIG', 'a function to memoize', fn, { option: 'fn' });
  }
  const work = workOf(fn, options?.name);
  const name = work.name === '' ? '(anonymous)' : work.name;
  const plan = planOf(options as MemoSyncOptions, MEMO_SYNC_OPTIONS, name);
  const { cache, filename, serializer, compression, sync, sourceVersion } = options;
  if (cache === undefined) {
    throw misuse('INVALID_CONFIG', '`cache` to be a cache that `openCache` has opened', cache, { option: 'cache' });
  }
  const { log } = plan;
  const version = versionOf(work, sourceVersion);
  const path = filename === undefined || plan.isDisabled ? undefined : memoPath(work, filename);
  const warn = (message: string) => log.tellFailure('take its file as it is', new Error(message));
  const keys = new CallKeys({ name, prefix: prefixOf(work, cache, options.name ?? path, version), ...plan });
  const leave = path === undefined ? undefined : occupy(path, work);
  let file: ReturnType<typeof openFileTierSync> | undefined;
  try {
    file =
      path === undefined ? undefined : openFileTierSync(path, { name: work.name, serializer, compression, sync, warn });
  } catch (error) {
    leave?.();
    throw error;
  }
  const memory = new Memory(cache, { maxEntries: undefined, maxBytes: undefined }, plan.ttlMs, (what, cause) =>
    log.tellFailure(what, cause),
  );
  return memoized(new SyncMemo({ name, work: fn, plan, keys, memory, file, version }), name, async () => {
    await memory.close();
    file?.close();
    leave?.();
  }) as MemoizedSyncFn<F>;
}

function memoized(memo: SyncMemo, name: string, shutDown: () => Promise<void>): unknown {
  let closed: Promise<void> | undefined;
  const close = () => {
    memo.isClosed = true;
    closed ??= shutDown();
    return closed;
  };
  function call(this: unknown, ...args: unknown[]): unknown {
    return memo.call(this, args);
  }
  const methods = {
    has: (...args: unknown[]) => memo.has(args),
    get(...args: unknown[]) {
      const value = memo.get(args);
      return value === ABSENT ? undefined : value;
    },
    getOrThrow(...args: unknown[]) {
      const value = memo.get(args);
      if (value === ABSENT) {
        throw new CacheError('KEY_NOT_FOUND', `The memo of ${name} has no result for these arguments`);
      }
      return value;
    },
    callWithStatus(this: unknown, ...args: unknown[]) {
      return memo.callWithStatus(this, args);
    },
    put: (result: unknown, ...args: unknown[]) => memo.put(result, args),
    uncache: (...args: unknown[]) => memo.forget(args),
    force(this: unknown, ...args: unknown[]) {
      return memo.force(this, args);
    },
    flush: () => memo.flush(),
    close,
    [Symbol.asyncDispose]: close,
  };
  const described = Object.getOwnPropertyDescriptors(methods);
  return Object.defineProperties(call, {
    ...described,
    failures: { get: () => memo.failures },
    name: { value: name },
  });
}
