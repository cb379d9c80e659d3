import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Engine } from '../../../src/protocol/engines/engine.ts';
import { logEngine } from '../../../src/protocol/engines/log/index.ts';
import { diskFiles, type Files } from '../../../src/protocol/files.ts';
import { always, FaultyFiles, onlyThe } from '../../support/faulty-files.ts';

const folders: string[] = [];
const engines: Engine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await Promise.resolve(engine.close()).catch(() => {});
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'shardstash-log-'));
  folders.push(directory);
  return directory;
}

async function open(options: object = {}, files: Files = diskFiles, directory = folder()): Promise<Engine> {
  const engine = await logEngine.open({ name: 'log', directory, options: { ...options }, files, warn: () => {} });
  engines.push(engine);
  return engine;
}

async function factsOf(engine: Engine): Promise<Record<string, unknown>> {
  return await engine.facts();
}

const bytes = (length: number, fill = 1) => Buffer.alloc(length, fill);

describe('a synced log', () => {
  test('acknowledges all writes of one turn by one fdatasync, and those made meanwhile by the next', async () => {
    let syncs = 0;
    let release = () => {};
    const files: Files = {
      ...diskFiles,
      fdatasync: async () => {
        syncs++;
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      },
    };
    const engine = await open({ sync: true }, files);
    const first = Promise.all(Array.from({ length: 20 }, (_, i) => engine.set(`first ${i}`, bytes(10))));
    await new Promise((resolve) => setImmediate(resolve));
    expect(syncs).toBe(1);
    const second = Promise.all(Array.from({ length: 20 }, (_, i) => engine.set(`second ${i}`, bytes(10))));
    await new Promise((resolve) => setImmediate(resolve));
    expect(syncs).toBe(1);
    release();
    await first;
    await new Promise((resolve) => setImmediate(resolve));
    expect(syncs).toBe(2);
    release();
    await second;
    // What is synced already needs no other sync.
    await engine.flush();
    expect(syncs).toBe(2);
  });

  test('that could not be synced takes no more writes until it is opened again', async () => {
    const disk = new FaultyFiles();
    const directory = folder();
    const engine = await open({ sync: true }, disk.files, directory);
    await engine.set('before', bytes(10));
    await disk.during({ code: 'EIO', calls: ['fdatasync'], strikes: onlyThe(1) }, async () => {
      const failed = await Promise.allSettled([engine.set('a', bytes(10)), engine.set('b', bytes(10))]);
      expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    });
    expect(() => engine.set('c', bytes(10))).toThrow(/nothing is written until it is opened again/);
    expect(await engine.get('before')).toBeDefined();
    await expect(engine.close()).rejects.toMatchObject({ code: 'ENGINE_ERROR' });
    const again = await open({ sync: true }, diskFiles, directory);
    await again.set('c', bytes(10));
    expect((await again.get('before')) !== undefined).toBe(true);
  });
});

describe('a write that fails', () => {
  test('is cut off, and nothing is written while the cut fails', async () => {
    const disk = new FaultyFiles();
    const engine = await open({}, disk.files);
    await engine.set('a', bytes(100));
    const { bytes: before } = await factsOf(engine);
    disk.fault = { code: 'ENOSPC', calls: ['writeSync', 'ftruncateSync'], strikes: always, partOf: 50 };
    expect(() => engine.set('b', bytes(100))).toThrow(/make room/);
    disk.fault = { code: 'EIO', calls: ['ftruncateSync'], strikes: always };
    expect(() => engine.set('b', bytes(100))).toThrow(/cut off a write that had failed/);
    disk.fault = undefined;
    expect((await factsOf(engine))['bytes']).toBe(before);
    await engine.set('b', bytes(100));
    expect([(await engine.get('a')) !== undefined, (await engine.get('b')) !== undefined]).toEqual([true, true]);
    const findings: string[] = [];
    if (engine.verify) for await (const finding of engine.verify()) findings.push(finding);
    expect(findings).toEqual([]);
  });
});

describe('a segment that cannot be begun', () => {
  test.each([
    ['leaves nothing', ['writeSync']],
    ['is begun again first where what is left cannot be removed', ['writeSync', 'rmSync']],
  ] as const)('%s', async (_, calls) => {
    const directory = folder();
    const disk = new FaultyFiles();
    const engine = await open({ segmentBytes: 4_096 }, disk.files, directory);
    await engine.set('first', bytes(3_000));
    // The whole head is written before the disk fails.
    const fault = { code: 'EIO', calls, strikes: always, partOf: 32 } as const;
    const failing = disk.during(fault, async () => engine.set('second', bytes(3_000)));
    await expect(failing).rejects.toMatchObject({ code: 'ENGINE_ERROR' });
    await engine.set('small', bytes(10));
    await engine.close();
    const again = await open({ segmentBytes: 4_096 }, diskFiles, directory);
    expect([
      (await again.get('first')) !== undefined,
      (await again.get('second')) !== undefined,
      (await again.get('small')) !== undefined,
    ]).toEqual([true, false, true]);
  });
});

