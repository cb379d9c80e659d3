/**
 * Boots and closes the shards' threads, and gives a client its way into each: a lane for calls, a reader for memory.
 * The only file that knows where the worker's code lies.
 */
import { MessageChannel, Worker } from 'node:worker_threads';
import { ClientMemory } from '../protocol/client.ts';
import { monotonic } from '../protocol/clock.ts';
import { misuse } from '../protocol/errors.ts';
import { reserveShard, type ShardLimits, ShardMemory, type ShardRegions } from '../protocol/memory.ts';
import { Reader } from '../protocol/reader.ts';
import type { ConnectMessage, HitMode, ShardBirth, ShardReady } from '../protocol/spec.ts';
import { Lane } from './lane.ts';
import { type CacheConfig, shareLimits } from './options.ts';

const WORKER = new URL('../worker/index.js', import.meta.url);

/** A shard as one client has it. */
export interface ShardView {
  readonly shard: number;
  readonly limits: ShardLimits;
  readonly memory: ShardMemory;
  readonly reader: Reader;
  readonly lane: Lane;
  readonly client: ClientMemory;
  readonly hits: HitMode;
}

export interface OpenShards {
  readonly views: readonly ShardView[];
  /** Ends every thread. Calls in flight reject with CACHE_CLOSED. */
  close(): Promise<void>;
}

/** Opens all shards or none. */
export async function openShards(config: CacheConfig): Promise<OpenShards> {
  const limits = shareLimits(config);
  const regions = limits.map((each) => reserve(each, config));
  const workers = limits.map((each, shard) => startWorker(shard, each, regions[shard] as ShardRegions, config));
  try {
    const ready = await Promise.all(workers.map(whenReady));
    const views = workers.map((worker, shard) =>
      connect(
        worker,
        shard,
        limits[shard] as ShardLimits,
        regions[shard] as ShardRegions,
        ready[shard] as ShardReady,
        config,
      ),
    );
    if (config.unref) {
      for (const worker of workers) worker.unref();
    }
    return { views, close: () => closeAll(workers, views) };
  } catch (cause) {
    await Promise.all(workers.map((worker) => worker.terminate()));
    throw cause;
  }
}

function reserve(limits: ShardLimits, config: CacheConfig): ShardRegions {
  try {
    return reserveShard(limits);
  } catch (cause) {
    const error = misuse('INVALID_CONFIG', '`maxBytes` that this machine can reserve', config.maxBytes, {
      option: 'maxBytes',
    });
    throw Object.assign(error, { cause });
  }
}

function startWorker(shard: number, limits: ShardLimits, regions: ShardRegions, config: CacheConfig): Worker {
  const birth: ShardBirth = { spec: { shard, limits, eviction: config.eviction }, regions };
  // The application's own flags (loaders, inspectors, test runners) are none of the shard's business.
  return new Worker(WORKER, { workerData: birth, name: `shardstash ${shard}`, execArgv: [] });
}

function whenReady(worker: Worker): Promise<ShardReady> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`A shard's thread ended with code ${code} before it was ready`)));
  });
}

function connect(
  worker: Worker,
  shard: number,
  limits: ShardLimits,
  regions: ShardRegions,
  { hits }: ShardReady,
  config: CacheConfig,
): ShardView {
  const { port1, port2 } = new MessageChannel();
  const client = new ClientMemory();
  const lane = new Lane(shard, port1, {
    timeoutMs: config.timeout,
    callsMax: config.maxPendingCalls,
    bytesMax: config.maxPendingBytes,
  });
  worker.removeAllListeners();
  worker.once('error', (cause) => lane.fail('SHARD_DOWN', 'ended with an error', cause));
  worker.once('exit', (code) => lane.fail('SHARD_DOWN', `ended with code ${code}`));
  worker.postMessage({ connect: port2, client: client.buffer } satisfies ConnectMessage, [port2]);
  const memory = new ShardMemory(regions);
  return { shard, limits, memory, reader: new Reader(memory, monotonic), lane, client, hits };
}

async function closeAll(workers: readonly Worker[], views: readonly ShardView[]): Promise<void> {
  for (const { lane } of views) {
    lane.fail('CACHE_CLOSED', 'is closed: the cache was closed');
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
}
