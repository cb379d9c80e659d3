/** getOrSet over threads, and what it does with time: one computation for all, stale values, jitter, tasks. */
import { setTimeout as sleep } from 'node:timers/promises';
import { attachCache, type Cache, CacheError } from 'shardstash';
import { crashShard, manualClock } from 'shardstash/testing';
import { describe, expect, test, vi } from 'vitest';
import { cachesOfOneTest, isOverTier, outcomeOf } from '../support/caches.ts';
import { clientThreadsOfOneTest } from '../support/client-thread.ts';

const make = cachesOfOneTest();
const join = clientThreadsOfOneTest();
const TASKS = new URL('../support/tasks.mjs', import.meta.url);

describe('one computation for all threads', () => {
  test('a thousand callers in four threads are one run', async () => {
    const cache = await make();
    const joined = [await join(cache), await join(cache), await join(cache)];
    const ask = async (c: Cache) => {
      const make = async () => {
        await c.increment('runs');
        await new Promise((resolve) => setTimeout(resolve, 100));
        return { by: 'one' };
      };
      return await Promise.all(Array.from({ length: 250 }, () => c.getOrSet('k', make)));
    };
    const values = await Promise.all([ask(cache), ...joined.map((thread) => thread.run(ask))]);
    expect(values.flat()).toEqual(Array.from({ length: 1_000 }, () => ({ by: 'one' })));
    expect(await cache.get('runs')).toBe(1);
  });

  test('what a factory throws reaches those who wait in other threads, with its name and code, and is not cached', async () => {
    const cache = await make();
    const thread = await join(cache);
    const failing = thread.run((c) =>
      c.getOrSet('k', async () => {
        await new Promise((resolve) => setTimeout(resolve, 100));
        throw Object.assign(new RangeError('no such thing'), { code: 'E_MINE', cause: 'why' });
      }),
    );
    failing.catch(() => {});
    await sleep(40);
    const error = await cache.getOrSet('k', () => 'not run').catch((caught) => caught);
    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({ message: 'no such thing', code: 'E_MINE', cause: 'why' });
    await expect(failing).rejects.toMatchObject({ code: 'E_MINE' });
    expect(await cache.getOrSet('k', () => 'next')).toBe('next');
  });

  test.each<[string, () => unknown, object]>([
    [
      'a DOMException, as fetch throws it',
      () => new DOMException('too late', 'TimeoutError'),
      { name: 'TimeoutError', message: 'too late' },
    ],
    [
      'an error that holds what cannot become bytes',
      () => Object.assign(new RangeError('no'), { code: 'E_MINE', body: new Blob(['x']) }),
      { name: 'RangeError', code: 'E_MINE' },
    ],
    ['more than should cross', () => Object.assign(Object.create(null), { text: 'x'.repeat(100_000) }), {}],
  ])('%s reaches those who wait in other threads, and who asked as it was', async (_what, thrown, told) => {
    const cache = await make({ shards: 1 });
    const client = await attachCache(cache.handle());
    const own = thrown();
    let fail: (error: unknown) => void = () => {};
    const failing = cache.getOrSet('k', () => new Promise((_resolve, reject) => (fail = reject))).catch((e) => e);
    await cache.size();
    const waiting = client.getOrSet('k', () => 'not run').catch((e) => e);
    await client.size();
    fail(own);
    expect(await failing).toBe(own);
    const error = await waiting;
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject(told);
    await client.close();
  });

  test('a caller that gives up before it was told to compute keeps nobody of its thread waiting', async () => {
    const cache = await make({ shards: 1 });
    const abort = new AbortController();
    const first = outcomeOf(cache.getOrSet('k', () => 'not run', { signal: abort.signal }));
    const second = cache.getOrSet('k', () => 'mine', { timeout: 1_000 });
    abort.abort({ code: 'BORED' });
    expect(await Promise.all([first, second])).toEqual(['BORED', 'mine']);
  });

  test('whoever waits for a computation of its own thread leaves no timer behind', async () => {
    const cache = await make({ shards: 1 });
    const leaseTimeout = 477;
    const begun = vi.spyOn(globalThis, 'setTimeout');
    const ended = vi.spyOn(globalThis, 'clearTimeout');
    try {
      const slow = () => sleep(20, 'value');
      await Promise.all([1, 2, 3].map(() => cache.getOrSet('k', slow, { leaseTimeout })));
      const timers = begun.mock.results.filter((_result, i) => begun.mock.calls[i]?.[1] === leaseTimeout);
      expect(timers.length).toBeGreaterThan(1);
      for (const { value } of timers) expect(ended.mock.calls.flat()).toContain(value);
    } finally {
      vi.restoreAllMocks();
    }
  });

  test('what was begun before a client leaves is stored, if it comes in time', async () => {
    const cache = await make({ shards: 1 });
    const client = await attachCache(cache.handle());
    const value = client.getOrSet('k', () => sleep(30, 'value'));
    await client.close();
    expect(await value).toBe('value');
    expect(await cache.get('k')).toBe('value');
  });

  test('a holder whose thread ends passes the lease on', async () => {
    const cache = await make();
    const thread = await join(cache);
    void thread.run((c) => c.getOrSet('k', () => new Promise(() => {}))).catch(() => {});
    await sleep(50);
    const waiting = cache.getOrSet('k', () => 'mine');
    await sleep(20);
    await thread.end();
    expect(await waiting).toBe('mine');
  });

  test('a holder that hangs is overtaken after `leaseTimeout`, and what it brings late is not stored', async () => {
    const cache = await make();
    const thread = await join(cache);
    const hanging = thread.run((c) =>
      c.getOrSet(
        'k',
        async () => {
          await new Promise((resolve) => setTimeout(resolve, 400));
          return 'late';
        },
        { leaseTimeout: 100 },
      ),
    );
    await sleep(50);
    expect(await cache.getOrSet('k', () => 'in time', { leaseTimeout: 100 })).toBe('in time');
    expect(await hanging).toBe('late');
    expect(await cache.get('k')).toBe('in time');
  });

  test('a holder that hangs is overtaken when its own time is over, by whoever would have had more', async () => {
    const cache = await make({ shards: 1 });
    const client = await attachCache(cache.handle());
    void cache.getOrSet('k', () => new Promise(() => {}), { leaseTimeout: 50 }).catch(() => {});
    await cache.size();
    expect(await client.getOrSet('k', () => 'mine', { timeout: 2_000 })).toBe('mine');
    await Promise.all([client.close(), cache.close({ timeout: 1 })]);
  });

  test('a factory is told when its time is over', async () => {
    const cache = await make();
    const reason = await cache.getOrSet(
      'k',
      (_key, { signal }) =>
        new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason.code))),
      { leaseTimeout: 20 },
    );
    expect(reason).toBe('TIMEOUT');
  });

  test('a delete in another thread keeps a late value from coming back, and those who waited get it', async () => {
    const cache = await make();
    const thread = await join(cache);
    const slow = thread.run((c) =>
      c.getOrSet('k', async () => {
        await new Promise((resolve) => setTimeout(resolve, 150));
        return 'late';
      }),
    );
    await sleep(40);
    const waiting = cache.getOrSet('k', () => 'not run');
    await sleep(20);
    await cache.delete('k');
    const after = cache.getOrSet('k', () => 'fresh');
    expect(await Promise.all([waiting, after, slow])).toEqual(['late', 'fresh', 'late']);
    expect(await cache.get('k')).toBe('fresh');
  });

  test('a caller who gives up before his computation begins leaves it to the next, in the same thread', async () => {
    const cache = await make();
    const abort = new AbortController();
    const first = outcomeOf(cache.getOrSet('k', () => 'not run', { signal: abort.signal }));
    const second = cache.getOrSet('k', () => 'second');
    abort.abort({ code: 'BORED' });
    expect(await Promise.all([first, second])).toEqual(['BORED', 'second']);
  });

  test('a caller in another thread gives up alone', async () => {
    const cache = await make();
    const thread = await join(cache);
    const slow = thread.run((c) =>
      c.getOrSet('k', async () => {
        await new Promise((resolve) => setTimeout(resolve, 200));
        return 'value';
      }),
    );
    await sleep(50);
    const abort = new AbortController();
    const waiting = [
      outcomeOf(cache.getOrSet('k', () => 1, { timeout: 20 })),
      outcomeOf(cache.getOrSet('k', () => 1, { signal: abort.signal })),
    ];
    abort.abort({ code: 'BORED' });
    expect(await Promise.all(waiting)).toEqual(['TIMEOUT', 'BORED']);
    expect(await slow).toBe('value');
    expect(await cache.getOrSet('k', () => 1)).toBe('value');
  });
});

