import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { diskEngine } from '../../../src/protocol/engines/disk/index.ts';
import type { Engine } from '../../../src/protocol/engines/engine.ts';
import { diskFiles, type Files } from '../../../src/protocol/files.ts';
import { bytesUnder } from '../../support/crash-points.ts';
import { seededRandom } from '../../support/random.ts';

const MAX_BYTES = 2 ** 20;
const folders: string[] = [];
const engines: Engine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await Promise.resolve(engine.close()).catch(() => {});
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'shardstash-disk-'));
  folders.push(directory);
  return directory;
}

/** What is synced makes no difference here, and takes milliseconds. */
const files: Files = { ...diskFiles, fdatasync: async () => {}, fsyncSync: () => {} };

async function open(options: object = {}, directory = folder(), over: Partial<Files> = {}): Promise<Engine> {
  const place = { name: 'disk', directory, files: { ...files, ...over }, warn: () => {} };
  const engine = await diskEngine.open({ ...place, options: { maxBytes: MAX_BYTES, ...options } });
  engines.push(engine);
  return engine;
}

async function keysOf(engine: Engine): Promise<Set<string>> {
  const keys: string[] = [];
  for await (const page of engine.keys()) keys.push(...page);
  return new Set(keys);
}

const bytes = (length: number, fill = 1) => Buffer.alloc(length, fill);

function blobsIn(directory: string): string[] {
  return readdirSync(join(directory, 'blobs'), { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, 'blobs', name))
    .filter((path) => statSync(path).isFile());
}

describe.each(['lrs', 'lru', 'lfu'])("eviction '%s'", (eviction) => {
  test('stays below its bound at all times, whatever is written, and through a reopening', async () => {
    const random = seededRandom(`the bound with ${eviction}`);
    const directory = folder();
    let engine = await open({ eviction }, directory);
    for (let step = 0; step < 900; step++) {
      const key = `key ${random.below(600)}`;
      if (random.oneIn(10)) await engine.delete(key);
      else if (random.oneIn(3)) await engine.get(key);
      else await engine.set(key, bytes(random.logUniform(1, 100_000), step));
      if (step % 9 === 0) expect(bytesUnder(directory)).toBeLessThanOrEqual(MAX_BYTES);
      if (step % 400 === 250) {
        await engine.close();
        engine = await open({ eviction }, directory);
      }
    }
    const facts = (await engine.facts()) as Record<string, number>;
    expect(facts['bytes']).toBeGreaterThan(MAX_BYTES / 2);
    expect(facts['evictions']).toBeGreaterThan(0);
    expect((await keysOf(engine)).size).toBe(await engine.size());
    const findings: string[] = [];
    if (engine.verify) for await (const finding of engine.verify()) findings.push(finding);
    expect(findings).toEqual([]);
  });
});

test.each([
  ['lrs', [0, 1], [2, 3]],
  ['lru', [0, 2], [1, 3]],
  ['lfu', [0, 1], [2, 3]],
] as const)("'%s' evicts who is due: of %j", async (eviction, gone, stays) => {
  const engine = await open({ eviction });
  const size = 200_000;
  const used: Record<string, readonly number[]> = { lrs: [0, 0], lru: [1], lfu: [2, 3, 2, 3, 2, 3] };
  for (let i = 0; i < 4; i++) await engine.set(`key ${i}`, bytes(size));
  for (const i of used[eviction] ?? []) await engine.get(`key ${i}`);
  await engine.set('new 0', bytes(size));
  await engine.set('new 1', bytes(size));
  const keys = await keysOf(engine);
  expect(gone.filter((i) => keys.has(`key ${i}`))).toEqual([]);
  expect(stays.filter((i) => !keys.has(`key ${i}`))).toEqual([]);
});

test("with 'none' a full store refuses what does not fit, and loses nothing", async () => {
  const engine = await open({ eviction: 'none' });
  let stored = 0;
  const fill = async () => {
    for (; stored < 10_000; stored++) await engine.set(`key ${stored}`, bytes(3_000, stored));
  };
  await expect(fill()).rejects.toMatchObject({ code: 'CACHE_FULL' });
  expect(stored).toBeGreaterThan(200);
  for (let i = 0; i < stored; i++) expect((await engine.get(`key ${i}`))?.[0]).toBe(i & 255);
  for (let i = 0; i < stored; i++) await engine.set(`key ${i}`, bytes(3_000, i + 1));
  for (let i = 0; i < stored; i++) expect((await engine.get(`key ${i}`))?.[0]).toBe((i + 1) & 255);
  for (let i = 0; i < 40; i++) await engine.delete(`key ${i}`);
  for (let i = 0; i < 20; i++) await engine.set(`again ${i}`, bytes(3_000));
  expect(await engine.size()).toBe(stored - 20);
});

