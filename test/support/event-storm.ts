/**
 * A storm of evictions with a listener, in a thread of its own, that is blocked again and again: does anybody who writes wait
 * for it, and where do the events stay that it does not take?
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type Cache, openCache } from 'shardstash';
import { packageRoot } from './package-root.ts';

const LISTENER = new URL('test/support/storm-listener.mjs', packageRoot());
const ENTRIES = 1_000;
const AT_ONCE = 1_000;

export interface StormReport {
  readonly evicted: number;
  readonly told: number;
  readonly dropped: number;
  /** As the metrics have it. */
  readonly droppedEvents: number;
  /** Sets that rejected. */
  readonly failed: number;
  /** Of AT_ONCE sets at once. */
  readonly slowestMs: number;
  /** Bytes. */
  readonly rss: { readonly before: number; readonly peak: number; readonly after: number };
}

/** The listener sleeps for so long after each batch; undefined for no listener. */
export async function eventStorm(evictions: number, sleepMs: number | undefined): Promise<StormReport> {
  const cache = await openCache({ shards: 2, maxEntries: ENTRIES, maxBytes: '64mb', eviction: 'fifo' });
  const awake = new Int32Array(new SharedArrayBuffer(4));
  const thread = sleepMs === undefined ? undefined : await startListener(cache, sleepMs, awake);
  try {
    const report = await storm(cache, evictions);
    const { evictions: evicted, droppedEvents } = await cache.metrics();
    Atomics.store(awake, 0, 1);
    Atomics.notify(awake, 0);
    const heard = thread === undefined ? { told: 0, dropped: 0 } : await hearFrom(thread, evicted);
    return { ...report, evicted, droppedEvents, ...heard };
  } finally {
    await thread?.terminate();
    await cache.close();
  }
}

async function storm(cache: Cache, evictions: number): Promise<Pick<StormReport, 'failed' | 'slowestMs' | 'rss'>> {
  const before = process.memoryUsage.rss();
  let [peak, slowestMs, failed] = [before, 0, 0];
  for (let id = 0; id < evictions + ENTRIES; id += AT_ONCE) {
    const startMs = performance.now();
    const sets = Array.from({ length: AT_ONCE }, (_, i) => cache.set(`key number ${id + i}`, id));
    failed += (await Promise.allSettled(sets)).filter(({ status }) => status === 'rejected').length;
    slowestMs = Math.max(slowestMs, performance.now() - startMs);
    peak = Math.max(peak, process.memoryUsage.rss());
  }
  return { failed, slowestMs, rss: { before, peak, after: process.memoryUsage.rss() } };
}

async function startListener(cache: Cache, sleepMs: number, awake: Int32Array): Promise<Worker> {
  const handle = cache.handle();
  const thread = new Worker(LISTENER, {
    execArgv: [],
    workerData: { handle, sleepMs, awake },
    transferList: [...handle.transfer],
  });
  await once(thread, 'message');
  return thread;
}

/** What it was told, when that and what was dropped come to so many. */
async function hearFrom(thread: Worker, count: number): Promise<Pick<StormReport, 'told' | 'dropped'>> {
  thread.postMessage(count);
  const [heard] = await once(thread, 'message');
  return heard;
}
