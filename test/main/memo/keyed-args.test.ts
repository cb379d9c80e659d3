/** Which arguments a result is kept under: those that matter, however the call is written. */
import { describe, expect, test } from 'vitest';
import { type KeyedArgsOptions, keyedArgsOf } from '../../../src/main/memo/keyed-args.ts';

const keyed = (options: KeyedArgsOptions, ...args: unknown[]) => (keyedArgsOf(options) ?? ((same) => same))(args);

describe('ignore', () => {
  test('without it every argument matters', () => {
    expect(keyed({}, 1, { a: 2 })).toEqual([1, { a: 2 }]);
    expect(keyedArgsOf({ ignore: [] })).toBeUndefined();
  });

  test('a position is left out', () => {
    expect(keyed({ ignore: [1] }, 'data', 12.5)).toEqual(['data']);
    expect(keyed({ ignore: [0] }, 'data', 12.5)).toEqual([12.5]);
  });

  test('several positions are', () => {
    expect(keyed({ ignore: [0, 2] }, 'a', 'b', 'c')).toEqual(['b']);
  });

  test('a position that the call has not got is no difference', () => {
    expect(keyed({ ignore: [5] }, 'a')).toEqual(keyed({}, 'a'));
  });

  test('a property of the options that come last is left out', () => {
    expect(keyed({ ignore: ['verbose'] }, 1, { verbose: true, depth: 2 })).toEqual([1, { depth: 2 }]);
  });

  test('options that are all ignored are as good as none', () => {
    expect(keyed({ ignore: ['verbose'] }, 1, { verbose: true })).toEqual(keyed({ ignore: ['verbose'] }, 1));
  });

  test('several properties are, with positions beside', () => {
    const ignore = [0, 'log', 'now'];
    expect(keyed({ ignore }, 'client', 7, { log: 1, now: 2, page: 3 })).toEqual([7, { page: 3 }]);
  });

  test('a name in `params` is that position', () => {
    const options = { params: ['data', 'timestamp'], ignore: ['timestamp'] };
    expect(keyed(options, 'd', 1)).toEqual(keyed(options, 'd', 2));
    expect(keyed(options, 'd', 1)).not.toEqual(keyed(options, 'e', 1));
  });

  test('a name that is no parameter is still a property', () => {
    const options = { params: ['data', 'options'], ignore: ['timestamp'] };
    expect(keyed(options, 'd', { timestamp: 1, all: true })).toEqual(['d', { all: true }]);
  });

  test('names that are nowhere do no harm', () => {
    expect(keyed({ ignore: ['nobody', 'knows'] }, 1, { a: 2 })).toEqual([1, { a: 2 }]);
    expect(keyed({ ignore: ['nobody'] })).toEqual([]);
  });

  test('only the last argument has options, and only a plain object is one', () => {
    expect(keyed({ ignore: ['a'] }, { a: 1 }, 2)).toEqual([{ a: 1 }, 2]);
    expect(keyed({ ignore: ['a'] }, new Map([['a', 1]]))).toEqual([new Map([['a', 1]])]);
    expect(keyed({ ignore: ['0'] }, ['x'])).toEqual([['x']]);
  });

  test('the object of the caller stays as it is', () => {
    const options = { verbose: true, depth: 1 };
    keyed({ ignore: ['verbose'] }, options);
    expect(options).toEqual({ verbose: true, depth: 1 });
  });
});

describe('defaults and normalize', () => {
  test('a parameter that is left out is its default', () => {
    const options = { params: ['a', 'b'], defaults: { b: 10 } };
    expect(keyed(options, 1)).toEqual([1, 10]);
    expect(keyed(options, 1, undefined)).toEqual([1, 10]);
    expect(keyed(options, 1, 10)).toEqual([1, 10]);
    expect(keyed(options, 1, 11)).toEqual([1, 11]);
    expect(keyed(options, 1, null)).toEqual([1, null]);
  });

  test('`normalize` says what the arguments are, before any is ignored', () => {
    const options = { normalize: (args: readonly unknown[]) => [String(args[0]).toLowerCase(), 'rest'], ignore: [1] };
    expect(keyed(options, 'ADA')).toEqual(['ada']);
  });

  test('what `normalize` returns must be a list', () => {
    expect(() => keyed({ normalize: () => 'x' as unknown as [] }, 1)).toThrow(/`normalize` to return an array/);
  });
});

test.each<[KeyedArgsOptions, string]>([
  [{ ignore: 'verbose' as unknown as string[] }, 'ignore'],
  [{ ignore: [-1] }, 'ignore'],
  [{ ignore: [1.5] }, 'ignore'],
  [{ params: [1] as unknown as string[] }, 'params'],
  [{ defaults: 5 as unknown as Record<string, unknown> }, 'defaults'],
  [{ params: ['a'], defaults: { b: 1 } }, 'defaults'],
  [{ normalize: 'lower' as unknown as () => [] }, 'normalize'],
])('%o is refused, by its name', (options, option) => {
  expect(() => keyedArgsOf(options)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', option }));
});
