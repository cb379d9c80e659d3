import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  compactStore,
  convertStore,
  inspectStore,
  openStore,
  openStoreAt,
  type StoreOptions,
  verifyStore,
} from '../../../src/main/stores/index.ts';
import { QUICK_DISK } from '../../support/quick-disk.ts';

const ENGINES = ['file', 'json', 'log', 'disk', 'lmdb', 'sqlite'] as const;
const AT = Date.now();

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(QUICK_DISK, 'shardstash-places-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

async function filled(name: string, options: StoreOptions): Promise<string> {
  const store = await openStore({ name, root, ...options });
  await store.setMany([
    ['user:1', { name: 'Ann' }],
    [1.5, new Map([['a', new Date(0)]])],
    ['large', 'x'.repeat(100_000)],
    ['replaced', 'old'],
  ]);
  await store.set('replaced', 'new', { ttl: '1h' });
  await store.set('removed', 1);
  await store.delete('removed');
  await store.close();
  return join(root, name);
}

async function findingsOf(path: string): Promise<string[]> {
  const findings: string[] = [];
  for await (const finding of verifyStore(path)) findings.push(finding);
  return findings;
}

/** Every file with its bytes, as a text. */
function snapshot(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const path = join(folder, name);
      return statSync(path).isFile() ? `${name} ${readFileSync(path).toString('base64')}` : name;
    })
    .join('\n');
}

describe.each(ENGINES)('a store of the engine %s, by its place', (engine) => {
  test('says what it is, and is whole', async () => {
    const path = await filled('one', { engine });
    const found = await inspectStore(path, { entries: 10 });
    expect(found).toMatchObject({ path, engine, entries: 4, holder: undefined, damage: [], stores: [] });
    expect(found.bytes).toBeGreaterThan(500);
    const values = new Map(found.sample.map(({ key, value }) => [key, value]));
    expect(values.get('user:1')).toEqual({ name: 'Ann' });
    expect(values.get(1.5)).toEqual(new Map([['a', new Date(0)]]));
    const until = found.sample.find(({ key }) => key === 'replaced')?.expiresAt as number;
    expect(until).toBeGreaterThanOrEqual(AT + 3_600_000);
    expect(await findingsOf(path)).toEqual([]);
  });

  test('becomes any other with every entry and its deadline, and whole again from there', async () => {
    const path = await filled('one', { engine });
    const other = engine === 'log' ? 'file' : 'log';
    const there = join(root, 'two');
    const done = await convertStore(path, there, {
      engine: other,
      serializer: 'json',
      compression: 'zlib',
      base64: true,
    });
    expect(done).toMatchObject({
      entries: 4,
      expired: 0,
      to: { engine: other, serializer: 'json', compression: 'zlib' },
    });
    const back = join(root, 'three');
    await convertStore(there, back, { engine, compression: false });
    const store = await openStoreAt(back);
    expect(await store.size()).toBe(4);
    expect(await store.get(1.5)).toEqual(new Map([['a', new Date(0)]]));
    expect(await store.get('large')).toBe('x'.repeat(100_000));
    expect((await store.ttl('replaced')) as number).toBeLessThanOrEqual(3_600_000);
    expect((await store.ttl('replaced')) as number).toBeGreaterThan(3_000_000);
    expect(await store.ttl('user:1')).toBe(Number.POSITIVE_INFINITY);
    await store.close();
    expect(readdirSync(root).sort()).toEqual(['one', 'three', 'two']);
  });

  test('is compacted', async () => {
    const path = await filled('one', { engine });
    const { bytesBefore, bytesAfter, entries } = await compactStore(path);
    expect(entries).toBe(4);
    expect(bytesAfter as number).toBeLessThanOrEqual((bytesBefore as number) + 8_192);
    expect(await findingsOf(path)).toEqual([]);
  });
});

test.each(['file', 'json', 'log'] as const)('an inspection and a verification of %s change nothing', async (engine) => {
  const path = await filled('one', { engine });
  const store = await openStoreAt(path);
  const before = snapshot(path);
  const found = await inspectStore(path, { entries: 2 });
  expect(found.entries).toBe(4);
  expect(found.sample.length).toBe(2);
  expect(found.holder?.pid).toBe(engine === 'file' ? undefined : process.pid);
  expect(await findingsOf(path)).toEqual([]);
  expect(snapshot(path)).toBe(before);
  await store.close();
});

test('damage is told with its path, by verification and inspection alike', async () => {
  for (const engine of ['file', 'json', 'log'] as const) {
    const path = await filled(engine, { engine });
    const files = readdirSync(path, { recursive: true, encoding: 'utf8' }).map((name) => join(path, name));
    const victim = files.find(
      (file) => /store\.json$|\.log$|entries.{65}/.test(file) && statSync(file).isFile(),
    ) as string;
    const bytes = readFileSync(victim);
    const at = Math.floor(bytes.length / 2);
    bytes[at] = (bytes[at] as number) ^ 0x80;
    writeFileSync(victim, bytes);
    const findings = await findingsOf(path);
    expect(findings.length).toBeGreaterThan(0);
    expect(findings.join()).toContain(path);
    expect((await inspectStore(path)).damage.length).toBeGreaterThan(0);
  }
});

