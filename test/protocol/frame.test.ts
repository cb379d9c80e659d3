import fc from 'fast-check';
import { unpack } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import {
  FRAME_BYTES_MAX,
  FRAME_CALLS_MAX,
  FRAME_VERSION,
  FrameReader,
  FrameWriter,
  recordBytes,
} from '../../src/protocol/frame.ts';
import { KeyEncoder } from '../../src/protocol/key.ts';
import * as operations from '../../src/protocol/operations.ts';
import { readReply } from '../../src/protocol/reply-reader.ts';
import { SEED } from '../support/random.ts';
import { makeShard } from '../support/shard.ts';

const { OP_DELETE, OP_GET, OP_NONE, OP_SET } = operations;
const OPERATIONS = Object.entries(operations).filter(([name]) => name.startsWith('OP_')) as [string, number][];

interface Call {
  op: number;
  key: string;
  tag: number;
  argument: number;
  value: Uint8Array;
}

const anyCall: fc.Arbitrary<Call> = fc.record({
  op: fc.constantFrom(...OPERATIONS.map(([, op]) => op)),
  key: fc.oneof(fc.string({ maxLength: 30 }), fc.string({ unit: 'binary', maxLength: 30 })),
  tag: fc.integer({ min: 0, max: 127 }),
  argument: fc.oneof(
    fc.constant(0),
    fc.constant(Number.POSITIVE_INFINITY),
    fc.double({ min: 0, noNaN: true, max: Number.MAX_SAFE_INTEGER }),
  ),
  value: fc.uint8Array({ maxLength: 300 }),
});

function write(calls: Call[], writer = new FrameWriter()): Uint8Array {
  const key = new KeyEncoder({ low: 1, high: 2 });
  for (const call of calls) {
    key.encode(call.key);
    writer.add(call.op, key, call.tag, call.argument, call.value, call.value.length);
  }
  return writer.seal();
}

function encode(text: string): KeyEncoder {
  const key = new KeyEncoder({ low: 1, high: 2 });
  key.encode(text);
  return key;
}

describe('a frame is msgpack', () => {
  test.each(OPERATIONS)('any msgpack reader decodes %s, with its fields in the stated order', (_, op) => {
    for (let keyBytes = 0; keyBytes < 5; keyBytes++) {
      for (let valueBytes = 0; valueBytes < 5; valueBytes++) {
        const key = encode('abcde'.slice(0, keyBytes));
        const value = Buffer.from('vwxyz').subarray(0, valueBytes);
        const frame = write([{ op, key: 'abcde'.slice(0, keyBytes), tag: 7, argument: 1.5, value }]);
        const document = unpack(Buffer.from(frame)) as [number, null, unknown[][]];
        expect(document.slice(0, 2)).toEqual([FRAME_VERSION, null]);
        expect(document[2]).toHaveLength(1);
        const [code, encoding, tag, head, ...rest] = document[2][0] as [number, number, number, Buffer, ...unknown[]];
        const fixed = Buffer.from(head);
        expect([code, encoding, tag]).toEqual([op, key.encoding, 7]);
        expect([fixed.length, fixed.readInt32LE(0), fixed.readInt32LE(4), fixed.readDoubleLE(8)]).toEqual([
          16,
          key.hashLow,
          key.hashHigh,
          1.5,
        ]);
        const keyPadding = Array.from({ length: -keyBytes & 3 }, () => null);
        const valuePadding = Array.from({ length: -valueBytes & 3 }, () => null);
        expect(rest).toEqual([
          ...[null, null, null, Buffer.from('abcde').subarray(0, keyBytes), ...keyPadding],
          ...[null, null, null, value, ...valuePadding],
        ]);
      }
    }
  });

  test('many records are one array, and a frame without records an empty one', () => {
    const calls = Array.from({ length: 70_000 }, () => ({
      op: OP_GET,
      key: 'k',
      tag: 0,
      argument: 0,
      value: new Uint8Array(),
    }));
    expect((unpack(write(calls)) as unknown[][])[2]).toHaveLength(70_000);
    expect(unpack(new FrameWriter().seal())).toEqual([FRAME_VERSION, null, []]);
  });
});

