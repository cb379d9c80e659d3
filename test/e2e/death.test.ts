/** Threads of shards that die, in every way there is: what is lost, what goes on, and who hears of it. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cache, CacheOptions } from 'shardstash';
import { crashShard, manualClock } from 'shardstash/testing';
import { describe, expect, test } from 'vitest';
import { cachesOfOneTest, isInMemory, isOverTier, outcomeOf, pairs } from '../support/caches.ts';
import { clientThreadsOfOneTest } from '../support/client-thread.ts';

const make = cachesOfOneTest();
const join = clientThreadsOfOneTest();
const HOSTILE = { module: new URL('../support/hostile-policy.mjs', import.meta.url) };

async function restarts(cache: Cache): Promise<number> {
  return (await cache.metrics()).restarts;
}

/** Lets the thread of the key's shard end in the way that the key says. */
async function end(cache: Cache, way: string): Promise<boolean> {
  await cache.set(way, 1);
  return await cache.delete(way);
}

describe('a shard whose thread ends', () => {
  test.each(['!throw', '!reject', '!exit', '!exit 0', '!stall', '!wait'])(
    'by %s gets another owner, and what was acknowledged is there',
    async (way) => {
      const cache = await make({ shards: 1, eviction: HOSTILE, stallTimeout: 300 });
      const thread = await join(cache);
      await cache.setMany(pairs(500));
      expect([true, 'SHARD_DOWN']).toContain(await outcomeOf(end(cache, way)));
      while ((await restarts(cache)) === 0) await sleep(5);
      await cache.set('after', 1);
      await thread.run((c) => c.set('after, from a thread', 2));
      expect(await restarts(cache)).toBe(1);
      expect(await cache.getMany(pairs(500).map(([k]) => k))).toEqual(new Map(pairs(500)));
      expect(await thread.run((c) => c.getMany(['after', 'k7']))).toEqual(
        new Map([
          ['after', 1],
          ['k7', 7],
        ]),
      );
    },
  );

  test('rejects writes in flight with SHARD_DOWN, their outcome unknown; what waits goes to the next owner', async () => {
    const cache = await make({ shards: 1, eviction: HOSTILE, stallTimeout: 300 });
    await cache.set('kept', 1);
    const stalling = end(cache, '!stall').catch((error) => error);
    await sleep(20);
    const second = cache.set('a', 1).catch((error) => error);
    await sleep(5);
    const waiting = [cache.set('b', 2), cache.get('b'), cache.increment('n')];
    expect(await stalling).toMatchObject({
      name: 'CacheError',
      code: 'SHARD_DOWN',
      outcome: 'unknown',
      shard: 0,
      key: '!stall',
    });
    expect(await second).toMatchObject({ code: 'SHARD_DOWN', outcome: 'unknown', key: 'a' });
    expect(await Promise.all(waiting)).toEqual([undefined, 2, 1]);
  });

  test('does nothing more when it has failed in the middle of a change', async () => {
    const cache = await make({ shards: 1, eviction: HOSTILE });
    await cache.set('!break', 1);
    const breaking = outcomeOf(cache.delete('!break'));
    await sleep(20);
    expect(await Promise.all([breaking, outcomeOf(cache.set('next', 1))])).toEqual(['SHARD_DOWN', 'SHARD_DOWN']);
    expect(await cache.has('next')).toBe(false);
  });

  test('answers reads in flight by the next owner', async () => {
    const cache = await make({ shards: 1, eviction: HOSTILE, stallTimeout: 300, reads: 'owner' });
    await cache.set('kept', 1);
    const stalling = outcomeOf(end(cache, '!stall'));
    await sleep(20);
    const reads = [cache.get('kept'), cache.has('none'), cache.size(), cache.lookup('kept')];
    expect(await stalling).toBe('SHARD_DOWN');
    // The key that made it stall may be there or not.
    expect(await Promise.all(reads)).toMatchObject([1, false, expect.any(Number), { status: 'hit', value: 1 }]);
  });

  test('is read from all threads while it has no owner', async () => {
    const cache = await make({ shards: 1, eviction: HOSTILE, stallTimeout: false, timeout: '200ms' });
    const thread = await join(cache);
    await cache.setMany(pairs(100));
    void end(cache, '!stall').catch(() => {});
    await sleep(20);
    expect(await cache.get('k1')).toBe(1);
    expect(cache.getSync('k2')).toBe(2);
    expect(await thread.run((c) => c.get('k3'))).toBe(3);
    expect(await outcomeOf(cache.set('k1', 5))).toBe('TIMEOUT');
    expect(await cache.get('k4')).toBe(4);
    await cache.close({ timeout: 10 });
  });

  test('keeps no other shard waiting', async () => {
    const cache = await make({ shards: 2, eviction: HOSTILE, stallTimeout: false, timeout: '300ms' });
    void end(cache, '!wait').catch(() => {});
    await sleep(20);
    const outcomes = await Promise.all(pairs(200).map(([key, value]) => outcomeOf(cache.set(key, value))));
    const answered = outcomes.filter((outcome) => outcome === undefined).length;
    expect(new Set(outcomes)).toEqual(new Set([undefined, 'TIMEOUT']));
    expect(answered).toBeGreaterThan(50);
    expect(answered).toBeLessThan(150);
    await cache.close({ timeout: 10 });
  });

  test('is told of: channels and logger', async () => {
    const heard: string[] = [];
    const hear = (message: unknown, name: string | symbol) => {
      heard.push(`${String(name)} ${(message as { shard: number }).shard}`);
    };
    const names = ['shardstash:shard:down', 'shardstash:shard:up', 'shardstash:shard:failed'];
    for (const name of names) subscribe(name, hear);
    try {
      const cache = await make({ shards: 2, crashBudget: 1 });
      await crashShard(cache, 1);
      await cache.setMany(pairs(100));
      await crashShard(cache, 1);
      while ((await outcomeOf(cache.setMany(pairs(100)))) !== 'SHARD_FAILED') await sleep(5);
    } finally {
      for (const name of names) unsubscribe(name, hear);
    }
    expect(heard).toEqual([
      'shardstash:shard:down 1',
      'shardstash:shard:up 1',
      'shardstash:shard:down 1',
      'shardstash:shard:failed 1',
    ]);
  });
});

