/**
 * `shardstash replay [trace]`: the main job, a cache under the requests of a trace.
 *
 *     pool's thread               this thread                              shards' threads
 *     source -- batches --> feed --> driver -- get, set --> cache  <-->  memory and frames
 *                                      `--> result --> report
 *
 * However the requests end, those that were made are reported, and the exit code says whether they were all.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type Cache, openCache } from '../index.ts';
import { runAdvice } from './advise.ts';
import { asUsageError } from './arguments.ts';
import { badLineText, emptiness } from './bad-lines.ts';
import { type Command, EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED } from './command.ts';
import { Driver } from './driver.ts';
import { Feed } from './feed.ts';
import { bytes, count, percent } from './figures.ts';
import { originName } from './origin.ts';
import { Progress } from './progress.ts';
import { parseReplayOptions, REPLAY_HELP, type ReplayOptions } from './replay-options.ts';
import { renderReport } from './report.ts';
import { resultOf } from './result.ts';
import { ZIPF } from './workload.ts';

/** Resolution of the event loop's delay; the part of each sample that is no delay. */
const LOOP_INTERVAL_MS = 1;
const MS_PER_SECOND = 1_000;
const { NO_COLOR } = process.env;

export const replay: Command = {
  summary: 'replay a trace, or a made-up workload, and report hit ratio, speed and memory',
  help: REPLAY_HELP,
  run: async (args) => {
    const options = parseReplayOptions(args);
    if (options.comparison !== undefined) {
      return await runAdvice('replay', options.comparison);
    }
    const cache = await open(options);
    try {
      return await replayInto(cache, options);
    } finally {
      await cache.close();
    }
  },
};

async function open({ cache }: ReplayOptions): Promise<Cache<Buffer>> {
  try {
    return await openCache<Buffer>(cache);
  } catch (error) {
    throw asUsageError(error);
  }
}

async function replayInto(cache: Cache<Buffer>, options: ReplayOptions): Promise<number> {
  const { trace, limit, strict } = options;
  const progress = new Progress(process.stderr);
  const origin = trace ?? ZIPF;
  const feed = new Feed({ origin, limit, strict, onBadLine: (bad) => progress.say(badLineText(bad)) });
  const driver = new Driver(cache, { ...options, next: () => feed.next() });
  let isInterrupted = false;
  const interrupt = () => {
    isInterrupted = true;
    driver.stop();
  };
  // Once: whoever asks twice means it.
  process.once('SIGINT', interrupt);
  try {
    progress.start(() => stateOf(cache, driver));
    const failure = await drive(cache, driver, feed, progress, options);
    const isEmpty = driver.requests === 0 && !isInterrupted;
    const message =
      failure ?? feed.fault?.message ?? (isEmpty ? emptiness(originName(origin), feed.badLines) : undefined);
    if (message !== undefined) {
      process.stderr.write(`shardstash replay: ${message}\n`);
    }
    if (isInterrupted) {
      return EXIT_INTERRUPTED;
    }
    return feed.fault?.exitCode ?? (message === undefined ? EXIT_DONE : EXIT_FAILED);
  } finally {
    process.off('SIGINT', interrupt);
    progress.end();
    await feed.close();
  }
}

/** Drives to the end and prints what was done. Returns why the cache failed, if it did. */
async function drive(
  cache: Cache<Buffer>,
  driver: Driver,
  feed: Feed,
  progress: Progress,
  options: ReplayOptions,
): Promise<string | undefined> {
  const loopDelay = monitorEventLoopDelay({ resolution: LOOP_INTERVAL_MS });
  loopDelay.enable();
  try {
    await driver.run();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    loopDelay.disable();
    progress.end();
  }
  if (driver.requests === 0) {
    return undefined;
  }
  const elapsedMs = performance.now() - driver.startedMs;
  const result = await resultOf({
    cache,
    driver,
    elapsedMs,
    loopDelay,
    loopIntervalMs: LOOP_INTERVAL_MS,
    badLines: feed.badLines,
  });
  const report = options.json
    ? `${JSON.stringify(result)}\n`
    : renderReport(result, {
        title: originName(options.trace ?? ZIPF),
        config: cache.config,
        concurrency: options.concurrency,
        elapsedMs,
        hungryMs: driver.hungryMs,
        colours: process.stdout.isTTY && !NO_COLOR,
      });
  await new Promise((resolve) => process.stdout.write(report, resolve));
  return undefined;
}

/** What the line of progress says; nothing before the first request. */
async function stateOf(cache: Cache<Buffer>, { startedMs, requests, hits }: Driver): Promise<string | undefined> {
  // A cache that can no longer answer is the driver's to report.
  const metrics = startedMs === 0 ? undefined : await cache.metrics().catch(() => undefined);
  if (metrics === undefined) {
    return undefined;
  }
  const perSecond = (requests / Math.max(1, performance.now() - startedMs)) * MS_PER_SECOND;
  return [
    `${count(requests)} requests`,
    `${count(perSecond)}/s`,
    `${percent(requests === 0 ? 0 : hits / requests)} hits`,
    `${count(metrics.currentTotalKeys)} entries`,
    bytes(metrics.memoryBytes),
  ].join(' · ');
}
