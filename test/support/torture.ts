/**
 * One thread owns a shard and rewrites, deletes, evicts, splits, moves and reuses it; others read its memory meanwhile
 * and judge each value they get. Runs on the built package: Node cannot start a thread from TypeScript.
 */
import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { packageRoot } from './package-root.ts';

export interface TortureOptions {
  readonly seconds: number;
  readonly readers: number;
  readonly seed: number;
}

export interface OwnerCounts {
  readonly rounds: number;
  readonly sets: number;
  /** In place, but for the first of a key. */
  readonly increments: number;
  readonly expires: number;
  readonly deletes: number;
  readonly evictions: number;
  readonly expirations: number;
  readonly splits: number;
  readonly moves: number;
  readonly dropped: number;
}

export interface ReaderCounts {
  reads: number;
  hits: number;
  misses: number;
  busy: number;
  /** Reads whose stripe was odd before, or another after. */
  contended: number;
  pinned: number;
  bytes: number;
  /** Hits of counters, and of keys whose deadline was moved and settled or which slid. */
  counters: number;
  settled: number;
  slid: number;
}

export interface TortureReport {
  readonly owner: OwnerCounts;
  readonly readers: ReaderCounts;
  readonly violations: Record<string, number>;
  /** The first few, in words. */
  readonly faults: string[];
}

/** Words of the control block; see torture-values.mjs. */
const CONTROL_WORDS = 48;
const STOP = 0;

export async function torture({ seconds, readers, seed }: TortureOptions): Promise<TortureReport> {
  const control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4));
  const channels = Array.from({ length: readers }, () => new MessageChannel());
  const threads = [
    thread(
      'torture-owner.mjs',
      { control, ports: channels.map(({ port1 }) => port1), seed },
      channels.map(({ port1 }) => port1),
    ),
    ...channels.map(({ port2 }, i) =>
      thread('torture-reader.mjs', { control, port: port2, seed: seed + i + 1 }, [port2]),
    ),
  ];
  const timer = setTimeout(() => Atomics.store(control, STOP, 1), seconds * 1_000);
  try {
    const [owner, ...others] = (await Promise.all(threads.map(reportOf))) as [
      { counts: OwnerCounts; faults: string[] },
      ...{ counts: ReaderCounts; violations: Record<string, number>; faults: string[] }[],
    ];
    return {
      owner: owner.counts,
      readers: sum(others.map(({ counts }) => counts)) as unknown as ReaderCounts,
      violations: sum(others.map(({ violations }) => violations)),
      faults: [owner, ...others].flatMap(({ faults }) => faults),
    };
  } finally {
    clearTimeout(timer);
    await Promise.all(threads.map((worker) => worker.terminate()));
  }
}

function thread(file: string, workerData: object, transferList: import('node:worker_threads').MessagePort[]): Worker {
  return new Worker(new URL(`test/support/${file}`, packageRoot()), { workerData, transferList });
}

async function reportOf(worker: Worker): Promise<unknown> {
  const [report] = await once(worker, 'message');
  return report;
}

function sum<T extends object>(all: T[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const counts of all) {
    for (const [name, count] of Object.entries(counts)) {
      total[name] = (total[name] ?? 0) + (count as number);
    }
  }
  return total;
}
