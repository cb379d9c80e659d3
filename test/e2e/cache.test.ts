import { type Cache, type CacheOptions, openCache } from 'shardstash';
import { afterEach, describe, expect, test } from 'vitest';
import { withThreads } from '../support/threads.ts';

const open: Cache[] = [];

async function make(options: CacheOptions = {}): Promise<Cache> {
  const cache = await openCache({ shards: 2, ...options });
  open.push(cache);
  return cache;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((cache) => cache.close()));
});

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe.each(['shared', 'owner'] as const)('reads: %s', (reads) => {
  test('a value that was set is there for get, peek, has and getSync, and equal', async () => {
    const cache = await make({ reads });
    const user = { id: 1, name: 'Ada', tags: ['a'], at: new Date(5), blob: Buffer.from('xyz') };
    await cache.set('user:1', user);
    expect(await cache.get('user:1')).toEqual(user);
    expect(await cache.peek('user:1')).toEqual(user);
    expect(await cache.has('user:1')).toBe(true);
    expect(cache.getSync('user:1')).toEqual(user);
  });

  test('a key that was never set is a miss everywhere', async () => {
    const cache = await make({ reads });
    expect(await cache.get('nobody')).toBeUndefined();
    expect(await cache.peek('nobody')).toBeUndefined();
    expect(await cache.has('nobody')).toBe(false);
    expect(await cache.delete('nobody')).toBe(false);
    expect(cache.getSync('nobody')).toBeUndefined();
  });

  test('null and undefined can be stored, and has tells them from a miss', async () => {
    const cache = await make({ reads });
    await cache.set('null', null);
    await cache.set('undefined', undefined);
    expect(await cache.get('null')).toBeNull();
    expect(await cache.get('undefined')).toBeUndefined();
    expect(await cache.has('undefined')).toBe(true);
  });

  test('every get is a fresh copy', async () => {
    const cache = await make({ reads });
    const value = { list: [1] };
    await cache.set('k', value);
    value.list.push(2);
    const first = (await cache.get('k')) as typeof value;
    first.list.push(3);
    expect(await cache.get('k')).toEqual({ list: [1] });
    expect(cache.getSync('k')).toEqual({ list: [1] });
  });

  test('an overwrite replaces the value and keeps the size', async () => {
    const cache = await make({ reads });
    await cache.set('k', 'one');
    await cache.set('k', 'two');
    expect(await cache.get('k')).toBe('two');
    expect(await cache.size()).toBe(1);
  });

  test('a write that was not awaited is seen by the get after it', async () => {
    const cache = await make({ reads });
    await cache.set('k', 'old');
    void cache.set('k', 'new');
    expect(await cache.get('k')).toBe('new');
    void cache.delete('k');
    expect(await cache.get('k')).toBeUndefined();
    void cache.set('k', 'again');
    void cache.clear();
    expect(await cache.has('k')).toBe(false);
    void cache.set('k', 'last');
    expect(await cache.peek('k')).toBe('last');
  });

  test('getSync sees what this client has written, acknowledged or not', async () => {
    const cache = await make({ reads });
    await cache.set('k', 'old');
    void cache.set('k', { n: 1 });
    expect(cache.getSync('k')).toEqual({ n: 1 });
    void cache.delete('k');
    expect(cache.getSync('k')).toBeUndefined();
    void cache.set('k', 'newest');
    expect(cache.getSync('k')).toBe('newest');
    await sleep(50);
    expect(cache.getSync('k')).toBe('newest');
  });

  test('many pairs go in and come out in the order they were asked for, in few messages', async () => {
    const cache = await make({ reads });
    const before = (await cache.metrics()).messages;
    await cache.setMany(Array.from({ length: 1_000 }, (_, i) => [`k${i}`, i] as const));
    const after = await cache.metrics();
    // Two shards, and the message of each that asked for the metrics.
    expect(after.messages - before - 2).toBeLessThanOrEqual(2);
    expect(await cache.size()).toBe(1_000);
    const found = await cache.getMany(['k7', 'nobody', 'k3', 'k999']);
    expect([...found]).toEqual([
      ['k7', 7],
      ['k3', 3],
      ['k999', 999],
    ]);
    expect(await cache.deleteMany(['k7', 'nobody', 'k3'])).toBe(2);
    expect(await cache.size()).toBe(998);
  });

  test('setMany takes a Map, an object and a generator', async () => {
    const cache = await make({ reads });
    await cache.setMany(new Map([['a', 1]]));
    await cache.setMany({ b: 2 });
    await cache.setMany(
      (function* () {
        yield ['c', 3] as const;
      })(),
    );
    expect(Object.fromEntries(await cache.getMany(['a', 'b', 'c']))).toEqual({ a: 1, b: 2, c: 3 });
  });

  test('setMany stores nothing when one of its values cannot be stored', async () => {
    const cache = await make({ reads });
    const bad = cache.setMany([
      ['a', 1],
      ['b', () => 1],
    ]);
    await expect(bad).rejects.toMatchObject({ code: 'SERIALIZATION_ERROR' });
    expect(await cache.size()).toBe(0);
  });

  test('more pairs than a queue holds go through setMany', async () => {
    const cache = await make({ reads, maxPendingCalls: 100, shards: 1 });
    await cache.setMany(Array.from({ length: 5_000 }, (_, i) => [`k${i}`, i] as const));
    expect(await cache.size()).toBe(5_000);
    expect((await cache.getMany(Array.from({ length: 5_000 }, (_, i) => `k${i}`))).size).toBe(5_000);
  });

  test('values larger than a queue holds go through setMany', async () => {
    const cache = await make({ reads, maxPendingBytes: '1mb', maxBytes: '128mb', shards: 1 });
    await cache.setMany(Array.from({ length: 12 }, (_, i) => [`k${i}`, Buffer.alloc(3_000_000 + i, i)] as const));
    const found = await cache.getMany(Array.from({ length: 12 }, (_, i) => `k${i}`));
    expect([...found.values()].map((value) => (value as Buffer).length)).toEqual(
      Array.from({ length: 12 }, (_, i) => 3_000_000 + i),
    );
  });

  test('clear removes everything, says how much, and the cache goes on', async () => {
    const cache = await make({ reads });
    await cache.setMany(Array.from({ length: 100 }, (_, i) => [`k${i}`, i] as const));
    expect(await cache.clear()).toBe(100);
    expect(await cache.size()).toBe(0);
    expect(await cache.get('k5')).toBeUndefined();
    await cache.set('k5', 'back');
    expect(await cache.get('k5')).toBe('back');
  });

  test('a value lives for its ttl and no longer', async () => {
    const cache = await make({ reads, ttl: '1h' });
    await cache.set('short', 'v', { ttl: 500 });
    await cache.set('default', 'v');
    await cache.set('for ever', 'v', { ttl: null });
    expect(await cache.get('short')).toBe('v');
    await sleep(520);
    expect(await cache.get('short')).toBeUndefined();
    expect(await cache.has('short')).toBe(false);
    expect(cache.getSync('short')).toBeUndefined();
    expect(await cache.get('default')).toBe('v');
    expect(await cache.get('for ever')).toBe('v');
  });

  test('expired entries leave memory without being asked for', async () => {
    const cache = await make({ reads });
    await cache.setMany(
      Array.from({ length: 500 }, (_, i) => [`k${i}`, i] as const),
      { ttl: 30 },
    );
    for (let i = 0; i < 100 && (await cache.size()) > 0; i++) {
      await sleep(50);
    }
    expect(await cache.metrics()).toMatchObject({
      currentTotalKeys: 0,
      expirations: 500,
      evictions: 0,
      memoryBytes: 0,
    });
  });

  test.each([25 * 86_400_000, 365 * 86_400_000, Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER, '30d'])(
    'a ttl of %s works',
    async (ttl) => {
      const cache = await make({ reads });
      await cache.set('k', 'v', { ttl });
      await sleep(5);
      expect(await cache.get('k')).toBe('v');
    },
  );

  test('entries stay within maxEntries at every acknowledgement', async () => {
    const cache = await make({ reads, maxEntries: 100 });
    for (let i = 0; i < 300; i++) {
      await cache.set(`k${i}`, i);
      expect(await cache.size()).toBeLessThanOrEqual(100);
    }
    expect((await cache.metrics()).evictions).toBeGreaterThanOrEqual(200);
  });

  test('bytes stay within maxBytes at every acknowledgement', async () => {
    const maxBytes = 256 * 1024;
    const cache = await make({ reads, maxBytes });
    for (let i = 0; i < 300; i++) {
      await cache.set(`k${i}`, Buffer.alloc(1 + ((i * 7919) % 8_000)));
      expect((await cache.metrics()).memoryBytes).toBeLessThanOrEqual(maxBytes);
    }
    expect((await cache.metrics()).evictions).toBeGreaterThan(0);
  });

  test('a value larger than its shard is refused, and nothing leaves for it', async () => {
    const cache = await make({ reads, maxBytes: '256kb' });
    await cache.setMany(Array.from({ length: 100 }, (_, i) => [`k${i}`, i] as const));
    await cache.set('big', 'small');
    for (const size of [129_000, 1_000_000]) {
      await expect(cache.set('big', Buffer.alloc(size))).rejects.toMatchObject({
        name: 'CacheError',
        code: 'VALUE_TOO_LARGE',
        key: 'big',
      });
    }
    expect(await cache.size()).toBe(101);
    expect(await cache.get('big')).toBe('small');
    await cache.set('big', Buffer.alloc(100_000));
    expect(await cache.get('big')).toHaveLength(100_000);
  });

  test('LRU keeps what is used: reads count', async () => {
    const cache = await make({ reads, shards: 1, maxEntries: 3, eviction: 'lru' });
    for (const key of ['a', 'b', 'c']) await cache.set(key, key);
    await cache.get('a');
    expect(cache.getSync('b')).toBe('b');
    await cache.has('c');
    await cache.peek('c');
    await cache.set('d', 'd');
    expect(await cache.has('c')).toBe(false);
    expect([...(await cache.getMany(['a', 'b', 'd'])).keys()]).toEqual(['a', 'b', 'd']);
  });

  test('FIFO keeps what came last, whatever was read or overwritten', async () => {
    const cache = await make({ reads, shards: 1, maxEntries: 2, eviction: 'fifo' });
    await cache.set('a', 1);
    await cache.set('b', 1);
    await cache.set('a', 2);
    await cache.get('a');
    await cache.set('c', 1);
    expect(await cache.has('a')).toBe(false);
    expect(await cache.has('b')).toBe(true);
  });

  test('SIEVE keeps what was used since its hand came by', async () => {
    const cache = await make({ reads, shards: 1, maxEntries: 3, eviction: 'sieve' });
    for (const key of ['a', 'b', 'c']) await cache.set(key, key);
    await cache.get('a');
    expect(cache.getSync('b')).toBe('b');
    await cache.has('c');
    await cache.peek('c');
    await cache.set('d', 'd');
    expect([await cache.has('a'), await cache.has('b'), await cache.has('c')]).toEqual([true, true, false]);
    cache.getSync('a');
    await cache.set('e', 'e');
    expect([...(await cache.getMany(['a', 'b', 'd', 'e'])).keys()]).toEqual(['a', 'd', 'e']);
  });

  test("a full cache with eviction 'none' refuses new keys with CACHE_FULL and keeps the old", async () => {
    const cache = await make({ reads, shards: 1, maxBytes: '1mb', maxEntries: 2, eviction: 'none' });
    await cache.set('a', 1);
    await cache.set('b', 1);
    const refused = cache.set('c', 1);
    await expect(refused).rejects.toMatchObject({ name: 'CacheError', code: 'CACHE_FULL', key: 'c', shard: 0 });
    await cache.set('a', Buffer.alloc(900_000));
    await expect(cache.set('b', Buffer.alloc(900_000))).rejects.toMatchObject({ code: 'CACHE_FULL', key: 'b' });
    expect([await cache.get('b'), cache.getSync('b'), await cache.has('c')]).toEqual([1, 1, false]);
    await cache.delete('a');
    await cache.set('c', 1);
    expect(await cache.metrics()).toMatchObject({ evictions: 0, currentTotalKeys: 2 });
  });

  test('an overwrite at capacity evicts nobody', async () => {
    const cache = await make({ reads, shards: 1, maxEntries: 2 });
    await cache.set('a', 1);
    await cache.set('b', 1);
    for (let i = 0; i < 50; i++) await cache.set('a', i);
    expect(await cache.metrics()).toMatchObject({ evictions: 0, currentTotalKeys: 2 });
  });

  test('metrics count gets, sets and deletions of every kind, per shard and in sum', async () => {
    const cache = await make({ reads });
    await cache.setMany(Array.from({ length: 20 }, (_, i) => [`k${i}`, i] as const));
    for (let i = 0; i < 30; i++) await cache.get(`k${i}`);
    for (let i = 0; i < 5; i++) cache.getSync(`k${i}`);
    await cache.has('k0');
    await cache.peek('k0');
    await cache.delete('k0');
    await cache.delete('nobody');
    const metrics = await cache.metrics();
    expect(metrics).toMatchObject({
      hits: 25,
      misses: 10,
      gets: 35,
      sets: 20,
      manualDeletions: 1,
      currentTotalKeys: 19,
    });
    expect(metrics.hitRatio).toBeCloseTo(25 / 35);
    expect(metrics.perShard).toHaveLength(2);
    for (const name of ['hits', 'misses', 'sets', 'currentTotalKeys', 'memoryBytes', 'calls'] as const) {
      expect(metrics.perShard.reduce((sum, shard) => sum + shard[name], 0)).toBe(metrics[name]);
    }
    expect(metrics.memoryBytes).toBeGreaterThan(metrics.payloadBytes);
  });

  test('keys of every script are told apart, and long ones work', async () => {
    const cache = await make({ reads });
    const keys = ['', 'a', '\u0000', 'a\u0000', '\u00e9', 'e\u0301', '\u7f13\u5b58', '\u{1f600}', 'x'.repeat(65_535)];
    await cache.setMany(keys.map((key, i) => [key, i] as const));
    expect(await cache.size()).toBe(keys.length);
    for (const [i, key] of keys.entries()) {
      expect(await cache.get(key)).toBe(i);
    }
  });

  test('values from a byte to many mebibytes come back whole', async () => {
    const cache = await make({ reads });
    for (const size of [0, 1, 3, 4, 159, 160, 161, 65_535, 65_537, 1_048_577, 20_000_000]) {
      const value = Buffer.alloc(size, size % 251);
      await cache.set('k', value);
      expect(value.equals((await cache.get('k')) as Buffer)).toBe(true);
      expect(value.equals(cache.getSync('k') as Buffer)).toBe(true);
    }
  });

  test.each([
    undefined,
    new Error('e'),
    () => {},
    new Array(2),
    Symbol('s'),
    '\ud800',
    'a\udc00',
    'x'.repeat(65_536),
    '\u7f13'.repeat(32_768),
  ])('a key that cannot be one is refused by every method: %o', async (key) => {
    const cache = await make({ reads });
    const bad = key as string;
    const calls = [
      cache.get(bad),
      cache.set(bad, 1),
      cache.delete(bad),
      cache.has(bad),
      cache.peek(bad),
      cache.getMany([bad]),
      cache.setMany([[bad, 1]]),
      cache.deleteMany([bad]),
      cache.getOrThrow(bad),
      cache.lookup(bad),
      cache.add(bad, 1),
      cache.update(bad, 1),
      cache.pop(bad),
      cache.increment(bad),
      cache.expire(bad, 1),
      cache.ttl(bad),
      cache.touch(bad),
      cache.getOrSet(bad, () => 1),
    ];
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'INVALID_KEY' } });
      expect((outcome as PromiseRejectedResult).reason).toBeInstanceOf(TypeError);
    }
    expect(() => cache.getSync(bad)).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }));
    expect(await cache.size()).toBe(0);
  });

  test.each([0, -1, Number.NaN, '5', true])('a ttl of %o is refused and nothing is stored', async (ttl) => {
    const cache = await make({ reads });
    const options = { ttl: ttl as number };
    await expect(cache.set('k', 'v', options)).rejects.toMatchObject({ code: 'INVALID_TTL' });
    await expect(cache.setMany([['k', 'v']], options)).rejects.toMatchObject({ code: 'INVALID_TTL' });
    expect(await cache.size()).toBe(0);
  });

  test('a call with a signal or a timeout that are none is refused', async () => {
    const cache = await make({ reads });
    await expect(cache.get('k', { signal: {} as AbortSignal })).rejects.toMatchObject({ option: 'signal' });
    await expect(cache.get('k', { timeout: -1 })).rejects.toMatchObject({ option: 'timeout' });
    await expect(cache.set('k', 1, 'soon' as never)).rejects.toMatchObject({ option: 'options' });
  });

  test('an aborted signal rejects with its reason, before and after the call', async () => {
    const cache = await make({ reads });
    await expect(cache.set('k', 1, { signal: AbortSignal.abort('why') })).rejects.toBe('why');
    expect(await cache.has('k')).toBe(false);
    const controller = new AbortController();
    const call = cache.set('k', 1, { signal: controller.signal });
    controller.abort('changed my mind');
    await expect(call).rejects.toBe('changed my mind');
    expect(await cache.has('k')).toBe(false);
  });
});