describe('a factory that asks for its own key', () => {
  test('rejects with REENTRANT_CALL, however deep', async () => {
    const cache = await make();
    const own = cache.getOrSet('a', () => cache.getOrSet('a', () => 1));
    await expect(own).rejects.toMatchObject({ name: 'TypeError', code: 'REENTRANT_CALL', key: 'a' });
    const circle = cache.getOrSet('a', () => cache.getOrSet('b', async () => await cache.getOrSet('a', () => 1)));
    await expect(circle).rejects.toMatchObject({ code: 'REENTRANT_CALL', key: 'a' });
    expect(await cache.getOrSet('a', () => cache.getOrSet('b', () => 2))).toBe(2);
  });

  test('does not when somebody has stored it meanwhile, nor in another cache, nor after it has returned', async () => {
    const cache = await make();
    const other = await make();
    const inner = cache.getOrSet('a', async () => {
      await cache.set('a', 'stored');
      return await cache.getOrSet('a', () => 'not run');
    });
    expect(await inner).toBe('stored');
    expect(await cache.getOrSet('b', () => other.getOrSet('b', () => 'other'))).toBe('other');
    let later: Promise<unknown> = Promise.resolve();
    await cache.getOrSet('c', () => {
      later = sleep(30).then(() => cache.getOrSet('d', () => 'fine'));
      return 1;
    });
    expect(await later).toBe('fine');
  });

  test('does not in what it left behind, while others compute', async () => {
    const cache = await make({ shards: 1 });
    let letGo: () => void = () => {};
    let later: Promise<unknown> = Promise.resolve();
    await cache.getOrSet('a', () => {
      const gate = new Promise<void>((resolve) => (letGo = resolve));
      later = gate.then(() => cache.getOrSet('a', () => 'again'));
      return 1;
    });
    await cache.delete('a');
    const other = cache.getOrSet('b', async () => {
      letGo();
      return await later;
    });
    expect(await other).toBe('again');
  });
});

