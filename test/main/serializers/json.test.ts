import { expect, test } from 'vitest';
import { JsonCodec } from '../../../src/main/serializers/json.ts';
import { TAG_JSON, TAG_TAGGED_JSON } from '../../../src/protocol/value-tags.ts';

const codec = new JsonCodec();

function textOf(value: unknown): string {
  codec.encode(value);
  return Buffer.from(codec.bytes.subarray(0, codec.byteLength)).toString();
}

test('what JSON carries faithfully is plain JSON', () => {
  const value = { id: 1, name: 'Ada \u7f13 \ud800', tags: ['a', null, true, 1.5], $set: { $x: 1, y: 2 }, empty: {} };
  expect(textOf({ ...value, $set: 1 })).toBe(JSON.stringify({ ...value, $set: 1 }));
  expect(codec.tag).toBe(TAG_JSON);
});

test.each<[string, unknown, string]>([
  ['undefined', [undefined], '[{"$undefined":true}]'],
  ['NaN', [Number.NaN], '[{"$number":"NaN"}]'],
  ['-0', { a: -0 }, '{"a":{"$number":"-0"}}'],
  ['a bigint', 10n, '{"$bigint":"10"}'],
  ['a date', new Date(0), '{"$date":"1970-01-01T00:00:00.000Z"}'],
  ['an invalid date', new Date(Number.NaN), '{"$date":null}'],
  ['a regular expression', /a+/g, '{"$regexp":{"source":"a+","flags":"g"}}'],
  ['a map', new Map([['a', new Set([1])]]), '{"$map":[["a",{"$set":[1]}]]}'],
  ['bytes', { hi: Buffer.from('hi') }, '{"hi":{"$buffer":"aGk="}}'],
  ['a typed array', new Float32Array([1]), '{"$float32array":"AACAPw=="}'],
  ['an array with holes', Object.assign([1], { length: 3 }), '{"$array":{"length":3,"items":{"0":1}}}'],
  ['an object that looks like a tag', { $date: 5 }, '{"$object":{"$date":5}}'],
])('%s is tagged', (_name, value, text) => {
  expect(textOf(value)).toBe(text);
  expect(codec.tag).toBe(TAG_TAGGED_JSON);
});

test('an error shows its class and message', () => {
  const error = Object.assign(new TypeError('no'), { code: 'E_NO', stack: 'TypeError: no' });
  expect(JSON.parse(textOf(error))).toEqual({
    $error: { class: 'TypeError', message: 'no', stack: 'TypeError: no', properties: { code: 'E_NO' } },
  });
});

test('only an object with one key can look like a tag', () => {
  expect(textOf({ $date: 5, other: 1 })).toBe('{"$date":5,"other":1}');
  expect(codec.tag).toBe(TAG_JSON);
});

test.each([
  '{"$future":1}',
  '{"$date":"soon"}',
  '{"$number":"7"}',
  '{"$bigint":"x"}',
  '{"$map":5}',
  '{"$regexp":{"source":"(","flags":""}}',
  '{"$float64array":"AAAA"}',
  '{"$error":{"class":"Function","properties":{}}}',
  '{"$array":{"length":-1,"items":{}}}',
  '{"a":',
])('%s is an error, not a value', (text) => {
  const bytes = Buffer.from(text);
  expect(() => codec.decode(TAG_TAGGED_JSON, bytes, bytes.length)).toThrow(
    expect.objectContaining({ code: 'SERIALIZATION_ERROR', cause: expect.any(Error) }),
  );
});