test('each shard lives in a thread of its own', async () => {
  const { threads } = await withThreads(() => make({ shards: 3 }));
  const ids = new Set(threads.map(({ threadId }) => threadId));
  expect(ids.size).toBe(3);
  expect(ids.has(0)).toBe(false);
});

test('a get of what is in memory sends no message, unless reads are the owner\u2019s', async () => {
  for (const [reads, sent] of [
    ['shared', 0],
    ['owner', 100],
  ] as const) {
    const cache = await make({ reads, shards: 1 });
    await cache.set('k', 'v');
    const before = (await cache.metrics()).messages;
    for (let i = 0; i < 50; i++) {
      await cache.get('k');
      await cache.get('nobody');
    }
    expect((await cache.metrics()).messages - before - 1).toBe(sent);
  }
});

test('a thousand sets of one turn to one shard are at most two frames', async () => {
  const cache = await make({ shards: 1 });
  const before = await cache.metrics();
  await Promise.all(Array.from({ length: 1_000 }, (_, i) => cache.set(`k${i}`, i)));
  const after = await cache.metrics();
  expect(after.messages - before.messages - 1).toBeLessThanOrEqual(2);
  expect(after.calls - before.calls - 1).toBe(1_000);
});

test('a thousand pairs are one message, more leave early, whatever phase of the event loop they are set in', async () => {
  const cache = await make({ shards: 1 });
  for (const [pairs, messages] of [
    [1_000, 1],
    [1_024, 2],
  ] as const) {
    const before = (await cache.metrics()).messages;
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise<void>((resolve, reject) => {
      setImmediate(() => {
        cache.setMany(Array.from({ length: pairs }, (_, i) => [`k${i}`, i] as const)).then(resolve, reject);
      });
    });
    expect((await cache.metrics()).messages - before - 1).toBe(messages);
  }
});

