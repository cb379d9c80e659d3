import { unpack } from 'msgpackr';
import { expect, test } from 'vitest';
import { MsgpackCodec } from '../../../src/main/serializers/msgpack.ts';
import { TAG_MSGPACK, TAG_STRUCTURED, TAG_STRUCTURED_WITH_ERRORS } from '../../../src/protocol/value-tags.ts';
import { roundTrip } from '../../support/codec-verdict.ts';

const codec = new MsgpackCodec();

function tagOf(value: unknown): number {
  codec.encode(value);
  return codec.tag;
}

test('a structure that msgpack carries faithfully is msgpack, which anybody reads', () => {
  const value = { id: 1, name: 'Ada', tags: ['a', null, true], nested: { at: new Date(5), bytes: Buffer.from('b') } };
  expect(tagOf(value)).toBe(TAG_MSGPACK);
  expect(unpack(Buffer.from(codec.bytes.subarray(0, codec.byteLength)))).toEqual(value);
});

test('what msgpack would bend is structured', () => {
  for (const value of [
    [-0],
    new Map(),
    [2n ** 64n],
    ['\ud800'],
    { '\ud800': 1 },
    { constructor: 1 },
    [new Date(Number.NaN)],
    [/a/],
  ]) {
    expect(tagOf(value)).toBe(TAG_STRUCTURED);
  }
  expect(tagOf({ failure: new Error('x') })).toBe(TAG_STRUCTURED_WITH_ERRORS);
});

test('errors keep class, message, code, cause and properties', () => {
  const cause = Object.assign(new RangeError('inner'), { code: 'E_INNER', at: [1, 2] });
  const error = Object.assign(new TypeError('outer', { cause }), { errno: -2 });
  const copy = roundTrip(codec, { error, list: [cause] }) as { error: typeof error; list: Error[] };
  expect(copy.error).toBeInstanceOf(TypeError);
  expect(copy.error).toMatchObject({ message: 'outer', errno: -2, stack: error.stack });
  expect(copy.error.cause).toBeInstanceOf(RangeError);
  expect(copy.error.cause).toMatchObject({ message: 'inner', code: 'E_INNER', at: [1, 2] });
  expect(copy.list[0]).toBe(copy.error.cause);
  expect(Object.keys(copy.error)).toEqual(['errno']);
  expect(roundTrip(codec, new Error('bare'))).not.toHaveProperty('cause');
});

test('a refusal says what was refused', () => {
  class Point {}
  expect(() => codec.encode({ a: new Point() })).toThrow(/class instances.* cannot be stored\), got a Point/);
});

test('what a member throws is the cause of the refusal', () => {
  const cause = new RangeError('not today');
  const value = {
    get a() {
      throw cause;
    },
  };
  expect(() => codec.encode(value)).toThrow(
    expect.objectContaining({ code: 'SERIALIZATION_ERROR', cause, message: expect.stringContaining('not today') }),
  );
});
