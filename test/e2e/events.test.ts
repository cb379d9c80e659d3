/** What listeners hear, in any thread: what left and why, whose owners came and went, and what they were too slow for. */
import { execFile } from 'node:child_process';
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { attachCache, type Cache, type CacheEvents, type CacheKey } from 'shardstash';
import { crashShard, manualClock } from 'shardstash/testing';
import { describe, expect, test } from 'vitest';
import { cachesOfOneTest, pairs } from '../support/caches.ts';
import { type ClientThread, clientThreadsOfOneTest } from '../support/client-thread.ts';
import { eventStorm } from '../support/event-storm.ts';

const make = cachesOfOneTest();
const join = clientThreadsOfOneTest();
const run = promisify(execFile);

type Removal = 'evict' | 'expire' | 'delete';
const KEYS: CacheKey[] = ['a', '', 'caffè', 'ключ', 7, -1.5, Number.NaN, 12n, ['page', 2], { q: [new Date(0)] }];

/** What a client has been told of removals, in the order in which they came. */
class Heard {
  readonly keys: unknown[] = [];
  dropped = 0;
  readonly listener = ({ keys, dropped }: CacheEvents[Removal]) => {
    this.keys.push(...keys);
    this.dropped += dropped;
  };

  constructor(cache: Cache, event: Removal) {
    cache.on(event, this.listener);
  }

  /** All keys, when there are so many. */
  async all(count: number): Promise<unknown[]> {
    while (this.keys.length + this.dropped < count) await sleep(2);
    return this.keys;
  }
}

/** Listens to all events in another thread. */
async function listenIn(thread: ClientThread): Promise<void> {
  await thread.run((c) => {
    const heard: unknown[] = [];
    const listener = (event: unknown) => heard.push(event);
    for (const name of ['evict', 'expire', 'delete', 'clear'] as const) c.on(name, listener);
    for (const name of ['shard:down', 'shard:up', 'shard:failed'] as const) c.on(name, listener);
    Object.assign(globalThis, { heard, listener });
  });
}

/** What was heard there, when it is as many. */
function heardIn(thread: ClientThread, count: number): Promise<{ event: string; shard: number; keys?: unknown[] }[]> {
  return thread.run(async (_, least) => {
    const { heard } = globalThis as unknown as { heard: { event: string; shard: number; keys?: unknown[] }[] };
    while (heard.length < least) await new Promise((resolve) => setTimeout(resolve, 2));
    return heard;
  }, count);
}

async function heardOf(list: readonly unknown[], count: number): Promise<readonly unknown[]> {
  while (list.length < count) await sleep(2);
  return list;
}

describe('each cause arrives with its key, in the thread that opened the cache and in another:', () => {
  test('evictions, in the order in which they were made, keys of every kind', async () => {
    const cache = await make({ shards: 1, maxEntries: KEYS.length, eviction: 'fifo' });
    const thread = await join(cache);
    await listenIn(thread);
    const heard = new Heard(cache, 'evict');
    for (const key of KEYS) await cache.set(key, 1);
    await thread.run((c) => c.setMany(Array.from({ length: 10 }, (_, i): [string, number] => [`new ${i}`, i])));
    expect(await heard.all(KEYS.length)).toEqual(KEYS);
    expect((await heardIn(thread, 1)).flatMap(({ keys }) => keys)).toEqual(KEYS);
  });

  test('evictions by bytes', async () => {
    const cache = await make({ shards: 1, maxBytes: 100_000, eviction: 'lru' });
    const heard = new Heard(cache, 'evict');
    for (let i = 0; i < 20; i++) await cache.set(i, Buffer.alloc(10_000));
    const { evictions } = await cache.metrics();
    expect(evictions).toBeGreaterThan(5);
    expect(await heard.all(evictions)).toEqual(Array.from({ length: evictions }, (_, i) => i));
  });

  test('expiries, by a sweep that nobody asked for, and by a write', async () => {
    const clock = manualClock();
    const cache = await make({ shards: 1, clock, cleanupInterval: 10 });
    const thread = await join(cache);
    await listenIn(thread);
    const heard = new Heard(cache, 'expire');
    await cache.set('swept', 1, { ttl: 10 });
    await cache.set('stays', 1);
    clock.advance(20);
    expect(await heard.all(1)).toEqual(['swept']);
    const still = await make({ shards: 1, clock, cleanupInterval: false });
    const written = new Heard(still, 'expire');
    await still.set('written', 1, { ttl: 10 });
    clock.advance(20);
    await still.set('written', 2);
    expect(await written.all(1)).toEqual(['written']);
    expect(await heardIn(thread, 1)).toEqual([{ event: 'expire', shard: 0, keys: ['swept'], dropped: 0 }]);
  });

  test('deletes of all forms, and clears', async () => {
    const cache = await make({ shards: 1, eviction: 'fifo' });
    const thread = await join(cache);
    await listenIn(thread);
    const [deleted, cleared] = [new Heard(cache, 'delete'), [] as CacheEvents['clear'][]];
    cache.on('clear', (event) => cleared.push(event));
    await cache.setMany(pairs(6));
    await cache.delete('k3');
    await cache.delete('nobody');
    await cache.deleteMany(['k4', 'k2', 'nobody']);
    await cache.pop('k5');
    await cache.popItem();
    await cache.clear();
    expect(await deleted.all(5)).toEqual(['k3', 'k4', 'k2', 'k5', 'k0']);
    expect(await heardOf(cleared, 1)).toEqual([{ event: 'clear', shard: 0, entries: 1, dropped: 0 }]);
    const there = await heardIn(thread, 2);
    expect(there.flatMap(({ keys = [] }) => keys)).toEqual(deleted.keys);
    expect(there.at(-1)).toEqual(cleared[0]);
  });
});

