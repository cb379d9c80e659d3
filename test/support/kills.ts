/**
 * Kills the threads of shards at random, in every way in which threads end, while clients in three threads read and write,
 * and judges what they are answered. The cache is below its bounds, so nothing leaves that nobody removed.
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Cache, openCache } from 'shardstash';
import { crashShard } from 'shardstash/testing';
import { packageRoot } from './package-root.ts';
import type { Random } from './random.ts';

const THREAD = new URL('test/support/mortal-client-thread.mjs', packageRoot());
const POLICY = new URL('test/support/hostile-policy.mjs', packageRoot());
const CLIENTS = 3;
const SHARDS = 2;
const STALL_MS = 400;
/** The last one ends no thread: the port of one client, and it gets another. */
const WAYS = ['terminate', 'throw', 'reject', 'exit', 'exit 0', 'stall', 'wait', 'close a port'] as const;

export interface KillsReport {
  readonly deaths: Record<string, number>;
  readonly restarts: number;
  readonly calls: number;
  readonly acknowledged: number;
  readonly unknown: number;
  readonly slowestMs: number;
  readonly faults: string[];
  /** How much more there is at the end than there was before the cache was opened. */
  readonly left: { readonly resources: readonly string[]; readonly rssBytes: number };
}

interface ClientReport {
  readonly calls: number;
  readonly acknowledged: number;
  readonly unknown: number;
  readonly slowestMs: number;
  readonly faults: string[];
}

export async function runKills(
  count: number,
  random: Random,
  onDeath: (done: number) => void = () => {},
  lane: 'comlink' | 'wake' = 'comlink',
): Promise<KillsReport> {
  const before = await resources();
  const cache = await openCache({
    shards: SHARDS,
    lane,
    eviction: { module: POLICY },
    stallTimeout: STALL_MS,
    crashBudget: Number.POSITIVE_INFINITY,
    maxBytes: '32mb',
  });
  const clients = await Promise.all(Array.from({ length: CLIENTS }, (_, me) => startClient(cache, me)));
  const deaths = Object.fromEntries(WAYS.map((way) => [way, 0]));
  for (let done = 0; done < count; ) {
    await sleep(random.below(60));
    const way = WAYS[random.below(WAYS.length)] as (typeof WAYS)[number];
    await end(cache, way, random);
    (deaths[way] as number)++;
    done += way === 'close a port' ? 0 : 1;
    onDeath(done);
  }
  const reports = await Promise.all(clients.map(stopClient));
  const { restarts } = await cache.metrics();
  await cache.close();
  const after = await resources();
  return {
    deaths,
    restarts,
    calls: total(reports, 'calls'),
    acknowledged: total(reports, 'acknowledged'),
    unknown: total(reports, 'unknown'),
    slowestMs: Math.max(...reports.map(({ slowestMs }) => slowestMs)),
    faults: reports.flatMap(({ faults }) => faults),
    left: { resources: without(after.resources, before.resources), rssBytes: after.rssBytes - before.rssBytes },
  };
}

async function startClient(cache: Cache, me: number): Promise<Worker> {
  const handle = cache.handle();
  const worker = new Worker(THREAD, {
    execArgv: [],
    workerData: { handle, me, clients: CLIENTS },
    transferList: handle.transfer,
  });
  await once(worker, 'online');
  return worker;
}

async function stopClient(worker: Worker): Promise<ClientReport> {
  const report = once(worker, 'message') as Promise<[ClientReport]>;
  // A thread that is heard late has ended in the same turn.
  const exit = once(worker, 'exit');
  worker.postMessage('stop');
  const [counts] = await report;
  await exit;
  return counts;
}

/** Resolves when the thread has ended, and there is another owner. */
async function end(cache: Cache, way: (typeof WAYS)[number], random: Random): Promise<void> {
  const { restarts } = await cache.metrics();
  if (way === 'terminate') {
    await crashShard(cache, random.below(SHARDS));
  } else {
    const key = `!${way}:${random.below(1e9)}`;
    await cache.set(key, 'end').catch(expectDown);
    await cache.delete(key).catch(expectDown);
  }
  if (way !== 'close a port') {
    while ((await cache.metrics()).restarts === restarts) await sleep(2);
  }
}

function expectDown(error: { code?: string }): void {
  if (error.code !== 'SHARD_DOWN') throw error;
}

async function resources(): Promise<{ resources: string[]; rssBytes: number }> {
  globalThis.gc?.();
  await sleep(100);
  return { resources: process.getActiveResourcesInfo(), rssBytes: process.memoryUsage().rss };
}

function without(after: readonly string[], before: readonly string[]): string[] {
  const left = [...after];
  for (const name of before) {
    const at = left.indexOf(name);
    if (at !== -1) left.splice(at, 1);
  }
  return left;
}

function total(reports: readonly ClientReport[], name: 'calls' | 'acknowledged' | 'unknown'): number {
  return reports.reduce((sum, report) => sum + report[name], 0);
}
