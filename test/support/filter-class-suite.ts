/** What every filter class must do, however it remembers keys. One that cannot lists the test and why. */
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { CacheKey } from '../../src/main/filters/index.ts';
import type { FilterException } from './filter-suite.ts';
import { seededRandom } from './random.ts';

export interface AnyFilter {
  readonly size: number;
  readonly bits: number;
  readonly bitsPerKey: number;
  readonly falsePositiveRate: number;
  has(key: CacheKey): boolean;
  add?(key: CacheKey): void;
  delete?(key: CacheKey): boolean;
  toBytes(): Uint8Array;
}

export interface FilterClass {
  readonly name: string;
  /** A filter of these keys. */
  of(keys: Iterable<CacheKey>, options?: { readonly seed?: number }): AnyFilter;
  fromBytes(bytes: Uint8Array): AnyFilter;
  /** What a key takes of a filter of 20,000. */
  readonly bitsPerKeyMax: number;
  /** The bytes of filters of other classes. */
  readonly foreign: () => Uint8Array[];
  readonly exceptions: readonly FilterException[];
}

const KEYS = 20_000;
const PROBES = 200_000;
const HEADER_WORDS = 12;
const CHECKSUM = 11;
const FOREVER_MS = 2_000;

export function runFilterClassSuite(subject: FilterClass): void {
  const names = new Set<string>();
  const fact = (name: string, run: () => void) => {
    names.add(name);
    const exception = subject.exceptions.find((candidate) => candidate.test === name);
    test.skipIf(exception !== undefined)(exception === undefined ? name : `${name} (not: ${exception.reason})`, run);
  };
  const codeOf = (act: () => unknown) => {
    try {
      act();
    } catch (error) {
      return (error as { code?: unknown }).code;
    }
    return 'no error';
  };

  fact('every key that it was given is there, at any size', () => {
    for (const size of [...Array(70).keys(), 100, 255, 256, 1_000, 3_333, KEYS]) {
      const keys = keysOf('key', size);
      const filter = subject.of(keys);
      expect(lost(filter, keys)).toBe(0);
      expect(filter.size).toBe(size);
    }
  });

  fact('keys are those of a cache, by value', () => {
    const keys: CacheKey[] = [
      'a',
      '',
      'ā',
      1,
      1.5,
      -1,
      7n,
      true,
      null,
      new Date(0),
      Buffer.from('x'),
      ['a', 1],
      { a: 1 },
    ];
    const filter = subject.of(keys);
    expect(lost(filter, keys)).toBe(0);
    expect(lost(filter, [{ a: 1 }, ['a', 1], new Uint8Array([120]), new Date(0)])).toBe(0);
    const zero = subject.of([0], { seed: 1 });
    expect(zero.has(-0)).toBe(true);
    expect(zero.has('0')).toBe(false);
  });

  fact('what is no key is refused', () => {
    const filter = subject.of(['a']);
    for (const key of [undefined, () => {}, Symbol('s'), 'x'.repeat(70_000), '\ud800'] as never[]) {
      expect(codeOf(() => filter.has(key))).toBe('INVALID_KEY');
      expect(codeOf(() => subject.of(['b', key]))).toBe('INVALID_KEY');
    }
    expect(filter.size).toBe(1);
  });

  fact('an empty one holds nothing', () => {
    const filter = subject.of([]);
    expect(passed(filter, 10_000)).toBe(0);
    expect([filter.size, filter.falsePositiveRate, filter.bitsPerKey]).toEqual([0, 0, Number.POSITIVE_INFINITY]);
    expect(passed(subject.fromBytes(filter.toBytes()), 10_000)).toBe(0);
  });

  fact('it lets as many strangers pass as it says, in the bits that it says', () => {
    const filter = subject.of(keysOf('key', KEYS));
    const said = filter.falsePositiveRate;
    const measured = passed(filter, PROBES);
    expect(Math.abs(measured - said)).toBeLessThan(said * 0.2 + 4 * Math.sqrt(said / PROBES));
    expect(filter.bitsPerKey).toBe(filter.bits / KEYS);
    expect(filter.bitsPerKey).toBeLessThanOrEqual(subject.bitsPerKeyMax);
    expect(filter.toBytes().length).toBeLessThan(filter.bits / 8 + 250);
  });

  fact('equal seeds make equal filters, others err about others', () => {
    const keys = keysOf('key', KEYS);
    expect(subject.of(keys, { seed: 7 }).toBytes()).toEqual(subject.of(keys, { seed: 7 }).toBytes());
    const [a, b] = [subject.of(keys, { seed: 7 }), subject.of(keys, { seed: 8 })];
    const wrong = keysOf('stranger', PROBES).filter((key) => a.has(key));
    expect(wrong.length).toBeGreaterThan(10);
    expect(wrong.filter((key) => b.has(key)).length).toBeLessThan(wrong.length / 4);
    expect(subject.of(keys).toBytes()).not.toEqual(subject.of(keys).toBytes());
  });

  fact('a key may come twice and counts once', () => {
    const filter = subject.of([...keysOf('key', 3_000), ...keysOf('key', 2_000), 'key 0', 'key 0']);
    expect(filter.size).toBe(3_000);
    expect(lost(filter, keysOf('key', 3_000))).toBe(0);
  });

  fact('a key that is added is there', () => {
    const filter = subject.of([]);
    for (const key of keysOf('late', 1_000)) {
      filter.add?.(key);
      expect(filter.has(key)).toBe(true);
    }
    expect(filter.size).toBe(1_000);
  });

  fact('more keys than it was made for are there, or are refused', () => {
    const filter = subject.of([]);
    const added: CacheKey[] = [];
    let code: unknown;
    for (const key of keysOf('key', 5 * KEYS)) {
      code = codeOf(() => filter.add?.(key));
      if (code !== 'no error') {
        break;
      }
      added.push(key);
    }
    expect(['no error', 'CACHE_FULL']).toContain(code);
    expect(added.length).toBeGreaterThan(KEYS);
    expect(filter.size).toBe(added.length);
    expect(lost(filter, added)).toBe(0);
    const said = filter.falsePositiveRate;
    expect(Math.abs(passed(filter, 20_000) - said)).toBeLessThan(0.2 * said + 0.01);
    expect(lost(subject.fromBytes(filter.toBytes()), added)).toBe(0);
  });

  fact('a key that is deleted is gone, and no other', () => {
    const filter = subject.of([]);
    const random = seededRandom('deletes');
    const live: string[] = [];
    let refused = 0;
    for (let step = 0; step < 20 * KEYS; step++) {
      if (live.length === KEYS) {
        const place = random.below(KEYS);
        refused += filter.delete?.(live[place] as string) === true ? 0 : 1;
        live[place] = live.at(-1) as string;
        live.pop();
      }
      live.push(`key ${step}`);
      filter.add?.(`key ${step}`);
    }
    expect([refused, lost(filter, live)]).toEqual([0, 0]);
    expect(filter.size).toBe(KEYS);
    expect(passed(filter, PROBES)).toBeLessThan(0.015);
    for (const key of live) {
      filter.delete?.(key);
    }
    expect(filter.size).toBe(0);
    expect(passed(filter, 10_000)).toBe(0);
    expect(filter.delete?.('nobody')).toBe(false);
  });

  fact('what it wrote is read as the same filter, and goes on', () => {
    const keys = keysOf('key', KEYS);
    const filter = subject.of(keys);
    const bytes = filter.toBytes();
    // Where it lies must not matter: here at an odd place of shared memory, and overwritten afterwards.
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + 3), 3);
    shared.set(bytes);
    const copy = subject.fromBytes(shared);
    shared.fill(0);
    expect(lost(copy, keys)).toBe(0);
    for (const key of keysOf('stranger', 20_000)) {
      expect(copy.has(key)).toBe(filter.has(key));
    }
    for (const property of ['size', 'bits', 'bitsPerKey', 'falsePositiveRate'] as const) {
      expect(copy[property]).toBe(filter[property]);
    }
    expect(copy.toBytes()).toEqual(bytes);
    copy.add?.('late');
    expect(copy.has('key 1')).toBe(true);
    copy.delete?.('late');
    expect(lost(copy, keys)).toBe(0);
    expect(filter.toBytes()).toEqual(bytes);
  });

  fact('bytes that were cut, lengthened or changed anywhere are refused', () => {
    const bytes = subject.of(keysOf('key', 50)).toBytes();
    const verdict = (changed: Uint8Array) => codeOf(() => subject.fromBytes(changed));
    // Each byte of the header, and some of the table.
    const places = Array.from(bytes.keys()).filter((i) => i < 4 * HEADER_WORDS + 8 || i % 97 === 0);
    for (const length of places) {
      expect(verdict(bytes.slice(0, length))).toBe('CACHE_LOAD_ERROR');
    }
    for (const more of [1, 4, 64]) {
      expect(verdict(Uint8Array.of(...bytes, ...new Uint8Array(more)))).toBe('CACHE_LOAD_ERROR');
    }
    for (const i of places) {
      for (const bit of [0, 3, 7]) {
        const changed = bytes.slice();
        (changed[i] as number) ^= 1 << bit;
        expect(verdict(changed)).toBe('CACHE_LOAD_ERROR');
      }
    }
    expect(verdict(bytes)).toBe('no error');
  });

  fact('bytes of something else are refused, with the reason', () => {
    const bytes = subject.of(['a']).toBytes();
    const messageOf = (given: unknown) => {
      try {
        subject.fromBytes(given as Uint8Array);
      } catch (error) {
        return (error as Error).message;
      }
      return 'no error';
    };
    const newer = bytes.slice();
    newer[4] = 2;
    expect(messageOf(newer)).toContain('they have format 2, and this version of shardstash reads 1');
    expect(messageOf(Buffer.from('{"a filter":"of somebody else, whose bytes are many"}....'))).toContain(
      'do not begin',
    );
    for (const foreign of subject.foreign()) {
      expect(messageOf(foreign)).toMatch(/use `\w+\.fromBytes`/);
    }
    for (const given of [undefined, null, 'bytes', [1, 2], new ArrayBuffer(64), new Int32Array(64)]) {
      expect(codeOf(() => subject.fromBytes(given as never))).toBe('INVALID_CONFIG');
    }
  });

  fact('a header that somebody made up is refused, or is a filter that answers, at once', () => {
    const bytes = subject.of(keysOf('key', 500)).toBytes();
    const forged: Uint8Array[] = [];
    for (let word = 1; word < CHECKSUM; word++) {
      for (const value of [0, 1, 2, 7, -1, 0x7fff_ffff, -0x8000_0000, 0x7ff0_0000, 0x4330_0000, 0x00ff_0101]) {
        forged.push(resealed(bytes, word, value));
        forged.push(resealed(bytes, word, ((bytes[word * 4] as number) | (value << 8)) >>> 0));
      }
    }
    for (let word = HEADER_WORDS; word < Math.min(bytes.length / 4, HEADER_WORDS + 40); word++) {
      for (const value of [0, 1, 15, 16, -1, 0x7fff_ffff, -0x8000_0000]) {
        forged.push(resealed(bytes, word, value));
      }
    }
    let refused = 0;
    for (const changed of forged) {
      const startMs = performance.now();
      try {
        const filter = subject.fromBytes(changed);
        for (let i = 0; i < 20; i++) {
          expect(typeof filter.has(`stranger ${i}`)).toBe('boolean');
          addOneMore(filter, `more ${i}`);
        }
        expect(filter.falsePositiveRate).toBeGreaterThanOrEqual(0);
        expect(filter.falsePositiveRate).toBeLessThanOrEqual(1);
        expect(filter.toBytes().length).toBe(changed.length);
      } catch (error) {
        expect(error).toMatchObject({ code: 'CACHE_LOAD_ERROR' });
        refused++;
      }
      expect(performance.now() - startMs).toBeLessThan(FOREVER_MS);
    }
    expect(refused).toBeGreaterThan(50);
  });

  describe('its exceptions', () => {
    test('name tests of this suite and say why', () => {
      for (const exception of subject.exceptions) {
        expect(names).toContain(exception.test);
        expect(exception.reason).not.toBe('');
      }
    });
  });
}

export function keysOf(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${name} ${i}`);
}

function lost(filter: AnyFilter, keys: readonly CacheKey[]): number {
  return keys.filter((key) => !filter.has(key)).length;
}

function passed(filter: AnyFilter, probes: number): number {
  let count = 0;
  for (let i = 0; i < probes; i++) {
    count += filter.has(`nobody ${i}`) ? 1 : 0;
  }
  return count / probes;
}

/** What was made up may be full, and it may have what it was never given. */
function addOneMore(filter: AnyFilter, key: string): void {
  try {
    filter.add?.(key);
  } catch (error) {
    expect(error).toMatchObject({ code: 'CACHE_FULL' });
    return;
  }
  expect(filter.add === undefined || filter.has(key)).toBe(true);
  filter.delete?.(key);
}

/** The bytes with another word, and the checksum that goes with it. */
function resealed(bytes: Uint8Array, word: number, value: number): Uint8Array {
  const changed = bytes.slice();
  const view = new DataView(changed.buffer);
  view.setUint32(word * 4, value >>> 0, true);
  const sum = crc32(changed.subarray(HEADER_WORDS * 4), crc32(changed.subarray(0, CHECKSUM * 4)));
  view.setUint32(CHECKSUM * 4, sum, true);
  return changed;
}
