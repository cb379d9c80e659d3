/** How long entries live: deadlines to the millisecond, by a clock that the test turns. */
import { type CacheOptions, openCache } from 'shardstash';
import { manualClock } from 'shardstash/testing';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { cachesOfOneTest, isOverTier, outcomeOf, pairs, READS, sharedCache } from '../support/caches.ts';
import { seededRandom } from '../support/random.ts';

const SERVER_CLOCK = 'the server expires what it has by a clock of its own, which nobody turns';
const DAY_MS = 86_400_000;
const EVER = Number.POSITIVE_INFINITY;

afterEach(() => {
  vi.useRealTimers();
});

describe.each(READS)('reads: %s', (reads) => {
  describe('a ttl', () => {
    const shared = sharedCache({ reads, ttl: '1h' });

    test('ends at its millisecond, not before, for everyone who looks', async () => {
      const { cache, clock } = shared;
      await cache.set('k', 'v', { ttl: 500 });
      clock.advance(499);
      expect(await cache.get('k')).toBe('v');
      expect(await cache.ttl('k')).toBe(1);
      expect(await cache.lookup('k')).toMatchObject({ status: 'hit', ttlRemainingMs: 1 });
      clock.advance(1);
      expect(await cache.get('k')).toBeUndefined();
      expect(cache.getSync('k')).toBeUndefined();
      expect(await cache.peek('k')).toBeUndefined();
      expect(await cache.has('k')).toBe(false);
      expect(await cache.touch('k')).toBe(false);
      expect(await cache.ttl('k')).toBeUndefined();
      expect((await cache.getMany(['k'])).size).toBe(0);
      expect(await cache.toMap()).toEqual(new Map());
      expect(await cache.pop('k')).toBeUndefined();
    });

    test('is that of the entry, else that of the cache; null is for ever', async () => {
      const { cache, clock } = shared;
      await cache.set('own', 1, { ttl: '2h' });
      await cache.set('default', 1);
      await cache.set('undefined', 1, { ttl: undefined as never });
      await cache.set('null', 1, { ttl: null });
      await cache.set('Infinity', 1, { ttl: EVER });
      const left = async () =>
        await Promise.all(['own', 'default', 'undefined', 'null', 'Infinity'].map((key) => cache.ttl(key)));
      expect(await left()).toEqual([7_200_000, 3_600_000, 3_600_000, EVER, EVER]);
      clock.advance('1h');
      expect(await left()).toEqual([3_600_000, undefined, undefined, EVER, EVER]);
      clock.advance('365d');
      expect(await left()).toEqual([undefined, undefined, undefined, EVER, EVER]);
    });

    test('begins anew with every overwrite', async () => {
      const { cache, clock } = shared;
      await cache.set('k', 1, { ttl: 100 });
      clock.advance(90);
      await cache.set('k', 2, { ttl: 100 });
      clock.advance(90);
      expect(await cache.get('k')).toBe(2);
      await cache.set('k', 3);
      expect(await cache.ttl('k')).toBe(3_600_000);
    });

    test.each<[number | string, number]>([
      [1.5, 1.5],
      [0.25, 0.25],
      ['250ms', 250],
      ['1.5s', 1_500],
      ['30d', 30 * DAY_MS],
      [2 ** 31, 2 ** 31],
      [25 * DAY_MS, 25 * DAY_MS],
      [365 * DAY_MS, 365 * DAY_MS],
      [1_000 * 365 * DAY_MS, 1_000 * 365 * DAY_MS],
    ])('of %s ends when it should', async (ttl, ms) => {
      const { cache, clock } = shared;
      await cache.set('k', 'v', { ttl });
      clock.advance(ms * 0.999);
      expect(await cache.get('k')).toBe('v');
      clock.advance(ms * 0.002);
      expect(await cache.get('k')).toBeUndefined();
      // A sweep finds it a tick later.
      clock.advance(1);
      expect(await cache.validSize()).toBe(0);
    });

    test('may be as long as numbers go', async () => {
      const { cache } = shared;
      for (const sliding of [false, true]) {
        await cache.set('k', 'v', { ttl: Number.MAX_SAFE_INTEGER, sliding });
        expect(await cache.get('k')).toBe('v');
        // The deadline is a double: beyond 2^53 ms it is rounded.
        expect((await cache.ttl('k')) as number).toBeGreaterThan(Number.MAX_SAFE_INTEGER - 4);
      }
    });
  });

  describe('an entry without ttl', () => {
    const shared = sharedCache({ reads });

    test('lives on while years go by', async () => {
      const { cache, clock } = shared;
      await cache.setMany(pairs(100));
      for (const step of ['1d', '365d', 100 * 365 * DAY_MS]) {
        clock.advance(step);
        expect(await cache.validSize()).toBe(100);
        expect(await cache.get('k5')).toBe(5);
      }
    });

    test('does not mind that the system’s clock jumps, and neither does one with a ttl', async () => {
      const cache = await openCache({ reads, shards: 1 });
      try {
        await cache.set('k', 'v', { ttl: '1h' });
        await cache.set('for ever', 'v');
        for (const jump of [10 * 365 * DAY_MS, -10 * 365 * DAY_MS]) {
          vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + jump });
          expect([await cache.get('k'), cache.getSync('k'), await cache.get('for ever')]).toEqual(['v', 'v', 'v']);
          const left = (await cache.ttl('k')) as number;
          expect(left).toBeGreaterThan(3_500_000);
          expect(left).toBeLessThanOrEqual(3_600_000);
          await cache.set('new', 1, { ttl: '1h' });
          expect(await cache.get('new')).toBe(1);
          vi.useRealTimers();
        }
      } finally {
        await cache.close();
      }
    });
  });

  // The owner has swept the entry before anybody asks, or has not.
  describe.each([10, '1s', false] as const)('what has expired, with cleanupInterval %s,', (cleanupInterval) => {
    const shared = sharedCache({ reads, cleanupInterval });

    async function expired(key: string): Promise<void> {
      const { cache, clock } = shared;
      await cache.set(key, 'v', { ttl: 20 });
      clock.advance(60);
      if (cleanupInterval !== false) await expect.poll(() => cache.size(), { interval: 1 }).toBe(0);
    }

    test('is KEY_EXPIRED once to getOrThrow, then KEY_NOT_FOUND', async () => {
      const { cache } = shared;
      await expired('k');
      await expect(cache.getOrThrow('k')).rejects.toMatchObject({ name: 'CacheError', code: 'KEY_EXPIRED', key: 'k' });
      await expect(cache.getOrThrow('k')).rejects.toMatchObject({ name: 'CacheError', code: 'KEY_NOT_FOUND' });
    });

    test('is KEY_EXPIRED once to expire and update, too', async () => {
      const { cache } = shared;
      await expired('k');
      expect(await outcomeOf(cache.expire('k', 5))).toBe('KEY_EXPIRED');
      expect(await outcomeOf(cache.expire('k', null))).toBe('KEY_NOT_FOUND');
      await expired('k');
      expect(await outcomeOf(cache.update('k', 5))).toBe('KEY_EXPIRED');
      expect(await outcomeOf(cache.update('k', 5))).toBe('KEY_NOT_FOUND');
    });

    test('is told by lookup as often as it is asked, and by nobody after getOrThrow has told', async () => {
      const { cache } = shared;
      await expired('k');
      expect(await cache.lookup('k')).toEqual({ status: 'expired' });
      expect(await cache.lookup('k')).toEqual({ status: 'expired' });
      expect(await outcomeOf(cache.getOrThrow('k'))).toBe('KEY_EXPIRED');
      expect(await cache.lookup('k')).toEqual({ status: 'miss' });
    });

    test('is not told by get, has and peek, which tell nobody', async () => {
      const { cache } = shared;
      await expired('k');
      await Promise.all([cache.get('k'), cache.has('k'), cache.peek('k'), cache.touch('k'), cache.getMany(['k'])]);
      expect(await outcomeOf(cache.getOrThrow('k'))).toBe('KEY_EXPIRED');
    });

    test('is forgotten when the key is written, or the cache cleared', async () => {
      const { cache } = shared;
      await expired('k');
      await cache.set('k', 'new');
      await cache.delete('k');
      expect(await outcomeOf(cache.getOrThrow('k'))).toBe('KEY_NOT_FOUND');
      await expired('k');
      await cache.clear();
      expect(await outcomeOf(cache.getOrThrow('k'))).toBe('KEY_NOT_FOUND');
    });

    test.skipIf(isOverTier(SERVER_CLOCK, 'redis'))('is remembered of a thousand keys', async () => {
      const { cache, clock } = shared;
      await cache.setMany(pairs(1_000), { ttl: 20 });
      clock.advance(60);
      await cache.cleanup();
      const outcomes = await Promise.all(pairs(1_000).map(([key]) => outcomeOf(cache.getOrThrow(key))));
      expect(new Set(outcomes)).toEqual(new Set(['KEY_EXPIRED']));
      expect(await outcomeOf(cache.getOrThrow('k5'))).toBe('KEY_NOT_FOUND');
    });

    test('is no eviction, and counted once', async () => {
      const { cache, clock } = shared;
      await cache.setMany(pairs(100), { ttl: 20 });
      clock.advance(20);
      await cache.cleanup();
      expect(await cache.metrics()).toMatchObject({ expirations: 100, evictions: 0, manualDeletions: 0 });
    });
  });

  describe('expire', () => {
    const shared = sharedCache({ reads });

    test.each<[string, number | string | null, number | undefined, number]>([
      ['a shorter ttl', 100, 1_000, 100],
      ['a longer ttl', '10s', 1_000, 10_000],
      ['no end', null, 1_000, EVER],
      ['no end where it had none', null, undefined, EVER],
      ['an end where it had none', 100, undefined, 100],
      ['an end to the infinite', EVER, 1_000, EVER],
    ])('gives an entry %s', async (_what, ttl, before, after) => {
      const { cache, clock } = shared;
      await cache.set('k', { v: 1 }, before === undefined ? {} : { ttl: before });
      clock.advance(10);
      expect(await cache.expire('k', ttl)).toBeUndefined();
      expect(await cache.ttl('k')).toBe(after);
      expect(await cache.get('k')).toEqual({ v: 1 });
      if (after !== EVER) {
        clock.advance(after - 1);
        expect(await cache.get('k')).toEqual({ v: 1 });
        clock.advance(1);
        expect(await cache.get('k')).toBeUndefined();
        expect(await cache.cleanup().then(() => cache.size())).toBe(0);
      } else {
        clock.advance('365d');
        expect(await cache.get('k')).toEqual({ v: 1 });
      }
    });

    test('counts from now, also for a fraction of a millisecond, and again and again', async () => {
      const { cache, clock } = shared;
      await cache.set('k', 'v');
      for (let i = 1; i <= 50; i++) {
        await cache.expire('k', i + 0.5);
        clock.advance(i);
        expect(await cache.ttl('k')).toBe(0.5);
      }
      await cache.expire('k', null);
      clock.advance('365d');
      expect(await cache.get('k')).toBe('v');
    });

    test('of what is not there is KEY_NOT_FOUND, and brings nothing back', async () => {
      const { cache } = shared;
      await expect(cache.expire('k', 100)).rejects.toMatchObject({ code: 'KEY_NOT_FOUND', key: 'k' });
      await cache.set('k', 1);
      await cache.delete('k');
      expect(await outcomeOf(cache.expire('k', null))).toBe('KEY_NOT_FOUND');
      expect(await cache.size()).toBe(0);
    });

    test.each([undefined, 0, -1, Number.NaN, '5', true, {}])('refuses %o', async (ttl) => {
      const { cache } = shared;
      await cache.set('k', 1, { ttl: 1_000 });
      await expect(cache.expire('k', ttl as never)).rejects.toMatchObject({ name: 'TypeError', code: 'INVALID_TTL' });
      expect(await cache.ttl('k')).toBe(1_000);
    });

    test('of one that slides lets it slide by the new ttl; null ends both', async () => {
      const { cache, clock } = shared;
      await cache.set('k', 1, { ttl: 100, sliding: true });
      await cache.expire('k', 500);
      clock.advance(450);
      await cache.get('k');
      expect(await cache.ttl('k')).toBe(500);
      await cache.expire('k', null);
      clock.advance('365d');
      expect(await cache.get('k')).toBe(1);
      await cache.expire('k', 50);
      clock.advance(50);
      expect(await cache.has('k')).toBe(false);
    });

    test('may cut short what a read has prolonged', async () => {
      const { cache, clock } = shared;
      await cache.set('k', 1, { ttl: 1_000, sliding: true });
      await cache.get('k');
      await cache.expire('k', 10);
      expect(await cache.ttl('k')).toBe(10);
      clock.advance(10);
      expect(await cache.has('k')).toBe(false);
    });
  });

  describe('an entry that slides', () => {
    const shared = sharedCache({ reads, ttl: 100, sliding: true });

    test.each<[string, () => unknown, boolean]>([
      ['get', () => shared.cache.get('k'), true],
      ['getSync', () => shared.cache.getSync('k'), true],
      ['getOrThrow', () => shared.cache.getOrThrow('k'), true],
      ['lookup', () => shared.cache.lookup('k'), true],
      ['touch', () => shared.cache.touch('k'), true],
      ['getMany', () => shared.cache.getMany(['k']), true],
      ['getOrSet', () => shared.cache.getOrSet('k', () => 2), true],
      ['peek', () => shared.cache.peek('k'), false],
      ['has', () => shared.cache.has('k'), false],
      ['ttl', () => shared.cache.ttl('k'), false],
      ['toMap', () => shared.cache.toMap(), false],
    ])('%s: does it let it live on?', async (_name, look, prolongs) => {
      const { cache, clock } = shared;
      await cache.set('k', 1);
      for (let i = 0; i < 3; i++) {
        clock.advance(i === 0 ? 30 : 70);
        await look();
        if (i === 0) expect(await cache.ttl('k')).toBe(prolongs ? 100 : 70);
      }
      expect(await cache.has('k')).toBe(prolongs);
      expect(await cache.validSize()).toBe(prolongs ? 1 : 0);
      clock.advance(100);
      expect(await cache.has('k')).toBe(false);
      expect(await cache.validSize()).toBe(0);
    });

    test('and is read past many sweeps is not swept, nor counted as expired', async () => {
      const { cache, clock } = shared;
      await cache.setMany(pairs(200));
      for (let i = 0; i < 30; i++) {
        clock.advance(90);
        await cache.getMany(pairs(200).map(([key]) => key));
        expect(await cache.cleanup()).toBe(0);
      }
      clock.advance(60);
      expect(await cache.metrics()).toMatchObject({ currentValidKeys: 200, expiredBloat: 0, expirations: 0 });
      clock.advance(40);
      expect(await cache.validSize()).toBe(0);
      expect(await cache.metrics()).toMatchObject({ currentTotalKeys: 0, expirations: 200 });
    });

    test('is one only where the entry says nothing else', async () => {
      const { cache, clock } = shared;
      await cache.set('fixed', 1, { sliding: false });
      await cache.set('sliding', 1);
      await cache.set('for ever', 1, { ttl: null });
      clock.advance(60);
      for (const key of ['fixed', 'sliding', 'for ever']) await cache.get(key);
      clock.advance(60);
      const there = await Promise.all(['fixed', 'sliding', 'for ever'].map((key) => cache.has(key)));
      expect(there).toEqual([false, true, true]);
    });

    test('is one no longer when it is overwritten by one that does not slide, and the other way round', async () => {
      const { cache, clock } = shared;
      await cache.set('was', 1);
      await cache.get('was');
      await cache.set('was', 2, { sliding: false });
      await cache.set('is', 1, { sliding: false });
      await cache.update('is', 2, { sliding: true });
      clock.advance(60);
      expect([await cache.get('was'), await cache.get('is')]).toEqual([2, 2]);
      clock.advance(60);
      expect([await cache.get('was'), await cache.get('is')]).toEqual([undefined, 2]);
    });

    test('keeps its way of living under update with keepTtl', async () => {
      const { cache, clock } = shared;
      await cache.set('sliding', 1);
      await cache.set('fixed', 1, { ttl: 200, sliding: false });
      clock.advance(60);
      await cache.update('sliding', 2, { keepTtl: true });
      await cache.update('fixed', 2, { keepTtl: true, sliding: true });
      expect([await cache.ttl('sliding'), await cache.ttl('fixed')]).toEqual([40, 140]);
      await cache.get('sliding');
      await cache.get('fixed');
      expect([await cache.ttl('sliding'), await cache.ttl('fixed')]).toEqual([100, 140]);
    });

    test('that took the place of a dead one does not inherit its last read', async () => {
      const { cache, clock } = shared;
      await cache.set('k', 1, { ttl: 10_000 });
      await cache.get('k');
      await cache.delete('k');
      await cache.set('k', 2, { ttl: 10 });
      expect(await cache.ttl('k')).toBe(10);
      clock.advance(10);
      expect(await cache.has('k')).toBe(false);
    });
  });

  describe('sweeping', () => {
    const make = cachesOfOneTest();

    test.skipIf(isOverTier(SERVER_CLOCK, 'redis'))(
      'gives memory back without being asked, some time after the deadline',
      async () => {
        const clock = manualClock();
        const cache = await make({ reads, clock });
        await cache.setMany(pairs(5_000), { ttl: 50 });
        await cache.set('stays', 1);
        clock.advance(49);
        await cache.set('later', 1, { ttl: 1_000 });
        expect(await cache.size()).toBe(5_002);
        clock.advance(1);
        await expect.poll(() => cache.size(), { interval: 1 }).toBe(2);
        expect(await cache.metrics()).toMatchObject({ expirations: 5_000, evictions: 0 });
        clock.advance(1_000);
        await expect.poll(() => cache.size(), { interval: 1 }).toBe(1);
      },
    );

    test('needs no turned hands: with the machine’s clock it happens, too', async () => {
      const cache = await make({ reads, cleanupInterval: 20 });
      await cache.setMany(pairs(500), { ttl: 30 });
      await expect.poll(() => cache.size(), { interval: 5, timeout: 5_000 }).toBe(0);
      expect(await cache.metrics()).toMatchObject({ expirations: 500, evictions: 0, memoryBytes: 0 });
    });

    test('does not happen with cleanupInterval: false, but when somebody asks for it or writes', async () => {
      const clock = manualClock();
      const cache = await make({ reads, clock, cleanupInterval: false });
      await cache.setMany(pairs(10), { ttl: 50 });
      clock.advance('1h');
      await new Promise((resolve) => setTimeout(resolve, 30));
      expect(await cache.size()).toBe(10);
      expect(await cache.get('k0')).toBeUndefined();
      expect(await cache.size()).toBe(10);
      expect(await cache.metrics()).toMatchObject({
        currentTotalKeys: 10,
        currentValidKeys: 0,
        expiredBloat: 10,
        wastePercentage: 100,
        expirations: 0,
      });
      await cache.set('k0', 'new');
      expect(await cache.delete('k1')).toBe(false);
      expect(await cache.size()).toBe(9);
      expect(await cache.cleanup()).toBe(8);
      expect(await cache.cleanup()).toBe(0);
      expect(await cache.size()).toBe(1);
      expect(await cache.metrics()).toMatchObject({ expirations: 10, expiredBloat: 0, wastePercentage: 0 });
    });

    test.skipIf(isOverTier(SERVER_CLOCK, 'redis'))(
      'of a hundred thousand that end at one instant holds up no request, and loses none',
      async () => {
        const clock = manualClock();
        const cache = await make({ reads, clock });
        await cache.setMany(pairs(100_000), { ttl: 1_000 });
        await cache.setMany(pairs(1_000, 'other'));
        clock.advance(1_000);
        const random = seededRandom('requests during a sweep');
        while ((await cache.size()) > 1_000) {
          const calls: Promise<unknown>[] = [];
          for (let i = 0; i < 50; i++) {
            const number = random.below(1_000);
            calls.push(cache.get(`k${random.below(100_000)}`).then((value) => expect(value).toBeUndefined()));
            calls.push(cache.get(`other${number}`).then((value) => expect(value).toBe(number)));
            calls.push(cache.set(`other${number}`, number));
          }
          await Promise.all(calls);
        }
        expect(await cache.validSize()).toBe(1_000);
        expect(await cache.metrics()).toMatchObject({ expirations: 100_000, evictions: 0, currentTotalKeys: 1_000 });
      },
    );

    test.skipIf(isOverTier(SERVER_CLOCK, 'redis'))(
      'a hundred thousand deadlines, spread over a day: no value is ever seen after its own',
      async () => {
        const clock = manualClock();
        const cache = await make({ reads, clock });
        const random = seededRandom('deadlines over a day');
        const ttls = Array.from({ length: 100_000 }, () => random.logUniform(1, DAY_MS));
        await Promise.all(ttls.map((ttl, i) => (i % 2 === 0 ? cache.set(`k${i}`, ttl, { ttl }) : undefined)));
        await Promise.all(ttls.map((ttl, i) => (i % 2 === 1 ? cache.set(`k${i}`, ttl, { ttl }) : undefined)));
        let nowMs = 0;
        for (const target of [1, 2, 10, 64, 100, 4_096, 10_000, 262_144, 1_000_000, 16_777_216, 5e7, DAY_MS]) {
          clock.advance(target - nowMs);
          nowMs = target;
          const alive = ttls.filter((ttl) => ttl > nowMs).length;
          for (let i = 0; i < 8_000; i++) {
            const index = random.below(ttls.length);
            const seen = cache.getSync(`k${index}`);
            const ttl = ttls[index] as number;
            if (seen !== (ttl > nowMs ? ttl : undefined)) {
              expect({ index, ttl, nowMs, seen }).toBeUndefined();
            }
          }
          expect(await cache.validSize()).toBe(alive);
        }
      },
    );

    test('what has expired leaves before the living, and is no eviction', async () => {
      const clock = manualClock();
      const cache = await make({ reads, clock, shards: 1, maxEntries: 2, cleanupInterval: false });
      await cache.set('old', 1);
      await cache.set('expired', 1, { ttl: 10 });
      clock.advance(10);
      await cache.set('new', 1);
      expect(await cache.toMap()).toEqual(
        new Map([
          ['old', 1],
          ['new', 1],
        ]),
      );
      expect(await cache.metrics()).toMatchObject({ evictions: 0, expirations: 1 });
    });

    // The second lie in one bucket of the wheel with the expired, and before them.
    test.each(['1d', 65_000])(
      'a few expired among thousands that live for %s leave before any of those',
      async (ttl) => {
        const clock = manualClock();
        const cache = await make({ reads, clock, shards: 1, maxEntries: 2_000, cleanupInterval: false });
        await cache.setMany(pairs(1_990, 'long'), { ttl });
        await cache.setMany(pairs(10, 'short'), { ttl: 61_600 });
        clock.advance(61_600);
        for (let i = 0; i < 10; i++) await cache.set(`new${i}`, i);
        expect(await cache.metrics()).toMatchObject({ evictions: 0, expirations: 10, currentTotalKeys: 2_000 });
        await cache.set('one more', 1);
        expect(await cache.metrics()).toMatchObject({ evictions: 1 });
      },
    );
  });

  test('metrics: false sweeps all the same', async () => {
    const clock = manualClock();
    const options: CacheOptions = { reads, clock, shards: 1, metrics: false };
    const cache = await openCache(options);
    await cache.setMany(pairs(10), { ttl: 5 });
    clock.advance(5);
    await expect.poll(() => cache.size(), { interval: 1 }).toBe(0);
    await cache.close();
  });
});

describe('a manual clock', () => {
  test('stands still, and goes on by milliseconds or a duration', () => {
    const clock = manualClock();
    const beganMs = clock.now();
    expect(clock.now()).toBe(beganMs);
    clock.advance(1.5);
    clock.advance('10m');
    clock.advance(0);
    expect(clock.now() - beganMs).toBe(600_001.5);
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY, 'soon', '5', null, undefined])('does not go on by %o', (by) => {
    const clock = manualClock();
    const beganMs = clock.now();
    expect(() => clock.advance(by as never)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', option: 'by' }));
    expect(clock.now()).toBe(beganMs);
  });
});