const FORGETS = isOverTier(
  'a new owner trusts nothing that others may have changed meanwhile, and asks the tier',
  'redis',
);

describe.skipIf(FORGETS)('what comes back', () => {
  test.each(['lru', 'fifo'])('%s: the entries in the order in which they were written', async (eviction) => {
    const cache = await make({ shards: 1, maxEntries: 10, eviction });
    await cache.setMany(pairs(10));
    await cache.set('k0', 'written again');
    await crashShard(cache, 0);
    const gone: unknown[] = [];
    for (let i = 0; i < 3; i++) gone.push((await cache.popItem())?.[0]);
    expect(gone).toEqual(eviction === 'lru' ? ['k1', 'k2', 'k3'] : expect.arrayContaining(['k1', 'k2']));
  });

  test('the wheel: what is to expire expires, sliding included', async () => {
    const clock = manualClock();
    const cache = await make({ shards: 1, clock, cleanupInterval: 10 });
    await cache.set('short', 1, { ttl: 100 });
    await cache.set('long', 1, { ttl: 10_000 });
    await cache.set('sliding', 1, { ttl: 1_000, sliding: true });
    await crashShard(cache, 0);
    await cache.set('late', 1);
    clock.advance(900);
    expect([cache.getSync('short'), cache.getSync('sliding')]).toEqual([undefined, 1]);
    clock.advance(900);
    expect([cache.getSync('long'), cache.getSync('sliding')]).toEqual([1, 1]);
    clock.advance(20_000);
    while ((await cache.size()) > 1) await sleep(5);
    expect(await cache.toMap()).toEqual(new Map([['late', 1]]));
    expect((await cache.metrics()).expirations).toBe(3);
  });

  const filters = ['blocked-bloom', 'bloom', 'cuckoo'] as const;
  const isGrown = isOverTier('a cuckoo filter cannot grow with the keys of a tier, and is refused');

  test.each(isGrown ? filters.slice(0, 2) : filters)(
    'the filter, %s: it rules out what is not there, and nothing that is',
    async (type) => {
      const cache = await make({ shards: 1, reads: 'owner', filter: { type } });
      await cache.setMany(pairs(2_000));
      await crashShard(cache, 0);
      await cache.set('late', 1);
      const found = await cache.getMany(pairs(2_000).map(([key]) => key));
      expect(found.size).toBe(2_000);
      const before = (await cache.metrics()).filterNegatives;
      for (let i = 0; i < 1_000; i++) await cache.get(`none ${i}`);
      expect((await cache.metrics()).filterNegatives - before).toBeGreaterThan(900);
    },
  );

  test('counts', async () => {
    const cache = await make({ shards: 1 });
    await cache.setMany(pairs(100));
    for (let i = 0; i < 50; i++) await cache.get(`k${i}`);
    await cache.delete('k0');
    await crashShard(cache, 0);
    expect(await cache.metrics()).toMatchObject({
      sets: 100,
      hits: 50,
      manualDeletions: 1,
      currentTotalKeys: 99,
      restarts: 1,
      clients: 1,
    });
  });

  test('a policy of one’s own, with every entry', async () => {
    const cache = await make({ shards: 1, eviction: HOSTILE, maxEntries: 100 });
    await cache.setMany(pairs(100));
    await crashShard(cache, 0);
    await cache.set('one more', 1);
    expect([await cache.size(), isInMemory(cache, 'k0'), isInMemory(cache, 'k1')]).toEqual([100, false, true]);
  });
});

