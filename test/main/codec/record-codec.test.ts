import { expect, test } from 'vitest';
import { openRecordCodec } from '../../../src/main/codec/encoding.ts';
import { deadlineOf, openRecord } from '../../../src/protocol/record.ts';
import { difference } from '../../support/strict-equal.ts';

const FOR_EVER = Number.POSITIVE_INFINITY;
const LONG = 'once upon a time '.repeat(10_000);
const VERY_LONG = 'once upon a time '.repeat(70_000);

test('says what is in force', async () => {
  const codec = await openRecordCodec({ serializer: 'JSON', compression: true, base64: true });
  expect([codec.serializerName, codec.compressionName, codec.base64]).toEqual(['json', 'zlib', true]);
  const plain = await openRecordCodec({});
  expect([plain.serializerName, plain.compressionName, plain.base64]).toEqual(['msgpack', false, false]);
  await expect(openRecordCodec({ compression: 'blosc' })).rejects.toThrow(/not offered/);
});

test('a record keeps its deadline, and its payload is text where that was asked for', async () => {
  const codec = await openRecordCodec({ base64: true, compression: 'lz4' });
  for (const value of [{ a: 1 }, LONG]) {
    const record = await codec.encode(value, 1_234);
    expect(deadlineOf(record)).toBe(1_234);
    expect(openRecord(record)).toMatchObject({ base64: true, expiresAtMs: 1_234 });
    expect(openRecord(record).payload.toString('latin1')).toMatch(/^[A-Za-z0-9+/]+=*$/);
    expect(await codec.decode(record)).toEqual(value);
  }
});

test('only what takes long is a promise, and it is the same record', async () => {
  const codec = await openRecordCodec({ compression: 'zlib' });
  expect(codec.encode({ a: 1 }, FOR_EVER)).toBeInstanceOf(Buffer);
  expect((await openRecordCodec({})).encode(VERY_LONG, FOR_EVER)).toBeInstanceOf(Buffer);
  for (const text of [LONG, VERY_LONG]) {
    const promised = codec.encode(text, FOR_EVER);
    expect(promised).toBeInstanceOf(Promise);
    const record = codec.encodeSync(text, FOR_EVER);
    expect((await promised).equals(record)).toBe(true);
    expect(codec.decode(record) instanceof Promise).toBe(text === VERY_LONG);
    expect(await codec.decode(record)).toBe(text);
    expect(codec.decodeSync(record)).toBe(text);
  }
});

test('neither the value nor the record is looked at after the call', async () => {
  const codec = await openRecordCodec({ serializer: 'raw', compression: 'gzip' });
  const bytes = Buffer.from(VERY_LONG);
  const promised = codec.encode(bytes, FOR_EVER);
  bytes.fill(0);
  const record = await promised;
  const value = codec.decode(record);
  record.fill(0);
  expect(difference(await value, Buffer.from(VERY_LONG))).toBeUndefined();
});

test('more than go off the thread are done at once, and all are right', async () => {
  const codec = await openRecordCodec({ compression: 'zlib' });
  const texts = Array.from({ length: 20 }, (_, i) => `${i} ${'x'.repeat(70_000)}`);
  const records = texts.map((text) => codec.encode(text, FOR_EVER));
  expect(records.map((record) => record instanceof Promise)).toEqual(texts.map((_, i) => i < 16));
  for (const [i, record] of records.entries()) expect(codec.decodeSync(await record)).toBe(texts[i]);
  const next = codec.encode(LONG, FOR_EVER);
  expect(next, 'there is room again').toBeInstanceOf(Promise);
  await next;
});

test('base64 is made in steps, of any length', async () => {
  const codec = await openRecordCodec({ serializer: 'raw', base64: true });
  for (const length of [0, 1, 2, 3, 4, 3 * 2 ** 20 - 1, 3 * 2 ** 20, 6 * 2 ** 20 + 2]) {
    const bytes = Buffer.alloc(length, 'a value of some bytes');
    const record = codec.encodeSync(bytes, FOR_EVER);
    expect(openRecord(record).payload.equals(Buffer.from(bytes.toString('base64')))).toBe(true);
    expect(bytes.equals(codec.decodeSync(record) as Buffer)).toBe(true);
  }
});