test('so is a database that was cut off', async () => {
  for (const [engine, file] of [
    ['lmdb', 'data.mdb'],
    ['sqlite', 'store.sqlite'],
  ] as const) {
    const store = await openStore({ name: `cut-${engine}`, root, engine });
    await store.setMany(Array.from({ length: 300 }, (_, i) => [i, 'x'.repeat(500)] as const));
    await store.close();
    const path = join(root, `cut-${engine}`);
    truncateSync(join(path, file), 8_192);
    const findings = await findingsOf(path);
    expect(findings.length).toBeGreaterThan(0);
    for (const finding of findings) expect(finding).toContain(path);
    expect(await inspectStore(path)).toMatchObject({ entries: undefined, damage: [expect.stringContaining(path)] });
  }
});

test('a place that is no store is told with what was found there', async () => {
  await expect(inspectStore(join(root, 'none'))).rejects.toThrow('nothing at');
  mkdirSync(join(root, 'folder'));
  await expect(inspectStore(join(root, 'folder'))).rejects.toThrow('empty folder');
  writeFileSync(join(root, 'folder', 'letter.txt'), 'x');
  await expect(compactStore(join(root, 'folder'))).rejects.toMatchObject({
    code: 'STORE_FOREIGN',
    message: expect.stringContaining('found letter.txt'),
  });
  await expect(inspectStore(join(root, 'folder', 'letter.txt'))).rejects.toThrow('it is a file');
  const path = await filled('one', { engine: 'json' });
  await expect(inspectStore(root)).rejects.toThrow('in it there are one');
  expect((await inspectStore(join(path, 'store.json'))).entries).toBe(4);
  writeFileSync(join(path, 'manifest.json'), '{"shardstash":"store","version":2}');
  await expect(findingsOf(path)).rejects.toMatchObject({ code: 'STORE_FOREIGN' });
});

test('a conversion tells the key of a value that it cannot read', async () => {
  const path = await filled('torn', { engine: 'file' });
  const files = readdirSync(path, { recursive: true, encoding: 'utf8' }).map((name) => join(path, name));
  const victim = files.find((file) => /entries.{65}/.test(file) && statSync(file).isFile()) as string;
  const bytes = readFileSync(victim);
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 0x80;
  writeFileSync(victim, bytes);
  await expect(convertStore(path, join(root, 'to'), { serializer: 'v8' })).rejects.toMatchObject({
    code: 'STORE_CORRUPT',
    message: expect.stringMatching(/the value of ".*" at .*torn/),
  });
});

test('a conversion that fails leaves nothing behind, and nothing is written over', async () => {
  const path = await filled('one', { engine: 'file', serializer: 'msgpack' });
  const before = snapshot(root);
  await expect(convertStore(path, join(root, 'two'), { engine: 'nonsense' })).rejects.toMatchObject({
    code: 'UNKNOWN_PLUGIN',
  });
  await expect(convertStore(path, join(root, 'two'), { engine: 'log', serializer: 'raw' })).rejects.toThrow('raw');
  await expect(convertStore(path, join(root, 'two'), { engine: 'memory' })).rejects.toThrow('in a folder');
  await expect(convertStore(path, path, { engine: 'log' })).rejects.toThrow('already');
  expect(snapshot(root)).toBe(before);
});

test('what has expired is left out, all versions are kept, and stores within are named', async () => {
  const store = await openStore<unknown>({ name: 'one', root, engine: 'log', appendMode: true });
  await store.set('a', 1);
  await store.set('a', { b: 2 });
  await store.set('gone', 1, { ttl: 1 });
  const within = await store.sub('inner');
  await within.close();
  await store.close();
  const end = Date.now() + 2;
  while (Date.now() < end);
  const done = await convertStore(join(root, 'one'), join(root, 'two'), { engine: 'json', serializer: 'json' });
  expect(done).toMatchObject({ entries: 1, expired: 1, stores: ['inner'] });
  const other = await openStoreAt(join(root, 'two'));
  expect(await other.getAll('a')).toEqual([1, { b: 2 }]);
  await other.close();
  expect((await inspectStore(join(root, 'one'))).stores).toEqual(['inner']);
});

test('an open store tells a damaged entry once, and reads on behind it', async () => {
  const path = await filled('one', { engine: 'file' });
  const store = await openStoreAt(path);
  await store.set('cut', 'short');
  const files = readdirSync(join(path, 'entries'), { recursive: true, encoding: 'utf8' });
  const cut = files
    .map((file) => join(path, 'entries', file))
    .find((file) => statSync(file).isFile() && readFileSync(file).includes('short')) as string;
  truncateSync(cut, statSync(cut).size - 1);
  const findings: string[] = [];
  for await (const finding of store.verify()) findings.push(finding);
  expect(findings).toEqual([expect.stringContaining(cut)]);
  await store.close();
});

test('a file behind an entry is told, and the entry is still read', async () => {
  const path = await filled('one', { engine: 'file' });
  const [top = ''] = readdirSync(join(path, 'entries'));
  appendFileSync(join(path, 'entries', top, 'notes.txt'), 'mine');
  expect(await findingsOf(path)).toEqual([expect.stringContaining('notes.txt')]);
  expect((await inspectStore(path)).entries).toBe(4);
});