describe('the crash budget', () => {
  const spend = async (options: CacheOptions, deaths: number): Promise<Cache> => {
    const cache = await make({ shards: 1, ...options });
    await cache.setMany(pairs(100));
    for (let i = 0; i < deaths; i++) {
      await crashShard(cache, 0);
      if (i < deaths - 1) await cache.set('alive', i);
    }
    return cache;
  };

  test.skipIf(FORGETS)(
    'spent, the shard is read on, and rejects all else with SHARD_FAILED, in every thread',
    async () => {
      const cache = await make({ shards: 1, crashBudget: 2 });
      const thread = await join(cache);
      await cache.setMany(pairs(100));
      for (let i = 0; i < 3; i++) {
        await crashShard(cache, 0);
        if (i < 2) await cache.set('alive', i);
      }
      expect(await outcomeOf(cache.set('k', 1))).toBe('SHARD_FAILED');
      expect(await outcomeOf(thread.run((c) => c.set('k', 1)))).toBe('SHARD_FAILED');
      expect(await outcomeOf(cache.getOrSet('new', () => 1))).toBe('SHARD_FAILED');
      expect(await outcomeOf(cache.clear())).toBe('SHARD_FAILED');
      expect([await cache.get('k1'), cache.getSync('k2'), await thread.run((c) => c.get('k3'))]).toEqual([1, 2, 3]);
      expect(await cache.getMany(['k4', 'none'])).toEqual(new Map([['k4', 4]]));
      const late = await join(cache);
      expect(await late.run((c) => c.get('k5'))).toBe(5);
      expect(await outcomeOf(late.run((c) => c.delete('k5')))).toBe('SHARD_FAILED');
      expect(await cache.metrics()).toMatchObject({ failed: 1 });
      await cache.close();
    },
  );

  test.skipIf(FORGETS)('of 0 forgives nothing, and reads go on with `reads: owner`, too', async () => {
    const cache = await spend({ crashBudget: 0, reads: 'owner' }, 1);
    expect(await outcomeOf(cache.set('k', 1))).toBe('SHARD_FAILED');
    expect([await cache.get('k1'), await cache.get('none')]).toEqual([1, undefined]);
  });

  test('leaves no lock behind that a reader would meet', async () => {
    const cache = await spend({ crashBudget: 0, eviction: HOSTILE, stallTimeout: 200 }, 0);
    expect(['SHARD_DOWN', 'SHARD_FAILED']).toContain(await outcomeOf(end(cache, '!stall')));
    while ((await outcomeOf(cache.set('k', 1))) !== 'SHARD_FAILED') await sleep(5);
    for (const [key, value] of pairs(100)) {
      expect(cache.getSync(key)).toBe(value);
    }
  });
});

test('a getOrSet that waits for the computation of another thread asks the new owner when the old one dies', async () => {
  const cache = await make({ shards: 1 });
  const thread = await join(cache);
  const slow = thread.run((c) =>
    c.getOrSet('k', async () => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      return 'first';
    }),
  );
  await sleep(100);
  const waiting = cache.getOrSet('k', () => 'second');
  await sleep(50);
  await crashShard(cache, 0);
  expect(await waiting).toBe('second');
  expect(await slow).toBe('first');
  expect(await cache.get('k')).toBe('second');
});

test('crashShard is for the cache that was opened, and for shards that there are', async () => {
  const cache = await make({ shards: 2 });
  for (const shard of [2, -1, 0.5, '0', undefined]) {
    await expect(crashShard(cache, shard as number)).rejects.toMatchObject({ code: 'INVALID_CONFIG', option: 'shard' });
  }
  expect(await restarts(cache)).toBe(0);
});
