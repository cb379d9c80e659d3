/** getOrSet: a value that is computed once, however many ask, and whatever happens to its key meanwhile. */
import { getEventListeners } from 'node:events';
import type { Cache, CacheLogger } from 'shardstash';
import { describe, expect, test } from 'vitest';
import { cachesOfOneTest, isOverTier, pairs, READS, sharedCache } from '../support/caches.ts';
import { withThreads } from '../support/threads.ts';

/** A factory that runs until it is told what to make, and counts its runs. */
function heldFactory() {
  let settle: { resolve(value: unknown): void; reject(error: unknown): void } | undefined;
  let begun = () => {};
  const running = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const held = {
    runs: 0,
    /** Resolves when it has begun. */
    running,
    make(): Promise<unknown> {
      held.runs++;
      begun();
      return new Promise((resolve, reject) => {
        settle = { resolve, reject };
      });
    },
    resolve: (value: unknown) => settle?.resolve(value),
    reject: (error: unknown) => settle?.reject(error),
  };
  return held;
}

function loggerInto(lines: unknown[][]): CacheLogger {
  const note = (level: string) => (message: string, details?: unknown) => void lines.push([level, message, details]);
  return { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
}

describe.each(READS)('reads: %s', (reads) => {
  const shared = sharedCache({ reads });

  test('computes what is not there, stores it, and does not compute it again', async () => {
    const { cache } = shared;
    const asked: unknown[] = [];
    const make = (key: unknown) => {
      asked.push(key);
      return { made: true };
    };
    expect(await cache.getOrSet('k', make)).toEqual({ made: true });
    expect(await cache.getOrSet('k', make)).toEqual({ made: true });
    expect(cache.getSync('k')).toEqual({ made: true });
    expect(asked).toEqual(['k']);
  });

  test.each<[string, () => unknown]>([
    ['returns', () => 'made'],
    ['promises', async () => 'made'],
    // biome-ignore lint/suspicious/noThenProperty: a thenable is the point
    ['makes a thenable of', () => ({ then: (resolve: (value: string) => void) => resolve('made') })],
  ])('takes what a factory %s', async (_how, make) => {
    const { cache } = shared;
    expect(await cache.getOrSet('k', make)).toBe('made');
    expect(await cache.get('k')).toBe('made');
  });

  test.each([null, undefined, false, 0, ''])(
    '%o is a value: it is stored, and a stored one is returned',
    async (value) => {
      const { cache } = shared;
      let runs = 0;
      const make = () => {
        runs++;
        return value;
      };
      expect(await cache.getOrSet('computed', make)).toBe(value);
      expect(await cache.getOrSet('computed', make)).toBe(value);
      expect(await cache.has('computed')).toBe(true);
      expect(runs).toBe(1);
      await cache.set('set', value);
      expect(await cache.getOrSet('set', make)).toBe(value);
      expect(runs).toBe(1);
    },
  );

  test('a hundred callers at once are one run, and each gets a copy of its own', async () => {
    const { cache } = shared;
    let runs = 0;
    const make = async () => {
      runs++;
      await new Promise((resolve) => setImmediate(resolve));
      return { list: [1] };
    };
    const values = (await Promise.all(Array.from({ length: 100 }, () => cache.getOrSet('k', make)))) as {
      list: number[];
    }[];
    expect(runs).toBe(1);
    expect(new Set(values).size).toBe(100);
    values[0]?.list.push(2);
    expect(values[1]).toEqual({ list: [1] });
    expect(await cache.get('k')).toEqual({ list: [1] });
  });

  test('callers who come while it runs join it, whatever factory they bring', async () => {
    const { cache } = shared;
    const held = heldFactory();
    const first = cache.getOrSet('k', held.make);
    await held.running;
    const second = cache.getOrSet('k', () => 'another');
    await cache.size();
    const third = cache.getOrSet('k', () => 'yet another');
    held.resolve('the first');
    expect(await Promise.all([first, second, third])).toEqual(['the first', 'the first', 'the first']);
    expect(held.runs).toBe(1);
  });

  test('different keys are computed at the same time, equal structured keys are one', async () => {
    const { cache } = shared;
    const held = [heldFactory(), heldFactory()] as const;
    const a = cache.getOrSet({ a: 1, b: 2 }, held[0].make);
    const b = cache.getOrSet('other', held[1].make);
    const c = cache.getOrSet({ b: 2, a: 1 }, () => 'second');
    await Promise.all(held.map(({ running }) => running));
    held[1].resolve('B');
    expect(await b).toBe('B');
    held[0].resolve('A');
    expect(await Promise.all([a, c])).toEqual(['A', 'A']);
  });

  test('a key that its caller, or the factory, goes on to change is the one that was asked for', async () => {
    const { cache } = shared;
    const key: number[] = [1];
    const computing = cache.getOrSet(key, (given) => {
      (given as number[]).push(2);
      return 'v';
    });
    key.push(3);
    expect(await computing).toBe('v');
    expect(await cache.get([1])).toBe('v');
    expect(await cache.size()).toBe(1);
  });

  describe('a factory that fails', () => {
    const failures: [string, () => unknown, unknown][] = [
      [
        'throws',
        () => {
          throw new RangeError('thrown');
        },
        new RangeError('thrown'),
      ],
      ['rejects', () => Promise.reject(new RangeError('rejected')), new RangeError('rejected')],
      ['rejects with nothing', () => Promise.reject(undefined), undefined],
      ['returns what cannot be stored', () => () => 1, expect.objectContaining({ code: 'SERIALIZATION_ERROR' })],
    ];

    test.each(failures)(
      'and %s rejects every caller, stores nothing, and leaves the key free',
      async (_how, make, error) => {
        const { cache } = shared;
        let runs = 0;
        const failing = () => {
          runs++;
          return make();
        };
        const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => cache.getOrSet('k', failing)));
        expect(outcomes).toEqual(Array.from({ length: 10 }, () => ({ status: 'rejected', reason: error })));
        expect(runs).toBe(1);
        expect(await cache.has('k')).toBe(false);
        expect(await cache.getOrSet('k', () => 'better')).toBe('better');
        expect(await cache.get('k')).toBe('better');
      },
    );

    test('hands every caller the very error', async () => {
      const { cache } = shared;
      const error = new Error('mine');
      const calls = [1, 2].map(() => cache.getOrSet('k', () => Promise.reject(error)).catch((caught) => caught));
      expect(await Promise.all(calls)).toEqual([error, error]);
      expect((await Promise.all(calls)).every((caught) => caught === error)).toBe(true);
    });
  });

  test.each([undefined, null, 'text', {}])(
    'a factory that is %o is refused, even where there is a value',
    async (given) => {
      const { cache } = shared;
      await cache.set('k', 1);
      for (const key of ['k', 'none']) {
        await expect(cache.getOrSet(key, given as never)).rejects.toMatchObject({
          name: 'TypeError',
          code: 'INVALID_CONFIG',
          option: 'factory',
        });
      }
    },
  );

  describe('a write while the factory runs', () => {
    const writes: [string, (cache: Cache) => Promise<unknown>, unknown][] = [
      ['set', (c) => c.set('k', 'written'), 'written'],
      ['setMany', (c) => c.setMany({ k: 'written' }), 'written'],
      ['add', (c) => c.add('k', 'written'), 'written'],
      ['increment', (c) => c.increment('k', 5), 5],
      ['set and delete', (c) => c.set('k', 1).then(() => c.delete('k')), undefined],
      ['delete', (c) => c.delete('k'), undefined],
      ['deleteMany', (c) => c.deleteMany(['k']), undefined],
      ['pop', (c) => c.pop('k'), undefined],
      ['clear', (c) => c.clear(), undefined],
    ];

    test.each(writes)(
      '%s: the late value reaches those who waited, and changes nothing',
      async (_name, write, after) => {
        const { cache } = shared;
        const held = heldFactory();
        const waiting = [cache.getOrSet('k', held.make), cache.getOrSet('k', held.make)];
        await held.running;
        await write(cache);
        held.resolve('late');
        expect(await Promise.all(waiting)).toEqual(['late', 'late']);
        await cache.size();
        expect(await cache.get('k')).toBe(after);
        expect(held.runs).toBe(1);
      },
    );

    test.each(writes)('%s: who asks after it does not get what was begun before', async (_name, write, after) => {
      const { cache } = shared;
      const held = heldFactory();
      const early = cache.getOrSet('k', held.make);
      await held.running;
      // Awaited or not: the order of the calls counts.
      const written = write(cache);
      if (_name !== 'set and delete') {
        const seen = cache.getOrSet('k', () => 'fresh');
        expect(await seen).toBe(after ?? 'fresh');
      }
      await written;
      expect(await cache.getOrSet('k', () => 'fresh')).toBe(after ?? 'fresh');
      held.resolve('late');
      expect(await early).toBe('late');
      expect(await cache.get('k')).toBe(after ?? 'fresh');
    });

    test.each<[string, (cache: Cache) => Promise<unknown>]>([
      ['update', (c) => c.update('k', 'no')],
      ['expire', (c) => c.expire('k', 10)],
      ['touch', (c) => c.touch('k')],
      ['get', (c) => c.get('k')],
      ['has', (c) => c.has('k')],
      ['a write to another key', (c) => c.set('other', 1)],
    ])('%s, which changes nothing, does not keep the value from being stored', async (_name, call) => {
      const { cache } = shared;
      const held = heldFactory();
      const waiting = cache.getOrSet('k', held.make);
      await held.running;
      await call(cache).catch(() => {});
      held.resolve('value');
      expect(await waiting).toBe('value');
      expect(await cache.get('k')).toBe('value');
    });
  });

  describe('a caller who gives up', () => {
    test('gets TIMEOUT; the computation goes on, and what it brings is stored', async () => {
      const { cache } = shared;
      const held = heldFactory();
      const hasty = cache.getOrSet('k', held.make, { timeout: 20 });
      const patient = cache.getOrSet('k', held.make);
      await expect(hasty).rejects.toMatchObject({ name: 'CacheError', code: 'TIMEOUT', key: 'k' });
      held.resolve('value');
      expect(await patient).toBe('value');
      expect(await cache.get('k')).toBe('value');
      expect(held.runs).toBe(1);
    });

    test('by a signal gets its reason, while the others get the value', async () => {
      const { cache } = shared;
      const held = heldFactory();
      const controller = new AbortController();
      const first = cache.getOrSet('k', held.make, { signal: controller.signal });
      const second = cache.getOrSet('k', held.make);
      await held.running;
      const third = cache.getOrSet('k', held.make, { signal: controller.signal });
      controller.abort('bored');
      await expect(first).rejects.toBe('bored');
      await expect(third).rejects.toBe('bored');
      held.resolve('value');
      expect(await second).toBe('value');
      expect(await cache.get('k')).toBe('value');
      expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    });

    test('leaves no listener behind when the value comes', async () => {
      const { cache } = shared;
      const { signal } = new AbortController();
      await Promise.all(Array.from({ length: 20 }, () => cache.getOrSet('k', () => 1, { signal })));
      expect(getEventListeners(signal, 'abort')).toEqual([]);
    });

    test('before it begins runs no factory', async () => {
      const { cache } = shared;
      const held = heldFactory();
      const call = cache.getOrSet('k', held.make, { signal: AbortSignal.abort('no') });
      await expect(call).rejects.toBe('no');
      await cache.size();
      expect(held.runs).toBe(0);
    });

    test('alone on a factory that fails later is no unhandled rejection', async () => {
      const { cache } = shared;
      const held = heldFactory();
      await expect(cache.getOrSet('k', held.make, { timeout: 5 })).rejects.toMatchObject({ code: 'TIMEOUT' });
      held.reject(new Error('nobody hears this'));
      await cache.size();
      expect(await cache.getOrSet('k', () => 'next')).toBe('next');
    });
  });

  test('a factory that never settles is given up after 30 s, and the next caller’s factory runs', async () => {
    const { cache, clock } = shared;
    const never = () => new Promise<never>(() => {});
    await expect(cache.getOrSet('k', never, { timeout: 5 })).rejects.toMatchObject({ code: 'TIMEOUT' });
    clock.advance(29_999);
    await expect(cache.getOrSet('k', () => 'early', { timeout: 5 })).rejects.toMatchObject({ code: 'TIMEOUT' });
    clock.advance(1);
    expect(await cache.getOrSet('k', () => 'second')).toBe('second');
    expect(await cache.get('k')).toBe('second');
  });

  test('the entry lives as long as whoever began its computation asked for, from when it is stored', async () => {
    const { cache, clock } = shared;
    const held = heldFactory();
    const waiting = cache.getOrSet('k', held.make, { ttl: 1_000, sliding: true });
    const joined = cache.getOrSet('k', held.make, { ttl: 9_000 });
    await held.running;
    clock.advance(600);
    held.resolve('v');
    await Promise.all([waiting, joined]);
    expect(await cache.ttl('k')).toBe(1_000);
    clock.advance(900);
    await cache.get('k');
    expect(await cache.ttl('k')).toBe(1_000);
    clock.advance(1_000);
    expect(await cache.getOrSet('k', () => 'again')).toBe('again');
    expect(await cache.ttl('k')).toBe(Number.POSITIVE_INFINITY);
  });

  test('an expired value is computed again', async () => {
    const { cache, clock } = shared;
    let run = 0;
    const make = () => ++run;
    expect(await cache.getOrSet('k', make, { ttl: 100 })).toBe(1);
    clock.advance(99);
    expect(await cache.getOrSet('k', make, { ttl: 100 })).toBe(1);
    clock.advance(1);
    expect(await cache.getOrSet('k', make, { ttl: 100 })).toBe(2);
  });

  test('a factory may use the cache, and getOrSet of another key', async () => {
    const { cache } = shared;
    const fibonacci = async (n: number): Promise<number> =>
      n < 2 ? n : Number(await cache.getOrSet(n, async () => (await fibonacci(n - 1)) + (await fibonacci(n - 2))));
    expect(await fibonacci(60)).toBe(1_548_008_755_920);
    expect(await cache.size()).toBe(59);
  });

  test('a factory that sets its own key: what it set stays, its caller gets what it returned', async () => {
    const { cache } = shared;
    const value = await cache.getOrSet('k', async (key) => {
      await cache.set(key, 'set inside');
      return 'returned';
    });
    expect([value, await cache.get('k')]).toEqual(['returned', 'set inside']);
  });

  test('counts a miss for everyone who found nothing, and a hit for everyone who found it', async () => {
    const { cache } = shared;
    await Promise.all(Array.from({ length: 10 }, () => cache.getOrSet('k', () => 1)));
    await Promise.all(Array.from({ length: 5 }, () => cache.getOrSet('k', () => 1)));
    expect(await cache.metrics()).toMatchObject({ hits: 5, misses: 10, gets: 15, sets: 1 });
  });

  test('two thousand keys at once, ten callers each', async () => {
    const { cache } = shared;
    let runs = 0;
    const calls = Array.from({ length: 20_000 }, (_, i) =>
      cache.getOrSet(`k${i % 2_000}`, () => {
        runs++;
        return i % 2_000;
      }),
    );
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 20_000 }, (_, i) => i % 2_000));
    expect(runs).toBe(2_000);
    expect(await cache.toMap()).toEqual(new Map(pairs(2_000)));
  });
});

