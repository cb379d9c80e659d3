/** The thread of a shard over memory that another one has left: it takes it over, or only mends it. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterEach, expect, test } from 'vitest';
import { KeyEncoder } from '../../src/protocol/key.ts';
import {
  HEADER_EPOCH,
  reserveShard,
  ShardMemory,
  type ShardRegions,
  STRIPE_MASK,
  STRIPES_AT,
} from '../../src/protocol/memory.ts';
import { BUSY, HIT, Reader } from '../../src/protocol/reader.ts';
import type { ShardBirth } from '../../src/protocol/spec.ts';
import { openShard } from '../support/shard.ts';

const WORKER = new URL('../../dist/worker/index.js', import.meta.url);
const LIMITS = { bytesMax: 64 * 1024, entriesMax: 100 };
const threads: Worker[] = [];

afterEach(async () => {
  await Promise.all(threads.splice(0).map((thread) => thread.terminate()));
});

/** Memory whose owner died while it had a stripe locked and its chains taken apart. */
function leave(): { regions: ShardRegions; memory: ShardMemory; read: () => number } {
  const regions = reserveShard(LIMITS);
  const memory = new ShardMemory(regions);
  openShard(memory, { limits: LIMITS, filter: false }).set('there', 'value');
  const key = new KeyEncoder({ low: 1, high: 2 });
  key.encode('there');
  (memory.header[STRIPES_AT + (key.hashLow & STRIPE_MASK)] as number)++;
  memory.heads.fill(0);
  const reader = new Reader(memory, performance);
  return { regions, memory, read: () => reader.read(key) };
}

function start(role: ShardBirth['role'], regions: ShardRegions, eviction: ShardBirth['spec']['eviction']): Worker {
  const spec = { shard: 0, limits: LIMITS, eviction, filter: false, seed: 1, sweepIntervalMs: 1_000, advise: false };
  const birth: ShardBirth = { role, regions, spec: { ...spec, filter: false, advise: false, tier: false } };
  const thread = new Worker(WORKER, { workerData: birth, execArgv: [] });
  threads.push(thread);
  return thread;
}

test('an owner mends and takes over before it says that it is ready', async () => {
  const { regions, memory, read } = leave();
  expect(read()).toBe(BUSY);
  const [message] = await once(start('owner', regions, { name: 'lru', options: {} }), 'message');
  expect(message).toMatchObject({ is: 'ready' });
  expect(read()).toBe(HIT);
  expect(memory.header[HEADER_EPOCH]).toBe(2);
});

test('an owner mends before it loads what a user has written, which may never come', async () => {
  const { regions, read } = leave();
  const module = `data:text/javascript,${encodeURIComponent('await new Promise(() => {})')}`;
  const [message] = await once(start('owner', regions, { module, export: 'never', options: {} }), 'message');
  expect(message).toEqual({ is: 'loading' });
  expect(read()).toBe(HIT);
});

test('a mender mends, and ends by itself', async () => {
  const { regions, memory, read } = leave();
  const thread = start('mender', regions, { name: 'lru', options: {} });
  const messages: unknown[] = [];
  thread.on('message', (message) => messages.push(message));
  expect(await once(thread, 'exit')).toEqual([0]);
  expect(messages).toEqual([]);
  expect(read()).toBe(HIT);
  expect(memory.header[HEADER_EPOCH]).toBe(1);
});
