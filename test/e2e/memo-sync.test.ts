/** memoizeSync: results at once, and those of this turn for its next call. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openCache } from 'shardstash';
import { memoize, memoizeSync } from 'shardstash/memo';
import { describe, expect, test } from 'vitest';
import { counted, errorOf, memoFolder } from '../support/memos.ts';

const folder = memoFolder();
const { closing } = folder;

test('a call is computed once, in whatever turn it is made', async () => {
  const make = counted((user: { id: number }) => ({ id: user.id, list: [1] }));
  const f = closing(memoizeSync(make, { cache: folder.cache, name: 'user' }));
  const first = f({ id: 1 });
  first.list.push(2);
  const second = f({ id: 1 });
  expect(second).toEqual({ id: 1, list: [1] });
  second.list.push(3);
  await f.flush();
  expect(f({ id: 1 })).toEqual({ id: 1, list: [1] });
  expect(make.runs).toBe(1);
  expect(f.failures).toBe(0);
});

test('a function that calls itself finds what it has just made: fib(90) in one turn', async () => {
  const fib = counted((n: number): bigint => (n < 2 ? BigInt(n) : f(n - 1) + f(n - 2)));
  const f = closing(memoizeSync(fib, { cache: folder.cache, name: 'fib' }));
  expect(f(90)).toBe(2_880_067_194_370_816_120n);
  expect(fib.runs).toBe(91);
  await f.flush();
  expect(f(91)).toBe(4_660_046_610_375_530_309n);
  expect(fib.runs).toBe(92);
});

test('more results of one turn than a shard lets wait all reach memory', async () => {
  const cache = closing(await openCache({ shards: 1, maxBytes: '64mb' }));
  const count = 70_000;
  expect(count).toBeGreaterThan(cache.config.maxPendingCalls);
  const steps = counted((n: number): number => (n % 1_000 === 0 ? 0 : 1 + f(n - 1)));
  const f = memoizeSync(steps, { cache, name: 'steps' });
  for (let n = 0; n < count; n++) f(n);
  expect([steps.runs, f(count - 1)]).toEqual([count, 999]);
  await f.flush();
  expect([await cache.size(), f.failures, f(5), steps.runs]).toEqual([count, 0, 5, count]);
});

test('results that together are larger than what may wait for a shard reach memory all the same', async () => {
  const cache = closing(await openCache({ shards: 1, maxBytes: '32mb', maxPendingBytes: '1mb' }));
  const f = memoizeSync((n: number) => String(n).repeat(100_000), { cache, name: 'large' });
  for (let n = 10; n < 40; n++) f(n);
  await f.flush();
  expect([await cache.size(), f.failures]).toEqual([30, 0]);
});

test.each([undefined, null, false, 0, '', Number.NaN])('%o is a result like any other', async (value) => {
  const make = counted(() => value);
  const f = closing(memoizeSync(make, { cache: folder.cache, name: 'make' }));
  expect([f(), f()]).toEqual([value, value]);
  await f.flush();
  expect(f.callWithStatus()).toEqual({ value, status: 'memory' });
  expect([make.runs, f.has()]).toEqual([1, true]);
});

describe('with a file', () => {
  test('results outlive the memory, and are those of the async memo', async () => {
    const square = counted((n: number) => ({ squared: n * n }));
    const options = { cache: folder.cache, filename: 'square', name: 'square' };
    const f = memoizeSync(square, options);
    expect(f.callWithStatus(5)).toEqual({ value: { squared: 25 }, status: 'miss' });
    expect(existsSync(join(folder.root, 'square.log'))).toBe(true);
    await f.close();
    await folder.cache.clear();
    const g = closing(memoizeSync(square, options));
    expect(g.callWithStatus(5)).toEqual({ value: { squared: 25 }, status: 'disk' });
    expect(g.callWithStatus(5)).toEqual({ value: { squared: 25 }, status: 'memory' });
    const a = closing(memoize(square, { filename: 'square', name: 'square' }));
    expect(await a.callWithStatus(5)).toEqual({ value: { squared: 25 }, status: 'disk' });
    expect(square.runs).toBe(1);
    expect(await errorOf(() => f(5))).toMatchObject({ code: 'CACHE_CLOSED' });
  });

  test('a call that this very thread computes already is computed again: it could not wait and compute', async () => {
    const work = counted((n: number): number => (work.runs === 1 ? f(n) + 1 : n * 2));
    const options = { filename: 'both', name: 'both', cache: folder.cache };
    const f = closing(memoizeSync(work, options));
    const a = closing(memoize(work, { ...options, cache: undefined }));
    expect(await a(4)).toBe(9);
    expect(work.runs).toBe(2);
  });
});

test('`get`, `put`, `uncache` and `force`', async () => {
  const make = counted((n: number) => `made ${n}`);
  const f = closing(memoizeSync(make, { cache: folder.cache, filename: 'made', name: 'made' }));
  expect([f.get(1), f.has(1), f.uncache(1)]).toEqual([undefined, false, false]);
  expect(await errorOf(() => f.getOrThrow(1))).toMatchObject({ code: 'KEY_NOT_FOUND' });
  f.put('put', 1);
  expect([f(1), f.get(1), f.has(1)]).toEqual(['put', 'put', true]);
  expect([f.force(1), f(1), make.runs]).toEqual(['made 1', 'made 1', 1]);
  await f.flush();
  expect(f.uncache(1)).toBe(true);
  expect([f.has(1), f.get(1)]).toEqual([false, undefined]);
  await f.flush();
  expect(f.has(1)).toBe(false);
});

test('of itself a call is an error, and what it throws is kept nowhere', async () => {
  const f = closing(memoizeSync((n: number): number => f(n), { cache: folder.cache, name: 'self' }));
  expect(await errorOf(() => f(1))).toMatchObject({ name: 'TypeError', code: 'REENTRANT_CALL' });
  const outcomes = [new Error('first'), 2];
  const g = closing(
    memoizeSync(
      () => {
        const outcome = outcomes.shift();
        if (outcome instanceof Error) throw outcome;
        return outcome;
      },
      { cache: folder.cache, name: 'flaky' },
    ),
  );
  expect((await errorOf(() => g())).message).toBe('first');
  expect([g(), g()]).toEqual([2, 2]);
});

test('what cannot be keyed or stored is said at once', async () => {
  const f = closing(memoizeSync((value: unknown) => value, { cache: folder.cache, name: 'any' }));
  expect(await errorOf(() => f(() => {}))).toMatchObject({ code: 'INVALID_KEY' });
  const g = closing(memoizeSync((_: number) => () => {}, { cache: folder.cache, name: 'function' }));
  expect(await errorOf(() => g(1))).toMatchObject({ code: 'SERIALIZATION_ERROR' });
  const h = closing(memoizeSync(async () => 1, { cache: folder.cache, name: 'async' }));
  const error = await errorOf(() => h());
  expect(error).toMatchObject({ code: 'SERIALIZATION_ERROR', message: expect.stringContaining('`memoize`') });
});

test('what the cache cannot do is counted, told, and nobody else’s concern', async () => {
  const cache = await openCache({ shards: 1, maxBytes: '1mb' });
  const told: string[] = [];
  const log = { failure: (message: string) => void told.push(message) };
  const f = memoizeSync((n: number) => 'x'.repeat(n), { cache, name: 'large', log });
  expect(f(2_000_000).length).toBe(2_000_000);
  await f.flush();
  expect([f.failures, told.length]).toEqual([1, 1]);
  await cache.close();
  expect(f(5)).toBe('xxxxx');
  expect(f.failures).toBeGreaterThan(1);
  await f.close();
});

test('options, `this` and bad ones', async () => {
  const valid = { now: true };
  const make = counted(function scaled(this: { by: number }, n: number, _log?: () => void) {
    return n * this.by;
  });
  const options = { cache: folder.cache, name: 'scaled', ignore: [1], validate: () => valid.now };
  const scale = { by: 3, of: closing(memoizeSync(make, options)) };
  expect([scale.of(2), scale.of(2, () => {})]).toEqual([6, 6]);
  valid.now = false;
  expect([scale.of(2), make.runs]).toEqual([6, 2]);
  const off = closing(memoizeSync(make, { ...options, disable: true }));
  expect([off.call({ by: 2 }, 2), off.get(2), off.has(2)]).toEqual([4, undefined, false]);
  expect(await errorOf(() => memoizeSync(make, {} as never))).toMatchObject({ option: 'cache' });
  expect(await errorOf(() => memoizeSync(5 as never, options))).toMatchObject({ option: 'fn' });
  expect(await errorOf(() => memoizeSync(make, { ...options, store: {} } as never))).toMatchObject({ option: 'store' });
});
