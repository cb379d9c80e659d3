/** Snapshots as text: what stands in it, and that the same comes back. */
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createCodec } from '../../../src/main/serializers/index.ts';
import { saveAsJson, withBinary } from '../../../src/main/snapshot/json-file.ts';
import type { CacheKey } from '../../../src/protocol/cache-key.ts';
import { diskFiles } from '../../../src/protocol/files.ts';
import { entriesOf, type SnapshotEntry, SnapshotWriter } from '../../../src/protocol/snapshot/entry.ts';
import { readIndex } from '../../../src/protocol/snapshot/source.ts';
import { TAG_NUMBER } from '../../../src/protocol/value-tags.ts';
import { foldersOfOneTest } from '../../support/folders.ts';
import { KEYS } from '../../support/snapshots.ts';

const EVER = Number.POSITIVE_INFINITY;
const folder = foldersOfOneTest();
const never = () => new AbortController().signal;
const VALUES = [
  undefined,
  null,
  -0,
  1.5,
  10n,
  'text',
  'half \ud800',
  new Date(5),
  Object.assign([1], { 2: 3 }),
  { $date: 5 },
  Buffer.from('hi'),
];

function entry(
  key: CacheKey,
  value: unknown,
  rest: Partial<SnapshotEntry> = {},
  codec = createCodec('msgpack'),
): SnapshotEntry {
  codec.encode(value);
  const bytes = Buffer.from(codec.bytes.subarray(0, codec.byteLength));
  return { key, tag: codec.tag, value: bytes, deadlineMs: EVER, slideMs: 0, graceMs: 0, standing: 0, ...rest };
}

async function textOf(dir: string, entries: Iterable<SnapshotEntry>, codec = createCodec('msgpack')): Promise<string> {
  const binary = join(dir, 'it.snapshot');
  const fd = openSync(binary, 'w+');
  const writer = new SnapshotWriter(fd);
  for (const each of entries) writer.add(each);
  writer.finish({ serializer: codec.name, eviction: 'lru', savedAtMs: 5 });
  closeSync(fd);
  const path = join(dir, 'it.json');
  await saveAsJson(diskFiles, binary, path, () => path, codec, never());
  return path;
}

/** What a text comes to, by whichever serializer. */
async function entriesIn(path: string, codec = createCodec('msgpack')): Promise<SnapshotEntry[]> {
  return await withBinary(diskFiles, path, codec, never(), async (binary) => [
    ...entriesOf(readIndex(diskFiles, binary), binary),
  ]);
}

