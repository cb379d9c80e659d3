/**
 * Boots and closes the shards' threads, and gives a client its way into each: a lane for calls, a reader for memory.
 * The only file that knows where the worker's code lies.
 */
import { randomBytes } from 'node:crypto';
import { MessageChannel, Worker } from 'node:worker_threads';
import { ClientMemory } from '../protocol/client.ts';
import { monotonic } from '../protocol/clock.ts';
import { CacheError, misuse } from '../protocol/errors.ts';
import { FilterReader } from '../protocol/filter.ts';
import { reserveShard, type ShardLimits, ShardMemory, type ShardRegions } from '../protocol/memory.ts';
import { Reader } from '../protocol/reader.ts';
import { SampleRing } from '../protocol/samples.ts';
import type { ConnectMessage, ShardBirth, ShardMessage, ShardReady, ShardSpec } from '../protocol/spec.ts';
import { errorOf, evictionName, evictionSpecOf, policyRefusal } from './eviction.ts';
import { Lane } from './lane.ts';
import type { ManualClock } from './manual-clock.ts';
import type { Notices } from './notices.ts';
import { type CacheConfig, shareLimits } from './options.ts';
import { ShardView } from './shard-view.ts';
import { EVER } from './units.ts';

const WORKER = new URL('../worker/index.js', import.meta.url);

export interface OpenShards {
  readonly views: readonly ShardView[];
  /** Ends every thread. Calls in flight reject with CACHE_CLOSED. */
  close(): Promise<void>;
}

/** A shard's thread, and how it will have ended. */
interface ShardThread {
  readonly worker: Worker;
  readonly death: Promise<Death>;
}

interface Death {
  readonly code: number;
  readonly cause: unknown;
}

/** Opens all shards or none. */
export async function openShards(
  config: CacheConfig,
  clock: ManualClock | undefined,
  notices: Notices,
): Promise<OpenShards> {
  const limits = shareLimits(config);
  const regions = limits.map((each) => reserve(each, config));
  const specs = limits.map((each, shard) => specOf(shard, each, config));
  const threads = specs.map((spec, shard) => start(spec, regions[shard] as ShardRegions, clock));
  try {
    const ready = await Promise.all(threads.map((thread, shard) => whenReady(thread, shard, config, notices)));
    const views = threads.map((thread, shard) => {
      const memory = new ShardMemory(regions[shard] as ShardRegions);
      const { lane, client, samples } = connect(thread, shard, config, notices);
      const { hits } = ready[shard] as ShardReady;
      const reader = new Reader(memory, clock ?? monotonic);
      const filter = config.filter === false ? undefined : new FilterReader(memory.filter);
      const looks = config.reads === 'shared';
      return new ShardView(shard, limits[shard] as ShardLimits, lane, reader, filter, client, samples, hits, looks);
    });
    if (config.unref) {
      for (const { worker } of threads) worker.unref();
    }
    return { views, close: () => closeAll(threads, views) };
  } catch (cause) {
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
    throw cause;
  }
}

function reserve(limits: ShardLimits, config: CacheConfig): ShardRegions {
  try {
    return reserveShard(limits, config.filter);
  } catch (cause) {
    const error = misuse('INVALID_CONFIG', '`maxBytes` that this machine can reserve', config.maxBytes, {
      option: 'maxBytes',
    });
    throw Object.assign(error, { cause });
  }
}

function specOf(
  shard: number,
  limits: ShardLimits,
  { eviction, filter, seed, cleanupInterval, advise }: CacheConfig,
): ShardSpec {
  return {
    shard,
    limits,
    eviction: evictionSpecOf(eviction),
    filter,
    seed: seed === undefined ? randomBytes(4).readInt32LE() : (seed + shard) | 0,
    sweepIntervalMs: cleanupInterval === false ? EVER : cleanupInterval,
    advise,
  };
}

function start(spec: ShardSpec, regions: ShardRegions, clock: ManualClock | undefined): ShardThread {
  const birth: ShardBirth = { role: 'owner', spec, regions, ...(clock === undefined ? {} : { time: clock.buffer }) };
  // The application's own flags (loaders, inspectors, test runners) are none of the shard's business.
  const worker = new Worker(WORKER, { workerData: birth, name: `shardstash ${spec.shard}`, execArgv: [] });
  const death = new Promise<Death>((resolve) => {
    let cause: unknown;
    worker.once('error', (error) => {
      cause = error;
    });
    worker.once('exit', (code) => resolve({ code, cause }));
  });
  return { worker, death };
}

/**
 * Rejects with CacheError SHARD_DOWN when the thread ends before it has said that it is ready, with TIMEOUT when it takes
 * too long over a user's code, and with what it says when it refuses that.
 */
async function whenReady(
  { worker, death }: ShardThread,
  shard: number,
  config: CacheConfig,
  notices: Notices,
): Promise<ShardReady> {
  let deadline: NodeJS.Timeout | undefined;
  const ready = new Promise<ShardReady>((resolve, reject) => {
    worker.on('message', (message: ShardMessage | undefined | null) => {
      // A policy's module has this port, too, and may post what it likes.
      switch (message?.is) {
        case 'loading':
          deadline = setTimeout(() => reject(notLoaded(shard, config)), config.timeout);
          break;
        case 'ready':
          resolve(message);
          break;
        case 'refusal':
          reject(policyRefusal(message, shard));
          break;
        case 'fault':
          notices.tell('policy:fault', `Shard ${shard}: ${message.message}`, { shard, cause: errorOf(message.cause) });
      }
    });
  });
  const stillborn = death.then(({ code, cause }) => {
    throw new CacheError('SHARD_DOWN', `Shard ${shard} ended with code ${code} before it was ready`, { shard, cause });
  });
  try {
    return await Promise.race([ready, stillborn]);
  } finally {
    clearTimeout(deadline);
  }
}

function notLoaded(shard: number, { eviction, timeout }: CacheConfig): CacheError {
  const message =
    `The eviction policy ${evictionName(eviction)} was not there after ${timeout} ms: its module, or its factory, waits ` +
    'for what does not come, or never ends. Give it a longer `timeout`, or less to do';
  return new CacheError('TIMEOUT', message, { shard });
}

function connect(
  { worker, death }: ShardThread,
  shard: number,
  config: CacheConfig,
  notices: Notices,
): { lane: Lane; client: ClientMemory; samples: SampleRing | undefined } {
  const { port1, port2 } = new MessageChannel();
  const client = new ClientMemory();
  const samples = config.advise === false ? undefined : new SampleRing(undefined, randomBytes(4).readInt32LE());
  const lane = new Lane(shard, port1, {
    timeoutMs: config.timeout,
    callsMax: config.maxPendingCalls,
    bytesMax: config.maxPendingBytes,
  });
  const message: ConnectMessage = { connect: port2, client: client.buffer };
  worker.postMessage(samples === undefined ? message : { ...message, samples: samples.buffer }, [port2]);
  void death.then(({ code, cause }) => {
    const how = cause === undefined ? `ended with code ${code}` : 'ended with an error';
    if (lane.fail('SHARD_DOWN', how, cause)) {
      notices.tell('shard:down', `Shard ${shard} ${how}`, { shard, code, cause });
    }
  });
  return { lane, client, samples };
}

async function closeAll(threads: readonly ShardThread[], views: readonly ShardView[]): Promise<void> {
  for (const { lane } of views) {
    lane.fail('CACHE_CLOSED', 'is closed: the cache was closed');
  }
  await Promise.all(threads.map(({ worker }) => worker.terminate()));
}
