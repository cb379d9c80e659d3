/** What can be stored, under every serializer: it comes back equal, a copy each time, or the call that stores it fails. */
import { type CacheOptions, openCache } from 'shardstash';
import { describe, expect, test } from 'vitest';
import { cachesOfOneTest, READS, sharedCache } from '../support/caches.ts';
import { vandalize } from '../support/codec-suite.ts';
import { ALLOWED, REFUSED } from '../support/codec-values.ts';
import { difference } from '../support/strict-equal.ts';

const SHOUT = new URL('../support/shout.mjs', import.meta.url);

const isBytes = (name: string) => /Buffer|Uint8Array|a view in the middle/.test(name) && !name.includes('nested');

/** Which of the table each serializer takes. */
const SERIALIZERS: [string, CacheOptions, (name: string) => boolean][] = [
  ['msgpack', {}, () => true],
  ['json', { serializer: 'json' }, () => true],
  ['v8', { serializer: 'v8' }, () => true],
  ['raw', { serializer: 'raw' }, isBytes],
];

describe.each(READS)('reads: %s', (reads) => {
  describe.each(SERIALIZERS)('serializer %s:', (_name, options, takes) => {
    const shared = sharedCache({ reads, ...options });
    const allowed = Object.entries(ALLOWED).filter(([name]) => takes(name));
    const refused = [...Object.entries(REFUSED), ...Object.entries(ALLOWED).filter(([name]) => !takes(name))];

    test('every value that it takes comes back equal, whoever looks', async () => {
      const { cache } = shared;
      for (const [name, make] of allowed) {
        const value = make();
        const same = (found: unknown, how: string) =>
          expect(difference(found, value), `${how}: ${name}`).toBeUndefined();
        void cache.set('k', value);
        same(cache.getSync('k'), 'getSync before it is acknowledged');
        same(await cache.get('k'), 'get');
        same(cache.getSync('k'), 'getSync');
        same(await cache.peek('k'), 'peek');
        same(await cache.getOrThrow('k'), 'getOrThrow');
        same(((await cache.lookup('k')) as { value?: unknown }).value, 'lookup');
        same((await cache.getMany(['k'])).get('k'), 'getMany');
        same((await cache.toMap()).get('k'), 'toMap');
        same((await cache.popItem())?.[1], 'popItem');
        await cache.setMany({ k: value });
        same(await cache.pop('k'), 'pop');
        same(await cache.getOrSet('k', () => value), 'getOrSet, computed');
        same(await cache.getOrSet('k', () => 'not needed'), 'getOrSet, stored');
        await cache.update('k', value);
        same(await cache.get('k'), 'update');
        await cache.delete('k');
        await cache.add('k', value);
        same(await cache.get('k'), 'add');
      }
    });

    test('what it does not take is refused by every call that stores, and changes nothing', async () => {
      const { cache } = shared;
      const old = Buffer.from('old');
      await cache.set('k', old);
      for (const [name, make] of refused) {
        const calls: Promise<unknown>[] = [
          cache.set('k', make()),
          cache.update('k', make()),
          cache.add('new', make()),
          cache.setMany({ k: make() }),
        ];
        // What a factory promises is awaited first.
        if (name !== 'a promise') calls.push(cache.getOrSet('new', make));
        for (const outcome of await Promise.allSettled(calls)) {
          expect({ name, ...outcome }).toMatchObject({ status: 'rejected', reason: { code: 'SERIALIZATION_ERROR' } });
          expect((outcome as PromiseRejectedResult).reason).toBeInstanceOf(TypeError);
        }
        expect(difference(cache.getSync('k'), old)).toBeUndefined();
      }
    });

    test('every look is a fresh copy: changing it, or what was stored, changes nothing', async () => {
      const { cache } = shared;
      for (const [name, make] of allowed) {
        const value = make();
        const call = cache.set('k', value);
        vandalize(value);
        await call;
        const pristine = await cache.get('k');
        const copies = [
          await cache.get('k'),
          cache.getSync('k'),
          await cache.peek('k'),
          await cache.getOrThrow('k'),
          ((await cache.lookup('k')) as { value: unknown }).value,
          (await cache.getMany(['k'])).get('k'),
          (await cache.toMap()).get('k'),
          await cache.getOrSet('k', () => 1),
        ];
        for (const copy of copies) {
          vandalize(copy);
          expect(difference(await cache.get('k'), pristine), name).toBeUndefined();
        }
      }
    });

    test('a Uint8Array that comes back is all of its own memory; a Buffer is that, or a part of Node’s pool', async () => {
      const { cache } = shared;
      for (const length of [0, 1, 8, 100, 5_000, 70_000]) {
        await cache.set('buffer', Buffer.alloc(length, 7));
        await cache.set('array', new Uint8Array(length).fill(7));
        for (const key of ['buffer', 'array']) {
          const looks = [
            await cache.get(key),
            cache.getSync(key),
            (await cache.getMany([key])).get(key),
          ] as Uint8Array[];
          for (const look of looks) {
            const { buffer, byteOffset } = look;
            expect(look).toHaveLength(length);
            expect(buffer).toBeInstanceOf(ArrayBuffer);
            if (key === 'array' || length >= Buffer.poolSize / 2) {
              expect([buffer.byteLength, byteOffset]).toEqual([length, 0]);
            }
          }
          // Whoever changes one changes no other.
          looks[0]?.fill(8);
          expect(looks.slice(1).map((look) => look.every((byte) => byte === 7))).toEqual([true, true]);
        }
      }
    });
  });

  const make = cachesOfOneTest();

  test('values from a byte to many mebibytes come back whole', async () => {
    const cache = await make({ reads });
    for (const size of [0, 1, 3, 4, 159, 160, 161, 65_535, 65_537, 1_048_577, 20_000_000]) {
      const value = Buffer.alloc(size, size % 251);
      await cache.set('k', value);
      expect(value.equals((await cache.get('k')) as Buffer)).toBe(true);
      expect(value.equals(cache.getSync('k') as Buffer)).toBe(true);
    }
  });

  test('a serializer of one’s own decides what is stored', async () => {
    class Point {
      readonly x: number;
      constructor(x: number) {
        this.x = x;
      }
    }
    const serializer = {
      name: 'points',
      binary: false,
      encode: (value: unknown) => `${(value as Point).x}`,
      decode: (text: string) => new Point(Number(text)),
    } as const;
    const cache = await make({ reads, serializer });
    expect(cache.config.serializer).toBe('points');
    await cache.set('k', new Point(7));
    for (const found of [await cache.get('k'), cache.getSync('k'), (await cache.toMap()).get('k')]) {
      expect(found).toBeInstanceOf(Point);
      expect(found).toEqual(new Point(7));
    }
    expect(await cache.getOrSet('j', () => new Point(8))).toEqual(new Point(8));
    const first = (await cache.get('k')) as { x: number };
    first.x = 99;
    expect(await cache.get('k')).toEqual(new Point(7));
  });

  test('a serializer that throws, or reuses its memory, harms nobody', async () => {
    const memory = Buffer.alloc(8);
    const serializer = {
      name: 'scribbler',
      encode(value: unknown) {
        if (typeof value !== 'number') throw new RangeError('numbers only');
        memory.fill(0xff);
        memory.writeDoubleLE(value);
        return memory;
      },
      decode(bytes: Buffer) {
        const value = bytes.readDoubleLE();
        bytes.fill(0);
        if (value === 13) throw new Error('unlucky');
        return value;
      },
    };
    const cache = await make({ reads, serializer });
    const sets = Array.from({ length: 100 }, (_, i) => cache.set(`k${i}`, i));
    await Promise.all(sets);
    for (let i = 0; i < 100; i++) {
      if (i !== 13) {
        expect([await cache.get(`k${i}`), cache.getSync(`k${i}`)]).toEqual([i, i]);
      }
    }
    await expect(cache.set('k1', 'text')).rejects.toMatchObject({ code: 'SERIALIZATION_ERROR' });
    await expect(cache.get('k13')).rejects.toMatchObject({ code: 'SERIALIZATION_ERROR', cause: new Error('unlucky') });
    expect(() => cache.getSync('k13')).toThrow(expect.objectContaining({ code: 'SERIALIZATION_ERROR' }));
    await expect(cache.getMany(['k1', 'k13'])).rejects.toMatchObject({ code: 'SERIALIZATION_ERROR' });
    expect([await cache.get('k1'), await cache.size()]).toEqual([1, 100]);
  });

  test('a serializer in a module is named by its URL, and by its export', async () => {
    const shouting = await make({ reads, serializer: { module: SHOUT } });
    await shouting.set('k', { name: 'ada' });
    expect(await shouting.get('k')).toEqual({ NAME: 'ADA' });
    expect(shouting.getSync('k')).toEqual({ NAME: 'ADA' });
    expect(shouting.config.serializer).toEqual({ module: SHOUT.href, export: 'default' });

    const { Point } = (await import(SHOUT.href)) as { Point: new (x: number) => object };
    const pointed = await make({ reads, serializer: { module: SHOUT.href, export: 'points' } });
    await pointed.set('k', new Point(7));
    expect(await pointed.get('k')).toEqual(new Point(7));
    await expect(pointed.set('k', 7)).rejects.toMatchObject({
      code: 'SERIALIZATION_ERROR',
      cause: new RangeError('not a point'),
    });
  });

  test('a value that runs code while it is stored may use the cache, and both are stored', async () => {
    for (const serializer of ['msgpack', 'json', 'v8'] as const) {
      const cache = await make({ reads, serializer });
      const inner: Promise<unknown>[] = [];
      const value = {
        before: 1,
        get a() {
          inner.push(cache.set('inner', { deep: ['x'.repeat(50), inner.length] }), cache.get('inner'));
          return 2;
        },
        after: [3, 'z'],
      };
      await cache.set('outer', value);
      await cache.setMany([['many', value]]);
      await Promise.all(inner);
      expect(await cache.get('outer')).toEqual({ before: 1, a: 2, after: [3, 'z'] });
      expect(await cache.get('many')).toEqual({ before: 1, a: 2, after: [3, 'z'] });
      expect(await cache.get('inner')).toEqual({ deep: ['x'.repeat(50), inner.length - 2] });
      await cache.close();
    }
  });
});

test.each<[string, unknown, string]>([
  ['cannot be imported', { module: new URL('./none.mjs', SHOUT) }, 'INVALID_CONFIG'],
  ['has no such export', { module: SHOUT, export: 'whisper' }, 'INVALID_CONFIG'],
  ['exports what is no serializer', { module: SHOUT, export: 'Point' }, 'INVALID_CONFIG'],
])('openCache rejects where the module of a serializer %s', async (_what, serializer, code) => {
  const opening = openCache({ serializer: serializer as never });
  await expect(opening).rejects.toMatchObject({ name: 'TypeError', code, option: 'serializer' });
});
