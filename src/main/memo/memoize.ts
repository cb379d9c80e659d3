/**
 * Functions that remember: `memoize` returns a function that does what the given one does, but not twice for the same arguments.
 * What a call goes through is told in memo.ts; here is what of the options becomes of it, and the function itself.
 */
import type { Answer } from '../../protocol/engines/engine.ts';
import { CacheError, misuse } from '../../protocol/errors.ts';
import type { PluginModule } from '../index.ts';
import type { Store } from '../stores/index.ts';
import { ABSENT } from './boxed.ts';
import { CallKeys } from './call-keys.ts';
import { encodingOf, openFileTier } from './file-tier.ts';
import { KeptResults } from './kept-results.ts';
import { Memo } from './memo.ts';
import { type CallPlan, MEMO_OPTIONS, type MemoOptions, planOf } from './memo-options.ts';
import { memoPath, occupy, placeIn } from './memo-place.ts';
import { MemoStore, type StoredFile } from './memo-store.ts';
import { Memory } from './memory.ts';
import type { MemoStatus } from './missed-call.ts';
import { StoreTier } from './store-tier.ts';
import type { MemoTier } from './tier.ts';
import { type AnyFunction, prefixOf, versionOf, type Work, workOf } from './work.ts';

let memos = 0;

type Result<F extends AnyFunction> = Awaited<ReturnType<F>>;

