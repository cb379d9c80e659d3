import { describe, expect, test } from 'vitest';
import { createCodec, type Serializer, serializers } from '../../../src/main/serializers/index.ts';
import { tagged, untagged } from '../../../src/main/serializers/json-tags.ts';
import { type CodecExceptions, runCodecSuite } from '../../support/codec-suite.ts';
import { ALLOWED } from '../../support/codec-values.ts';
import { roundTrip } from '../../support/codec-verdict.ts';

const BYTES = ['a Buffer', 'an empty Buffer', 'a Uint8Array', 'a view in the middle of other bytes'];

const exceptions: Record<string, CodecExceptions> = {
  raw: {
    refuses: Object.fromEntries(
      Object.keys(ALLOWED)
        .filter((name) => !BYTES.includes(name))
        .map((name) => [name, 'it stores bytes only']),
    ),
    numbersElsewhere: 'it stores bytes only',
  },
};

for (const [name, create] of Object.entries(serializers)) {
  describe(name, () => {
    runCodecSuite(create, exceptions[name]);
  });
}

/** Serializers of a user's own that keep the promise of the built-in ones. */
const text: Serializer = {
  name: 'text',
  binary: false,
  encode: (value) => JSON.stringify(tagged(value)),
  decode: (stored) => untagged(JSON.parse(stored)),
};
const binary: Serializer = {
  name: 'binary',
  encode: (value) => Buffer.from(text.encode(value) as string),
  decode: (bytes) => text.decode(bytes.toString() as never),
};

for (const serializer of [text, binary]) {
  describe(`custom, ${serializer.name}`, () => {
    runCodecSuite(() => createCodec(serializer), { numbersElsewhere: 'it decides itself how its values are stored' });
  });
}

test('a codec knows its name', () => {
  expect(Object.entries(serializers).map(([name, create]) => create().name === name)).not.toContain(false);
});

test('v8 keeps one object one', () => {
  const shared = { id: 1 };
  const copy = roundTrip(createCodec('v8'), { a: shared, b: [shared] }) as { a: object; b: object[] };
  expect(copy.b[0]).toBe(copy.a);
});
