/**
 * What every serializer must do: bring each value of the allow-list back equal and refuse the rest. One that takes fewer
 * values, or more, lists them with the reason.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ValueCodec } from '../../src/main/serializers/index.ts';
import { TAG_NUMBER } from '../../src/protocol/value-tags.ts';
import { arbitraryValue } from './arbitrary-values.ts';
import { ALLOWED, REFUSED } from './codec-values.ts';
import { roundTrip, verdict } from './codec-verdict.ts';
import { type Random, SEED, seededRandom } from './random.ts';
import { difference } from './strict-equal.ts';

export interface CodecExceptions {
  /** Of the allow-list, what this serializer refuses: name in the table -> reason. */
  readonly refuses?: Readonly<Record<string, string>>;
  /** Why numbers are not stored under TAG_NUMBER. */
  readonly numbersElsewhere?: string;
}

const ARBITRARY_VALUES = 2_000;
const GARBAGE = 5_000;

const serializationError = expect.objectContaining({ code: 'SERIALIZATION_ERROR' });

export function runCodecSuite(create: () => ValueCodec, exceptions: CodecExceptions = {}): void {
  const codec = create();
  const { refuses = {} } = exceptions;
  const allowed = Object.entries(ALLOWED).filter(([name]) => refuses[name] === undefined);
  const refused = [
    ...Object.entries(REFUSED),
    ...Object.entries(ALLOWED).filter(([name]) => refuses[name] !== undefined),
  ];

  test('the exceptions are in the table', () => {
    expect(Object.keys(refuses).filter((name) => ALLOWED[name] === undefined)).toEqual([]);
  });

  describe('comes back equal:', () => {
    test.each(allowed)('%s', (_name, make) => {
      const value = make();
      expect(() => codec.check(value)).not.toThrow();
      expect(difference(roundTrip(codec, value), value)).toBeUndefined();
      expect(codec.tag).toBeGreaterThanOrEqual(0);
      expect(codec.tag).toBeLessThanOrEqual(127);
    });
  });

  describe('is refused by encode and by check:', () => {
    test.each(refused)('%s', (_name, make) => {
      expect(() => codec.encode(make())).toThrow(serializationError);
      expect(() => codec.check(make())).toThrow(serializationError);
    });
  });

  test('changing a value after it was decoded, or the original, changes no copy', () => {
    for (const [name, make] of allowed) {
      const value = make();
      codec.encode(value);
      const stored = { tag: codec.tag, bytes: Buffer.from(codec.bytes.subarray(0, codec.byteLength)) };
      const again = () => codec.decode(stored.tag, stored.bytes, stored.bytes.length);
      const pristine = again();
      const before = Buffer.from(stored.bytes);
      vandalize(value);
      vandalize(again());
      expect(stored.bytes.equals(before), name).toBe(true);
      expect(difference(again(), pristine), name).toBeUndefined();
    }
  });

  test('arbitrary data comes back equal, or is refused', () => {
    fc.assert(
      fc.property(arbitraryValue, (value) => {
        expect(['equal', 'refused']).toContain(verdict(codec, value));
      }),
      { numRuns: ARBITRARY_VALUES, seed: SEED },
    );
  });

  test('a number that a shard has counted is a number', () => {
    const bytes = Buffer.alloc(16);
    bytes.writeDoubleLE(-1.5);
    expect(codec.decode(TAG_NUMBER, bytes, 8)).toBe(-1.5);
    expect(() => codec.decode(TAG_NUMBER, bytes, 7)).toThrow(serializationError);
  });

  const numbers = exceptions.numbersElsewhere;
  test.skipIf(numbers !== undefined)(
    `a number is stored as one ${numbers === undefined ? '' : `(not: ${numbers})`}`,
    () => {
      codec.encode(-1.5);
      expect([codec.tag, codec.byteLength]).toEqual([TAG_NUMBER, 8]);
      expect(Buffer.from(codec.bytes.subarray(0, 8)).readDoubleLE()).toBe(-1.5);
    },
  );

  test('a tag that nobody wrote is an error, not a value', () => {
    for (const tag of [99, 127]) {
      expect(() => codec.decode(tag, Buffer.alloc(8), 8)).toThrow(serializationError);
    }
  });

  test('bytes that nobody wrote end in a value or an error, and the codec goes on', () => {
    const random = seededRandom('bytes that nobody wrote');
    const damaged = allowed.map(([, make]) => {
      codec.encode(make());
      return { tag: codec.tag, bytes: Buffer.from(codec.bytes.subarray(0, Math.min(codec.byteLength, 200))) };
    });
    for (let i = 0; i < GARBAGE; i++) {
      const { tag, bytes } = damaged[random.below(damaged.length)] as (typeof damaged)[number];
      const garbage = random.oneIn(4) ? random.bytes(random.below(64)) : damage(bytes, random);
      try {
        codec.decode(random.oneIn(4) ? random.below(32) : tag, garbage, garbage.length);
      } catch (error) {
        expect(error).toEqual(serializationError);
      }
    }
    for (const [name, make] of allowed) {
      const value = make();
      expect(difference(roundTrip(codec, value), value), name).toBeUndefined();
    }
  });

  test('a codec that has just refused a value takes the next', () => {
    const next = Buffer.from('next');
    for (const [name, make] of refused) {
      expect(() => codec.encode(make())).toThrow();
      expect(difference(roundTrip(codec, next), next), name).toBeUndefined();
    }
  });
}

function damage(bytes: Buffer, random: Random): Buffer {
  const damaged = Buffer.from(bytes.subarray(0, random.oneIn(3) ? random.below(bytes.length + 1) : bytes.length));
  for (let i = random.below(4); i > 0 && damaged.length > 0; i--) {
    damaged[random.below(damaged.length)] = random.word();
  }
  return damaged;
}

/** Changes everything in a value that can be changed. */
export function vandalize(value: unknown): void {
  if (typeof value !== 'object' || value === null) {
    return;
  }
  if (ArrayBuffer.isView(value)) {
    Buffer.from(value.buffer, value.byteOffset, value.byteLength).fill(0xaa);
    return;
  }
  const members = Object.entries(value);
  const parts = value instanceof Map ? [...value].flat() : value instanceof Set ? [...value] : [];
  for (const [key] of members) {
    Object.assign(value, { [key]: 'vandalized' });
  }
  if (value instanceof Date) value.setTime(77);
  if (value instanceof Map || value instanceof Set) value.clear();
  if (value instanceof Error) value.message = 'vandalized';
  if (Array.isArray(value)) value.length = 0;
  for (const part of [...members.map(([, member]) => member), ...parts]) {
    vandalize(part);
  }
}