describe('grace', () => {
  test('serves the value whose ttl is over while one computes it anew, to every thread', async () => {
    const clock = manualClock();
    const cache = await make({ clock });
    const thread = await join(cache);
    const options = { ttl: '1m', grace: '10m' };
    expect(await cache.getOrSet('k', () => 'old', options)).toBe('old');
    clock.advance('2m');
    expect([await cache.get('k'), cache.getSync('k'), await cache.has('k')]).toEqual([undefined, undefined, false]);
    let finish = (_value: string) => {};
    const slow = () =>
      new Promise<string>((resolve) => {
        finish = resolve;
      });
    expect(await cache.getOrSet('k', slow, options)).toBe('old');
    expect(await cache.getOrSet('k', () => 'not run', options)).toBe('old');
    expect(await thread.run((c) => c.getOrSet('k', () => 'not run', { grace: 1 }))).toBe('old');
    finish('new');
    while ((await cache.get('k')) !== 'new') await sleep(5);
    expect(await cache.ttl('k')).toBe(60_000);
    expect(await thread.run((c) => c.getOrSet('k', () => 'not run'))).toBe('new');
  });

  test('serves it on when the factory fails, and tells the logger', async () => {
    const clock = manualClock();
    const warnings: string[] = [];
    const quiet = () => {};
    const logger = { debug: quiet, info: quiet, warn: (message: string) => void warnings.push(message), error: quiet };
    const cache = await make({ clock, logger, shards: 1 });
    const options = { ttl: '1m', grace: '10m' };
    await cache.getOrSet('k', () => 'old', options);
    clock.advance('2m');
    for (let i = 1; i <= 3; i++) {
      expect(await cache.getOrSet('k', () => Promise.reject(new Error('down')), options)).toBe('old');
      while (warnings.length < i) await sleep(5);
    }
    expect(await cache.getOrSet('k', () => 'up', options)).toBe('old');
    while ((await cache.get('k')) !== 'up') await sleep(5);
    clock.advance('12m');
    await expect(cache.getOrSet('k', () => Promise.reject(new Error('down')), options)).rejects.toThrow('down');
  });

  test('lets a factory that fails again and again run no more than ten times a second', async () => {
    const clock = manualClock();
    const cache = await make({ clock, shards: 1 });
    const options = { ttl: '1m', grace: '10m' };
    await cache.getOrSet('k', () => 'old', options);
    clock.advance('2m');
    let runs = 0;
    const failing = () => Promise.reject(new Error(`run ${++runs}`));
    for (const endMs = performance.now() + 250; performance.now() < endMs; ) {
      expect(await cache.getOrSet('k', failing, options)).toBe('old');
    }
    expect(runs).toBeGreaterThan(0);
    expect(runs).toBeLessThan(5);
  });

  test('is for who asks for it: others compute, and wait', async () => {
    const clock = manualClock();
    const cache = await make({ clock });
    await cache.getOrSet('k', () => 'old', { ttl: '1m', grace: '10m' });
    clock.advance('2m');
    expect(await cache.getOrSet('k', () => 'new', { ttl: '1m' })).toBe('new');
  });

  test.skipIf(isOverTier('over a server memory is emptied when its owner dies', 'redis'))(
    'outlives the owner of the shard',
    async () => {
      const clock = manualClock();
      const cache = await make({ clock, shards: 1 });
      await cache.getOrSet('k', () => 'old', { ttl: '1m', grace: '10m' });
      clock.advance('2m');
      await crashShard(cache, 0);
      expect(await cache.getOrSet('k', () => new Promise<string>(() => {}), { grace: 1 })).toBe('old');
    },
  );
});

