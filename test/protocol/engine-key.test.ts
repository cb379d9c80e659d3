import { describe, expect, test } from 'vitest';
import { engineKeyOf, keyOfEngineKey } from '../../src/protocol/engine-key.ts';

describe('a key as engines know it', () => {
  test('is the key itself, where it is text', () => {
    for (const key of ['', 'user:1', 'ключ', ' \n', '__proto__']) expect(engineKeyOf(key)).toBe(key);
  });

  test('is well-formed text for every other key, and leads back', () => {
    const keys = [
      '\0',
      '\0n1',
      '\0sodd',
      1,
      -1.5,
      1e300,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      1n,
      -(2n ** 90n),
      true,
      null,
    ];
    const structured = [[1, [2]], { b: 1, a: undefined }, new Date(5), new Uint8Array([0, 255])];
    const texts = [...keys, ...structured].map((key) => {
      const text = engineKeyOf(key);
      expect(text.isWellFormed()).toBe(true);
      expect(keyOfEngineKey(text) as unknown).toStrictEqual(key);
      return text;
    });
    expect(new Set(texts).size).toBe(texts.length);
  });

  test('is the same for equal keys', () => {
    expect(engineKeyOf(-0)).toBe(engineKeyOf(0));
    expect(engineKeyOf({ a: 1, b: [2] })).toBe(engineKeyOf({ b: [2], a: 1 }));
    expect(engineKeyOf(1)).not.toBe(engineKeyOf('1'));
  });

  test('is refused for what is no key', () => {
    for (const key of [undefined, Symbol('x'), () => 1, '\ud800', 'x'.repeat(70_000), new (class A {})()]) {
      expect(() => engineKeyOf(key)).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }));
    }
    expect(() => keyOfEngineKey('\0?')).toThrow(expect.objectContaining({ code: 'PROTOCOL_ERROR' }));
  });
});