/** What a memoized function can do beside being called. Arguments are those of a call. */
export interface MemoMethods<F extends AnyFunction> {
  /** Whether there is a result. Promotes nothing to memory. */
  has(...args: Parameters<F>): Promise<boolean>;
  /** The result, if there is one; the function is not called. */
  get(...args: Parameters<F>): Promise<Result<F> | undefined>;
  /** The same, but rejects with KEY_NOT_FOUND where there is none. */
  getOrThrow(...args: Parameters<F>): Promise<Result<F>>;
  /** A call that says where its result came from: 'memory', 'disk', or 'miss' for one that was computed. */
  callWithStatus(this: ThisParameterType<F>, ...args: Parameters<F>): Promise<{ value: Result<F>; status: MemoStatus }>;
  /** Keeps a result that was made elsewhere. Rejects where it cannot be kept. */
  put(result: Result<F>, ...args: Parameters<F>): Promise<void>;
  /** Forgets a result in both tiers. Whether there was one. */
  uncache(...args: Parameters<F>): Promise<boolean>;
  /** Calls the function, whatever is kept, and keeps what it returns. */
  force(this: ThisParameterType<F>, ...args: Parameters<F>): Promise<Result<F>>;
  readonly store: MemoStore<Result<F>>;
  /** Finishes what was begun, up to 5 s, and gives file and threads back. What is not done then, and later calls, reject with CACHE_CLOSED. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What a function becomes: one that returns a promise of the same keeps its type, with all its overloads. */
export type MemoizedFn<F extends AnyFunction> = (F extends (this: never, ...args: never[]) => Promise<unknown>
  ? F
  : (this: ThisParameterType<F>, ...args: Parameters<F>) => Promise<Result<F>>) &
  MemoMethods<F>;

/**
 * Keeps the results of a function in memory and in a file, so that calls with the same arguments, at any time, run it once. With
 * `{ module, export }` in its place the work is done by threads of the cache's pool.
 *
 * Throws INVALID_CONFIG for options that are none, for a function without a name that is to have a file, and for a file that another
 * function of this thread has. Nothing is opened before the first call, which rejects with STORE_FOREIGN or ENGINE_ERROR where the
 * file is not a memo's, or cannot be used.
 *
 * @example
 * const pageOf = memoize(async (url: string) => (await fetch(url)).text(), { name: 'pages', ttl: '1h' });
 * await pageOf('https://example.org'); // asks the server
 * await pageOf('https://example.org'); // does not
 */
export function memoize<F extends AnyFunction>(fn: F | PluginModule, options: MemoOptions<F> = {}): MemoizedFn<F> {
  const { memo, file } = memoOf(fn, options as MemoOptions);
  return memoized(memo, file) as MemoizedFn<F>;
}

/**
 * The same with a file of that name, opened, with its memory, before it resolves.
 *
 * @example
 * const slow = await openMemo(slowly, './results.log');
 * try {
 *   await slow(5);
 * } finally {
 *   await slow.close();
 * }
 */
export async function openMemo<F extends AnyFunction>(
  fn: F | PluginModule,
  filename?: string,
  options: MemoOptions<F> = {},
): Promise<MemoizedFn<F>> {
  const given = filename === undefined ? options : { ...options, filename };
  const { memo, file } = memoOf(fn, given as MemoOptions);
  try {
    await memo.open();
  } catch (error) {
    await memo.close();
    throw error;
  }
  return memoized(memo, file) as unknown as MemoizedFn<F>;
}

/** A memo, and its file. Throws INVALID_CONFIG. */
export function memoOf(given: unknown, options: MemoOptions): { memo: Memo; file: StoredFile | undefined } {
  const work = workOf(given, options?.name);
  const plan = planOf(options, MEMO_OPTIONS, work.name === '' ? '(anonymous)' : work.name);
  const { cache, store, maxEntries, maxBytes } = options;
  if (cache !== undefined && (maxEntries !== undefined || maxBytes !== undefined)) {
    const expected = "`maxEntries` and `maxBytes` for a cache of the memo's own; one that is given has its bounds";
    throw misuse('INVALID_CONFIG', expected, maxEntries ?? maxBytes, {
      option: maxEntries === undefined ? 'maxBytes' : 'maxEntries',
    });
  }
  const version = versionOf(work, options.sourceVersion);
  checkStore(store, options, work);
  const path = store !== undefined || plan.isDisabled ? undefined : memoPath(work, options.filename);
  const filename = store === undefined ? path : store.config.name;
  const memory = new Memory(cache, { maxEntries, maxBytes }, plan.ttlMs, (what, cause) =>
    plan.log.tellFailure(what, cause),
  );
  // Nobody else finds what is in a cache of the memos' own, so its keys need mean nothing to anybody else.
  const prefix = cache === undefined ? `memo ${memos++} ` : prefixOf(work, cache, options.name ?? path, version);
  const keys = new CallKeys({ name: nameOf(work), prefix, ...plan });
  const openTier = tierOpener(work, plan, options, path);
  const kept = openTier && new KeptResults({ name: nameOf(work), plan, version, open: openTier });
  const place = store === undefined ? path : placeIn(store, work);
  const leave = place === undefined || plan.isDisabled ? undefined : occupy(place, work);
  const memo: Memo = new Memo({
    name: nameOf(work),
    plan,
    keys,
    memory,
    kept,
    filename,
    work: workerOf(work, memory, plan),
    onClose: () => leave?.(),
  });
  return { memo, file: path === undefined ? undefined : { path, encoding: encodingOf(options) } };
}

/** How messages call a function. */
function nameOf({ name }: Work): string {
  return name === '' ? '(anonymous)' : name;
}

function workerOf(
  { fn, module }: Work,
  memory: Memory,
  { timeoutMs }: CallPlan,
): (self: unknown, args: readonly unknown[]) => unknown {
  return module === undefined
    ? (self, args) => Reflect.apply(fn as AnyFunction, self as never, args as never[])
    : (_, args) => memory.run({ ...module, args }, timeoutMs);
}

function tierOpener(
  work: Work,
  { log }: CallPlan,
  options: MemoOptions,
  path: string | undefined,
): (() => Answer<MemoTier>) | undefined {
  const { store, serializer, compression, sync } = options;
  if (store !== undefined) {
    const tier = new StoreTier(store, work.name);
    return () => tier;
  }
  if (path === undefined) {
    return undefined;
  }
  const warn = (message: string) => log.tellFailure('take its file as it is', new Error(message));
  return () => openFileTier(path, { name: work.name, serializer, compression, sync, warn });
}

function checkStore(store: Store | undefined, { filename }: MemoOptions, { name }: Work): void {
  if (store === undefined) {
    return;
  }
  if (
    typeof store !== 'object' ||
    store === null ||
    typeof store.getOrSet !== 'function' ||
    store.config === undefined
  ) {
    throw misuse('INVALID_CONFIG', '`store` to be a store that `openStore` has opened', store, { option: 'store' });
  }
  if (filename !== undefined && filename !== false) {
    throw misuse('INVALID_CONFIG', '`filename` or `store`, not both', filename, { option: 'filename' });
  }
  if (name === '') {
    throw misuse('INVALID_CONFIG', '`name` for a function without one, to tell its results in a store', name, {
      option: 'name',
    });
  }
}

function memoized(memo: Memo, file: StoredFile | undefined): MemoizedFn<AnyFunction> {
  const { name } = memo.parts;
  function call(this: unknown, ...args: unknown[]): Promise<unknown> {
    try {
      return memo.call(this, args);
    } catch (error) {
      return Promise.reject(error);
    }
  }
  const methods = {
    has: async (...args: unknown[]) => await memo.has(args),
    get: async (...args: unknown[]) => {
      const value = await memo.get(args);
      return value === ABSENT ? undefined : value;
    },
    getOrThrow: async (...args: unknown[]) => {
      const value = await memo.get(args);
      if (value === ABSENT) {
        throw new CacheError('KEY_NOT_FOUND', `The memo of ${name} has no result for these arguments`);
      }
      return value;
    },
    async callWithStatus(this: unknown, ...args: unknown[]) {
      return await memo.callWithStatus(this, args);
    },
    put: async (result: unknown, ...args: unknown[]) => await memo.put(result, args),
    uncache: async (...args: unknown[]) => await memo.forget(args),
    async force(this: unknown, ...args: unknown[]) {
      return await memo.force(this, args);
    },
    store: new MemoStore(memo, file),
    close: () => memo.close(),
    [Symbol.asyncDispose]: () => memo.close(),
  };
  for (const [property, value] of Object.entries(methods)) {
    Object.defineProperty(call, property, { value });
  }
  Object.defineProperty(call, Symbol.asyncDispose, { value: methods[Symbol.asyncDispose] });
  Object.defineProperty(call, 'name', { value: name });
  return call as unknown as MemoizedFn<AnyFunction>;
}
