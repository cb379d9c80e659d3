/**
 * `shardstash advise [trace]`: one reading of a trace, many simulated caches, one recommendation.
 *
 *     pool's thread                  this thread                      pool's threads
 *     recorder -- columns in shared memory --> comparison <-- cells --> simulate
 *                                                 `--> advice --> report, JSON or CSV
 */
import { availableParallelism } from 'node:os';
import { adviceOn } from './advice.ts';
import { renderAdvice } from './advice-report.ts';
import { type AdviceResult, csvOf, isBound } from './advice-result.ts';
import { ADVISE_HELP, type AdviseOptions, parseAdviseOptions } from './advise-options.ts';
import { asUsageError } from './arguments.ts';
import { badLineText, emptiness } from './bad-lines.ts';
import { resolveSizes } from './capacities.ts';
import { type Command, EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED } from './command.ts';
import { type Comparison, compare, OPTIMUM } from './comparison.ts';
import { capacity, count, percent } from './figures.ts';
import { originName } from './origin.ts';
import { Progress } from './progress.ts';
import type { Recording } from './recorder.ts';
import { recorded } from './recording.ts';
import { ZIPF } from './workload.ts';

/** Where nobody tells how wide the paper is. */
const COLUMNS_DEFAULT = 80;
const { NO_COLOR } = process.env;

export const advise: Command = {
  summary: 'simulate many caches over a trace, and recommend a policy and a size',
  help: ADVISE_HELP,
  run: (args) => runAdvice('advise', parseAdviseOptions(args)),
};

/** What `advise` does, and `replay --compare`. Returns the exit code. */
export async function runAdvice(command: string, options: AdviseOptions): Promise<number> {
  const progress = new Progress(process.stderr);
  const interruption = new AbortController();
  const interrupt = () => interruption.abort();
  // Once: whoever asks twice means it.
  process.once('SIGINT', interrupt);
  try {
    return await readAndAdvise(command, options, progress, interruption.signal);
  } catch (error) {
    if (interruption.signal.aborted) {
      return EXIT_INTERRUPTED;
    }
    throw asUsageError(error);
  } finally {
    process.off('SIGINT', interrupt);
    progress.end();
  }
}

async function readAndAdvise(
  command: string,
  options: AdviseOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<number> {
  const origin = options.trace ?? ZIPF;
  const title = originName(origin);
  let state: string | undefined;
  progress.start(() => state);
  const { limit, strict, valueBytes, capacities, requestsPerSecond } = options;
  const recording = await recorded({
    ...{ origin, limit, strict, valueBytes, signal },
    sized: capacities.unit === 'bytes',
    timed: requestsPerSecond !== undefined,
    onBadLine: (bad) => progress.say(badLineText(bad)),
    onProgress: (requests) => {
      state = `${count(requests)} requests read`;
    },
  });
  const { fault, badLines } = recording;
  if (recording.requests.ids.length > 0) {
    const startedMs = performance.now();
    const comparison = await compareAll(recording, options, signal, (share) => {
      state = progressText(share, performance.now() - startedMs);
    });
    progress.end();
    await print(reportOf(title, recording, comparison, options, performance.now() - startedMs));
  }
  const isEmpty = recording.requests.ids.length === 0 && fault === undefined;
  const message = isEmpty ? emptiness(title, badLines) : fault?.message;
  if (message !== undefined) {
    progress.say(`shardstash ${command}: ${message}`);
  }
  return fault?.exitCode ?? (isEmpty ? EXIT_FAILED : EXIT_DONE);
}

async function compareAll(
  recording: Recording,
  { policies, capacities, shards, threads, requestsPerSecond }: AdviseOptions,
  signal: AbortSignal,
  onProgress: (share: number) => void,
): Promise<Comparison> {
  const { footprintBytes, leastBytes } = recording;
  const extent = { keys: recording.requests.keys, footprintBytes, leastBytes };
  const sizes = resolveSizes(capacities, extent, shards);
  const { unit } = capacities;
  return await compare(recording, { policies, unit, sizes, shards, threads, requestsPerSecond, signal, onProgress });
}

function progressText(share: number, elapsedMs: number): string {
  const leftSeconds = share > 0 ? Math.ceil((elapsedMs * (1 - share)) / share / 1_000) : undefined;
  return [
    `${Math.round(share * 100)} % simulated`,
    ...(leftSeconds === undefined ? [] : [`${count(leftSeconds)} s left`]),
  ].join(' · ');
}

function reportOf(
  title: string,
  recording: Recording,
  comparison: Comparison,
  { target, format, threads, requestsPerSecond }: AdviseOptions,
  elapsedMs: number,
): string {
  if (format === 'csv') {
    return csvOf(title, comparison);
  }
  const advice = adviceOn(comparison, target);
  const expires = requestsPerSecond !== undefined && recording.requests.ttls !== undefined;
  const notes = notesOn(recording, comparison, expires);
  if (requestsPerSecond !== undefined && !expires) {
    notes.push('No request has a TTL: --rate changes nothing.');
  }
  const used = Math.min(threads ?? availableParallelism(), comparison.cells.length);
  if (format === 'json') {
    const { badLines } = recording;
    const optimumIsBound = isBound(comparison, expires);
    const found = { recommendation: advice, notes, badLines, threads: used, elapsedMs };
    const result: AdviceResult = { trace: title, ...comparison, optimumIsBound, ...found };
    return `${JSON.stringify(result)}\n`;
  }
  return renderAdvice({
    ...{ title, comparison, advice, notes, elapsedMs, threads: used },
    columns: process.stdout.columns || COLUMNS_DEFAULT,
    colours: process.stdout.isTTY && !NO_COLOR,
  });
}

/** What a reader of the figures should know. */
function notesOn(recording: Recording, comparison: Comparison, expires: boolean): string[] {
  const notes: string[] = [];
  if (recording.isCut) {
    notes.push(`Only the first ${count(comparison.requests)} requests are used: there are more than fit into memory.`);
  }
  if (recording.badLines > 0) {
    notes.push(`${count(recording.badLines)} bad ${recording.badLines === 1 ? 'line was' : 'lines were'} left out.`);
  }
  if (comparison.unit === 'bytes') {
    notes.push(
      `In bytes ${OPTIMUM} is a heuristic: the true optimum is a knapsack problem, and a policy may come out above it.`,
    );
  }
  if (expires) {
    notes.push(`${OPTIMUM} does not know of expiry: it is a ceiling that may lie higher than need be.`);
  }
  const tooLarge = Math.max(...comparison.cells.map((cell) => cell.tooLarge));
  if (tooLarge > 0) {
    const smallest = comparison.cells.find((cell) => cell.tooLarge === tooLarge) as Comparison['cells'][0];
    const part = percent(tooLarge / comparison.requests);
    const where = comparison.shards.length > 1 || smallest.shards > 1 ? ` in ${count(smallest.shards)} shards` : '';
    notes.push(
      `At ${capacity(smallest.size, 'bytes')}${where}, ${part} of the requests are for entries that no shard can hold.`,
    );
  }
  return notes;
}

function print(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()));
}
