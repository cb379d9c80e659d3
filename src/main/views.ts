/** A client's way into every shard of a cache, and the memory that it brings for each: made alike in every thread. */
import { randomBytes } from 'node:crypto';
import { ClientMemory } from '../protocol/client.ts';
import type { Clock } from '../protocol/clock.ts';
import { FilterReader } from '../protocol/filter.ts';
import { ShardMemory } from '../protocol/memory.ts';
import { Reader } from '../protocol/reader.ts';
import { SampleRing } from '../protocol/samples.ts';
import { WakeMemory } from '../protocol/wake.ts';
import type { CacheFacts, ClientBuffers } from './handle.ts';
import { Lane } from './lane.ts';
import { ShardView } from './shard-view.ts';
import { byWake } from './wake-connection.ts';

export interface ClientViews {
  readonly views: readonly ShardView[];
  /** By shard, what its owner is to know this client by. */
  readonly buffers: readonly ClientBuffers[];
}

/** `onLost` is told of shards whose connection has ended by itself. No lane has a connection yet. */
export function createViews(facts: CacheFacts, clock: Clock, onLost: (shard: number) => void): ClientViews {
  const { config, limits, regions, hits } = facts;
  const laneLimits = {
    timeoutMs: config.timeout,
    callsMax: config.maxPendingCalls,
    bytesMax: config.maxPendingBytes,
  };
  const made = limits.map((each, shard) => {
    const memory = new ShardMemory(regions[shard] as (typeof regions)[number]);
    const client = new ClientMemory();
    const samples = config.advise === false ? undefined : new SampleRing(undefined, randomBytes(4).readInt32LE());
    const wake = config.lane === 'wake' ? new WakeMemory() : undefined;
    const way = wake && byWake(wake, memory.header);
    const lane = new Lane(shard, laneLimits, client, () => onLost(shard), way);
    const filter = config.filter === false ? undefined : new FilterReader(memory.filter);
    const manner = { looks: config.reads === 'shared', hasTier: config.tier !== false };
    const view = new ShardView(shard, each, lane, new Reader(memory, clock), filter, client, samples, hits, manner);
    return { view, buffers: { client: client.buffer, samples: samples?.buffer, wake: wake?.buffer } };
  });
  return { views: made.map(({ view }) => view), buffers: made.map(({ buffers }) => buffers) };
}
