import zlib from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  COMPRESSED_BYTES_MAX,
  compressionOfId,
  compressions,
  framed,
  loadCompression,
  resolveCompression,
  unframe,
  unframeSync,
} from '../../../src/protocol/compression/index.ts';
import { type Lz4Peer, lz4From } from '../../../src/protocol/compression/lz4.ts';
import { zstdFrom } from '../../../src/protocol/compression/zstd.ts';
import { seededRandom } from '../../support/random.ts';

const TEXT = Buffer.from('{"name":"Ada","tags":["a","b"]},'.repeat(100));
const NAMES = Object.keys(compressions) as (keyof typeof compressions)[];
/** zstd only where this Node has it. */
const THERE = NAMES.filter((name) => name !== 'zstd' || 'zstdCompressSync' in zlib);

const corrupt = expect.objectContaining({ name: 'CacheError', code: 'STORE_CORRUPT' });

function payloadOf(name: (typeof NAMES)[number], bytes: Buffer = TEXT): Buffer {
  const payload = framed(loadCompression(name).compressSync(bytes), bytes.length);
  expect(payload, `${name} gains`).toBeDefined();
  return payload as Buffer;
}

function lying(payload: Buffer, length: number): Buffer {
  const lie = Buffer.from(payload);
  lie.writeUInt32LE(length, 0);
  return lie;
}

describe.each(THERE)('%s', (name) => {
  const compression = loadCompression(name);

  test('what it compresses comes back, at once and off the thread', async () => {
    const payload = payloadOf(name);
    expect(payload.length).toBeLessThan(TEXT.length / 4);
    expect(unframeSync(compression, payload).equals(TEXT)).toBe(true);
    const later = framed(await compression.compress(TEXT), TEXT.length) as Buffer;
    expect(unframeSync(compression, later).equals(TEXT)).toBe(true);
    expect((await unframe(compression, payload)).equals(TEXT)).toBe(true);
    expect(compressionOfId(compression.id)).toBe(compression);
  });

  test('a payload that gives more or less than it says is corrupt', async () => {
    const payload = payloadOf(name);
    for (const length of [0, 63, TEXT.length - 1, TEXT.length + 1, COMPRESSED_BYTES_MAX, 2 ** 32 - 1]) {
      expect(() => unframeSync(compression, lying(payload, length))).toThrow(corrupt);
      await expect(unframe(compression, lying(payload, length))).rejects.toThrow(corrupt);
    }
    for (let length = 0; length < payload.length - 8; length++) {
      expect(() => unframeSync(compression, payload.subarray(0, length))).toThrow(corrupt);
    }
  });

  test('a few bytes that stand for many take no more memory than they say', () => {
    const bomb = payloadOf(name, Buffer.alloc(8 * 1024 * 1024));
    const before = process.memoryUsage().arrayBuffers;
    expect(() => unframeSync(compression, lying(bomb, 1_000))).toThrow(corrupt);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
  });

  test('damaged bytes end in an error or in as many bytes', () => {
    const random = seededRandom(`damaged ${name}`);
    const payload = payloadOf(name);
    for (let i = 0; i < 300; i++) {
      const damaged = Buffer.from(payload);
      damaged[4 + random.below(payload.length - 4)] = random.word();
      try {
        expect(unframeSync(compression, damaged).length).toBe(TEXT.length);
      } catch (error) {
        expect(error).toEqual(corrupt);
      }
    }
  });
});

test('LZ4 is not asked for more than its bytes can stand for, since it takes the memory first', async () => {
  const asked: number[] = [];
  const uncompressSync = (bytes: Uint8Array) => {
    asked.push(Buffer.from(bytes).readUInt32LE(0));
    return Buffer.alloc(0);
  };
  const peer = { uncompressSync, uncompress: async (bytes: Uint8Array) => uncompressSync(bytes) };
  const lz4 = lz4From(() => peer as unknown as Lz4Peer).load();
  const block = Buffer.alloc(10);
  expect(() => lz4.decompressSync(block, 2_551)).toThrow(/10 bytes of LZ4 cannot stand for 2551/);
  await expect(lz4.decompress(block, 2_551)).rejects.toThrow(RangeError);
  lz4.decompressSync(block, 2_550);
  expect(asked).toEqual([2_550]);
});

test('ids are for ever', () => {
  const ids = Object.fromEntries(NAMES.map((name) => [name, compressions[name].id]));
  expect(ids).toEqual({ zlib: 1, gzip: 2, brotli: 3, 'deflate-raw': 4, zstd: 5, lz4: 6 });
  expect(() => compressionOfId(7)).toThrow(expect.objectContaining({ code: 'STORE_FOREIGN' }));
});

test('what gains less than a sixteenth is not taken', () => {
  expect(framed(Buffer.alloc(150 - 4), 160)).toHaveLength(150);
  expect(framed(Buffer.alloc(151 - 4), 160)).toBeUndefined();
});

describe('the option', () => {
  test.each([
    [undefined, false],
    [false, false],
    [true, 'zlib'],
    ['Brotli', 'brotli'],
  ])('%s is %s', (option, name) => {
    expect(resolveCompression(option)).toBe(name);
  });

  test('an unknown name is an error that lists those there are, and never means none', () => {
    const unknown = { name: 'TypeError', code: 'UNKNOWN_PLUGIN', option: 'compression', available: NAMES };
    expect(() => resolveCompression('lzo')).toThrow(expect.objectContaining(unknown));
    for (const name of ['bz2', 'blosc']) {
      expect(() => resolveCompression(name)).toThrow(/bz2 and blosc are not offered/);
    }
    expect(() => resolveCompression(6)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
  });
});

describe('a compression that is not there says what to do', () => {
  const missing = (next: RegExp) =>
    expect.objectContaining({ code: 'MISSING_DEPENDENCY', message: expect.stringMatching(next) });

  test('lz4: what to install', () => {
    const kind = lz4From(() => {
      throw new Error("Cannot find module 'lz4-napi'");
    });
    expect(() => kind.load()).toThrow(missing(/npm install lz4-napi/));
  });

  test('zstd: which Node has it', () => {
    expect(() => zstdFrom({}).load()).toThrow(missing(/Node 22\.15 or later \(this is v/));
  });
});