test('a client that its own calls evict from is told of every one, however many leave at once', async () => {
  const cache = await make({ maxEntries: 500 });
  const heard = new Heard(cache, 'evict');
  await cache.setMany(pairs(60_000));
  const { evictions } = await cache.metrics();
  await heard.all(evictions);
  const left = new Set(heard.keys);
  for await (const key of cache.keys()) left.add(key);
  expect([heard.dropped, heard.keys.length, left.size]).toEqual([0, evictions, 60_000]);
});

describe('on and off', () => {
  test('say what is wrong with what they are given, and refuse a closed cache', async () => {
    const cache = await make({ shards: 1 });
    const loose = cache as unknown as Record<'on' | 'off', (...args: unknown[]) => Cache>;
    for (const method of ['on', 'off'] as const) {
      const known = /evict, expire, delete, clear, shard:down, shard:up, shard:failed/;
      expect(() => loose[method]('evicted', () => {})).toThrow(known);
      expect(() => loose[method]('toString', () => {})).toThrow(known);
      expect(() => loose[method](undefined, () => {})).toThrow(
        expect.objectContaining({ code: 'INVALID_CONFIG', option: 'event' }),
      );
      expect(() => loose[method]('evict', 'print')).toThrow(
        expect.objectContaining({ code: 'INVALID_CONFIG', option: 'listener' }),
      );
      expect(loose[method]('evict', () => {})).toBe(cache);
    }
    await cache.close();
    for (const method of ['on', 'off'] as const) {
      expect(() => loose[method]('evict', () => {})).toThrow(expect.objectContaining({ code: 'CACHE_CLOSED' }));
    }
  });

  test('a listener that was added twice is one, and hears nothing when it was taken away', async () => {
    const cache = await make({ shards: 1 });
    const [heard, other] = [new Heard(cache, 'delete'), new Heard(cache, 'delete')];
    cache.on('delete', heard.listener);
    await cache.setMany(pairs(3));
    await cache.delete('k0');
    await heard.all(1);
    cache.off('delete', heard.listener).off('delete', heard.listener);
    await cache.delete('k1');
    await other.all(2);
    expect([heard.keys, other.keys]).toEqual([['k0'], ['k0', 'k1']]);
    cache.on('delete', heard.listener);
    await cache.delete('k2');
    await other.all(3);
    expect(heard.keys).toEqual(['k0', 'k2']);
  });

  test('a listener does not keep the process alive', async () => {
    const entry = fileURLToPath(new URL('../../dist/main/index.js', import.meta.url));
    const source = `
      import { openCache } from ${JSON.stringify(entry)};
      const cache = await openCache({ shards: 1, maxEntries: 1 });
      for (const name of ['evict', 'expire', 'delete', 'clear', 'shard:down']) cache.on(name, () => {});
      await cache.set('a', 1);
      await cache.set('b', 1);
      process.on('exit', () => console.log('over'));`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', source], { timeout: 10_000 });
    expect(stdout).toBe('over\n');
  });
});

