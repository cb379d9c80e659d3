import { copyFileSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { createCodec } from '../../../src/main/serializers/index.ts';
import {
  convertSnapshot,
  inspectSnapshot,
  isSnapshot,
  type ReadEntry,
  readSnapshot,
  verifySnapshot,
} from '../../../src/main/snapshot/index.ts';
import { encodeValue } from '../../../src/main/snapshot/json-entry.ts';
import { openSnapshot } from '../../../src/main/snapshot/snapshot-at.ts';
import { openStore, snapshotToStore, storeToSnapshot } from '../../../src/main/stores/index.ts';
import type { SnapshotEntry } from '../../../src/protocol/snapshot/entry.ts';
import { TAG_JSON } from '../../../src/protocol/value-tags.ts';
import { FACTS, KEYS, snapshotOf } from '../../support/snapshots.ts';

const folder = mkdtempSync(join(tmpdir(), 'shardstash-snapshot-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const EVER = Number.POSITIVE_INFINITY;
const SOON = Date.now() + 3_600_000;
const PAST = Date.now() - 3_600_000;
const upper = {
  name: 'upper',
  encode: (value: unknown) => Buffer.from(String(value)),
  decode: (bytes: Buffer) => bytes.toString().toUpperCase(),
};

type Times = Partial<Pick<SnapshotEntry, 'deadlineMs' | 'slideMs' | 'graceMs' | 'standing'>>;

function entry(
  key: SnapshotEntry['key'],
  value: unknown,
  times: Times = {},
  codec = createCodec('msgpack'),
): SnapshotEntry {
  return { key, ...encodeValue(value, codec), deadlineMs: EVER, slideMs: 0, graceMs: 0, standing: 0, ...times };
}

function write(name: string, entries: Iterable<SnapshotEntry>, facts = FACTS): string {
  const path = join(folder, name);
  writeFileSync(path, snapshotOf(entries, facts));
  return path;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const VALUES = [
  1,
  'text',
  { a: [1n, new Date(7)] },
  null,
  undefined,
  new Map([['k', new Set([true])]]),
  Buffer.from('b'),
];
const SOME = KEYS.map((key, i) => {
  const times = i % 3 === 0 ? {} : { deadlineMs: SOON + i, slideMs: i % 2 === 0 ? 5_000 : 0, graceMs: i % 5 };
  return entry(key, VALUES[i % VALUES.length], { ...times, standing: i });
});

describe('a snapshot without a cache', () => {
  test('is the same entries in the same order whatever it is converted to, and back', async () => {
    const path = write('there.snapshot', SOME);
    const first = await all(readSnapshot(path));
    expect(first.map(({ key }) => key)).toEqual(SOME.map(({ key }) => key));
    let from = path;
    for (const [to, serializer] of [
      ['1.json'],
      ['2.snapshot', 'v8'],
      ['3.json'],
      ['4.json'],
      ['5.snapshot'],
    ] as const) {
      const done = await convertSnapshot(from, join(folder, to), { serializer });
      expect(done).toMatchObject({ entries: SOME.length, expired: 0, format: to.endsWith('json') ? 'json' : 'binary' });
      from = done.path;
      expect(await all(readSnapshot(from))).toEqual(first);
    }
    const standings: number[] = [];
    const last = await openSnapshot(from);
    for await (const batch of last.batches()) standings.push(...batch.map(({ standing }) => standing));
    expect(standings).toEqual(SOME.map(({ standing }) => standing));
    expect(last.told()).toMatchObject({ serializer: 'v8', eviction: 'lru', savedAtMs: FACTS.savedAtMs });
  });

  test('is copied byte for byte where the serializer stays, though nobody knows it', async () => {
    const codec = createCodec(upper);
    const path = write('own.snapshot', [entry('a', 'x', {}, codec)], { ...FACTS, serializer: 'upper' });
    const { path: copy, serializer } = await convertSnapshot(path, join(folder, 'own2.snapshot'));
    expect(serializer).toBe('upper');
    expect((await inspectSnapshot(copy, { entries: 1 })).sample).toMatchObject([{ key: 'a', value: '1 bytes' }]);
    expect(await all(verifySnapshot(copy))).toEqual([]);
    expect(await all(readSnapshot(copy, { serializer: upper }))).toMatchObject([{ key: 'a', value: 'X' }]);
    const asked = { code: 'INVALID_CONFIG', option: 'serializer' };
    await expect(all(readSnapshot(copy))).rejects.toMatchObject(asked);
    await expect(all(readSnapshot(copy, { serializer: 'json' }))).rejects.toMatchObject(asked);
    const text = join(folder, 'own.json');
    await expect(convertSnapshot(copy, text)).rejects.toMatchObject({ ...asked, option: 'fromSerializer' });
    await convertSnapshot(copy, text, { fromSerializer: upper, serializer: 'msgpack' });
    expect(await all(readSnapshot(text))).toMatchObject([{ key: 'a', value: 'X' }]);
  });

  test('loses what has expired when it is converted, and not when it is read; what has a grace has not', async () => {
    const path = write('old.snapshot', [
      entry('gone', 1, { deadlineMs: PAST }),
      entry('graced', 2, { deadlineMs: PAST, graceMs: 7_200_000 }),
      entry('stays', 3),
    ]);
    expect(await inspectSnapshot(path)).toMatchObject({ entries: 3, expired: 1 });
    const { path: to, ...counts } = await convertSnapshot(path, join(folder, 'old.json'));
    expect(counts).toMatchObject({ entries: 2, expired: 1 });
    const keys = (entries: ReadEntry[]) => entries.map(({ key }) => key);
    expect(keys(await all(readSnapshot(to)))).toEqual(['graced', 'stays']);
    expect(keys(await all(readSnapshot(path)))).toEqual(['gone', 'graced', 'stays']);
  });

  test('shows its hottest entries first', async () => {
    const path = write(
      'warm.snapshot',
      Array.from({ length: 9 }, (_, i) => entry(i, i)),
    );
    const { sample } = await inspectSnapshot(path, { entries: 3 });
    expect(sample.map(({ key }) => key)).toEqual([8, 7, 6]);
  });

  test('that is saved anew while it is read is told as that, and not as damage', async () => {
    const large = (fill: string) => Array.from({ length: 2 }, (_, i) => entry(i, fill.repeat(200_000)));
    const path = write('anew.snapshot', large('a'));
    const reading = readSnapshot(path);
    await reading.next();
    renameSync(write('newer.snapshot', large('b')), path);
    await expect(all(reading)).rejects.toMatchObject({
      code: 'CACHE_LOAD_ERROR',
      message: expect.stringMatching(/saved anew/),
    });
  });

  test('is never written over something, nor in part', async () => {
    const path = write('whole.snapshot', [entry('a', 1)]);
    const damaged = write(
      'damaged.snapshot',
      Array.from({ length: 2 }, (_, i) => entry(i, 'x'.repeat(200_000))),
    );
    const bytes = readFileSync(damaged);
    writeFileSync(damaged, bytes.fill(0, bytes.length - 200_000, bytes.length - 199_000));
    const before = readdirSync(folder);
    await expect(convertSnapshot(path, damaged)).rejects.toMatchObject({ code: 'CACHE_SAVE_ERROR', path: damaged });
    for (const to of ['part.json', 'part.snapshot']) {
      await expect(convertSnapshot(damaged, join(folder, to))).rejects.toMatchObject({ code: 'CACHE_LOAD_ERROR' });
    }
    await expect(convertSnapshot(path, join(path, 'below.json'))).rejects.toMatchObject({ code: 'CACHE_SAVE_ERROR' });
    expect(readdirSync(folder)).toEqual(before);
    expect(await inspectSnapshot(damaged)).toMatchObject({
      entries: 1,
      damage: [expect.stringContaining('has changed')],
    });
  });
});

describe('what is no whole snapshot', () => {
  const binary = snapshotOf(SOME);
  const text = (members: object) => Buffer.from(JSON.stringify({ version: 1, ...members }));
  const newer = Buffer.from(binary);
  newer[8] = 9;
  newer.writeUInt32LE(crc32(newer.subarray(0, 60)), 60);
  const CASES: Record<string, readonly [bytes: Buffer, finding: RegExp]> = {
    truncated: [binary.subarray(0, -9), /without its end/],
    'nothing but magic': [binary.subarray(0, 8), /without its end/],
    newer: [newer, /version 9, where 1 is known/],
    foreign: [Buffer.from('GIF89a'), /is no snapshot of shardstash/],
    empty: [Buffer.alloc(0), /is no snapshot of shardstash/],
    'a text that was cut off': [text({ entries: [{ key: 1, value: 2 }] }).subarray(0, -3), /ends in entry 1/],
    'a text of a newer version': [text({ version: 2, entries: [] }), /version 2/],
    'a text without entries': [text({}), /no `entries`/],
    'a text with a key twice': [
      text({
        entries: [
          { key: 1, value: 1 },
          { key: 1, value: 2 },
        ],
      }),
      /entry 2 has the key of entry 1/,
    ],
  };
  test.each(Object.entries(CASES))(
    '%s: is one finding, and nobody reads or converts it',
    async (name, [bytes, told]) => {
      const path = join(folder, name);
      writeFileSync(path, bytes);
      expect(await all(verifySnapshot(path))).toEqual([expect.stringMatching(told)]);
      const refused = { code: 'CACHE_LOAD_ERROR', path, message: expect.stringMatching(told) };
      await expect(inspectSnapshot(path)).rejects.toMatchObject(refused);
      await expect(all(readSnapshot(path))).rejects.toMatchObject(refused);
      await expect(convertSnapshot(path, join(folder, 'none.json'))).rejects.toMatchObject(refused);
      expect(readdirSync(folder).filter((file) => file.includes('none'))).toEqual([]);
      expect(readFileSync(path).equals(bytes)).toBe(true);
    },
  );

  test('is not there, or a folder: verify rejects for the first', async () => {
    const path = join(folder, 'absent');
    await expect(all(verifySnapshot(path))).rejects.toMatchObject({ code: 'CACHE_LOAD_ERROR', path });
    expect(await all(verifySnapshot(folder))).toEqual([expect.stringContaining('is no file')]);
    expect([isSnapshot(path), isSnapshot(folder), isSnapshot(join(folder, 'truncated'))]).toEqual([false, false, true]);
    await expect(inspectSnapshot('')).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
  });

  test('has a value that cannot be read: verify says which', async () => {
    const path = write('value.snapshot', [{ ...entry('k', { a: 1 }), tag: TAG_JSON }]);
    expect(await all(verifySnapshot(path))).toEqual([expect.stringMatching(/^The value of "k" cannot be read/)]);
    await expect(all(readSnapshot(path))).rejects.toMatchObject({ code: 'CACHE_LOAD_ERROR' });
  });
});

describe('a snapshot and a store', () => {
  test('become each other with their keys, values and deadlines', async () => {
    const path = write('for-store.snapshot', [...SOME, entry('gone', 1, { deadlineMs: PAST, graceMs: 1e9 })]);
    const text = join(folder, 'for-store.json');
    await convertSnapshot(path, text);
    for (const [from, engine] of [
      [path, 'file'],
      [text, 'log'],
    ] as const) {
      const done = await snapshotToStore(from, join(folder, engine), { engine });
      expect(done).toMatchObject({ entries: SOME.length, expired: 1, to: { engine, serializer: 'msgpack' } });
      const back = await storeToSnapshot(join(folder, engine), join(folder, `${engine}.snapshot`), {
        serializer: 'json',
      });
      expect(back).toMatchObject({ entries: SOME.length, expired: 0, serializer: 'json' });
      const kept = (entries: ReadEntry[]) =>
        new Map(entries.map(({ key, value, expiresAt }) => [key, [value, expiresAt]]));
      expect(kept(await all(readSnapshot(back.path)))).toEqual(kept(await all(readSnapshot(write('some', SOME)))));
    }
  });

  test('nothing is there where one of them cannot be written or read', async () => {
    const store = await openStore({ root: folder, name: 'source', engine: 'json', appendMode: true });
    await store.set('k', 'old');
    await store.set('k', 'new');
    await store.close();
    const source = join(folder, 'source');
    const { path } = await storeToSnapshot(source, join(folder, 'last.json'));
    expect(await all(readSnapshot(path))).toMatchObject([{ key: 'k', value: 'new' }]);
    await expect(storeToSnapshot(source, path)).rejects.toMatchObject({ code: 'CACHE_SAVE_ERROR', path });
    const cut = join(folder, 'cut.json');
    copyFileSync(path, cut);
    writeFileSync(cut, readFileSync(path).subarray(0, -5));
    const before = readdirSync(folder);
    const refused = snapshotToStore(cut, join(folder, 'never'), { engine: 'log' });
    await expect(refused).rejects.toMatchObject({
      code: 'CACHE_LOAD_ERROR',
      message: expect.stringContaining(basename(cut)),
    });
    await expect(snapshotToStore(path, source, { engine: 'log' })).rejects.toMatchObject({ code: 'STORE_FOREIGN' });
    expect(readdirSync(folder)).toEqual(before);
  });
});