test('a store that is cleaned by itself, and compacted, stays below its bound', async () => {
  const directory = folder();
  const engine = await open({ eviction: 'none' }, directory);
  const random = seededRandom('the bound of a compaction');
  let most = 0;
  for (let step = 0; step < 600; step++) {
    const set = async () => await engine.set(`key ${random.below(300)}`, bytes(4_000));
    await set().catch((error: { code?: string }) => expect(error.code).toBe('CACHE_FULL'));
    if (random.oneIn(4)) await engine.delete(`key ${random.below(300)}`);
    if (step % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (step % 10 === 0) most = Math.max(most, bytesUnder(directory));
  }
  let isCompacting = true;
  const compacted = Promise.resolve(engine.compact?.()).finally(() => {
    isCompacting = false;
  });
  while (isCompacting) {
    most = Math.max(most, bytesUnder(directory));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await compacted;
  expect(most).toBeLessThanOrEqual(MAX_BYTES);
});

test('thousands of large records are read at once with some hundred files', async () => {
  let opened = 0;
  let most = 0;
  const openSync = ((...args: Parameters<Files['openSync']>) => {
    const fd = files.openSync(...args);
    most = Math.max(most, ++opened);
    return fd;
  }) as Files['openSync'];
  const closeSync = (fd: number) => {
    opened--;
    files.closeSync(fd);
  };
  const engine = await open({}, folder(), { openSync, closeSync });
  for (let i = 0; i < 8; i++) await engine.set(`key ${i}`, bytes(40_000, i));
  const records = await Promise.all(Array.from({ length: 1_000 }, (_, i) => engine.get(`key ${i % 8}`)));
  for (const [i, record] of records.entries()) expect(record?.[0]).toBe(i % 8);
  expect(most).toBeLessThan(300);
});

test('deletions stay below the bound, and thousands of small entries that go for a large one', async () => {
  const directory = folder();
  let writes = 0;
  let most = 0;
  const writeSync = ((...args: Parameters<Files['writeSync']>) => {
    if (++writes % 200 === 0) most = Math.max(most, bytesUnder(directory));
    return files.writeSync(...args);
  }) as Files['writeSync'];
  const engine = await open({}, directory, { writeSync });
  const keys = Array.from({ length: 20_000 }, (_, i) => `key ${i}`);
  await engine.setMany(keys.map((key) => [key, bytes(20)] as const));
  expect(await engine.size()).toBeGreaterThan(10_000);
  for (const key of keys.slice(15_000, 18_000)) await engine.delete(key);
  await engine.set('large', bytes(900_000, 7));
  expect((await engine.get('large'))?.[0]).toBe(7);
  expect(bytesUnder(directory)).toBeLessThanOrEqual(MAX_BYTES);
  expect(most).toBeLessThanOrEqual(MAX_BYTES);
});

test('an entry larger than the store is refused, and the others stay', async () => {
  const engine = await open();
  await engine.set('small', bytes(10));
  expect(() => engine.set('large', bytes(MAX_BYTES))).toThrow(expect.objectContaining({ code: 'VALUE_TOO_LARGE' }));
  expect(() => engine.set('k'.repeat(10_000), bytes(1))).toThrow(expect.objectContaining({ code: 'VALUE_TOO_LARGE' }));
  expect((await engine.get('small')) !== undefined).toBe(true);
});

test('a store that is opened with a lower bound is brought below it', async () => {
  const directory = folder();
  const engine = await open({ maxBytes: 8 * MAX_BYTES }, directory);
  for (let i = 0; i < 60; i++) await engine.set(`key ${i}`, bytes(100_000));
  await engine.close();
  const smaller = await open({}, directory);
  expect(bytesUnder(directory)).toBeLessThanOrEqual(MAX_BYTES);
  expect((await smaller.get('key 59')) !== undefined).toBe(true);
  expect((await smaller.get('key 0')) !== undefined).toBe(false);
});

test('a blob that is missing or damaged is an error of its key alone, and can be replaced', async () => {
  const directory = folder();
  const engine = await open({}, directory);
  await engine.set('gone', bytes(50_000));
  const [gone] = blobsIn(directory);
  await engine.set('cut', bytes(60_000));
  const cut = blobsIn(directory).find((path) => path !== gone) as string;
  await engine.set('whole', bytes(70_000, 9));
  rmSync(gone as string);
  truncateSync(cut, 100);
  await expect(engine.get('gone')).rejects.toMatchObject({ code: 'STORE_CORRUPT', path: gone });
  await expect(engine.get('cut')).rejects.toMatchObject({ code: 'STORE_CORRUPT', path: cut });
  expect((await engine.get('whole'))?.[0]).toBe(9);
  const findings: string[] = [];
  if (engine.verify) for await (const finding of engine.verify()) findings.push(finding);
  expect(findings.length).toBe(2);
  await engine.set('gone', bytes(50_000, 3));
  await engine.delete('cut');
  expect((await engine.get('gone'))?.[0]).toBe(3);
});

test('blobs that nothing points at are removed when the store is opened, and no others', async () => {
  const directory = folder();
  const engine = await open({}, directory);
  await engine.set('large', bytes(50_000, 5));
  await engine.close();
  const [blob] = blobsIn(directory);
  const orphan = join(blob as string, '..', `${(blob as string).slice(-12, -10)}0123456789`);
  writeFileSync(orphan, 'nobody knows it');
  const again = await open({}, directory);
  expect(blobsIn(directory)).toEqual([blob]);
  expect((await again.get('large'))?.[0]).toBe(5);
});

test('a compaction and a write that needs room do not clean the same segment', async () => {
  const random = seededRandom('two who clean');
  // A sync that takes some turns of the event loop, in which others write.
  const fdatasync = async () => {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  const engine = await open({ eviction: 'lru' }, folder(), { fdatasync });
  const model = new Map<string, number>();
  const compact = async () => await engine.compact?.();
  const compactions: Promise<void>[] = [];
  for (let step = 0; step < 2_000; step++) {
    const key = `key ${random.below(350)}`;
    await engine.set(key, bytes(3_000, step));
    model.set(key, step & 255);
    if (step % 250 === 0) compactions.push(compact());
    if (step % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  for (const key of await keysOf(engine)) expect((await engine.get(key))?.[0]).toBe(model.get(key));
  expect(await engine.size()).toBeGreaterThan(200);
  await Promise.all(compactions);
});

test.each([
  [{ maxBytes: 1_000 }, 'maxBytes'],
  [{ eviction: 'fifo' }, 'eviction'],
])('wrong options are refused: %j', async (options, option) => {
  await expect(open(options)).rejects.toMatchObject({ code: 'INVALID_CONFIG', option });
});