describe('segments', () => {
  test('are opened so many at a time, and read all the same', async () => {
    const engine = await open({ segmentBytes: 4_096 });
    for (let i = 0; i < 400; i++) await engine.set(`key ${i}`, bytes(1_000, i));
    const facts = await factsOf(engine);
    expect(facts['segments']).toBeGreaterThan(100);
    expect(facts['openFiles']).toBeLessThanOrEqual(64);
    for (let i = 0; i < 400; i++) expect((await engine.get(`key ${i}`))?.[0]).toBe(i & 255);
    expect((await factsOf(engine))['openFiles']).toBeLessThanOrEqual(64);
  });

  test('give back by themselves what was replaced, while a large record is being read', async () => {
    const directory = folder();
    let release = () => {};
    const files: Files = {
      ...diskFiles,
      read: async (...args) => {
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        return await diskFiles.read(...args);
      },
    };
    // An empty log is opened without a read.
    const engine = await open({ segmentBytes: 100_000 }, files, directory);
    await engine.set('large', bytes(90_000, 7));
    const reading = engine.get('large');
    for (let i = 0; i < 60; i++) {
      await engine.set('large', bytes(90_000, i));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await engine.compact?.();
    const facts = await factsOf(engine);
    expect(facts['segmentsRemoved']).toBeGreaterThan(50);
    expect(facts['bytes']).toBeLessThan(300_000);
    release();
    expect((await reading)?.every((byte) => byte === 7)).toBe(true);
    expect(readdirSync(directory).filter((name) => name.endsWith('.log')).length).toBe(facts['segments']);
  });

  test('are cleaned again after the disk has failed for a while, once for each segment that is begun', async () => {
    const disk = new FaultyFiles();
    const quick: Files = { ...disk.files, fdatasync: async () => {}, fsync: async () => {} };
    const engine = await open({ segmentBytes: 4_096 }, quick);
    const write = async (times: number) => {
      for (let i = 0; i < times; i++) {
        await engine.set(`key ${i % 3}`, bytes(1_000));
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await disk.during({ code: 'EIO', calls: ['unlinkSync'], strikes: always }, () => write(100));
    expect((await factsOf(engine))['compactionFault']).toMatch(/EIO/);
    expect(disk.struck).toBeLessThan(35);
    await write(40);
    expect(await factsOf(engine)).toMatchObject({ compactionFault: undefined });
    expect((await factsOf(engine))['bytes']).toBeLessThan(20_000);
  });

  test('stay open for large reads on their way when the log is closed', async () => {
    const engine = await open({ segmentBytes: 100_000 });
    for (let i = 0; i < 100; i++) await engine.set(`key ${i}`, bytes(90_000, i));
    const reads = Array.from({ length: 200 }, (_, i) => engine.get(`key ${i % 100}`));
    expect((await factsOf(engine))['openFiles']).toBeLessThanOrEqual(66);
    await engine.close();
    for (const [i, read] of reads.entries()) expect((await read)?.[0]).toBe(i % 100);
  });

  test('forget what was deleted, and it does not come back', async () => {
    const directory = folder();
    const engine = await open({ segmentBytes: 4_096 }, diskFiles, directory);
    for (let i = 0; i < 200; i++) await engine.set(`key ${i}`, bytes(200));
    for (let i = 0; i < 190; i++) await engine.delete(`key ${i}`);
    await engine.compact?.();
    expect((await factsOf(engine))['bytes']).toBeLessThan(8_000);
    await engine.close();
    const again = await open({ segmentBytes: 4_096 }, diskFiles, directory);
    expect(await again.size()).toBe(10);
    expect((await again.get('key 3')) !== undefined).toBe(false);
  });

  test('list every key exactly once while they are compacted', async () => {
    const engine = await open({ segmentBytes: 4_096 });
    const all = Array.from({ length: 3_000 }, (_, i) => `key ${i}`);
    await engine.setMany(all.map((key) => [key, bytes(50)] as const));
    for (const key of all.slice(0, 1_500)) await engine.set(key, bytes(20));
    const seen: string[] = [];
    for await (const page of engine.keys()) {
      seen.push(...page);
      await engine.compact?.();
    }
    expect(seen.sort()).toEqual([...all].sort());
  });
});

test.each([
  [{ segmentBytes: 100 }, 'segmentBytes'],
  [{ sync: 'yes' }, 'sync'],
  [{ repair: 1 }, 'repair'],
])('wrong options are refused: %j', async (options, option) => {
  await expect(open(options)).rejects.toMatchObject({ code: 'INVALID_CONFIG', option });
});