describe.each(READS)('reads: %s', (reads) => {
  const make = cachesOfOneTest();

  test('a value too large to store reaches its callers all the same, with a warning', async () => {
    const lines: unknown[][] = [];
    const cache = await make({ reads, maxBytes: '256kb', logger: loggerInto(lines) });
    const big = Buffer.alloc(1_000_000, 7);
    const values = (await Promise.all([1, 2].map(() => cache.getOrSet('k', () => big)))) as Buffer[];
    expect(values.every((value) => big.equals(value))).toBe(true);
    expect(await cache.has('k')).toBe(false);
    const cause = expect.objectContaining({ code: 'VALUE_TOO_LARGE' });
    expect(lines.filter(([level]) => level === 'warn')).toEqual([
      ['warn', expect.stringContaining('could not be stored'), expect.objectContaining({ key: 'k', cause })],
    ]);
    expect(await cache.getOrSet('k', () => 'small')).toBe('small');
    expect(await cache.get('k')).toBe('small');
  });

  test.skipIf(isOverTier('a tier stores what memory has no room for'))(
    'a full cache that evicts nobody returns the value and stores it not',
    async () => {
      const lines: unknown[][] = [];
      const cache = await make({ reads, shards: 1, maxEntries: 1, eviction: 'none', logger: loggerInto(lines) });
      await cache.set('first', 1);
      expect(await cache.getOrSet('second', () => 2)).toBe(2);
      expect([await cache.has('first'), await cache.has('second')]).toEqual([true, false]);
      expect(lines.at(-1)?.[2]).toMatchObject({ cause: { code: 'CACHE_FULL' } });
    },
  );

  test('a shard that dies while the factory runs costs nobody the value', async () => {
    const { result: cache, threads } = await withThreads(() => make({ reads, shards: 1 }));
    const held = heldFactory();
    const waiting = [cache.getOrSet('k', held.make), cache.getOrSet('k', held.make)];
    await held.running;
    await threads[0]?.terminate();
    held.resolve('value');
    expect(await Promise.all(waiting)).toEqual(['value', 'value']);
    expect(held.runs).toBe(1);
    // The lease died with the owner that gave it.
    expect(await cache.getOrSet('k', () => 'made anew')).toBe('made anew');
  });

  test('close waits for what is being computed', async () => {
    const cache = await make({ reads });
    const held = heldFactory();
    const waiting = cache.getOrSet('k', held.make);
    await held.running;
    const closing = cache.close();
    await expect(cache.getOrSet('k', held.make)).rejects.toMatchObject({ code: 'CACHE_CLOSED' });
    held.resolve('value');
    expect(await waiting).toBe('value');
    await closing;
  });

  test('close rejects with CACHE_CLOSED whoever waits when its timeout is over', async () => {
    const cache = await make({ reads });
    const held = heldFactory();
    const waiting = [cache.getOrSet('k', held.make), cache.getOrSet('k', held.make)];
    await held.running;
    const outcomes = Promise.allSettled(waiting);
    await cache.close({ timeout: 30 });
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'CacheError', code: 'CACHE_CLOSED' } });
    }
    // Nobody is there to hear it, and nothing breaks.
    held.resolve('too late');
  });
});
