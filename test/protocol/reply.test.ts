import { unpack } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { CacheError } from '../../src/protocol/errors.ts';
import type { ShardCounts } from '../../src/protocol/operations.ts';
import { ReplyWriter } from '../../src/protocol/reply.ts';
import { readReply } from '../../src/protocol/reply-reader.ts';

const COUNTS: ShardCounts = {
  hits: 1,
  misses: 2,
  sets: 3,
  deletes: 4,
  evictions: 5,
  expirations: 6,
  entries: 7,
  bytes: 2 ** 40,
  payloadBytes: 9,
  frames: 10,
  calls: 11,
  droppedTouches: 12,
  droppedEvents: 22,
  failures: 13,
  policyFaults: 21,
  entriesPeak: 14,
  validEntries: 15,
  validPeak: 16,
  filterNegatives: 17,
  nearHits: 19,
  filterFalsePositives: 18,
  restarts: 19,
  clients: 20,
};

/** One result of each kind. */
function sample(): Uint8Array {
  const writer = new ReplyWriter();
  writer.done();
  writer.boolean(true);
  writer.boolean(false);
  writer.number(-0.5);
  writer.value(3, Buffer.from('value'));
  writer.report(COUNTS);
  writer.error({ code: 'VALUE_TOO_LARGE', message: 'ü is too large' });
  writer.mortalValue(3, Buffer.from('value'), 1.5);
  writer.entry(1, Buffer.from('key'), 3, Buffer.from('value'));
  writer.beginPage();
  writer.pageEntry(1, Buffer.from('key'), 3, Buffer.from('value'), 2.5);
  writer.pageEntry(0, Buffer.from('other'), 0, undefined, Number.POSITIVE_INFINITY);
  writer.pageEntry(0, Buffer.from('third'), 0, undefined, 3.5);
  writer.endPage(2 ** 31);
  return writer.seal() as Uint8Array;
}

test('records that all went well and say nothing are answered by their count', () => {
  const writer = new ReplyWriter();
  writer.done();
  writer.done();
  expect(writer.seal()).toBe(2);
  expect(readReply(2)).toBe(2);
});

test('every result comes back as it was written, in order', () => {
  const results = readReply(sample()) as unknown[];
  expect(results.slice(0, 6)).toEqual([undefined, true, false, -0.5, { tag: 3, bytes: Buffer.from('value') }, COUNTS]);
  expect(results[6]).toBeInstanceOf(CacheError);
  expect(results[6]).toMatchObject({ code: 'VALUE_TOO_LARGE', message: 'ü is too large' });
  const value = { tag: 3, bytes: Buffer.from('value') };
  const key = Buffer.from('key');
  expect(results.slice(7)).toEqual([
    { ...value, leftMs: 1.5 },
    { encoding: 1, key, value },
    {
      next: 2 ** 31,
      entries: [
        { encoding: 1, key, value, expiresAtMs: 2.5 },
        { encoding: 0, key: Buffer.from('other'), value: undefined },
        { encoding: 0, key: Buffer.from('third'), value: undefined, expiresAtMs: 3.5 },
      ],
    },
  ]);
});

test('any msgpack reader decodes a reply', () => {
  expect(unpack(sample())).toEqual([
    null,
    true,
    false,
    -0.5,
    [3, Buffer.from('value')],
    JSON.stringify(COUNTS),
    JSON.stringify({ error: { code: 'VALUE_TOO_LARGE', message: 'ü is too large' } }),
    [3, Buffer.from('value'), 1.5],
    [1, Buffer.from('key'), 3, Buffer.from('value')],
    [
      2 ** 31,
      [1, Buffer.from('key'), 3, Buffer.from('value'), 2.5],
      [0, Buffer.from('other'), null, null],
      [0, Buffer.from('third'), null, null, 3.5],
    ],
  ]);
});

test('a sealed reply is its own bytes, and the writer is empty again', () => {
  const writer = new ReplyWriter();
  writer.value(0, Buffer.alloc(100_000, 1));
  const first = writer.seal() as Uint8Array;
  writer.value(0, Buffer.alloc(100_000, 2));
  expect((readReply(first) as { bytes: Buffer }[])[0]?.bytes.every((byte) => byte === 1)).toBe(true);
  expect(first.buffer.byteLength).toBe(first.length);
  writer.seal();
  expect(writer.seal()).toBe(0);
});

describe('what is not a reply throws RangeError', () => {
  test.each([
    ['undefined', undefined],
    ['null', null],
    ['text', 'ok'],
    ['no bytes', new Uint8Array()],
    ['another document', Uint8Array.of(0x93, 1, 2, 3, 4)],
    ['an unknown result', Uint8Array.of(0xdd, 0, 0, 0, 1, 0xc1)],
  ])('%s', (_, reply) => {
    expect(() => readReply(reply)).toThrow(RangeError);
  });

  test('a reply that ends early, wherever it ends', () => {
    const reply = sample();
    for (let length = 0; length < reply.length; length++) {
      expect(() => readReply(reply.slice(0, length))).toThrow(RangeError);
    }
  });
});
