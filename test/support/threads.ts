/** The worker threads that a block of code starts, so that a test can do to them what the world might. */
import type { Worker } from 'node:worker_threads';

export async function withThreads<T>(start: () => Promise<T>): Promise<{ result: T; threads: Worker[] }> {
  const threads: Worker[] = [];
  const note = (worker: Worker) => threads.push(worker);
  process.on('worker', note);
  try {
    return { result: await start(), threads };
  } finally {
    process.off('worker', note);
  }
}