test('more calls than may wait reject with OVERLOADED, and those that were taken succeed', async () => {
  const cache = await make({ shards: 1, maxPendingCalls: 100 });
  const outcomes = await Promise.allSettled(Array.from({ length: 150 }, (_, i) => cache.set(`k${i}`, i)));
  const rejected = outcomes.filter(({ status }) => status === 'rejected');
  expect(rejected).toHaveLength(50);
  expect(rejected[0]).toMatchObject({ reason: { code: 'OVERLOADED', outcome: 'not-sent' } });
  expect(await cache.size()).toBe(100);
});

test('a thousand readers of an LRU that never write do not lose the count of their hits', async () => {
  const cache = await make({ shards: 1, eviction: 'lru' });
  await cache.set('k', 'v');
  for (let i = 0; i < 20_000; i++) await cache.get('k');
  expect(await cache.metrics()).toMatchObject({ hits: 20_000, droppedTouches: 0 });
});

test('the cache describes itself', async () => {
  const cache = await make({ shards: 2, maxBytes: '1mb', maxEntries: 100, eviction: 'fifo' });
  expect(String(cache)).toBe("<Cache shards=2, maxBytes=1048576, maxEntries=100, eviction='fifo'>");
  expect(cache.config.maxEntries).toBe(100);
  expect(() => Object.assign(cache.config, { shards: 1 })).toThrow(TypeError);
});
