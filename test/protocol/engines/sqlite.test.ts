import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Libsql from 'libsql';
import { afterEach, describe, expect, test } from 'vitest';
import type { Engine, EngineKind, Place } from '../../../src/protocol/engines/engine.ts';
import { builtinSqlite, loadSqlite } from '../../../src/protocol/engines/sqlite/driver.ts';
import { openSqliteEngine, sqliteEngine } from '../../../src/protocol/engines/sqlite/index.ts';
import { diskFiles } from '../../../src/protocol/files.ts';
import { runEngineSuite } from '../../support/engine-suite.ts';
import { nodeSqlite } from '../../support/node-sqlite.ts';

/** Where the Node has none: by one that behaves as it is documented. */
const byNode: EngineKind = {
  ...sqliteEngine,
  open: (place) => openSqliteEngine(place, () => loadSqlite(builtinSqlite() ?? nodeSqlite)),
};
const byLibsql: EngineKind = {
  ...sqliteEngine,
  open: (place) => openSqliteEngine(place, () => loadSqlite(null)),
};

runEngineSuite('sqlite, by libsql', { kind: byLibsql });
runEngineSuite('sqlite, by node:sqlite', { kind: byNode });

describe('the engine sqlite', () => {
  const cleanups: (() => void)[] = [];
  afterEach(() => {
    for (const clean of cleanups.splice(0).reverse()) clean();
  });
  const place = (options: object = {}): Place => {
    const directory = mkdtempSync(join(tmpdir(), 'shardstash-sqlite-'));
    cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
    return { name: 'test', directory, options: { ...options }, files: diskFiles, warn: () => {} };
  };
  const fileOf = ({ directory }: Place) => join(directory, 'store.sqlite');
  const bytes = (length: number) => Buffer.alloc(length, 7);
  const filled = async (where: Place) => {
    const engine = await byLibsql.open(where);
    await engine.setMany(Array.from({ length: 300 }, (_, i) => [`key ${i}`, bytes(500)] as const));
    await engine.close();
  };

  /** Waits for others no longer than a millisecond. */
  const impatient = async () => {
    const open = await loadSqlite(null);
    return (path: string) => {
      const driver = open(path);
      return { ...driver, exec: (sql: string) => driver.exec(sql.replace(/busy_timeout = \d+/, 'busy_timeout = 1')) };
    };
  };

  test('leaves the database of another program as it is', async () => {
    const where = place();
    const other = new Libsql(fileOf(where));
    other.exec('CREATE TABLE entries (key TEXT, record TEXT); PRAGMA user_version = 1');
    other.close();
    const before = readFileSync(fileOf(where));
    for (const kind of [byLibsql, byNode]) {
      await expect(kind.open(where)).rejects.toMatchObject({ code: 'STORE_FOREIGN', path: fileOf(where) });
    }
    expect(readFileSync(fileOf(where)).equals(before)).toBe(true);
  });

  test('does not read a store of a format that it does not know', async () => {
    const where = place();
    await filled(where);
    const database = new Libsql(fileOf(where));
    database.exec('PRAGMA user_version = 2');
    database.close();
    await expect(byLibsql.open(where)).rejects.toMatchObject({ code: 'STORE_FOREIGN' });
  });

  test('takes no garbage, and no part of a file, for a store', async () => {
    const where = place();
    for (const garbage of [Buffer.from('hello'), bytes(20_000)]) {
      writeFileSync(fileOf(where), garbage);
      for (const kind of [byLibsql, byNode]) {
        await expect(kind.open(where)).rejects.toMatchObject({ code: 'STORE_CORRUPT', path: fileOf(where) });
      }
      expect(readFileSync(fileOf(where)).equals(garbage)).toBe(true);
    }
    const whole = place();
    await filled(whole);
    // Of a copy: libsql still has the other one open, and goes by what it knows of it.
    const cut = place();
    writeFileSync(fileOf(cut), readFileSync(fileOf(whole)).subarray(0, 40_000));
    await expect(byLibsql.open(cut)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
  });

  test('finds pages that are damaged', async () => {
    const where = place();
    await filled(where);
    const damaged = readFileSync(fileOf(where));
    damaged.fill(0xee, 4 * 4_096, 30 * 4_096);
    writeFileSync(fileOf(where), damaged);
    const engine = await byLibsql.open(where);
    const findings: string[] = [];
    for await (const finding of engine.verify?.() ?? []) findings.push(finding);
    expect(findings.length).toBeGreaterThan(0);
    await engine.close();
  });

  test('says what is wrong with a directory that is not there', async () => {
    const where = place();
    rmSync(where.directory, { recursive: true });
    for (const kind of [byLibsql, byNode]) {
      await expect(kind.open(where)).rejects.toMatchObject({
        code: 'ENGINE_ERROR',
        message: expect.stringContaining('see that its directory is there'),
      });
    }
  });

  test('has lost nothing, and half written nothing, when it is full', async () => {
    const open = await loadSqlite(null);
    const where = place();
    const small = async () => (path: string) => {
      const driver = open(path);
      driver.exec('PRAGMA max_page_count = 40');
      return driver;
    };
    const engine: Engine = await openSqliteEngine(where, small);
    let stored = 0;
    await expect(
      (async () => {
        for (; stored < 1_000; stored++) await engine.set(`key ${stored}`, bytes(1_000));
      })(),
    ).rejects.toMatchObject({ code: 'ENGINE_ERROR', message: expect.stringContaining('is full') });
    const batch = Array.from({ length: 60 }, (_, i) => [`batch ${i}`, bytes(1_000)] as const);
    await expect((async () => await engine.setMany(batch))()).rejects.toMatchObject({ code: 'ENGINE_ERROR' });
    const grow = async () => await engine.update('key 0', () => bytes(100_000));
    await expect(grow()).rejects.toMatchObject({ code: 'ENGINE_ERROR' });
    expect(stored).toBeGreaterThan(20);
    expect(await engine.size()).toBe(stored);
    expect(Buffer.from((await engine.get('key 0')) as Uint8Array)).toEqual(bytes(1_000));
    expect(await engine.delete('key 1')).toBe(true);
    await engine.set('key 2', bytes(10));
    await engine.close();
    const again = await byLibsql.open(where);
    expect(await again.size()).toBe(stored - 1);
    await again.close();
  });

  test('waits for nobody for ever', async () => {
    const where = place();
    const engine = await openSqliteEngine(where, impatient);
    const other = new Libsql(fileOf(where));
    other.exec('BEGIN IMMEDIATE');
    await expect((async () => await engine.set('a', bytes(1)))()).rejects.toMatchObject({ code: 'BUSY' });
    const update = async () => await engine.update('a', () => bytes(1));
    await expect(update()).rejects.toMatchObject({ code: 'BUSY' });
    other.exec('ROLLBACK');
    other.close();
    await engine.set('a', bytes(1));
    await engine.close();
  });

  test('opens, reads and closes while somebody else writes', async () => {
    const where = place();
    await filled(where);
    const other = new Libsql(fileOf(where));
    other.exec('BEGIN EXCLUSIVE');
    try {
      const engine = await openSqliteEngine(where, impatient);
      expect(await engine.size()).toBe(300);
      expect(() => engine.set('a', bytes(10))).toThrow(expect.objectContaining({ code: 'BUSY' }));
      await engine.close();
    } finally {
      other.exec('ROLLBACK');
      other.close();
    }
  });

  test('has it all in one file when it is closed', async () => {
    const where = place({ sync: true });
    await filled(where);
    const engine = await byLibsql.open(where);
    await engine.set('a', bytes(1));
    expect(engine.facts()).toMatchObject({ logBytes: expect.any(Number) });
    await engine.flush();
    await engine.close();
    const copy = place();
    writeFileSync(fileOf(copy), readFileSync(fileOf(where)));
    const again = await byLibsql.open(copy);
    expect(await again.size()).toBe(301);
    await again.close();
  });

  test('refuses options that are none', async () => {
    const opening = byLibsql.open(place({ sync: 'yes' }));
    await expect(opening).rejects.toMatchObject({ code: 'INVALID_CONFIG', option: 'sync' });
  });
});
