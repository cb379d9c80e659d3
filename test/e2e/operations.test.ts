/** What each call does, on one key and on many. */
import { CacheError, type CacheOptions } from 'shardstash';
import { describe, expect, test } from 'vitest';
import { cachesOfOneTest, IS_BRIEF, outcomeOf, pairs, READS, sharedCache } from '../support/caches.ts';

const MODES: [string, CacheOptions][] = [
  ['shared reads', { reads: 'shared' }],
  ['owner reads', { reads: 'owner' }],
  ['no metrics', { metrics: false }],
];

describe.each(IS_BRIEF ? MODES.slice(0, 1) : MODES)('%s:', (_mode, options) => {
  const shared = sharedCache(options);

  describe('a value that was set', () => {
    const user = { id: 1, name: 'Ada', tags: ['a'], at: new Date(5), blob: Buffer.from('xyz') };

    test('is there for everyone who looks, and equal', async () => {
      const { cache } = shared;
      expect(await cache.set('user:1', user)).toBeUndefined();
      expect(await cache.get('user:1')).toEqual(user);
      expect(cache.getSync('user:1')).toEqual(user);
      expect(await cache.getOrThrow('user:1')).toEqual(user);
      expect(await cache.peek('user:1')).toEqual(user);
      expect(await cache.getOrSet('user:1', () => 'not needed')).toEqual(user);
      expect(await cache.lookup('user:1')).toEqual({
        status: 'hit',
        from: 'memory',
        value: user,
        ttlRemainingMs: Number.POSITIVE_INFINITY,
      });
      expect(await cache.has('user:1')).toBe(true);
      expect(await cache.touch('user:1')).toBe(true);
      expect(await cache.ttl('user:1')).toBe(Number.POSITIVE_INFINITY);
    });

    test('replaces the one before it, and the size stays', async () => {
      const { cache } = shared;
      await cache.set('k', 'one');
      await cache.set('k', { two: 2 });
      expect(await cache.get('k')).toEqual({ two: 2 });
      expect(await cache.size()).toBe(1);
    });

    test('may be null or undefined, which is not a miss', async () => {
      const { cache } = shared;
      for (const [key, value] of Object.entries({ null: null, undefined: undefined })) {
        await cache.set(key, value);
        expect(await cache.get(key)).toBe(value);
        expect(cache.getSync(key)).toBe(value);
        expect(await cache.peek(key)).toBe(value);
        expect(await cache.getOrThrow(key)).toBe(value);
        expect(await cache.lookup(key)).toMatchObject({ status: 'hit', value });
        expect(await cache.has(key)).toBe(true);
        expect(await cache.getMany([key])).toEqual(new Map([[key, value]]));
        await expect(cache.add(key, 'other')).rejects.toMatchObject({ code: 'KEY_EXISTS' });
        expect(await cache.pop(key)).toBe(value);
      }
    });
  });

  test('a key that was never set is a miss for everyone who looks', async () => {
    const { cache } = shared;
    expect(await cache.get('nobody')).toBeUndefined();
    expect(cache.getSync('nobody')).toBeUndefined();
    expect(await cache.peek('nobody')).toBeUndefined();
    expect(await cache.has('nobody')).toBe(false);
    expect(await cache.touch('nobody')).toBe(false);
    expect(await cache.ttl('nobody')).toBeUndefined();
    expect(await cache.lookup('nobody')).toEqual({ status: 'miss' });
    expect(await cache.delete('nobody')).toBe(false);
    expect(await cache.pop('nobody')).toBeUndefined();
    expect(await cache.getMany(['nobody'])).toEqual(new Map());
    expect(await cache.deleteMany(['nobody'])).toBe(0);
    expect(await cache.popItem()).toBeUndefined();
    expect(await cache.size()).toBe(0);
    for (const call of [cache.getOrThrow('nobody'), cache.update('nobody', 1), cache.expire('nobody', 1)]) {
      await expect(call).rejects.toMatchObject({ name: 'CacheError', code: 'KEY_NOT_FOUND', key: 'nobody' });
    }
    expect(await cache.has('nobody')).toBe(false);
  });

  test('an error names the key as it was given, and its shard', async () => {
    const { cache } = shared;
    const key = { user: [1, 'Ada'] };
    const error = (await cache.getOrThrow(key).catch((caught) => caught)) as CacheError;
    expect(error).toBeInstanceOf(CacheError);
    expect(error.key).toBe(key);
    expect([0, 1]).toContain(error.shard);
    expect(error.message).not.toBe('');
  });

  describe('add', () => {
    test('stores where there is nothing', async () => {
      const { cache } = shared;
      expect(await cache.add('k', 'first')).toBeUndefined();
      expect(await cache.get('k')).toBe('first');
    });

    test('rejects with KEY_EXISTS where there is a value, which stays with its ttl', async () => {
      const { cache } = shared;
      await cache.set('k', 'first', { ttl: 1_000 });
      await expect(cache.add('k', 'second', { ttl: 5_000 })).rejects.toMatchObject({ code: 'KEY_EXISTS', key: 'k' });
      expect(await cache.get('k')).toBe('first');
      expect(await cache.ttl('k')).toBe(1_000);
    });

    test('stores in the place of what was deleted or has expired', async () => {
      const { cache, clock } = shared;
      await cache.set('deleted', 1);
      await cache.delete('deleted');
      await cache.add('deleted', 2);
      await cache.set('expired', 1, { ttl: 10 });
      clock.advance(10);
      await cache.add('expired', 2);
      expect([await cache.get('deleted'), await cache.get('expired')]).toEqual([2, 2]);
    });

    test('is won by exactly one of fifty at once', async () => {
      const { cache } = shared;
      const outcomes = await Promise.all(Array.from({ length: 50 }, (_, i) => outcomeOf(cache.add('k', i))));
      expect(outcomes.filter((outcome) => outcome === undefined)).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome === 'KEY_EXISTS')).toHaveLength(49);
      expect(await cache.get('k')).toBe(outcomes.indexOf(undefined));
    });
  });

  describe('update', () => {
    test('stores where there is a value, with a new ttl', async () => {
      const { cache } = shared;
      await cache.set('k', 'old', { ttl: 1_000 });
      expect(await cache.update('k', 'new', { ttl: 5_000 })).toBeUndefined();
      expect(await cache.get('k')).toBe('new');
      expect(await cache.ttl('k')).toBe(5_000);
      await cache.update('k', 'newest');
      expect(await cache.ttl('k')).toBe(Number.POSITIVE_INFINITY);
    });

    test('stores nothing where there is none', async () => {
      const { cache } = shared;
      await expect(cache.update('k', 'new')).rejects.toMatchObject({ code: 'KEY_NOT_FOUND', key: 'k' });
      expect(await cache.size()).toBe(0);
    });

    test('with keepTtl leaves the deadline where it is', async () => {
      const { cache, clock } = shared;
      await cache.set('mortal', 'old', { ttl: 1_000 });
      await cache.set('immortal', 'old');
      clock.advance(400);
      await cache.update('mortal', 'new', { keepTtl: true, ttl: 9_000 });
      await cache.update('immortal', 'new', { keepTtl: true, ttl: 9_000 });
      expect(await cache.ttl('mortal')).toBe(600);
      expect(await cache.ttl('immortal')).toBe(Number.POSITIVE_INFINITY);
      clock.advance(600);
      expect(await cache.get('mortal')).toBeUndefined();
    });

    test('finds no value that has expired: KEY_EXPIRED, then KEY_NOT_FOUND', async () => {
      const { cache, clock } = shared;
      await cache.set('k', 'old', { ttl: 10 });
      clock.advance(10);
      expect(await outcomeOf(cache.update('k', 'new'))).toBe('KEY_EXPIRED');
      expect(await outcomeOf(cache.update('k', 'new', { keepTtl: true }))).toBe('KEY_NOT_FOUND');
    });
  });

  test('delete says whether there was a live entry', async () => {
    const { cache, clock } = shared;
    await cache.set('k', 1);
    expect(await cache.delete('k')).toBe(true);
    expect(await cache.delete('k')).toBe(false);
    await cache.set('k', 1, { ttl: 10 });
    clock.advance(10);
    expect(await cache.delete('k')).toBe(false);
    expect(await cache.size()).toBe(0);
  });

  describe('many at once', () => {
    test('come out in the order they were asked for; what is not there is left out', async () => {
      const { cache, clock } = shared;
      await cache.setMany(pairs(1_000));
      await cache.set('expired', 1, { ttl: 1 });
      clock.advance(1);
      const found = await cache.getMany(['k7', 'nobody', 'k3', 'expired', 'k999', 'k7']);
      expect([...found]).toEqual([
        ['k7', 7],
        ['k3', 3],
        ['k999', 999],
      ]);
    });

    test('deleteMany counts the live entries that it removed', async () => {
      const { cache, clock } = shared;
      await cache.setMany(pairs(10));
      await cache.set('expired', 1, { ttl: 1 });
      clock.advance(1);
      expect(await cache.deleteMany(['k7', 'nobody', 'k3', 'k7', 'expired'])).toBe(2);
      expect(await cache.validSize()).toBe(8);
    });

    test('go in as pairs, a Map, an object, a generator or nothing at all', async () => {
      const { cache } = shared;
      await cache.setMany(new Map([['a', 1]]));
      await cache.setMany({ b: 2 });
      await cache.setMany(
        (function* () {
          yield ['c', 3] as const;
        })(),
      );
      await cache.setMany([]);
      await cache.setMany({});
      expect(Object.fromEntries(await cache.getMany(new Set(['a', 'b', 'c'])))).toEqual({ a: 1, b: 2, c: 3 });
      expect(await cache.getMany([])).toEqual(new Map());
      expect(await cache.deleteMany([])).toBe(0);
    });

    test('share one ttl', async () => {
      const { cache, clock } = shared;
      await cache.setMany(pairs(50), { ttl: '1s' });
      clock.advance(999);
      expect((await cache.getMany(pairs(50).map(([key]) => key))).size).toBe(50);
      clock.advance(1);
      expect((await cache.getMany(pairs(50).map(([key]) => key))).size).toBe(0);
    });

    test('of one key: the last one stays', async () => {
      const { cache } = shared;
      await cache.setMany([
        ['k', 1],
        ['k', 2],
        ['k', 3],
      ]);
      expect(await cache.get('k')).toBe(3);
      expect(await cache.size()).toBe(1);
    });

    test('are stored all or none when one of them cannot be stored', async () => {
      const { cache } = shared;
      const bad = [['a', 1] as const, ['b', () => 1] as const];
      await expect(cache.setMany(bad)).rejects.toMatchObject({ code: 'SERIALIZATION_ERROR' });
      const worse = [['a', 1] as const, [Symbol('b') as never, 1] as const];
      await expect(cache.setMany(worse)).rejects.toMatchObject({ code: 'INVALID_KEY' });
      expect(await cache.size()).toBe(0);
    });

    test.each([5, null, undefined, 'ab', ['ab'], [5], [['k']], [['k', 1, 2]], new Set(['k'])])(
      'setMany refuses %o',
      async (entries) => {
        const { cache } = shared;
        const call = cache.setMany(entries as never);
        await expect(call).rejects.toMatchObject({ name: 'TypeError', code: 'INVALID_CONFIG', option: 'entries' });
        expect(await cache.size()).toBe(0);
      },
    );

    test.each([5, null, undefined, 'user:1', { a: 1 }, () => []])(
      'getMany and deleteMany refuse %o, which is no list of keys',
      async (keys) => {
        const { cache } = shared;
        const invalid = { name: 'TypeError', code: 'INVALID_CONFIG', option: 'keys' };
        await expect(cache.getMany(keys as never)).rejects.toMatchObject(invalid);
        await expect(cache.deleteMany(keys as never)).rejects.toMatchObject(invalid);
      },
    );
  });

  test('clear removes everything, says how much, and the cache goes on', async () => {
    const { cache } = shared;
    await cache.setMany(pairs(100));
    expect(await cache.clear()).toBe(100);
    expect(await cache.clear()).toBe(0);
    expect(await cache.size()).toBe(0);
    expect(await cache.get('k5')).toBeUndefined();
    await cache.set('k5', 'back');
    expect(await cache.get('k5')).toBe('back');
  });

  test('size counts what has expired until it is swept; validSize sweeps first', async () => {
    const { cache, clock } = shared;
    await cache.set('short', 1, { ttl: 10 });
    await cache.set('long', 1, { ttl: 1_000 });
    expect(await cache.size()).toBe(2);
    expect(await cache.validSize()).toBe(2);
    clock.advance(10);
    expect(await cache.validSize()).toBe(1);
    expect(await cache.size()).toBe(1);
  });

  test('cleanup removes what has expired and says how much', async () => {
    const cache = shared.cache;
    expect(await cache.cleanup()).toBe(0);
    await cache.setMany(pairs(10));
    expect(await cache.cleanup()).toBe(0);
    expect(await cache.size()).toBe(10);
  });

  describe('pop', () => {
    test('removes a key and resolves to its value', async () => {
      const { cache } = shared;
      await cache.set('k', { a: 1 });
      expect(await cache.pop('k')).toEqual({ a: 1 });
      expect(await cache.pop('k')).toBeUndefined();
      expect(await cache.size()).toBe(0);
    });

    test('finds no value that has expired', async () => {
      const { cache, clock } = shared;
      await cache.set('k', 1, { ttl: 10 });
      clock.advance(10);
      expect(await cache.pop('k')).toBeUndefined();
      expect(await cache.size()).toBe(0);
    });

    test('is won by exactly one of fifty at once', async () => {
      const { cache } = shared;
      await cache.set('k', 'prize');
      const popped = await Promise.all(Array.from({ length: 50 }, () => cache.pop('k')));
      expect(popped.filter((value) => value === 'prize')).toHaveLength(1);
      expect(popped.filter((value) => value === undefined)).toHaveLength(49);
    });

    test('of a value of many mebibytes brings it whole', async () => {
      const { cache } = shared;
      const value = Buffer.alloc(5_000_000, 7);
      await cache.set('k', value);
      expect(value.equals((await cache.pop('k')) as Buffer)).toBe(true);
      expect(await cache.has('k')).toBe(false);
    });
  });

  describe('popItem', () => {
    test('drains a hundred entries, each once, then resolves to undefined', async () => {
      const { cache } = shared;
      await cache.setMany(pairs(100));
      const drained: unknown[] = [];
      for (let i = 0; i < 100; i++) {
        drained.push(await cache.popItem());
      }
      expect(new Map(drained as [string, number][])).toEqual(new Map(pairs(100)));
      expect(await cache.popItem()).toBeUndefined();
      expect(await cache.size()).toBe(0);
    });

    test('gives nobody what another has', async () => {
      const { cache } = shared;
      await cache.setMany(pairs(50));
      const popped = await Promise.all(Array.from({ length: 60 }, () => cache.popItem()));
      const items = popped.filter((item) => item !== undefined);
      expect(new Set(items.map(([key]) => key)).size).toBe(items.length);
      expect(items.length + (await cache.size())).toBe(50);
      // Each asks every shard before it gives up.
      expect(items.length).toBe(50);
    });

    test('passes over what has expired', async () => {
      const { cache, clock } = shared;
      await cache.setMany(pairs(20), { ttl: 10 });
      await cache.set('live', 1);
      clock.advance(10);
      expect(await cache.popItem()).toEqual(['live', 1]);
      expect(await cache.popItem()).toBeUndefined();
    });

    test('gives structured keys back, equal', async () => {
      const { cache } = shared;
      const key = { user: 1, parts: [null, 5n, new Date(3)] };
      await cache.set(key, 'v');
      expect(await cache.popItem()).toEqual([key, 'v']);
    });
  });

  test('an aborted signal rejects with its reason, before and after the call', async () => {
    const { cache } = shared;
    await expect(cache.set('k', 1, { signal: AbortSignal.abort('why') })).rejects.toBe('why');
    await expect(cache.get('k', { signal: AbortSignal.abort('why') })).rejects.toBe('why');
    expect(await cache.has('k')).toBe(false);
    const controller = new AbortController();
    const call = cache.set('k', 1, { signal: controller.signal });
    controller.abort('changed my mind');
    await expect(call).rejects.toBe('changed my mind');
    expect(await cache.has('k')).toBe(false);
  });

  test('a signal that aborts after the answer changes nothing', async () => {
    const { cache } = shared;
    const controller = new AbortController();
    await cache.set('k', 1, { signal: controller.signal, timeout: 50 });
    controller.abort();
    expect(await cache.get('k')).toBe(1);
  });

  const misused: [string, object | string | number, string][] = [
    ['a signal that is none', { signal: {} }, 'signal'],
    ['a negative timeout', { timeout: -1 }, 'timeout'],
    ['a timeout that is no duration', { timeout: 'soon' }, 'timeout'],
    ['a text', 'soon', 'options'],
    ['a number, as other caches take a ttl', 5_000, 'options'],
  ];
  test.each(misused)('every call refuses %s in its options', async (_what, given, option) => {
    const { cache } = shared;
    const bad = given as never;
    const calls = [
      cache.get('k', bad),
      cache.getOrThrow('k', bad),
      cache.lookup('k', bad),
      cache.peek('k', bad),
      cache.has('k', bad),
      cache.touch('k', bad),
      cache.ttl('k', bad),
      cache.set('k', 1, bad),
      cache.add('k', 1, bad),
      cache.update('k', 1, bad),
      cache.getOrSet('k', () => 1, bad),
      cache.increment('k', 1, bad),
      cache.expire('k', 1, bad),
      cache.delete('k', bad),
      cache.pop('k', bad),
      cache.popItem(bad),
      cache.getMany(['k'], bad),
      cache.setMany([['k', 1]], bad),
      cache.deleteMany(['k'], bad),
      cache.keys(bad).next(),
      cache.values(bad).next(),
      cache.entries(bad).next(),
      cache.toMap(bad),
      cache.clear(bad),
      cache.size(bad),
      cache.validSize(bad),
      cache.cleanup(bad),
      cache.metrics(bad),
      cache.resetMetrics(bad),
    ];
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'INVALID_CONFIG', option } });
    }
    expect(await cache.size()).toBe(0);
  });

  test.each([0, -1, Number.NaN, '5', true])('a ttl of %o is refused and nothing is stored', async (given) => {
    const { cache } = shared;
    const ttl = given as number;
    const calls = [
      cache.set('k', 'v', { ttl }),
      cache.add('k', 'v', { ttl }),
      cache.update('k', 'v', { ttl }),
      cache.setMany([['k', 'v']], { ttl }),
      cache.getOrSet('k', () => 'v', { ttl }),
      cache.increment('k', 1, { ttl }),
      cache.expire('k', ttl),
    ];
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'TypeError', code: 'INVALID_TTL', ttl } });
    }
    expect(await cache.size()).toBe(0);
  });

  test.each(['sliding', 'keepTtl'])(
    'a %s that is neither true nor false is refused, whatever is there',
    async (option) => {
      const { cache } = shared;
      await cache.set('k', 'v');
      const options = { [option]: 'yes' as never };
      const calls = [cache.update('k', 'w', options)];
      if (option === 'sliding') {
        calls.push(cache.set('k', 'w', options), cache.add('k', 'w', options), cache.setMany([['k', 'w']], options));
        calls.push(cache.increment('k', 1, options) as never, cache.getOrSet('k', () => 'w', options) as never);
      }
      for (const outcome of await Promise.allSettled(calls)) {
        expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'INVALID_CONFIG', option } });
      }
      expect(await cache.get('k')).toBe('v');
    },
  );
});

