import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCodec } from '../../../src/main/serializers/index.ts';
import type { Engine } from '../../../src/protocol/engines/engine.ts';
import { jsonEngine } from '../../../src/protocol/engines/json/index.ts';
import { verifyJson } from '../../../src/protocol/engines/json/verify.ts';
import { diskFiles, type Files } from '../../../src/protocol/files.ts';
import { openRecord, sealRecord } from '../../../src/protocol/record.ts';
import { runEngineSuite } from '../../support/engine-suite.ts';
import { always, FaultyFiles } from '../../support/faulty-files.ts';
import { QUICK_DISK } from '../../support/quick-disk.ts';

runEngineSuite('json', {
  kind: jsonEngine,
  root: QUICK_DISK,
  faults: ['full', 'broken', 'unreadable', 'out of files', 'unsynced', 'slow'],
});

describe('a store in a JSON file', () => {
  let directory: string;
  let path: string;
  let warnings: string[];
  beforeEach(() => {
    directory = mkdtempSync(join(QUICK_DISK, 'shardstash-json-'));
    path = join(directory, 'store.json');
    warnings = [];
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const open = (files: Files = diskFiles, options = {}): Promise<Engine> =>
    jsonEngine.open({ name: 'test', directory, options, files, warn: (message) => warnings.push(message) });
  const codec = createCodec('json');
  const sealed = (value: unknown, expiresAtMs = Number.POSITIVE_INFINITY) => {
    codec.encode(value);
    return sealRecord({ tag: codec.tag, compression: 0, base64: false, expiresAtMs }, codec.bytes, codec.byteLength);
  };
  const decoded = (record: Uint8Array | undefined) => {
    if (record === undefined) return undefined;
    const { tag, payload } = openRecord(record);
    return codec.decode(tag, payload, payload.length);
  };
  const linesOf = () => JSON.parse(readFileSync(path, 'utf8')).entries;
  const refused = async (text: string) => {
    writeFileSync(path, text);
    const findings: string[] = [];
    for await (const finding of verifyJson(diskFiles, directory)) findings.push(finding);
    const error = await open().then(
      () => undefined,
      (caught) => caught,
    );
    expect(readFileSync(path, 'utf8')).toBe(text);
    expect(readdirSync(directory)).toEqual(['store.json']);
    expect(findings[0]).toBe(error?.message);
    return { code: error?.code, path: error?.path, message: error?.message, findings };
  };

  test('keeps every value, in words where JSON has them', async () => {
    const values = [
      0,
      -0,
      1.5,
      5e-324,
      1e300,
      2 ** 53,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      '',
      'plain',
      'ключ',
      '\ud800',
      '\0',
      true,
      false,
      null,
      undefined,
      10n,
      [1, [2, { a: null }]],
      { a: 1, 1: 2 },
      JSON.parse('{"__proto__":{"x":1},"toJSON":1}'),
      { $date: 5 },
      new Date(0),
      new Map([['a', new Set([1])]]),
      [undefined, Number.NaN, -0],
      Buffer.from('hi'),
    ];
    const engine = await open();
    const records = values.map((value, i) => sealed(value, i % 3 === 0 ? 1_900_000_000_000 + i : undefined));
    await engine.setMany(records.map((record, i) => [`key ${i}`, record] as const));
    await engine.set('fractional', sealed('x', 1_900_000_000_000.25));
    await engine.set('no record', Buffer.from([1, 2, 3]));
    await engine.close();
    const again = await open();
    for (const [i, record] of records.entries()) {
      expect(Buffer.from((await again.get(`key ${i}`)) as Uint8Array).equals(record)).toBe(true);
    }
    expect(Buffer.from((await again.get('no record')) as Uint8Array)).toEqual(Buffer.from([1, 2, 3]));
    expect(Buffer.from((await again.get('fractional')) as Uint8Array).equals(sealed('x', 1_900_000_000_000.25))).toBe(
      true,
    );
    const inWords = linesOf().filter((entry: object) => 'value' in entry).length;
    // In base64: -0, NaN, Infinity, text that is no text, undefined, a Buffer, a fraction of a millisecond and no record.
    expect(inWords).toBe(values.length + 2 - 8);
    await again.close();
  });

  test('says keys and times as people would, and takes what they have written', async () => {
    const engine = await open();
    await engine.set('user:1', sealed({ name: 'Ann' }, Date.UTC(2030, 0, 1)));
    await engine.set('\0n1.5', sealed(true));
    await engine.close();
    expect(linesOf()).toEqual([
      { key: 'user:1', value: { name: 'Ann' }, expiresAt: '2030-01-01T00:00:00.000Z' },
      { encodedKey: 'n1.5', value: true, expiresAt: null },
    ]);
    const record = sealed(undefined).toString('base64');
    const entries = [
      { key: 'by hand', value: { $date: '2020-01-01T00:00:00.000Z' } },
      { key: 'until', record, expiresAt: '2031-01-01T00:00:00+01:00' },
    ];
    writeFileSync(path, JSON.stringify({ version: 1, entries }));
    const again = await open();
    expect(decoded(await again.get('by hand'))).toEqual(new Date('2020-01-01'));
    expect(openRecord((await again.get('until')) as Uint8Array).expiresAtMs).toBe(Date.UTC(2030, 11, 31, 23));
    await again.close();
  });

  test('refuses a file that is damaged or somebody else’s, says where, and leaves it as it is', async () => {
    expect(await refused('{ "version": 1,\n  "entries": [,] }')).toMatchObject({
      code: 'STORE_CORRUPT',
      path,
      message: expect.stringContaining('line 2, column 15'),
    });
    expect(await refused('')).toMatchObject({ code: 'STORE_CORRUPT' });
    expect(await refused('{ "version": 2, "entries": [] }')).toMatchObject({ code: 'STORE_FOREIGN' });
    expect(await refused('{ "name": "package" }')).toMatchObject({
      code: 'STORE_FOREIGN',
      message: expect.stringContaining('an object of name'),
    });
    const refusedEntries = (...entries: string[]) => refused(`{"version":1,"entries":[${entries.join(',')}]}`);
    const twice = await refusedEntries('{"key":"a","value":1}', '{"key":"b","value":1}', '{"key":"a","value":2}', '7');
    expect(twice).toMatchObject({ code: 'STORE_CORRUPT', message: expect.stringMatching(/entry 3 .*entry 1, "a"/) });
    expect(twice.findings.length).toBe(2);
    for (const [entry, word] of [
      ['{"key":"a","value":1e400}', 'too large'],
      ['{"key":"a","value":[1e400]}', 'too large'],
      ['{"key":"a","value":1,"note":"x"}', 'note'],
      ['{"key":"a"}', 'either'],
      ['{"key":"a","value":1,"record":""}', 'either'],
      ['{"key":"a","record":"?"}', 'base64'],
      ['{"key":"a","value":1,"expiresAt":"soon"}', 'soon'],
      ['{"encodedKey":"n01","value":1}', 'n01'],
      ['{"key":"\\ud800","value":1}', 'none'],
      ['{"key":5,"value":1}', 'text'],
      ['null', 'null'],
    ] as const) {
      expect(await refusedEntries(entry)).toMatchObject({
        code: 'STORE_CORRUPT',
        message: expect.stringContaining(word),
      });
    }
    rmSync(path);
    symlinkSync('/etc/passwd', path);
    await expect(open()).rejects.toMatchObject({ code: 'STORE_FOREIGN', path });
  });

  test('writes of one turn share a rewrite', async () => {
    const disk = new FaultyFiles();
    const engine = await open(disk.files);
    await engine.set('first', sealed(1));
    disk.calls = 0;
    await engine.set('alone', sealed(1));
    const alone = disk.calls;
    disk.calls = 0;
    await Promise.all(Array.from({ length: 100 }, async (_, i) => await engine.set(`key ${i}`, sealed(i))));
    expect(disk.calls).toBe(alone);
    expect(linesOf().length).toBe(102);
    await engine.close();
  });

  test('nothing is left of a write that was rejected, nor of what was made of it', async () => {
    const disk = new FaultyFiles();
    const engine = await open(disk.files, { sync: true });
    await engine.set('a', sealed(1));
    const add = (record: Uint8Array | undefined) => sealed((decoded(record) as number) + 1);
    disk.fault = { code: 'ENOSPC', calls: ['fsync'], strikes: always };
    const failing = [engine.update('a', add), engine.set('b', sealed('lost'))];
    const outcomes = Promise.allSettled(failing);
    expect(decoded(await engine.get('a'))).toBe(2);
    // Its rewrite is under way now, and fails; this one is called after it and stands on what the file says.
    await new Promise(setImmediate);
    const later = engine.update('a', add);
    const deleted = engine.delete('b');
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    disk.fault = undefined;
    await later;
    expect([decoded(await engine.get('a')), await deleted, (await engine.get('b')) !== undefined]).toEqual([
      2,
      false,
      false,
    ]);
    await engine.close();
    expect(linesOf()).toEqual([{ key: 'a', value: 2, expiresAt: null }]);
  });

  test('does not write over what somebody else has written meanwhile', async () => {
    const engine = await open();
    await engine.set('a', sealed(1));
    const edited = '{"version":1,"entries":[{"key":"a","value":"edited"}]}';
    writeFileSync(path, edited);
    await expect(engine.set('b', sealed(2))).rejects.toMatchObject({ code: 'STORE_FOREIGN', path });
    expect([readFileSync(path, 'utf8'), (await engine.get('b')) !== undefined]).toEqual([edited, false]);
    await engine.close();
    const again = await open();
    expect(decoded(await again.get('a'))).toBe('edited');
    await again.close();
  });

  test('says once that it has become large', async () => {
    const engine = await open();
    await engine.set('a', sealed('x'.repeat(11 * 1024 * 1024)));
    await engine.set('b', sealed(1));
    expect(warnings).toEqual([expect.stringContaining('11 MiB')]);
    await engine.close();
  });
});