describe('a listener that cannot keep up', () => {
  test('because its thread sleeps keeps nobody waiting: told and dropped come to all that was evicted', async () => {
    const { evicted, told, dropped, droppedEvents, failed } = await eventStorm(200_000, 150);
    expect(evicted).toBe(200_000);
    expect(told + dropped).toBe(evicted);
    expect(dropped).toBeGreaterThan(10_000);
    expect(told).toBeGreaterThan(1_000);
    expect([droppedEvents, failed]).toEqual([dropped, 0]);
  });

  test('because it never comes back from a batch has some wait and the rest dropped; others hear all', async () => {
    const cache = await make({ shards: 1, maxEntries: 100, eviction: 'fifo' });
    const heard = new Heard(cache, 'evict');
    const stuck: number[] = [];
    cache.on('evict', async ({ keys }) => {
      stuck.push(keys.length);
      await new Promise(() => {});
    });
    await cache.setMany(pairs(100_000));
    const { evictions } = await cache.metrics();
    await heard.all(evictions);
    const { droppedEvents } = await cache.metrics();
    expect([heard.keys.length, heard.dropped, stuck.length]).toEqual([evictions, 0, 1]);
    expect(droppedEvents).toBeGreaterThan(10_000);
    // What was handed over and what waits is no more than so many batches.
    expect(evictions - droppedEvents).toBeLessThanOrEqual(65 * 1_024);
  });

  test('because it throws is an uncaught exception of its thread, and hears of what comes after', async () => {
    const cache = await make({ shards: 1 });
    const thread = await join(cache);
    const errors = await thread.run(async (c) => {
      const caught: unknown[] = [];
      process.on('uncaughtException', (error) => caught.push(error.message));
      c.on('delete', ({ keys }) => {
        throw new Error(`no ${keys}`);
      });
      c.on('clear', async () => {
        throw new Error('nor this');
      });
      for (const key of ['a', 'b', 'c']) {
        await c.set(key, 1);
        if (key === 'c') await c.clear();
        else await c.delete(key);
        for (const { length } = caught; caught.length === length; ) await new Promise((r) => setTimeout(r, 2));
      }
      return caught;
    });
    expect(errors).toEqual(['no a', 'no b', 'nor this']);
  });
});

describe('threads of shards', () => {
  test('that die and come back are heard of in every thread, and the next owner tells of what leaves', async () => {
    const cache = await make({ shards: 2, maxEntries: 512, eviction: 'fifo' });
    const thread = await join(cache);
    await listenIn(thread);
    const heard: unknown[] = [];
    for (const name of ['shard:down', 'shard:up', 'shard:failed'] as const)
      cache.on(name, (event) => heard.push(event));
    await crashShard(cache, 1);
    const both = [
      { event: 'shard:down', shard: 1 },
      { event: 'shard:up', shard: 1 },
    ];
    expect(await heardOf(heard, 2)).toEqual(both);
    expect(await heardIn(thread, 2)).toEqual(both);
    const evicted = new Heard(cache, 'evict');
    await cache.setMany(pairs(2_000));
    const { evictions, perShard } = await cache.metrics();
    expect(perShard.every((shard) => shard.evictions > 0)).toBe(true);
    expect(new Set(await evicted.all(evictions)).size).toBe(evictions);
    const count = async () => (await heardIn(thread, 3)).slice(2).reduce((sum, { keys = [] }) => sum + keys.length, 0);
    while ((await count()) < evictions) await sleep(2);
  });

  test('that are given up are heard of, too, with what ended them', async () => {
    const policy = { module: new URL('../support/hostile-policy.mjs', import.meta.url) };
    const cache = await make({ shards: 1, crashBudget: 0, eviction: policy });
    const thread = await join(cache);
    await listenIn(thread);
    const heard: CacheEvents['shard:down' | 'shard:failed'][] = [];
    cache.on('shard:down', (event) => heard.push(event)).on('shard:failed', (event) => heard.push(event));
    await cache.set('!throw', 1);
    await cache.delete('!throw').catch(() => {});
    expect(await heardOf(heard, 2)).toEqual([
      { event: 'shard:down', shard: 0, cause: expect.any(Error) },
      { event: 'shard:failed', shard: 0 },
    ]);
    expect((await heardIn(thread, 2)).map(({ event }) => event)).toEqual(['shard:down', 'shard:failed']);
  });

  test('that end with their cache are not heard of, whatever a thread that was blocked meanwhile hears of first', async () => {
    const cache = await make({ shards: 2 });
    const thread = await join(cache);
    await listenIn(thread);
    const heard: unknown[] = [];
    cache.on('shard:down', (event) => heard.push(event)).on('shard:failed', (event) => heard.push(event));
    const blocked = thread.run(() => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 150));
    await cache.close();
    await blocked;
    expect(heard).toEqual([]);
    const told = await thread.run(async (c) => {
      while ((await c.size().catch(({ code }) => code)) !== 'CACHE_CLOSED');
      return (globalThis as unknown as { heard: unknown[] }).heard;
    });
    expect(told).toEqual([]);
  });
});

