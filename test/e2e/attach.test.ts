/** One cache from many threads: who joins, what they see of each other, and what is left when they go. */
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel, Worker } from 'node:worker_threads';
import { type AttachOptions, attachCache, type CacheHandle } from 'shardstash';
import { manualClock } from 'shardstash/testing';
import { describe, expect, test } from 'vitest';
import { cachesOfOneTest, outcomeOf, READS } from '../support/caches.ts';
import { ClientThread, clientThreadsOfOneTest } from '../support/client-thread.ts';

const make = cachesOfOneTest();
const join = clientThreadsOfOneTest();

/** Waits until `holds` does, for five seconds at most. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 500 && !(await holds()); i++) {
    await sleep(10);
  }
  expect(await holds()).toBe(true);
}

describe.each(READS)('reads: %s', (reads) => {
  test('what one thread writes the others read, from the moment it is acknowledged', async () => {
    const cache = await make({ reads });
    const [a, b] = [await join(cache), await join(cache)];
    await cache.set('from main', { n: 1 });
    expect(await a.run((c) => c.get('from main'))).toEqual({ n: 1 });
    await a.run((c) => c.set('from a', [1, 2]));
    expect(await b.run((c) => c.get('from a'))).toEqual([1, 2]);
    expect(await b.run((c) => c.getSync('from a'))).toEqual([1, 2]);
    expect(cache.getSync('from a')).toEqual([1, 2]);
    await b.run((c) => c.delete('from a'));
    expect(await Promise.all([cache.get('from a'), a.run((c) => c.has('from a'))])).toEqual([undefined, false]);
  });

  test('eight threads that count together lose no count', async () => {
    const cache = await make({ reads });
    const counting = await Promise.all(Array.from({ length: 8 }, () => join(cache)));
    await Promise.all(
      counting.map((thread) =>
        thread.run(async (c) => {
          for (let i = 0; i < 10; i++) {
            await Promise.all(Array.from({ length: 1_000 }, () => c.increment('n')));
          }
        }),
      ),
    );
    expect(await cache.get('n')).toBe(80_000);
  });
});

test('a client is the same cache: config, iteration, expiry by the same clock', async () => {
  const clock = manualClock();
  const cache = await make({ clock, maxEntries: 1_000, ttl: '10m', sliding: true, eviction: 'lru' });
  const thread = await join(cache);
  expect(await thread.run((c) => c.config)).toEqual(cache.config);
  expect(await thread.run((c) => c.toString())).toBe(cache.toString());
  await thread.run((c) =>
    c.setMany([
      ['a', 1],
      ['b', 2],
    ]),
  );
  expect(await thread.run((c) => c.toMap())).toEqual(
    new Map([
      ['a', 1],
      ['b', 2],
    ]),
  );
  clock.advance('9m');
  expect(await thread.run((c) => c.get('a'))).toBe(1);
  clock.advance('2m');
  expect(await thread.run(async (c) => [await c.get('a'), await c.get('b'), await c.ttl('a')])).toEqual([
    1,
    undefined,
    600_000,
  ]);
});

test('metrics sum what all clients counted, and keep what those counted that are gone', async () => {
  const cache = await make();
  const [a, b] = [await join(cache), await join(cache)];
  await cache.set('k', 1);
  for (const thread of [a, b]) {
    await thread.run(async (c) => {
      for (let i = 0; i < 10; i++) {
        await c.get('k');
        await c.get('none');
      }
    });
  }
  await cache.get('k');
  expect(await cache.metrics()).toMatchObject({ hits: 21, misses: 20, clients: 3 });
  expect(await a.run((c) => c.metrics())).toMatchObject({ hits: 21, misses: 20, clients: 3 });
  await a.run((c) => c.close());
  await b.end();
  await until(async () => (await cache.metrics()).clients === 1);
  expect(await cache.metrics()).toMatchObject({ hits: 21, misses: 20 });
});

test('hits of other threads keep entries warm, by rings of their own', async () => {
  const cache = await make({ shards: 1, maxEntries: 3, eviction: 'lru' });
  const thread = await join(cache);
  await cache.setMany([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ]);
  await thread.run((c) => c.get('a'));
  await cache.set('d', 4);
  expect([cache.getSync('a'), cache.getSync('b')]).toEqual([1, undefined]);
});

test('close of a client detaches it, and nobody else', async () => {
  const cache = await make();
  const [a, b] = [await join(cache), await join(cache)];
  await a.run((c) => c.close());
  await expect(a.run((c) => c.get('k'))).rejects.toMatchObject({ name: 'CacheError', code: 'CACHE_CLOSED' });
  await a.run((c) => c.close());
  await b.run((c) => c.set('k', 'v'));
  expect(await cache.get('k')).toBe('v');
  await a.attach(cache.handle());
  expect(await a.run((c) => c.get('k'))).toBe('v');
});

test('close waits for calls of the client that were made before', async () => {
  const cache = await make();
  const thread = await join(cache);
  const settled = await thread.run(async (c) => {
    const sets = Array.from({ length: 2_000 }, (_, i) => c.set(`k${i}`, i));
    await c.close();
    return (await Promise.allSettled(sets)).filter(({ status }) => status === 'fulfilled').length;
  });
  expect([settled, await cache.size()]).toEqual([2_000, 2_000]);
});

test('close of the cache ends every client with CACHE_CLOSED, calls in flight included', async () => {
  const cache = await make();
  const thread = await join(cache);
  const pending = thread.run((c) => {
    const waiting = c.getOrSet('k', () => new Promise(() => {}), { timeout: '10s' });
    return waiting.catch(({ code }) => code);
  });
  await thread.run((c) => c.set('there', 1));
  await cache.close({ timeout: 50 });
  expect(await pending).toBe('CACHE_CLOSED');
  expect(await thread.run((c) => c.get('there').catch(({ code }) => code))).toBe('CACHE_CLOSED');
  expect(await thread.run((c) => c.set('k', 1).catch(({ code }) => code))).toBe('CACHE_CLOSED');
});

test('a thread of a thread joins by a handle that a client made', async () => {
  const cache = await make();
  const thread = await join(cache);
  await cache.set('k', 'deep');
  const file = new URL('../support/client-thread.mjs', import.meta.url).href;
  const seen = await thread.run(async (c, url) => {
    const { Worker: Inner } = process.getBuiltinModule('node:worker_threads');
    const inner = new Inner(new URL(url), { execArgv: [] });
    const handle = c.handle();
    const answer = new Promise((resolve) => inner.once('message', resolve));
    const body = 'async (cache) => [await cache.get("k"), await cache.set("answer", 42)]';
    inner.postMessage({ id: 1, handle, body, args: [] }, handle.transfer);
    const value = await answer;
    await inner.terminate();
    return value;
  }, file);
  expect(seen).toEqual({ id: 1, value: ['deep', undefined] });
  expect(await cache.get('answer')).toBe(42);
});

describe('a handle', () => {
  test('of a cache that the thread has joined brings the same client, and is given back', async () => {
    const cache = await make();
    const first = cache.handle();
    const second = cache.handle();
    const client = await attachCache(first);
    expect(await attachCache(second)).toBe(client);
    expect(client).not.toBe(cache);
    await client.set('k', 1);
    expect(await cache.get('k')).toBe(1);
    await client.close();
    const again = await attachCache(cache.handle());
    expect(again).not.toBe(client);
    expect(await again.get('k')).toBe(1);
    await again.close();
  });

  test('given twice to one thread brings the same client, which lives on', async () => {
    const cache = await make({ shards: 1 });
    const handle = cache.handle();
    const [client, same] = await Promise.all([attachCache(handle), attachCache(handle)]);
    expect(same).toBe(client);
    await sleep(20);
    await client.set('k', 1);
    await client.close();
  });

  test('is not wasted where another, given at the same time, leads nowhere', async () => {
    const cache = await make({ shards: 1 });
    const handle = cache.handle();
    const { port1, port2 } = new MessageChannel();
    const forged = { cacheId: handle.cacheId, port: port1 } as unknown as CacheHandle;
    const [refused, client] = await Promise.all([outcomeOf(attachCache(forged)), attachCache(handle)]);
    expect(refused).toBe('CACHE_CLOSED');
    await client.set('k', 1);
    await client.close();
    port2.close();
  });

  test('used while an earlier client of the thread still leaves brings one client, however often', async () => {
    const cache = await make({ shards: 1 });
    const first = await attachCache(cache.handle());
    const leaving = first.close();
    const second = await attachCache(cache.handle());
    await leaving;
    await sleep(20);
    expect(await attachCache(cache.handle())).toBe(second);
    await second.close();
  });

  test('is used with options that there are', async () => {
    const cache = await make({ shards: 1 });
    const attach = (options: unknown) => outcomeOf(attachCache(cache.handle(), options as AttachOptions));
    expect(await attach({ loger: console })).toBe('INVALID_CONFIG');
    expect(await attach(null)).toBe('INVALID_CONFIG');
  });

  test('that was used is refused, also where the first use has ended', async () => {
    const cache = await make();
    const handle = cache.handle();
    const client = await attachCache(handle);
    await client.close();
    expect(await outcomeOf(attachCache(handle))).toBe('CACHE_CLOSED');
  });

  test('cannot be sent without its port, nor twice', async () => {
    const cache = await make();
    const thread = new ClientThread();
    const handle = cache.handle();
    expect(() => thread.worker.postMessage({ handle })).toThrow(/transfer/i);
    await thread.attach(handle);
    expect(() => thread.worker.postMessage({ handle }, handle.transfer)).toThrow();
    await thread.end();
  });

  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['an empty object', {}],
    ['what JSON leaves of one', { cacheId: 'x', port: {} }],
    ['text', 'handle'],
  ])('that is %s is refused', async (_what, handle) => {
    await expect(attachCache(handle as CacheHandle)).rejects.toMatchObject({
      name: 'TypeError',
      code: 'INVALID_CONFIG',
      option: 'handle',
    });
  });

  test('that leads to no cache is refused', async () => {
    const { port1, port2 } = new MessageChannel();
    const forged = { cacheId: 'x', port: port1 } as unknown as CacheHandle;
    expect(await outcomeOf(attachCache(forged))).toBe('CACHE_CLOSED');
    port2.close();
  });

  test('of a closed cache is refused, and a closed cache makes none', async () => {
    const cache = await make();
    const handle = cache.handle();
    await cache.close();
    expect(await outcomeOf(attachCache(handle))).toBe('CACHE_CLOSED');
    expect(() => cache.handle()).toThrow(expect.objectContaining({ code: 'CACHE_CLOSED' }));
  });

  test('needs a serializer that other threads can load', async () => {
    const serializer = { name: 'mine', binary: true, encode: () => Buffer.alloc(0), decode: () => 1 } as never;
    const cache = await make({ serializer });
    expect(() => cache.handle()).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', option: 'serializer' }));
  });

  test('is refused when too many wait to be used', async () => {
    const cache = await make({ shards: 1 });
    let made = 0;
    expect(() => {
      for (; made < 20_000; made++) cache.handle();
    }).toThrow(expect.objectContaining({ code: 'OVERLOADED' }));
    expect(made).toBe(16_384);
    await cache.set('k', 1);
    expect(await cache.get('k')).toBe(1);
  });
});

test('a client that floods is refused its calls, and nobody else', async () => {
  const cache = await make({ shards: 1, maxPendingCalls: 1_000 });
  const thread = await join(cache);
  const codes = thread.run(async (c) => {
    const calls = Array.from({ length: 5_000 }, (_, i) => c.set(`k${i}`, i));
    const outcomes = await Promise.allSettled(calls);
    return outcomes.map((each) => (each.status === 'rejected' ? each.reason.code : 'stored'));
  });
  await cache.set('mine', 1);
  expect(await cache.get('mine')).toBe(1);
  const counts = (await codes).filter((code) => code === 'OVERLOADED').length;
  expect(counts).toBe(4_000);
  expect(await cache.size()).toBe(1_001);
});

test('a client that does not read its replies holds nobody up, and reads them when it comes to', async () => {
  const cache = await make({ shards: 1 });
  const thread = await join(cache);
  const blocked = thread.run(async (c) => {
    const sets = Array.from({ length: 3_000 }, (_, i) => c.set(`k${i}`, i));
    await new Promise((resolve) => setImmediate(resolve));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    return (await Promise.allSettled(sets)).filter(({ status }) => status === 'fulfilled').length;
  });
  for (let i = 0; i < 200; i++) {
    await cache.set(`mine${i}`, i);
  }
  expect(await blocked).toBe(3_000);
  expect(await cache.size()).toBe(3_200);
});

test('while the opener’s thread is blocked, clients read and write on', async () => {
  const opener = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     (async () => {
       const { openCache } = await import('shardstash');
       const cache = await openCache({ shards: 2 });
       const handle = cache.handle();
       parentPort.postMessage({ handle }, handle.transfer);
       await new Promise((resolve) => parentPort.once('message', resolve));
       Atomics.wait(new Int32Array(workerData), 0, 0, 20_000);
     })();`,
    { eval: true, execArgv: [], workerData: new SharedArrayBuffer(4) },
  );
  const { handle } = await new Promise<{ handle: CacheHandle }>((resolve) => opener.once('message', resolve));
  const client = await attachCache(handle);
  await client.set('k', 0);
  opener.postMessage('block');
  await sleep(100);
  for (let i = 0; i < 300; i++) {
    await client.set('k', i);
    expect(await client.get('k')).toBe(i);
  }
  await opener.terminate();
  await until(async () => (await outcomeOf(client.set('k', 1))) === 'CACHE_CLOSED');
  expect(await outcomeOf(client.get('k'))).toBe('CACHE_CLOSED');
});

test('a hundred attaches and detaches leave no client behind', async () => {
  const cache = await make({ shards: 2 });
  for (let i = 0; i < 100; i++) {
    const client = await attachCache(cache.handle());
    await client.set('k', i);
    await client.close();
  }
  await until(async () => (await cache.metrics()).clients === 1);
  expect(await cache.get('k')).toBe(99);
});