describe.each(READS)('reads: %s', (reads) => {
  const make = cachesOfOneTest();

  test('popItem takes what would be evicted next, where the policy knows', async () => {
    for (const eviction of ['lru', 'fifo'] as const) {
      const cache = await make({ reads, shards: 1, eviction });
      await cache.setMany(pairs(4));
      await cache.get('k0');
      const drained = [await cache.popItem(), await cache.popItem(), await cache.popItem(), await cache.popItem()];
      const order = eviction === 'lru' ? ['k1', 'k2', 'k3', 'k0'] : ['k0', 'k1', 'k2', 'k3'];
      expect(drained.map((item) => item?.[0])).toEqual(order);
    }
  });

  test('more pairs than a queue holds go through setMany, getMany and deleteMany', async () => {
    const cache = await make({ reads, maxPendingCalls: 100, shards: 1 });
    await cache.setMany(pairs(5_000));
    expect(await cache.size()).toBe(5_000);
    const keys = pairs(5_000).map(([key]) => key);
    expect((await cache.getMany(keys)).size).toBe(5_000);
    expect(await cache.deleteMany(keys)).toBe(5_000);
  });

  test('values larger than a queue holds go through setMany', async () => {
    const cache = await make({ reads, maxPendingBytes: '1mb', maxBytes: '128mb', shards: 1 });
    await cache.setMany(Array.from({ length: 12 }, (_, i) => [`k${i}`, Buffer.alloc(3_000_000 + i, i)] as const));
    const found = await cache.getMany(pairs(12).map(([key]) => key));
    expect([...found.values()].map((value) => (value as Buffer).length)).toEqual(
      Array.from({ length: 12 }, (_, i) => 3_000_000 + i),
    );
  });
});
