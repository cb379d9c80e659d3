/** The README's table for those who come from HashStash, line by line: what is said there is what happens. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCodec, hashBytes } from '../../../src/main/codec/index.ts';
import { openStore, openStoreAt, type Store } from '../../../src/main/stores/index.ts';

let root: string;
let cache: Store<unknown>;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'shardstash-hashstash-'));
  cache = await openStore({ name: 'my_cache', engine: 'file', compression: true, base64: true, root });
});
afterEach(async () => {
  await cache.close();
  rmSync(root, { recursive: true, force: true });
});

describe('coming from HashStash', () => {
  test('its example', async () => {
    await cache.set('my_key', { name: 'John', age: 30 });
    expect(await cache.get('my_key')).toEqual({ name: 'John', age: 30 });
    expect(await cache.has('my_key')).toBe(true);
    expect((await cache.get('non_existent_key')) ?? 'default_value').toBe('default_value');
    expect(await cache.clear()).toBe(1);
    expect(await cache.size()).toBe(0);
  });

  test('a store is found again by its name, and the default name is `unnamed`', async () => {
    const store = await openStore<number>({ root });
    await store.set('a', 1);
    await store.close();
    expect(readdirSync(root).sort()).toEqual(['my_cache', 'unnamed']);
    const again = await openStoreAt<number>(join(root, 'unnamed'));
    expect([await again.get('a'), again.config.name, again.config.engine]).toEqual([1, 'unnamed', 'file']);
    await again.close();
  });

  test('`stash[key]`, `del stash[key]`, `len(stash)`, `update`', async () => {
    await expect(cache.getOrThrow('x')).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' });
    await cache.setMany({ a: 1, b: 2 });
    await cache.setMany(new Map([['c', 3]]));
    expect(await cache.size()).toBe(3);
    expect(await cache.delete('a')).toBe(true);
    expect(await cache.delete('a')).toBe(false);
    expect(await cache.toMap()).toEqual(
      new Map([
        ['b', 2],
        ['c', 3],
      ]),
    );
  });

  test('`setdefault`, `pop`, `popitem`: a stored null is a value', async () => {
    await cache.set('null', null);
    expect(await cache.getOrSet('null', () => 'default')).toBe(null);
    expect(await cache.getOrSet('new', () => 'default')).toBe('default');
    expect(await cache.pop('new')).toBe('default');
    expect((await cache.pop('new')) ?? 'default').toBe('default');
    expect(await cache.popItem()).toEqual(['null', null]);
    expect(await cache.popItem()).toBe(undefined);
  });

  test('`keys`, `values`, `items`, `for key in stash`', async () => {
    await cache.setMany([
      ['a', 1],
      [{ any: ['thing'] }, 2],
    ]);
    const keys: unknown[] = [];
    const values: unknown[] = [];
    const items: unknown[] = [];
    for await (const key of cache.keys()) keys.push(key);
    for await (const value of cache.values()) values.push(value);
    for await (const item of cache) items.push(item);
    expect(keys).toEqual(expect.arrayContaining(['a', { any: ['thing'] }]));
    expect(values.sort()).toEqual([1, 2]);
    expect(items).toEqual(
      expect.arrayContaining([
        ['a', 1],
        [{ any: ['thing'] }, 2],
      ]),
    );
    expect(await cache.get({ any: ['thing'] })).toBe(2);
  });

  test('`compress`, `b64`, `serializer` belong to the store', async () => {
    await expect(openStore({ name: 'my_cache', root, compression: false })).rejects.toMatchObject({
      option: 'compression',
    });
    expect(cache.config).toMatchObject({ compression: 'zlib', base64: true, serializer: 'msgpack' });
    for (const compression of ['bz2', 'blosc']) {
      await expect(openStore({ name: 'other', root, compression })).rejects.toMatchObject({ code: 'UNKNOWN_PLUGIN' });
    }
  });

  test('`append_mode`, `get_all`, `with_metadata`', async () => {
    const store = await openStore<number>({ name: 'versions', root, appendMode: true });
    await store.set('a', 1);
    await store.set('a', 2);
    expect([await store.get('a'), await store.getAll('a')]).toEqual([2, [1, 2]]);
    expect(await store.getAll('a', { withMetadata: true })).toMatchObject([
      { version: 1, value: 1 },
      { version: 2, value: 2 },
    ]);
    await store.close();
  });

  test('`sub`, `tmp`', async () => {
    const sub = await cache.sub<number>('part');
    await sub.set('a', 1);
    expect([await sub.size(), await cache.size(), sub.config.name]).toEqual([1, 0, 'my_cache/part']);
    await sub.close();
    const temporary = await openStore.tmp();
    const path = temporary.config.root as string;
    await temporary.set('a', 1);
    await temporary.close();
    expect(existsSync(path)).toBe(false);
  });

  test('`assemble_ld`, `df`: nested members by their path, lists of objects as rows', async () => {
    await cache.set('one', { name: 'Ann', address: { city: 'Bern', zip: { code: 3000 } }, tags: ['x', 'y'] });
    const rows = [];
    for await (const row of cache.rows()) rows.push(row);
    expect(rows).toEqual([
      { _key: 'one', name: 'Ann', 'address.city': 'Bern', 'address.zip.code': 3000, tags: ['x', 'y'] },
    ]);
    expect(await cache.toCSV()).toBe(
      '_key,name,address.city,address.zip.code,tags\r\none,Ann,Bern,3000,"[""x"",""y""]"\r\n',
    );
    await cache.clear();
    await cache.set('list', [{ a: 1 }, { a: 2, b: { c: null } }]);
    await cache.set('number', 7);
    const more = [];
    for await (const row of cache.rows()) more.push(row);
    expect(more).toEqual(
      expect.arrayContaining([
        { _key: 'list', a: 1 },
        { _key: 'list', a: 2, 'b.c': null },
        { _key: 'number', _value: 7 },
      ]),
    );
  });

  test('`to_dict`, `from_dict`', async () => {
    await cache.set('a', 1);
    await cache.close();
    const again = await openStore(JSON.parse(JSON.stringify(cache)));
    expect(await again.get('a')).toBe(1);
    await again.close();
  });

  test('`Encoder`, `Decoder`, `Serializer`, `Deserializer`, `encode_hash`', () => {
    const text = createCodec({ serializer: 'json', compression: 'zlib', base64: true });
    const value = { name: 'John', seen: new Set([1]) };
    const encoded = text.encode(value);
    expect(typeof encoded).toBe('string');
    expect(text.decode(encoded)).toEqual(value);
    expect(hashBytes('test data')).toBe('eb733a00c0c9d336e65691a37ab54293');
  });
});