describe('a frame is read as it was written', () => {
  test('whatever the keys, values and times to live', () => {
    const writer = new FrameWriter();
    fc.assert(
      fc.property(fc.array(anyCall, { maxLength: 20 }), (calls) => {
        const reader = new FrameReader(write(calls, writer));
        expect(reader.count).toBe(calls.length);
        for (const call of calls) {
          reader.next();
          const key = encode(call.key);
          expect(reader.op).toBe(call.op);
          expect(reader.tag).toBe(call.tag);
          expect(reader.argument).toBe(call.argument);
          expect([reader.hashLow, reader.hashHigh]).toEqual([key.hashLow, key.hashHigh]);
          expect(reader.isAbout(key)).toBe(true);
          expect(reader.isAbout(encode(`${call.key}+`))).toBe(false);
          expect(Buffer.from(reader.key)).toEqual(Buffer.from(key.bytes.subarray(0, key.byteLength)));
          expect(Buffer.from(reader.value)).toEqual(Buffer.from(call.value));
        }
        expect(() => reader.next()).toThrow(RangeError);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test('when a value is the beginning of a longer buffer', () => {
    const writer = new FrameWriter();
    writer.add(OP_SET, encode('k'), 0, 0, Buffer.from('value and more'), 5);
    const reader = new FrameReader(writer.seal());
    reader.next();
    expect(Buffer.from(reader.value).toString()).toBe('value');
  });

  test('when it lies at an odd offset of a larger buffer, plain or Buffer', () => {
    const frame = write([{ op: OP_SET, key: 'key', tag: 1, argument: 0, value: Buffer.from('value') }]);
    const larger = Buffer.alloc(frame.length + 1);
    larger.set(frame, 1);
    for (const odd of [larger.subarray(1), new Uint8Array(larger.buffer, larger.byteOffset + 1, frame.length)]) {
      const reader = new FrameReader(odd);
      reader.next();
      expect(Buffer.from(reader.value).toString()).toBe('value');
    }
  });

  test('when it grows past its first buffer, and after a value that travelled alone', () => {
    const writer = new FrameWriter();
    const large = Buffer.alloc(3 * FRAME_BYTES_MAX, 7);
    expect(writer.admits(1, large.length)).toBe(true);
    for (const value of [large, Buffer.from('small'), Buffer.alloc(50_000, 1)]) {
      const frame = write([{ op: OP_SET, key: 'k', tag: 0, argument: 0, value }], writer);
      expect(frame.byteLength).toBe(8 + recordBytes(1, value.length));
      const reader = new FrameReader(frame);
      reader.next();
      expect(Buffer.from(reader.value).equals(value)).toBe(true);
    }
  });

  test('again after a rewind', () => {
    const reader = new FrameReader(write([{ op: OP_GET, key: 'k', tag: 0, argument: 0, value: new Uint8Array() }]));
    reader.next();
    reader.rewind();
    reader.next();
    expect(reader.isAbout(encode('k'))).toBe(true);
  });
});

describe('a frame is bounded', () => {
  test('by its calls', () => {
    const writer = new FrameWriter();
    for (let i = 0; i < FRAME_CALLS_MAX; i++) {
      expect(writer.admits(1, 0)).toBe(true);
      writer.add(OP_GET, encode('k'), 0, 0, new Uint8Array(), 0);
    }
    expect(writer.admits(1, 0)).toBe(false);
  });

  test('by its bytes', () => {
    const writer = new FrameWriter();
    const value = new Uint8Array(100_000);
    while (writer.admits(1, value.length)) {
      writer.add(OP_SET, encode('k'), 0, 0, value, value.length);
    }
    expect(writer.count).toBe(10);
    expect(writer.byteLength).toBeLessThanOrEqual(FRAME_BYTES_MAX);
    expect(writer.byteLength + recordBytes(1, value.length)).toBeGreaterThan(FRAME_BYTES_MAX);
  });
});

test('a withdrawn record does nothing and keeps its place; the others are as they were', () => {
  const writer = new FrameWriter();
  const places = ['a', 'b', 'c'].map((text) => writer.add(OP_SET, encode(text), 0, 0, Buffer.from(text), 1));
  const open = writer.view;
  open.jump(places[1] as number);
  open.blank();
  const reader = new FrameReader(writer.seal());
  const seen = Array.from({ length: reader.count }, () => {
    reader.next();
    return [reader.op, Buffer.from(reader.key).toString(), Buffer.from(reader.value).toString()];
  });
  expect(seen).toEqual([
    [OP_SET, 'a', 'a'],
    [OP_NONE, 'b', 'b'],
    [OP_SET, 'c', 'c'],
  ]);
});

describe('a damaged frame', () => {
  const SAMPLE = write([
    { op: OP_SET, key: 'key', tag: 1, argument: 5_000, value: Buffer.from('a value') },
    { op: OP_GET, key: 'kéy', tag: 0, argument: 0, value: new Uint8Array() },
    { op: OP_SET, key: 'ключ', tag: 2, argument: 0, value: Buffer.alloc(200, 3) },
    { op: OP_DELETE, key: '', tag: 0, argument: 0, value: new Uint8Array() },
  ]);

  function shared(frame: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(new SharedArrayBuffer(frame.length));
    bytes.set(frame);
    return bytes;
  }

  /** Reads all records, and uses what each claims to hold. Throws what FrameReader throws. */
  function readAll(frame: Uint8Array): void {
    const reader = new FrameReader(frame);
    const limit = Math.min(reader.count, FRAME_CALLS_MAX + 1);
    for (let i = 0; i < limit; i++) {
      reader.next();
      expect(reader.key.length).toBe(reader.keyBytes);
      expect(reader.value.length).toBe(reader.valueBytes);
    }
  }

  /** Every single flipped bit, every byte replaced by each of a few, and every truncation. */
  function* damaged(): Generator<Uint8Array> {
    for (let at = 0; at < SAMPLE.length; at++) {
      const original = SAMPLE[at] as number;
      const bits = Array.from({ length: 8 }, (_, bit) => original ^ (1 << bit));
      for (const byte of [...bits, 0, 0x7f, 0x80, 0xff]) {
        const frame = SAMPLE.slice();
        frame[at] = byte;
        yield frame;
      }
      yield SAMPLE.slice(0, at);
    }
  }

  test('decodes or throws RangeError, nothing else', () => {
    let refused = 0;
    for (const frame of damaged()) {
      try {
        readAll(frame);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(SAMPLE.length);
  });

  test('is answered by results or one PROTOCOL_ERROR, and the shard lives on unharmed', () => {
    const target = makeShard({ bytesMax: 16 * 1024 });
    target.set('bystander', 'unharmed');
    for (const frame of damaged()) {
      const reply = target.dispatch.call(frame);
      const results = readReply(reply);
      if (typeof results !== 'number' && results.length === 1 && results[0] instanceof Error) {
        expect(results[0]).toMatchObject({ code: expect.stringMatching(/PROTOCOL_ERROR/) });
      }
      target.shard.check();
      target.clear();
      target.set('bystander', 'unharmed');
    }
    expect(target.get('bystander')).toBe('unharmed');
  });

  test('that is refused changes nothing, not even by the records before the damage', () => {
    const target = makeShard();
    for (let length = 0; length < SAMPLE.length; length++) {
      expect(readReply(target.dispatch.call(SAMPLE.slice(0, length)))).toEqual([
        expect.objectContaining({ code: 'PROTOCOL_ERROR' }),
      ]);
      expect(target.size()).toBe(0);
    }
    expect(readReply(target.dispatch.call(SAMPLE))).toHaveLength(4);
    expect(target.size()).toBe(2);
  });

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['text', 'frame'],
    ['a number', 1],
    ['an array', [1, null, []]],
    ['an ArrayBuffer', new ArrayBuffer(64)],
    ['words', new Int32Array(16)],
    ['a frame in shared memory, which could change while it is read', shared(SAMPLE)],
    ['no bytes', new Uint8Array()],
    ['another version', Uint8Array.of(0x93, FRAME_VERSION + 1, 0xc0, 0xdd, 0, 0, 0, 0)],
    ['more records than a frame may hold', Uint8Array.of(0x93, FRAME_VERSION, 0xc0, 0xdd, 0xff, 0xff, 0xff, 0xff)],
  ])('%s in place of a frame is answered with PROTOCOL_ERROR', (_, frame) => {
    const target = makeShard();
    expect(readReply(target.dispatch.call(frame))).toEqual([expect.objectContaining({ code: 'PROTOCOL_ERROR' })]);
    expect(target.set('k', 'v')).toBeUndefined();
    expect(target.get('k')).toBe('v');
  });

  test('with random bytes inside, many at once, never breaks the shard', () => {
    const target = makeShard({ bytesMax: 4 * 1024 });
    fc.assert(
      fc.property(
        fc.array(anyCall, { minLength: 1, maxLength: 6 }),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
        (calls, hits) => {
          const frame = write(calls);
          for (const [at, byte] of hits) {
            frame[at % frame.length] = byte;
          }
          readReply(target.dispatch.call(frame));
          target.shard.check();
        },
      ),
      { seed: SEED, numRuns: 3000 },
    );
  });

  test('with forged hashes for one key, however many, stays within the limits', () => {
    const target = makeShard({ bytesMax: 4 * 1024 });
    const key = encode('');
    const writer = new FrameWriter();
    for (let i = 0; i < 400; i++) {
      key.hashLow = Math.imul(i, 0x9e37_79b1);
      writer.add(OP_SET, key, 0, 0, new Uint8Array(), 0);
    }
    expect(readReply(target.dispatch.call(writer.seal()))).toBe(400);
    target.shard.check();
  });
});

test('a tag that is no small integer is no record', () => {
  const frame = write([{ op: OP_SET, key: 'k', tag: 127, argument: 0, value: new Uint8Array() }]);
  const damaged = Buffer.from(frame);
  expect(damaged[13]).toBe(127);
  damaged[13] = 0xc0;
  expect(() => new FrameReader(damaged).next()).toThrow(RangeError);
});

test.each([
  ['half a character of UTF-16', 1, 3],
  ['a number of seven bytes', 2, 7],
  ['a number of nine', 2, 9],
  ['no structured key', 3, 0],
  ['an encoding that there is not', 4, 4],
  ['the last encoding there could be', 7, 4],
])(
  'a key that is %s is refused with its frame, before it could be stored and not be read',
  (_, encoding, byteLength) => {
    const target = makeShard();
    const key = encode('x'.repeat(byteLength));
    key.encoding = encoding;
    const writer = new FrameWriter();
    writer.add(OP_SET, encode('sound'), 0, 0, new Uint8Array(), 0);
    writer.add(OP_SET, key, 0, 0, new Uint8Array(), 0);
    expect(readReply(target.dispatch.call(writer.seal()))).toEqual([
      expect.objectContaining({ code: 'PROTOCOL_ERROR', message: expect.stringContaining('key') }),
    ]);
    expect(target.size()).toBe(0);
  },
);

test('a frame holds nothing of what lay in its memory before, nor of what lies behind a value in that of its encoder', () => {
  const key = new KeyEncoder({ low: 1, high: 2 });
  const used = new FrameWriter();
  key.encode('another key');
  used.add(1, key, 0, 0, new Uint8Array(4_096).fill(0x5a), 4_096);
  used.seal();
  const scratch = new Uint8Array(512);
  for (const byteLength of [0, 1, 2, 3, 4, 158, 159, 160, 161, 163]) {
    const value = Uint8Array.from({ length: byteLength }, (_, i) => i);
    scratch.fill(0xdd).set(value);
    const fresh = new FrameWriter();
    key.encode('k'.repeat(1 + (byteLength % 4)));
    fresh.add(1, key, 0, 0, value, byteLength);
    used.add(1, key, 0, 0, scratch, byteLength);
    expect(used.seal()).toEqual(fresh.seal());
  }
});
