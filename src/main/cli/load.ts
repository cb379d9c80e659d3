/**
 * `shardstash load`: one cache, used by many threads at once, as a service of worker threads would.
 *
 *     this thread                             pool's threads                   shards' threads
 *     opens, fills, hands out handles  -->    attach, get, set, check   <-->   memory and frames
 *     kills shards, watches its own loop      count and time
 *          `--------- result, report <----------'
 *
 * However a load ends, what was done is reported, and the exit code says whether it was all and whether it was right.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Piscina } from 'piscina';
import { type Cache, openCache } from '../index.ts';
import { asUsageError } from './arguments.ts';
import { type Command, EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED } from './command.ts';
import { count } from './figures.ts';
import type { LoadShare, LoadTask } from './load-client.ts';
import { LoadControl } from './load-control.ts';
import { keyOf } from './load-draws.ts';
import { Killer } from './load-killer.ts';
import { LOAD_HELP, type LoadOptions, parseLoadOptions } from './load-options.ts';
import { renderLoadReport } from './load-report.ts';
import { type LoadResult, loadResultOf } from './load-result.ts';
import { makeValue } from './load-values.ts';
import { Progress } from './progress.ts';

const CLIENT = new URL('./load-client.js', import.meta.url);
/** Of one setMany while filling. */
const FILL_ENTRIES = 1_000;
const FILL_BYTES = 4 * 1024 * 1024;
/** Resolution of the event loop's delay; the part of each sample that is no delay. */
const LOOP_INTERVAL_MS = 1;
const MS_PER_SECOND = 1_000;
const { NO_COLOR } = process.env;

export const load: Command = {
  summary: 'use one cache from many threads at once, and report throughput, latencies and errors',
  help: LOAD_HELP,
  run: async (args) => {
    const options = parseLoadOptions(args);
    const cache = await open(options);
    try {
      return await loadInto(cache, options);
    } finally {
      await cache.close();
    }
  },
};

async function open({ cache }: LoadOptions): Promise<Cache<string, string>> {
  try {
    return await openCache<string, string>(cache);
  } catch (error) {
    throw asUsageError(error);
  }
}

async function loadInto(cache: Cache<string, string>, options: LoadOptions): Promise<number> {
  const control = new LoadControl(options.threads);
  const progress = new Progress(process.stderr);
  let isInterrupted = false;
  const interrupt = () => {
    isInterrupted = true;
    control.stop();
  };
  // Once: whoever asks twice means it.
  process.once('SIGINT', interrupt);
  try {
    const fillMs = options.fills ? await fill(cache, options, control, progress) : 0;
    const { result, wrongTold } = await drive(cache, options, control, progress, fillMs);
    for (const told of wrongTold) {
      progress.say(`shardstash load: ${told}`);
    }
    const { config } = cache;
    const colours = process.stdout.isTTY && !NO_COLOR;
    const report = options.json
      ? `${JSON.stringify(result)}\n`
      : renderLoadReport(result, { options, config, colours });
    await new Promise((resolve) => process.stdout.write(report, resolve));
    // First: whoever ends a load because values are wrong wants to be told that they were.
    if (!isRight(result)) return EXIT_FAILED;
    return isInterrupted ? EXIT_INTERRUPTED : EXIT_DONE;
  } finally {
    process.off('SIGINT', interrupt);
    progress.end();
  }
}

/** Whether every value was what it should be, and the cache answered to the end. */
function isRight({ wrongValues, errors }: LoadResult): boolean {
  return wrongValues === 0 && !('CACHE_CLOSED' in errors);
}

/** Stores every key once, and says how long that took. */
async function fill(
  cache: Cache<string, string>,
  { keys, valueLength, threads }: LoadOptions,
  control: LoadControl,
  progress: Progress,
): Promise<number> {
  const atOnce = Math.max(1, Math.min(FILL_ENTRIES, Math.floor(FILL_BYTES / valueLength)));
  const startedMs = performance.now();
  let filled = 0;
  progress.start(() => `${count(filled)} of ${count(keys)} keys stored`);
  for (; filled < keys && !control.isStopped; filled += atOnce) {
    const entries = Array.from({ length: Math.min(atOnce, keys - filled) }, (_, i) => {
      const id = filled + i;
      // The version after those that the threads begin with.
      return [keyOf(id), makeValue(id, threads, valueLength)] as const;
    });
    await cache.setMany(entries);
  }
  progress.end();
  return performance.now() - startedMs;
}

async function drive(
  cache: Cache<string, string>,
  options: LoadOptions,
  control: LoadControl,
  progress: Progress,
  fillMs: number,
): Promise<{ result: LoadResult; wrongTold: readonly string[] }> {
  const { threads, killEveryMs, operations } = options;
  const killer = killEveryMs === undefined ? undefined : new Killer(cache, killEveryMs);
  const loopDelay = monitorEventLoopDelay({ resolution: LOOP_INTERVAL_MS });
  const pool = new Piscina<LoadTask, LoadShare>({
    filename: CLIENT.href,
    minThreads: threads,
    maxThreads: threads,
    // A thread that blocks between two tasks would be deaf to its ports.
    atomics: 'disabled',
  });
  try {
    const runs = Promise.all(tasksOf(cache, options, control).map(({ task, transfer }) => pool.run(task, transfer)));
    // A thread that cannot attach is never ready.
    await Promise.race([control.whenReady(threads), runs]);
    const beganMs = performance.now();
    loopDelay.enable();
    killer?.start();
    control.begin();
    progress.start(() => stateOf(control.done, operations, performance.now() - beganMs));
    const shares = await runs;
    loopDelay.disable();
    progress.end();
    await killer?.stop();
    const metrics = await cache.metrics();
    const measures = { options, shares, metrics, killer, loopDelay, loopIntervalMs: LOOP_INTERVAL_MS, fillMs };
    return { result: loadResultOf(measures), wrongTold: shares.flatMap(({ wrongTold }) => wrongTold) };
  } finally {
    control.stop();
    await killer?.stop();
    await pool.destroy();
  }
}

/** Each thread's part of the calls, the remainder to the first, with a handle of its own. */
function tasksOf(cache: Cache<string, string>, options: LoadOptions, control: LoadControl) {
  const { threads, operations, rate, ...rest } = options;
  const { keys, exponent, readShare, valueLength, seed, sync } = rest;
  return Array.from({ length: threads }, (_, thread) => {
    const handle = cache.handle();
    const task: LoadTask = {
      ...{ handle, thread, threads, keys, exponent, readShare, valueLength, seed, sync },
      control: control.buffer,
      operations: Math.floor(operations / threads) + (thread < operations % threads ? 1 : 0),
      intervalMs: rate === undefined ? 0 : (MS_PER_SECOND * threads) / rate,
    };
    return { task, transfer: { transferList: handle.transfer } };
  });
}

function stateOf(done: number, operations: number, elapsedMs: number): string {
  const perSecond = (done / Math.max(1, elapsedMs)) * MS_PER_SECOND;
  return `${count(done)} of ${count(operations)} calls · ${count(perSecond)}/s`;
}
