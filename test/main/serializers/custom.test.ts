import { describe, expect, test } from 'vitest';
import { createCodec, type Serializer } from '../../../src/main/serializers/index.ts';
import { TAG_CUSTOM } from '../../../src/protocol/value-tags.ts';
import { roundTrip } from '../../support/codec-verdict.ts';

class Point {
  readonly x: number;
  constructor(x: number) {
    this.x = x;
  }
}

const points: Serializer = {
  name: 'points',
  binary: false,
  encode: (value) => `${(value as Point).x}`,
  decode: (text) => new Point(Number(text)),
};

function refusal(fields: object): unknown {
  return expect.objectContaining({
    code: 'SERIALIZATION_ERROR',
    message: expect.stringContaining('points'),
    ...fields,
  });
}

describe('a serializer of the user', () => {
  test('decides what it takes: class instances come back as such', () => {
    const codec = createCodec(points);
    expect(roundTrip(codec, new Point(7))).toEqual(new Point(7));
    expect(roundTrip(codec, new Point(7))).toBeInstanceOf(Point);
    expect(Buffer.from(codec.bytes).toString()).toBe('7');
    expect(codec).toMatchObject({ name: 'points', tag: TAG_CUSTOM, byteLength: 1 });
  });

  test('is called on itself, so it may be an instance', () => {
    class Shifted {
      readonly name = 'points';
      readonly by = 3;
      encode(value: unknown): Uint8Array {
        return Uint8Array.of((value as number) + this.by);
      }
      decode(bytes: Buffer): unknown {
        return (bytes[0] as number) - this.by;
      }
    }
    expect(roundTrip(createCodec(new Shifted()), 5)).toBe(5);
  });

  test('gets bytes that it may keep', () => {
    const kept: Buffer[] = [];
    const codec = createCodec({
      name: 'points',
      binary: true,
      encode: () => Buffer.from('abc'),
      decode: (bytes) => kept.push(bytes),
    });
    roundTrip(codec, 1);
    expect(kept[0]?.toString()).toBe('abc');
    expect(kept[0]?.buffer.byteLength).toBe(3);
  });

  test.each<[string, unknown]>([
    ['a promise', Promise.resolve(Buffer.alloc(1))],
    ['nothing', undefined],
    ['a string without `binary: false`', 'text'],
    ['an ArrayBuffer', new ArrayBuffer(1)],
    ['an array', [1, 2]],
  ])('that encodes to %s is told what was expected', (_name, encoded) => {
    const codec = createCodec({ name: 'points', encode: () => encoded as Buffer, decode: () => 1 });
    expect(() => codec.encode(1)).toThrow(refusal({}));
    expect(() => codec.check(1)).toThrow(refusal({}));
  });

  test.each<[string, unknown]>([
    ['bytes', Buffer.from('text')],
    ['half a surrogate pair', 'a\ud800'],
  ])('of text that encodes to %s is told what was expected', (_name, encoded) => {
    const codec = createCodec({ name: 'points', binary: false, encode: () => encoded as string, decode: () => 1 });
    expect(() => codec.encode(1)).toThrow(refusal({}));
  });

  test('that throws is the cause of a SERIALIZATION_ERROR, and is asked again for the next value', () => {
    const cause = new RangeError('broken');
    let isBroken = true;
    const orThrow = <T>(value: T): T => {
      if (isBroken) throw cause;
      return value;
    };
    const codec = createCodec({
      name: 'points',
      encode: () => orThrow(Buffer.from('a')),
      decode: () => orThrow('decoded'),
    });
    expect(() => codec.encode(1)).toThrow(refusal({ cause }));
    expect(() => codec.decode(TAG_CUSTOM, Buffer.from('a'), 1)).toThrow(refusal({ cause }));
    isBroken = false;
    expect(roundTrip(codec, 1)).toBe('decoded');
  });
});
