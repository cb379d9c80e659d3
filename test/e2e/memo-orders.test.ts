/** Memos, and orders of events that hardly any call meets: what is forgotten stays forgotten, and what is closed waits for nothing. */
import { openCache } from 'shardstash';
import { memoize, memoized, memoizeSync, openMemo } from 'shardstash/memo';
import { expect, test } from 'vitest';
import { counted, errorOf, held, memoFolder } from '../support/memos.ts';

const folder = memoFolder();
const { closing } = folder;
const NOWHERE = { filename: false } as const;

test('what is put and forgotten before the memory is open does not come back', async () => {
  const f = closing(memoize(async (_: string) => 'computed', { ...NOWHERE, name: 'early', maxEntries: 10 }));
  await f.put('put', 'a');
  await f.put('other', 'b');
  expect(await f.uncache('a')).toBe(true);
  expect(await f.store.memoryEntries()).toHaveLength(1);
  expect(await f('a')).toBe('computed');
});

test('`normalize` and `hash` may sort the list of arguments: the function gets them as they came', async () => {
  const join = async (...letters: string[]) => letters.join('');
  const normal = closing(
    memoize(join, { ...NOWHERE, cache: folder.cache, name: 'normal', normalize: (letters) => letters.sort() }),
  );
  const hashed = closing(
    memoize(join, { ...NOWHERE, cache: folder.cache, name: 'hashed', hash: (letters) => letters.sort().join() }),
  );
  expect([await normal('c', 'a', 'b'), await normal('a', 'b', 'c')]).toEqual(['cab', 'cab']);
  expect([await hashed('c', 'a', 'b'), await hashed('a', 'b', 'c')]).toEqual(['cab', 'cab']);
});

test('at once, too, a result is kept under the arguments as they were before the call', async () => {
  const { cache } = folder;
  const sorted = (list: number[]) => list.sort()[0] ?? 0;
  const f = memoizeSync((list: number[]) => `${list.join()} ${sorted(list)}`, { cache, filename: 'sorted' });
  expect(f([3, 1])).toBe('3,1 1');
  await f.close();
  await cache.clear();
  const again = closing(
    memoizeSync((list: number[]) => `${list.join()} ${sorted(list)}`, { cache, filename: 'sorted' }),
  );
  expect(again.callWithStatus([1, 3])).toEqual({ value: '1,3 1', status: 'miss' });
  expect(again.callWithStatus([3, 1])).toEqual({ value: '3,1 1', status: 'disk' });
});

test('at once, too, `has` promotes nothing to memory', async () => {
  const { cache } = folder;
  const f = closing(memoizeSync((n: number) => n, { cache, filename: 'looked' }));
  f(1);
  await f.flush();
  await cache.clear();
  expect([f.has(1), f.has(2)]).toEqual([true, false]);
  await f.flush();
  expect(await cache.size()).toBe(0);
});

test('a function that promises its result is refused at once, and what it says later harms nobody', async () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  process.on('unhandledRejection', note);
  const f = memoizeSync((_: number) => Promise.reject(new Error('late')), { cache: folder.cache, name: 'promised' });
  expect(await errorOf(() => f(1))).toMatchObject({ code: 'SERIALIZATION_ERROR' });
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

test('calls that may race are waited for at the end, and what is put meanwhile stays', async () => {
  const { promise, resolve } = held<string>();
  const options = { name: 'raced', allowRace: true };
  const f = memoize((_: string) => promise, options);
  const calls = [f('a'), f('a'), f('b')];
  // Not before they are on their way.
  await f.store.keys();
  await f.put('put', 'b');
  const closed = f.close();
  resolve('computed');
  expect(await Promise.all(calls)).toEqual(['computed', 'computed', 'computed']);
  await closed;
  expect(f.store.failures).toBe(0);
  const again = closing(await openMemo((_: string) => promise, 'raced', options));
  expect([await again.get('a'), await again.get('b')]).toEqual(['computed', 'put']);
});

test('what `validate` throws goes to the caller, wherever the result is', async () => {
  const options = { name: 'checked', cache: folder.cache, validate: () => refuse() };
  const refuse = (): boolean => {
    throw new RangeError('refused');
  };
  const f = closing(memoize(async () => 1, options));
  await f.put(1);
  expect(await errorOf(() => f())).toMatchObject({ message: 'refused' });
  await f.store.keys();
  await folder.cache.clear();
  expect(await errorOf(() => f())).toMatchObject({ message: 'refused' });
  expect(f.store.failures).toBe(0);
});

test('a hash of a method is of its arguments, and says nothing of the instance', async () => {
  const decorate = memoized({ cache: folder.cache, hash: ([n]: readonly number[]) => String(n) });
  const times = counted(async function (this: { factor: number }, n: number) {
    return this.factor * n;
  });
  const f = decorate(times, { kind: 'method', name: 'times' } as never);
  const [two, three] = [{ factor: 2 }, { factor: 3 }];
  expect([await f.call(two, 1), await f.call(two, 5), await f.call(three, 1), await f.call(two, 5)]).toEqual([
    2, 10, 3, 10,
  ]);
  expect(times.runs).toBe(3);
});

test('a hash may be as long as it likes, but must be text', async () => {
  const texts = ['x'.repeat(1_000_000), '\ud800'];
  const f = closing(
    memoize(
      counted(async (at: number) => at),
      { name: 'long', hash: ([at]) => texts[at] ?? '' },
    ),
  );
  expect([await f(0), await f.has(0), (await f.store.diskKeys()).length, f.store.failures]).toEqual([0, true, 1, 0]);
  expect(await f.store.memoryKeys()).toEqual(await f.store.diskKeys());
  expect(await errorOf(() => f(1))).toMatchObject({ code: 'INVALID_KEY' });
});

test('a cache that is closed takes what waited with it, and nobody is told', async () => {
  const cache = await openCache({ shards: 1 });
  const told: string[] = [];
  const log = { failure: (message: string) => void told.push(message) };
  const fib = memoizeSync((n: number): number => (n < 2 ? n : fib(n - 1) + fib(n - 2)), { cache, name: 'fib', log });
  expect(fib(90)).toBe(2_880_067_194_370_816_000);
  await cache.close();
  await fib.flush();
  expect(told).toEqual([]);
});

test('what a clear finds under way is not kept, in a cache that is shared neither', async () => {
  const { promise, resolve } = held<string>();
  const f = closing(memoize((_: string) => promise, { ...NOWHERE, cache: folder.cache, name: 'cleared' }));
  const call = f('a');
  await f.store.keys();
  expect(await f.store.clear()).toBe(0);
  resolve('computed');
  expect(await call).toBe('computed');
  expect(await f.has('a')).toBe(false);
});

test('calls within calls are as deep as they like', async () => {
  const depth = closing(
    memoize(async (n: number): Promise<number> => (n === 0 ? 0 : 1 + (await depth(n - 1))), {
      ...NOWHERE,
      name: 'depth',
    }),
  );
  expect(await depth(3_000)).toBe(3_000);
});

test('who joins a call gets its result also where only the file can keep it', async () => {
  class Point {
    readonly x = 1;
  }
  const serializer = { name: 'points', encode: () => Buffer.from([1]), decode: () => ({ result: new Point() }) };
  const log = { failure: () => undefined };
  const f = closing(memoize(async () => new Point(), { name: 'point', serializer, log }));
  expect(await Promise.all([f(), f()])).toEqual([new Point(), new Point()]);
});