describe('a snapshot as text', () => {
  test('has every entry that the binary one has, byte for byte', async () => {
    const dir = folder();
    const entries = [
      ...KEYS.map((key, i) => entry(key, VALUES[i % VALUES.length])),
      entry('slides', 1, { deadlineMs: 1_700_000_000_000, slideMs: 1_000 }),
      entry('grace', 1, { deadlineMs: 1_700_000_000_001, graceMs: 2_000.5, standing: 7 }),
    ];
    const path = await textOf(dir, entries);
    expect(await entriesIn(path)).toEqual(entries);
    expect(readdirSync(dir).sort()).toEqual(['it.json', 'it.snapshot']);
  });

  test('is one line an entry, for people and jq', async () => {
    const path = await textOf(folder(), [
      entry('user:1', { name: 'Ann' }),
      entry([1, 2n], new Date(0), { deadlineMs: Date.UTC(2030, 0), graceMs: 60_000 }),
    ]);
    expect(readFileSync(path, 'utf8')).toBe(`{
  "version": 1,
  "serializer": "msgpack",
  "eviction": "lru",
  "savedAt": "1970-01-01T00:00:00.005Z",
  "entries": [
    {"key":"user:1","value":{"name":"Ann"},"expiresAt":null},
    {"key":[1,{"$bigint":"2"}],"value":{"$date":"1970-01-01T00:00:00.000Z"},"expiresAt":"2030-01-01T00:00:00.000Z","grace":60000}
  ]
}
`);
    expect(await entriesIn(await textOf(folder(), []))).toEqual([]);
  });

  test.each(['msgpack', 'v8', 'json'] as const)('is read by a cache with the serializer %s', async (name) => {
    const values = VALUES.filter((value) => value !== undefined);
    const path = await textOf(
      folder(),
      values.map((value, i) => entry(`k${i}`, value)),
    );
    const codec = createCodec(name);
    const read = (await entriesIn(path, codec)).map(({ tag, value }) => codec.decode(tag, value, value.length));
    expect(read).toEqual(values);
  });

  test('a counter is a number to every serializer', async () => {
    const raw = createCodec('raw');
    const count = Buffer.alloc(8);
    count.writeDoubleLE(41);
    const entries = [entry('n', Buffer.from('x'), { tag: TAG_NUMBER, value: count }, raw)];
    expect(await entriesIn(await textOf(folder(), entries, raw), raw)).toEqual(entries);
  });

  test('may be written by hand, in any layout', async () => {
    const dir = folder();
    const path = join(dir, 'hand.json');
    const text =
      '\ufeff {"entries":[\n {"value":1,"key":"a"} ,{"key":{"b":1},\n"value":[{"$undefined":true}],"expiresAt":null}],"version":1}';
    writeFileSync(path, text);
    expect(await entriesIn(path)).toEqual([entry('a', 1), entry({ b: 1 }, [undefined])]);
  });

  test.each([
    ['{"entries":[]}', /should say `"version": 1`/],
    ['{"version":"1","entries":[]}', /should say `"version": 1`/],
    ['{"version":2,"entries":[]}', /version 2.*Next: load it with/],
    ['{"version":1,"entries":[5]}', /entry 1 should be an object/],
    ['{"version":1,"entries":[{"key":1}]}', /entry 1 has no `value`/],
    ['{"version":1,"entries":[{"value":1}]}', /entry 1 has no `key`/],
    ['{"version":1,"entries":[{"key":1,"value":1,"ttl":5}]}', /entry 1 has a member `ttl`/],
    ['{"version":1,"entries":[{"key":1,"value":1},{"key":1,"value":2}]}', /entry 2 has the key of entry 1/],
    ['{"version":1,"entries":[{"key":{"$undefined":true},"value":1}]}', /entry 1 /],
    ['{"version":1,"entries":[{"key":"\\ud800","value":1}]}', /entry 1 /],
    ['{"version":1,"entries":[{"key":1,"value":{"$date":"soon"}}]}', /entry 1 soon is no date/],
    ['{"version":1,"entries":[{"key":1,"value":1,"expiresAt":5}]}', /entry 1 has an `expiresAt` of 5/],
    ['{"version":1,"entries":[{"key":1,"value":1,"grace":5}]}', /entry 1 has a `grace` of 5/],
    ['{"version":1,"entries":[{"key":1,"value":1,"standing":-1}]}', /entry 1 has a `standing` of -1/],
    ['{"version":1,"entries":[{"key":1,"value":1}', /ends in entry 2|ends in entry 1/],
  ])('%s is refused, with the entry that is wrong', async (text, why) => {
    const dir = folder();
    const path = join(dir, 'wrong.json');
    writeFileSync(path, text);
    const error = await entriesIn(path).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'CACHE_LOAD_ERROR', path });
    expect((error as Error).message).toMatch(why);
    expect(readdirSync(dir)).toEqual(['wrong.json']);
  });

  test('a value that JSON has no words for is refused with its key', async () => {
    class Point {}
    const codec = createCodec({ name: 'points', encode: () => Buffer.from('p'), decode: () => new Point() });
    const saving = textOf(folder(), [entry('here', 1, {}, codec)], codec);
    await expect(saving).rejects.toThrow(/under the key "here" cannot be said in JSON/);
  });
});
