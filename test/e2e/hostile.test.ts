/** What a user's own code can do to a cache in the middle of a call, and what dying shards can do to a user's process. */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Cache, CacheOptions } from 'shardstash';
import { afterEach, describe, expect, test } from 'vitest';
import { openCache, outcomeOf } from '../support/caches.ts';
import { withThreads } from '../support/threads.ts';

const run = promisify(execFile);
const open: Cache[] = [];

async function make(options: CacheOptions = {}): Promise<Cache> {
  const cache = await openCache({ shards: 1, ...options });
  open.push(cache);
  return cache;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((cache) => cache.close()));
});

const pairs = (count: number) => Array.from({ length: count }, (_, i) => [`k${i}`, Buffer.alloc(1_000)] as const);

function stall(ms: number): void {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs) {
    // The event loop stands still, as behind work that is bound to the processor.
  }
}

describe('a long setMany', () => {
  test('settles when the cache is closed under it', async () => {
    const cache = await make({ maxPendingCalls: 2_000 });
    const stored = cache.setMany(pairs(50_000));
    await expect(Promise.all([stored, cache.close({ timeout: 1 })])).rejects.toMatchObject({ code: 'CACHE_CLOSED' });
  });

  test('settles when its shard dies, and the event loop goes on', async () => {
    const { result: cache, threads } = await withThreads(() => make());
    const stored = cache.setMany(pairs(200_000));
    setTimeout(() => void threads[0]?.terminate(), 20);
    await expect(stored).rejects.toMatchObject({ code: 'SHARD_DOWN' });
    await cache.setMany(pairs(5_000));
    expect(await cache.has('k4999')).toBe(true);
  });

  test('stops when it is aborted', async () => {
    const cache = await make({ maxPendingCalls: 2_000 });
    const abort = new AbortController();
    const stored = cache.setMany(pairs(100_000), { signal: abort.signal });
    setImmediate(() => abort.abort(new Error('enough')));
    await expect(stored).rejects.toThrow('enough');
    expect(await cache.size()).toBeLessThan(50_000);
  });

  test('stops at its timeout', async () => {
    const cache = await make({ maxPendingCalls: 2_000 });
    await expect(cache.setMany(pairs(200_000), { timeout: 5 })).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(await cache.size()).toBeLessThan(200_000);
  });
});

describe('code that runs while a key or a value is encoded', () => {
  test('an accessor of a key that stores something else changes neither', async () => {
    const cache = await make();
    const key = {
      get a() {
        void cache.set('other', 'zzzzzzzz');
        return 1;
      },
    };
    await cache.set(key, 'hello');
    await cache.setMany([[key, 42]]);
    expect(await cache.get({ a: 1 })).toBe(42);
    expect(await cache.get('other')).toBe('zzzzzzzz');
  });

  test('an accessor that throws when an error is told harms no other call', async () => {
    const cache = await make();
    await cache.set([1], 'there');
    const key: number[] = [];
    let reads = 0;
    Object.defineProperty(key, '0', {
      enumerable: true,
      get() {
        if (++reads > 2) throw new Error('not again');
        return 1;
      },
    });
    const calls = [cache.add(key, 'again'), cache.set('a', 1), cache.get('a')];
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
  });
});

test('getSync does not answer with a set of its own whose time is over', async () => {
  const cache = await make();
  void cache.set('k', 1, { ttl: 5 });
  expect(cache.getSync('k')).toBe(1);
  await new Promise((resolve) => setImmediate(resolve));
  stall(50);
  expect(cache.getSync('k')).toBeUndefined();
});

describe('getOrSet', () => {
  test('keeps the process until it has timed out', async () => {
    const folder = new URL('../../build/', import.meta.url);
    await mkdir(folder, { recursive: true });
    const file = fileURLToPath(new URL('never.mjs', folder));
    await writeFile(
      file,
      `import { openCache } from 'shardstash';
      const cache = await openCache();
      await cache.getOrSet('k', () => new Promise(() => {}), { timeout: 100 }).catch(({ code }) => console.log(code));
      await cache.close({ timeout: 1 });`,
    );
    expect((await run(process.execPath, [file])).stdout.trim()).toBe('TIMEOUT');
  });

  test('gives its lease back when the lane was full, and when the shard answered too late', async () => {
    const eviction = { module: new URL('../support/hostile-policy.mjs', import.meta.url) };
    const cache = await make({ shards: 1, maxPendingCalls: 10, timeout: 200, eviction });
    const first = cache.getOrSet('k', async () => {
      for (let i = 0; i < 10; i++) void cache.set(`other ${i}`, i).catch(() => {});
      return 1;
    });
    expect(await first).toBe(1);
    expect(await cache.getOrSet('k', () => 2)).toBe(1);

    await cache.set('!pause', 1);
    void cache.delete('!pause').catch(() => {});
    expect(await outcomeOf(cache.getOrSet('late', () => 3))).toBe('TIMEOUT');
    await sleep(300);
    expect(await cache.getOrSet('late', () => 4)).toBe(4);
  });

  test('does not send what could never fit', async () => {
    const cache = await make({ maxBytes: '1mb' });
    const before = (await cache.metrics()).calls;
    expect(await cache.getOrSet('k', () => Buffer.alloc(8_000_000))).toHaveLength(8_000_000);
    expect((await cache.metrics()).calls - before).toBeLessThanOrEqual(3);
    expect(await cache.getOrSet('k', () => 'small')).toBe('small');
  });
});

test('an entry at the very end of a tiny cache is read like any other', async () => {
  const cache = await make({ maxBytes: 200, eviction: 'random', seed: 7 });
  for (let i = 0; i < 2_000; i++) {
    await cache.set('', '');
    await cache.set(`k${i % 7}`, 'x'.repeat(i % 41));
    expect(cache.getSync('') ?? '').toBe('');
  }
});
