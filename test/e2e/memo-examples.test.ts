/** What memoshelve's documentation shows, as it is here. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { memoize, openMemo } from 'shardstash/memo';
import { describe, expect, test } from 'vitest';
import { counted, memoFolder } from '../support/memos.ts';

const folder = memoFolder();
const { closing } = folder;

test('a slow function is slow once', async () => {
  const slow = counted(async (n: number) => {
    await pause(20);
    return n ** 2;
  });
  const f = closing(memoize(slow, { name: 'slow' }));
  expect([await f(3), await f(3), slow.runs]).toEqual([9, 9, 1]);
});

test('results survive the restart', async () => {
  const slow = counted(async (n: number) => n ** 2);
  const before = await openMemo(slow, 'restart', { name: 'slow' });
  await before(3);
  await before.close();
  const after = closing(await openMemo(slow, 'restart', { name: 'slow' }));
  expect(await after.callWithStatus(3)).toEqual({ value: 9, status: 'disk' });
  expect(slow.runs).toBe(1);
});

test('the order of what is in arguments does not matter where a hash says so', async () => {
  const sum = counted((numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0));
  const hash = ([numbers]: [readonly number[]]) => [...numbers].sort((a, b) => a - b).join();
  const f = closing(memoize(sum, { name: 'sum', hash }));
  expect([await f([1, 2, 3]), await f([3, 1, 2]), sum.runs]).toEqual([6, 6, 1]);
  const g = closing(memoize(sum, { filename: 'by-content' }));
  expect([await g([1, 2]), await g([2, 1]), sum.runs]).toEqual([3, 3, 3]);
});

test('properties in another order are the same call without one', async () => {
  const show = counted((options: object) => JSON.stringify(options));
  const f = closing(memoize(show, { name: 'show' }));
  expect(await f({ a: 1, b: { c: 2, d: 3 } })).toBe(await f({ b: { d: 3, c: 2 }, a: 1 }));
  expect(show.runs).toBe(1);
});

describe('arguments that do not matter', () => {
  test.each<[string, object, unknown[], unknown[], number]>([
    ['a position', { ignore: [1] }, ['d', 1], ['d', 2], 1],
    ['a name, by `params`', { params: ['data', 'timestamp'], ignore: ['timestamp'] }, ['d', 1], ['d', 2], 1],
    ['a property of the options', { ignore: ['verbose'] }, ['d', { verbose: true }], ['d', { verbose: false }], 1],
    ['options that are all ignored', { ignore: ['verbose'] }, ['d', { verbose: true }], ['d'], 1],
    ['a name that nobody has', { ignore: ['nobody'] }, ['d'], ['d'], 1],
    ['but the others do', { ignore: ['verbose'] }, ['d', { verbose: true }], ['e', { verbose: true }], 2],
    ['and all without `ignore`', {}, ['d', 1], ['d', 2], 2],
    ['what cannot be keyed', { ignore: [0] }, [() => 1, 'd'], [() => 2, 'd'], 1],
    ['defaults', { params: ['a', 'b'], defaults: { b: 10 } }, [1], [1, 10], 1],
    ['defaults, by `normalize`', { normalize: ([a, b = 10]: number[]) => [a, b] }, [1], [1, 10], 1],
    ['several', { ignore: [0, 'now'] }, ['client', 5, { now: 1 }], ['other', 5, { now: 2 }], 1],
  ])('%s', async (_what, options, first, second, runs) => {
    const make = counted((...args: unknown[]) => args.length);
    const f = closing(memoize(make, { name: 'ignoring', cache: folder.cache, ...options }));
    await f(...first);
    await f(...second);
    expect(make.runs).toBe(runs);
    await folder.cache.clear();
    expect((await f.callWithStatus(...second)).status).toBe('disk');
  });
});

test('what a caller does to a result stays his', async () => {
  const f = closing(memoize(() => [1, 2, 3], { name: 'list' }));
  (await f()).push(4);
  expect(await f()).toEqual([1, 2, 3]);
});

describe('what is printed', () => {
  const K = '021fab2de3c98c0c75eb0e5f79c8557c';

  test('misses and hits of both tiers, each with its key', async () => {
    const lines: string[] = [];
    const print = (line: string) => void lines.push(line);
    const file = join(folder.root, 'printed.log');
    const f = closing(
      memoize((n: number) => n, { name: 'printed', cache: folder.cache, log: { hit: print, miss: print } }),
    );
    await f(1);
    await f(1);
    await folder.cache.clear();
    await f(1);
    expect(lines).toEqual([
      `Cache miss (mem): ${K}`,
      `Cache miss (disk: ${file}): ${K} (printed)`,
      `Cache hit (mem): ${K}`,
      `Cache miss (mem): ${K}`,
      `Cache hit (disk: ${file}): ${K}`,
    ]);
  });

  test('what is said of one tier goes before what is said of both; nothing is said by default', async () => {
    const lines: string[] = [];
    const print = (line: string) => void lines.push(line);
    const log = { hit: print, memoryHit: false, miss: false, diskMiss: print };
    const f = closing(memoize((n: number) => n, { name: 'printed', cache: folder.cache, log }));
    await f(1);
    await f(1);
    await folder.cache.clear();
    await f(1);
    expect(lines.map((line) => line.replace(/ \(disk: [^)]*\)/, ''))).toEqual([
      `Cache miss: ${K} (printed)`,
      `Cache hit: ${K}`,
    ]);
  });

  test('with `stack` a miss says who has called, and a printer that throws spoils no call', async () => {
    const lines: string[] = [];
    const log = { diskMiss: (line: string) => void lines.push(line), stack: true };
    const f = closing(memoize((n: number) => n, { name: 'traced', log }));
    await f(1);
    expect(lines[0]).toMatch(/\(traced\)\n\s+at .*memo/);
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const thrower = () => {
      throw new Error('full');
    };
    const g = closing(memoize((n: number) => n, { filename: 'spoilt', log: { miss: thrower } }));
    expect(await g(1)).toBe(1);
    expect((await warned).message).toMatch(/full/);
  });
});

test('the file is where caches are, and `disable` makes none', async () => {
  const off = closing(memoize(async () => 1, { name: 'off', disable: true }));
  expect([await off(), existsSync(folder.root)]).toEqual([1, false]);
  const on = closing(memoize(async () => 1, { name: 'on' }));
  await on();
  expect(existsSync(join(folder.root, 'on.log'))).toBe(true);
});
