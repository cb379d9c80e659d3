/**
 * The threads of shards that a block of code starts, so that a test can do to them what the world might. Over a tier the keeper's, which
 * comes first, is left out: nobody is to end that.
 */
import type { Worker } from 'node:worker_threads';
import { engineOfThisRun } from './tiers.ts';

export async function withThreads<T>(start: () => Promise<T>): Promise<{ result: T; threads: Worker[] }> {
  const threads: Worker[] = [];
  const note = (worker: Worker) => threads.push(worker);
  process.on('worker', note);
  try {
    const result = await start();
    if (engineOfThisRun() !== undefined) {
      threads.shift();
    }
    return { result, threads };
  } finally {
    process.off('worker', note);
  }
}