test('when a cache is being closed its listeners are handed nothing more, not what waits either', async () => {
  const cache = await make({ shards: 1 });
  const heard: unknown[] = [];
  let done = () => {};
  cache.on('delete', ({ keys }) => {
    heard.push(...keys);
    return new Promise<void>((resolve) => {
      done = resolve;
    });
  });
  const other = new Heard(cache, 'delete');
  for (const key of ['a', 'b']) {
    await cache.set(key, 1);
    await cache.delete(key);
    await other.all(key === 'a' ? 1 : 2);
  }
  const closing = cache.close();
  done();
  await closing;
  expect([heard, other.keys]).toEqual([['a'], ['a', 'b']]);
});

describe('channels', () => {
  test('tell of what left, once a thread, from the turn on in which the client next asks a shard', async () => {
    const cache = await make({ shards: 1, maxEntries: 2, eviction: 'fifo' });
    const second = await attachCache(cache.handle());
    const beside = new Heard(second, 'delete');
    const messages: object[] = [];
    const hear = (message: unknown) => messages.push(message as object);
    const names = ['evict', 'delete', 'clear'].map((name) => `shardstash:${name}`);
    for (const name of names) subscribe(name, hear);
    try {
      await cache.setMany(pairs(3));
      await cache.delete('k1');
      await cache.clear();
      await beside.all(1);
      expect(await heardOf(messages, 3)).toEqual([
        { cache: `${cache}`, event: 'evict', shard: 0, keys: ['k0'], dropped: 0 },
        { cache: `${cache}`, event: 'delete', shard: 0, keys: ['k1'], dropped: 0 },
        { cache: `${cache}`, event: 'clear', shard: 0, entries: 1, dropped: 0 },
      ]);
    } finally {
      for (const name of names) unsubscribe(name, hear);
    }
    const heard = new Heard(cache, 'evict');
    await cache.setMany(pairs(3));
    await heard.all(1);
    expect([messages.length, channel('shardstash:evict').hasSubscribers]).toEqual([3, false]);
  });

  test('tell of a shard’s thread once in each thread, however many clients that has', async () => {
    const cache = await make({ shards: 1 });
    const second = await attachCache(cache.handle());
    const thread = await join(cache);
    await thread.run(() => {
      const { subscribe } = process.getBuiltinModule('node:diagnostics_channel');
      const there: string[] = [];
      for (const name of ['down', 'up']) subscribe(`shardstash:shard:${name}`, () => there.push(name));
      Object.assign(globalThis, { there });
    });
    const here: string[] = [];
    const hear = (_: unknown, name: string | symbol) => here.push(String(name));
    const heard: string[] = [];
    second.on('shard:up', ({ event }) => heard.push(event));
    const names = ['shardstash:shard:down', 'shardstash:shard:up'];
    for (const name of names) subscribe(name, hear);
    try {
      await crashShard(cache, 0);
      await heardOf(heard, 1);
      await cache.size();
      await thread.run((c) => c.size());
    } finally {
      for (const name of names) unsubscribe(name, hear);
    }
    expect(here).toEqual(names);
    expect(await thread.run(() => (globalThis as unknown as { there: string[] }).there)).toEqual(['down', 'up']);
  });
});
