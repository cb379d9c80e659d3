import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Place } from '../../../src/protocol/engines/engine.ts';
import { LmdbCommits } from '../../../src/protocol/engines/lmdb/commits.ts';
import { lmdbEngine } from '../../../src/protocol/engines/lmdb/index.ts';
import { isHashOf, LmdbKey, longKeyOf } from '../../../src/protocol/engines/lmdb/key.ts';
import { diskFiles } from '../../../src/protocol/files.ts';
import { runEngineSuite } from '../../support/engine-suite.ts';
import { always, FaultyFiles, READS } from '../../support/faulty-files.ts';

runEngineSuite('lmdb', { kind: lmdbEngine });

describe('the engine lmdb', () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const clean of cleanups.splice(0).reverse()) await clean();
  });
  const place = (options: object = {}, files = diskFiles): Place => {
    const directory = mkdtempSync(join(tmpdir(), 'shardstash-lmdb-'));
    cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
    return { name: 'test', directory, options: { ...options }, files, warn: () => {} };
  };
  const open = async (where: Place) => {
    const engine = await lmdbEngine.open(where);
    cleanups.push(() => engine.close());
    return engine;
  };
  const fileOf = ({ directory }: Place) => join(directory, 'data.mdb');
  /** The file of a store with 500 entries, as it is when nobody has it open. */
  const filled = async () => {
    const where = place();
    const engine = await lmdbEngine.open(where);
    await engine.setMany(Array.from({ length: 500 }, (_, i) => [`key ${i}`, Buffer.alloc(400, i)] as const));
    await engine.set('last', Buffer.alloc(50_000));
    await engine.close();
    return readFileSync(fileOf(where));
  };
  const openWith = async (bytes: Buffer) => {
    const where = place();
    writeFileSync(fileOf(where), bytes);
    try {
      return await open(where);
    } finally {
      expect(readFileSync(fileOf(where)).equals(bytes)).toBe(true);
    }
  };

  test('takes nothing for its own that LMDB has not written', async () => {
    for (const bytes of [Buffer.from('hello'), Buffer.alloc(50_000, 7), Buffer.alloc(8_192)]) {
      await expect(openWith(bytes)).rejects.toMatchObject({ code: 'STORE_FOREIGN' });
    }
    const other = await filled();
    other.writeUInt32LE(1, 28);
    await expect(openWith(other)).rejects.toMatchObject({
      code: 'STORE_FOREIGN',
      message: expect.stringContaining('is of version 1'),
    });
  });

  test('does not map a file that was cut off, which would end the process', async () => {
    const whole = await filled();
    for (const length of [100, 4_096, 5_000, 8_192, 20_480, 100_000, whole.length - 4_096]) {
      await expect(openWith(whole.subarray(0, length))).rejects.toMatchObject({
        code: length < 160 ? 'STORE_FOREIGN' : 'STORE_CORRUPT',
      });
    }
    expect(await (await openWith(whole)).size()).toBe(501);
  });

  test('opens a file whose last pages were taken and given back before they were written', async () => {
    const bytes = await filled();
    // The last page that was taken, in both metas: more than there is.
    for (const meta of [0, 4_096]) bytes.writeBigUInt64LE(bytes.readBigUInt64LE(meta + 144) + 100n, meta + 144);
    const engine = await openWith(bytes);
    expect(await engine.size()).toBe(501);
    expect((await engine.get('last'))?.length).toBe(50_000);
    await engine.set('goes on', Buffer.alloc(500_000));
  });

  test('says which reads meet a damaged page, and goes on with the others', async () => {
    const bytes = await filled();
    bytes.fill(0, 20 * 4_096, 21 * 4_096);
    const where = place();
    writeFileSync(fileOf(where), bytes);
    const engine = await open(where);
    const outcomes = { whole: 0, corrupt: 0 };
    for (let i = 0; i < 500; i++) {
      try {
        await engine.get(`key ${i}`);
        outcomes.whole++;
      } catch (error) {
        expect(error).toMatchObject({ code: 'STORE_CORRUPT', path: fileOf(where) });
        outcomes.corrupt++;
      }
    }
    expect(outcomes.corrupt).toBeGreaterThan(0);
    expect(outcomes.whole).toBeGreaterThan(450);
    // To walk on through the entries could end the process: there are no findings, but an end.
    const verify = async () => {
      for await (const finding of engine.verify?.() ?? []) throw new Error(finding);
    };
    await expect(verify()).rejects.toMatchObject({ code: 'STORE_CORRUPT', path: fileOf(where) });
  });

  test('does not open what it cannot look at', async () => {
    const disk = new FaultyFiles();
    const where = place({}, disk.files);
    writeFileSync(fileOf(where), await filled());
    const opening = disk.during({ code: 'EIO', calls: READS, strikes: always }, () => lmdbEngine.open(where));
    await expect(opening).rejects.toMatchObject({ code: 'ENGINE_ERROR', path: fileOf(where) });
  });

  test('commits what was in flight together, before anybody sees it', async () => {
    const engine = await open(place());
    const log: string[] = [];
    const one = engine.set('a', Buffer.from('one')) as Promise<void>;
    const other = engine.set('b', Buffer.from('other')) as Promise<void>;
    for (const [name, write] of Object.entries({ one, other })) void write.then(() => log.push(name));
    expect(Buffer.from((await engine.get('a')) as Uint8Array).toString()).toBe('one');
    await other;
    expect(log).toEqual(['one', 'other']);
  });

  test('undoes no other write when an update throws', async () => {
    const engine = await open(place());
    const before = engine.set('a', Buffer.from('one'));
    const thrown = engine.update('b', () => {
      throw new RangeError('no');
    });
    const after = engine.set('c', Buffer.from('three'));
    await expect(thrown).rejects.toThrow(RangeError);
    await Promise.all([before, after]);
    expect([
      (await engine.get('a')) !== undefined,
      (await engine.get('b')) !== undefined,
      (await engine.get('c')) !== undefined,
    ]).toEqual([true, false, true]);
  });

  test('takes writes from within an update for the next commit', async () => {
    const engine = await open(place());
    const inner: unknown[] = [];
    await engine.update('a', () => {
      inner.push(engine.set('b', Buffer.from('two')), engine.get('b'));
      return Buffer.from('one');
    });
    await Promise.all(inner);
    expect([(await engine.get('a')) !== undefined, (await engine.get('b')) !== undefined]).toEqual([true, true]);
  });

  test('grows beyond the room that was set apart at first', async () => {
    const engine = await open(place({ mapSize: 2 ** 20 }));
    const big = Buffer.alloc(1_500_000, 5);
    for (let i = 0; i < 5; i++) await engine.set(`key ${i}`, big);
    for (let i = 0; i < 5; i++) expect(big.equals((await engine.get(`key ${i}`)) as Uint8Array)).toBe(true);
    await engine.flush();
  });

  test('has two stores of one path apart: one closes, the other goes on', async () => {
    const where = place();
    const [one, other] = [await open(where), await lmdbEngine.open(where)];
    const written = other.set('a', Buffer.from('one'));
    await other.close();
    await written;
    expect(Buffer.from((await one.get('a')) as Uint8Array).toString()).toBe('one');
    await one.set('b', Buffer.from('two'));
    expect(await one.size()).toBe(2);
  });

  test('syncs for a store that has `sync`, whoever opened the file first', async () => {
    const sync = vi.spyOn(LmdbCommits.prototype, 'sync');
    cleanups.push(() => sync.mockRestore());
    const where = place();
    const [quick, safe] = [await open(where), await lmdbEngine.open({ ...where, options: { sync: true } })];
    await quick.set('a', Buffer.from('x'));
    expect(sync).not.toHaveBeenCalled();
    await safe.set('b', Buffer.from('x'));
    expect(sync).toHaveBeenCalledTimes(1);
    const last = [safe.set('c', Buffer.from('x')), safe.delete('b')];
    await safe.close();
    await Promise.all(last);
    expect([(await quick.get('c')) !== undefined, (await quick.get('b')) !== undefined]).toEqual([true, false]);
  });

  test('tells a long key from another of the same hash', () => {
    const [one, other] = [new LmdbKey('x'.repeat(2_000)), new LmdbKey('y'.repeat(2_000))];
    expect(one.bytes.length).toBe(33);
    const value = one.wrap(Buffer.from('record'));
    expect(one.unwrap(value)?.toString()).toBe('record');
    // As if both had one hash.
    expect(other.unwrap(value)).toBe(undefined);
    expect([isHashOf(one.bytes, value), isHashOf(other.bytes, value)]).toEqual([true, false]);
    for (const cut of [0, 3, 10]) expect(longKeyOf(value.subarray(0, cut))).toBe(undefined);
  });

  test('refuses options that are none', async () => {
    for (const [option, value] of [
      ['sync', 1],
      ['mapSize', 5],
      ['mapSize', '1gb'],
      ['mapSize', Number.NaN],
    ] as const) {
      const opening = lmdbEngine.open(place({ [option]: value }));
      await expect(opening).rejects.toMatchObject({ code: 'INVALID_CONFIG', option });
    }
  });
});