test('jitter lets what was stored together expire apart, within its share of the ttl', async () => {
  const cache = await make({ clock: manualClock() });
  const left: number[] = [];
  for (let i = 0; i < 200; i++) {
    await cache.getOrSet(i, () => i, { ttl: 1_000, jitter: 0.2 });
    left.push((await cache.ttl(i)) as number);
  }
  expect(Math.min(...left)).toBeGreaterThanOrEqual(800);
  expect(Math.max(...left)).toBeLessThanOrEqual(1_000);
  expect(Math.max(...left) - Math.min(...left)).toBeGreaterThan(100);
});

describe('a task', () => {
  test('is computed once for all threads, in none of theirs, and stored', async () => {
    const cache = await make({ compute: { threads: 1 } });
    const thread = await join(cache);
    const options = { task: { module: TASKS.href, export: 'burn', args: [150, 144] } };
    const ask = (c: Cache, given: typeof options) =>
      Promise.all(Array.from({ length: 25 }, () => c.getOrSet('k', given)));
    const values = await Promise.all([ask(cache, options), thread.run(ask, options)]);
    expect(new Set(values.flat())).toEqual(new Set([144]));
    expect(await cache.get('k')).toBe(144);
  });

  test('asked for by another thread runs there as well, with its errors', async () => {
    const cache = await make();
    const thread = await join(cache);
    const href = TASKS.href;
    expect(
      await thread.run((c, module) => c.getOrSet('k', { task: { module, export: 'burn', args: [1, 9] } }), href),
    ).toBe(9);
    const missing = thread.run((c, module) => c.getOrSet('none', { task: { module, export: 'missing' } }), href);
    await expect(missing).rejects.toMatchObject({ name: 'TypeError', code: 'UNKNOWN_PLUGIN' });
    expect(await cache.has('none')).toBe(false);
  });

  test('of another thread is refused by the same errors', async () => {
    const cache = await make({ shards: 1, compute: { threads: 1, queue: 0 } });
    const client = await attachCache(cache.handle());
    const ask = (key: string, ...args: unknown[]) =>
      client.getOrSet(key, { task: { module: TASKS, export: 'burn', args } }).catch((error) => error);
    expect(await ask('a', () => {})).toMatchObject({ name: 'TypeError', code: 'INVALID_CONFIG', option: 'args' });
    const [, refused] = await Promise.all([ask('b', 50), ask('c', 50)]);
    expect(refused).toBeInstanceOf(CacheError);
    expect(refused).toMatchObject({ name: 'CacheError', code: 'OVERLOADED', outcome: 'not-sent' });
    await client.close();
  });

  test.each<[string, object, string]>([
    ['whose module is missing', { module: new URL('./none.mjs', import.meta.url) }, 'UNKNOWN_PLUGIN'],
    ['that is none', { task: 5 }, 'INVALID_CONFIG'],
    ['whose args are none', { module: TASKS, args: 'no' }, 'INVALID_CONFIG'],
    ['that returns what cannot be stored', { module: TASKS, export: 'unstorable' }, 'SERIALIZATION_ERROR'],
    ['that ends its thread', { module: TASKS, export: 'exit' }, 'COMPUTE_ERROR'],
  ])('%s rejects, and leaves the key free', async (_what, task, code) => {
    const cache = await make();
    await expect(cache.getOrSet('k', { task: task as never })).rejects.toMatchObject({ code });
    expect(await cache.getOrSet('k', () => 1)).toBe(1);
  });

  test('that hangs is ended when its lease is over, and the next one gets its thread', async () => {
    const cache = await make({ compute: { threads: 1 } });
    const hang = { task: { module: TASKS, export: 'forEver' }, leaseTimeout: 200 };
    await expect(cache.getOrSet('k', hang)).rejects.toMatchObject({ code: 'TIMEOUT' });
    const task = { module: TASKS, export: 'burn', args: [1, 16] };
    expect(await cache.getOrSet('k', { task })).toBe(16);
  });

  test('leaves the event loop of whoever asks alone', async () => {
    const cache = await make();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    await cache.getOrSet('k', { task: { module: TASKS, export: 'burn', args: [400] } });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(20);
  });
});

test.each<[string, object]>([
  ['grace', { grace: -1 }],
  ['grace', { grace: 'long' }],
  ['jitter', { jitter: 1.1 }],
  ['jitter', { jitter: '10%' }],
  ['leaseTimeout', { leaseTimeout: 0 }],
])('refuses an option `%s` like %o', async (option, options) => {
  const cache = await make({ shards: 1 });
  await expect(cache.getOrSet('k', () => 1, options as never)).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    option,
  });
  expect(await cache.getOrSet('k', () => 1)).toBe(1);
});
