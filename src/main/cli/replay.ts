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
import { type Command, EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED } from './command.ts';
import { Driver } from './driver.ts';
import { Feed } from './feed.ts';
import { count } from './figures.ts';
import { Progress } from './progress.ts';
import { asUsageError, parseReplayOptions, REPLAY_HELP, type ReplayOptions } from './replay-options.ts';
import { renderReport } from './report.ts';
import { resultOf } from './result.ts';
import type { BadLine } from './source.ts';
import { traceName } from './trace.ts';
import { ZIPF } from './workload.ts';

/** Resolution of the event loop's delay; the part of each sample that is no delay. */
const LOOP_INTERVAL_MS = 1;
const { NO_COLOR } = process.env;

export const replay: Command = {
  summary: 'replay a trace, or a made-up workload, and report hit ratio, speed and memory',
  help: REPLAY_HELP,
  run: async (args) => {
    const options = parseReplayOptions(args);
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
  const onBadLine = ({ line, reason, text }: BadLine) =>
    progress.say(`Line ${count(line)} is bad: ${reason}: '${text}'`);
  const feed = new Feed({ origin: trace ?? ZIPF, limit, strict, onBadLine });
  const driver = new Driver(cache, { ...options, next: () => feed.next() });
  let isInterrupted = false;
  const interrupt = () => {
    isInterrupted = true;
    driver.stop();
  };
  // Once: whoever asks twice means it.
  process.once('SIGINT', interrupt);
  try {
    progress.start(cache, driver);
    const failure = await drive(cache, driver, feed, progress, options);
    const message = failure ?? feed.fault?.message ?? (isInterrupted ? undefined : emptiness(driver, feed, options));
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
        title: titleOf(options.trace),
        config: cache.config,
        concurrency: options.concurrency,
        elapsedMs,
        hungryMs: driver.hungryMs,
        colours: process.stdout.isTTY && !NO_COLOR,
      });
  await new Promise((resolve) => process.stdout.write(report, resolve));
  return undefined;
}

/** What there is to say when there was nothing to replay. */
function emptiness({ requests }: Driver, { badLines, fault }: Feed, { trace }: ReplayOptions): string | undefined {
  if (requests > 0 || fault !== undefined) {
    return undefined;
  }
  const name = titleOf(trace);
  return badLines === 0
    ? `There is no request in ${name}: it is empty`
    : `There is no request in ${name}: ${badLines === 1 ? 'its only line is' : `all its ${count(badLines)} lines are`} bad`;
}

function titleOf(trace: string | undefined): string {
  return trace === undefined
    ? `Zipf ${ZIPF.exponent}: ${count(ZIPF.requests)} requests over ${count(ZIPF.keys)} keys`
    : traceName(trace);
}
