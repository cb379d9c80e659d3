/** Bytes that somebody made on purpose, with the right checksum: reading them runs nothing, and changes nothing but the value. */
import { serialize } from 'node:v8';
import { Packr, pack } from 'msgpackr';
import { afterEach, describe, expect, test } from 'vitest';
import { createCodec, type SerializerName } from '../../../src/main/codec/index.ts';
import { sealRecord } from '../../../src/protocol/record.ts';
import {
  TAG_JSON,
  TAG_MSGPACK,
  TAG_STRUCTURED,
  TAG_STRUCTURED_WITH_ERRORS,
  TAG_TAGGED_JSON,
} from '../../../src/protocol/value-tags.ts';

const CODE = 'globalThis.stolen = true';

/** The value, or the error with its code. */
function readAs(serializer: SerializerName, tag: number, payload: Uint8Array): unknown {
  const head = { tag, compression: 0, base64: false, expiresAtMs: Number.POSITIVE_INFINITY };
  try {
    return createCodec({ serializer }).decode(sealRecord(head, payload));
  } catch (error) {
    expect(error).toEqual(expect.objectContaining({ code: 'SERIALIZATION_ERROR' }));
    return error;
  }
}

/** Nothing of what was read can be called. */
function expectInert(value: unknown, depth = 0): void {
  expect(typeof value).not.toBe('function');
  if (typeof value === 'object' && value !== null && depth < 5) {
    for (const key of Reflect.ownKeys(value)) {
      expectInert((value as Record<PropertyKey, unknown>)[key], depth + 1);
    }
  }
}

afterEach(() => {
  expect('stolen' in globalThis).toBe(false);
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  expect([].constructor).toBe(Array);
});

const POLLUTING = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":1}';

describe('msgpack', () => {
  const ext = (type: number, content: unknown) => {
    const data = pack(content);
    return Buffer.concat([Buffer.from([0xc7, data.length, type]), data]);
  };

  test.each<[string, Uint8Array]>([
    ['an error whose class is eval', ext(0x65, ['eval', CODE])],
    ['an error whose class is Function', ext(0x65, ['Function', CODE])],
    ['an error whose class is a property of Object.prototype', ext(0x65, ['constructor', CODE])],
    [
      'a record whose property is code',
      Buffer.concat([Buffer.from([0xd4, 0x72, 0x40]), pack([`a"]}};${CODE};//`]), pack(1)]),
    ],
    ['a record of many properties', new Packr({ structures: [] }).pack([{ __proto__: 1, [`'+(${CODE})+'`]: 1 }])],
    ['a pointer to nothing', Buffer.from([0xd6, 0x70, 0, 0, 0, 9])],
    ['an extension that nobody knows', ext(0x55, CODE)],
    ['a regular expression', ext(0x78, ['(a+)+$', 'g'])],
    ['bundled strings', Buffer.from([0xd6, 0x62, 0xff, 0xff, 0xff, 0xff, 0xa1, 0x61])],
    ['a list as long as its 32 bits say', Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff])],
  ])('%s', (_name, payload) => {
    expectInert(readAs('msgpack', TAG_MSGPACK, payload));
  });

  test('names of Object.prototype are properties of the value alone', () => {
    const payload = new Packr({ useRecords: false, mapsAsObjects: true }).pack(JSON.parse(POLLUTING));
    expectInert(readAs('msgpack', TAG_MSGPACK, payload));
  });
});

describe('v8', () => {
  test.each<[string, number, Uint8Array]>([
    ['a host object of a kind that there is not', TAG_STRUCTURED, Buffer.from([0xff, 15, 0x5c, 99, 0, 0])],
    ['a view of more than there is', TAG_STRUCTURED, Buffer.from([0xff, 15, 0x5c, 1, 0xff, 0xff, 0x03])],
    ['shared memory by its number', TAG_STRUCTURED, Buffer.from([0xff, 15, 0x75, 0])],
    ['a WebAssembly module', TAG_STRUCTURED, Buffer.from([0xff, 15, 0x77, 0])],
    ['names of Object.prototype', TAG_STRUCTURED, serialize(JSON.parse(POLLUTING))],
    [
      'an error of a class that there is not',
      TAG_STRUCTURED_WITH_ERRORS,
      serialize({ value: [], errors: [{ standIn: {}, parts: { class: 'Function', message: CODE, properties: {} } }] }),
    ],
    ['errors that are no list', TAG_STRUCTURED_WITH_ERRORS, serialize({ value: 1, errors: 5 })],
  ])('%s', (_name, tag, payload) => {
    expectInert(readAs('v8', tag, payload));
  });

  test.each([0, 13, 14, 16, 255])('format %i, which this Node does not write, is an error that says so', (version) => {
    const payload = serialize({ a: 1 });
    payload[1] = version;
    for (const serializer of ['v8', 'msgpack'] as const) {
      expect(readAs(serializer, TAG_STRUCTURED, payload)).toMatchObject({
        code: 'SERIALIZATION_ERROR',
        message: expect.stringMatching(new RegExp(`format ${version}, and Node .* reads 15 to 15`)),
      });
    }
  });

  test('bytes without a version are an error', () => {
    for (const payload of [Buffer.alloc(0), Buffer.from([0xff]), serialize(1).subarray(2)]) {
      expect(readAs('v8', TAG_STRUCTURED, payload)).toMatchObject({ code: 'SERIALIZATION_ERROR' });
    }
  });
});

describe('json', () => {
  test.each<[string, number, string]>([
    ['names of Object.prototype', TAG_JSON, POLLUTING],
    ['the same among tags', TAG_TAGGED_JSON, `{"list":[{"$date":null}],"__proto__":{"polluted":{"$undefined":true}}}`],
    ['a wrapped object', TAG_TAGGED_JSON, `{"$object":${POLLUTING}}`],
    ['an error of a class that there is not', TAG_TAGGED_JSON, '{"$error":{"class":"constructor","properties":{}}}'],
    ['an array with a property of that name', TAG_TAGGED_JSON, `{"$array":{"length":1,"items":${POLLUTING}}}`],
    ['a tag that is a name of Object.prototype', TAG_TAGGED_JSON, '{"$__proto__":1}'],
  ])('%s', (_name, tag, text) => {
    expectInert(readAs('json', tag, Buffer.from(text)));
  });
});
