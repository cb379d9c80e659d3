/**
 * Saving and loading as callers ask for it: their options, checked, and the limits of the call. Whoever asks, the thread that opened
 * the cache does it (snapshots.ts), since it alone can speak to the owners.
 */
import { CacheError } from '../../protocol/errors.ts';
import { type CallLimits, type CallOptions, callLimits } from '../call.ts';
import { unknownOption } from '../option-errors.ts';
import { flagOr } from '../options.ts';
import type { Thrown } from '../thrown.ts';
import type { LoadedEntries } from './load.ts';
import type { MetricsFormat } from './storage-options.ts';

export interface SaveOptions extends CallOptions {
  /** Whether the file's name has the time in it. Default: as `storage.timestamps` says. */
  useTimestamp?: boolean;
}

export interface LoadOptions extends CallOptions {
  /** Whether what is in the cache stays, but for the keys that are loaded. Default false: it begins empty. */
  merge?: boolean;
}

export interface SaveMetricsOptions extends CallOptions {
  /** Whether the file's name has the time in it. Default: as `metricsStorage.timestamps` says. */
  useTimestamp?: boolean;
  /** Default: as the path's extension says, .json, .csv or .prom, and else `metricsStorage.serializer`. */
  format?: MetricsFormat;
}

export interface SavedSnapshot {
  /** Of the file, absolute. */
  readonly path: string;
  readonly entries: number;
  readonly bytes: number;
}

export type LoadedSnapshot = LoadedEntries;

/** As it crosses threads. */
export type SnapshotCall =
  | { readonly do: 'save'; readonly path: string | undefined; readonly useTimestamp: boolean | undefined }
  | { readonly do: 'load'; readonly path: string | undefined; readonly merge: boolean };

/** What came of it, as that crosses. */
export type SnapshotOutcome = { readonly done: SavedSnapshot | LoadedSnapshot } | { readonly thrown: Thrown };

/** Does what it is asked until the controller is told to abort; then it rejects with that reason. */
export interface SnapshotCaller {
  call(call: SnapshotCall, controller: AbortController): Promise<SavedSnapshot | LoadedSnapshot>;
  /** Resolves when nothing runs or waits. */
  drained(): Promise<void>;
}

const COMMON = ['signal', 'timeout'];

export async function askToSave(
  caller: SnapshotCaller,
  path: string | undefined,
  options: SaveOptions | undefined,
): Promise<SavedSnapshot> {
  const limits = limitsOf(options, ['useTimestamp']);
  const given = options?.useTimestamp;
  const useTimestamp = given === undefined ? undefined : flagOr('useTimestamp', given, false);
  const call = { do: 'save', path, useTimestamp } as const;
  return (await within(limits, 'save', (controller) => caller.call(call, controller))) as SavedSnapshot;
}

export async function askToLoad(
  caller: SnapshotCaller,
  path: string | undefined,
  options: LoadOptions | undefined,
): Promise<LoadedSnapshot> {
  const limits = limitsOf(options, ['merge']);
  const call = { do: 'load', path, merge: flagOr('merge', options?.merge, false) } as const;
  return (await within(limits, 'load', (controller) => caller.call(call, controller))) as LoadedSnapshot;
}

/** Throws INVALID_CONFIG, also for options of other calls, which would mean nothing here. */
export function limitsOf(options: CallOptions | undefined, own: readonly string[]): CallLimits {
  if (typeof options !== 'object' || options === null) {
    return callLimits(options);
  }
  const known = [...COMMON, ...own];
  const stranger = Object.keys(options).find((name) => !known.includes(name));
  if (stranger !== undefined) {
    throw unknownOption(stranger, known);
  }
  const { signal, timeout } = options;
  return callLimits({ ...(signal !== undefined && { signal }), ...(timeout !== undefined && { timeout }) });
}

/** Without a `timeout` it takes as long as it takes: how much is to be written nobody knows beforehand. */
async function within<T>(
  { signal, timeoutMs }: CallLimits,
  what: string,
  run: (controller: AbortController) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  const expire = () => {
    const message = `The ${what} took longer than ${timeoutMs} ms, and was given up. Give it a longer \`timeout\``;
    controller.abort(new CacheError('TIMEOUT', message));
  };
  const timer = timeoutMs === 0 ? undefined : setTimeout(expire, timeoutMs);
  try {
    return await run(controller);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}
