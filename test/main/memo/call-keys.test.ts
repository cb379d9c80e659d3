/** What calls are kept under: equal for equal arguments, in every process and every version, and otherwise different. */
import { describe, expect, test } from 'vitest';
import { hashValue } from '../../../src/main/codec/hash-value.ts';
import { CallKeys } from '../../../src/main/memo/call-keys.ts';

const own = new CallKeys({ name: 'f', prefix: 'memo ["f"] ' });

/** Calls that are all different. */
const CALLS: readonly (readonly unknown[])[] = [
  [],
  [undefined],
  [null],
  [1],
  ['1'],
  [1n],
  [true],
  [[1]],
  [1, 2],
  [[1, 2]],
  ['#n1'],
  ['#'],
  [''],
  ['a'],
  ['a', 'b'],
  ['a,b'],
  ['x'.repeat(1_024)],
  ['x'.repeat(1_025)],
  ['x'.repeat(100_000)],
  ['ä'],
  ['\u{1F600}'],
  [{ a: 1 }],
  [{ a: undefined }],
  [{}],
  [new Map([['a', 1]])],
  [new Set(['a'])],
  [new Date(0)],
  [Buffer.from('a')],
  [Number.NaN],
  [Number.POSITIVE_INFINITY],
  [0.1],
  [-5],
];

test('different calls have different keys, and those in memory tell those on disk', () => {
  const keys = own;
  const inMemory = new Set(CALLS.map((args) => keys.inMemory(args)));
  const texts = new Set(CALLS.map((args) => keys.text(args)));
  expect(inMemory.size).toBe(CALLS.length);
  expect(texts.size).toBe(CALLS.length);
  for (const args of CALLS) {
    expect(keys.textOf(keys.inMemory(args))).toBe(keys.text(args));
  }
});

test('a call has one key, whatever the order of what is in its arguments', () => {
  expect(own.text([{ a: 1, b: [2] }])).toBe(own.text([{ b: [2], a: 1 }]));
  expect(own.inMemory([new Set([1, 2])])).toBe(own.inMemory([new Set([2, 1])]));
  expect(own.text([0])).toBe(own.text([-0]));
  expect(own.inMemory([0])).toBe(own.inMemory([-0]));
});

test('the digest is half of the SHA-256 of the arguments, as `hashValue` has it, and does not change', () => {
  expect(own.text(['user', { page: 2 }])).toBe(hashValue(['user', { page: 2 }]).slice(0, 32));
  expect(own.text([5])).toBe('b336e4c77f885f54f5ae851ac4a7379d');
});

test('a key of somebody else in a shared cache is none of ours', () => {
  for (const key of ['a', 5, 'memo ["g"] a', ['memo ["f"] ']]) {
    expect(own.textOf(key)).toBeUndefined();
  }
});

describe('hash', () => {
  const sorted = (args: readonly unknown[]) => JSON.stringify([...(args[0] as number[])].sort());

  test('says what a call is kept under, in both tiers', () => {
    const keys = new CallKeys({ name: 'f', prefix: '', hash: sorted });
    expect(keys.text([[3, 1, 2]])).toBe('[1,2,3]');
    expect(keys.inMemory([[2, 3, 1]])).toBe('[1,2,3]');
    expect(keys.textOf('[1,2,3]')).toBe('[1,2,3]');
  });

  test('of memory may be another', () => {
    const keys = new CallKeys({ name: 'f', prefix: '', hash: sorted, hashMemory: String });
    expect([keys.text([[2, 1]]), keys.inMemory([[2, 1]])]).toEqual(['[1,2]', '2,1']);
  });

  test('may be as long as it likes', () => {
    const keys = new CallKeys({ name: 'f', prefix: '', hash: String });
    const [long, other] = ['y'.repeat(100_000), 'z'.repeat(100_000)];
    expect(keys.text([long]).length).toBeLessThan(100);
    expect(keys.inMemory([long])).toBe(keys.text([long]));
    expect(keys.text([other])).not.toBe(keys.text([long]));
  });

  test.each([undefined, 5, ''])('must be a text that is not empty, not %o', (text) => {
    const keys = new CallKeys({ name: 'f', prefix: '', hash: () => text as string });
    expect(() => keys.inMemory([1])).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }));
  });
});

const cycle: unknown[] = [];
cycle.push(cycle);
class Own {}

test.each<[string, unknown]>([
  ['a function', () => {}],
  ['a symbol', Symbol('s')],
  ['a class instance', new Own()],
  ['a cycle', cycle],
  ['a promise', Promise.resolve()],
  ['a lone surrogate', '\ud800'],
  ['an invalid date', new Date(Number.NaN)],
])('%s cannot be keyed: the error says which argument, and what to do', (_what, arg) => {
  for (const args of [[arg], [1, arg]]) {
    let error: (Error & { code?: string }) | undefined;
    try {
      own.inMemory(args);
    } catch (thrown) {
      error = thrown as Error;
    }
    expect(error).toBeInstanceOf(TypeError);
    expect(error?.code).toBe('INVALID_KEY');
    expect(error?.message).toMatch(new RegExp(`argument ${args.length - 1} .*\`ignore\`.*\`normalize\`.*\`hash\``));
  }
});
