import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { evictionName, evictionSpecOf, registerEvictionPolicy, resolveEviction } from '../../src/main/eviction.ts';

const PATH = '/somewhere/policy.mjs';
const HREF = pathToFileURL(PATH).href;

function refusal(code: string, message: RegExp): unknown {
  return expect.objectContaining({
    name: 'TypeError',
    code,
    option: 'eviction',
    message: expect.stringMatching(message),
  });
}

describe('the option `eviction`', () => {
  test.each<[unknown, unknown, object]>([
    ['lru', 'lru', { name: 'lru', options: {} }],
    ['SIEVE', 'sieve', { name: 'sieve', options: {} }],
    [{ name: 'Fifo' }, 'fifo', { name: 'fifo', options: {} }],
    [{ name: 'fifo', later: undefined }, 'fifo', { name: 'fifo', options: {} }],
    [{ module: PATH }, { module: HREF, export: 'default' }, { module: HREF, export: 'default', options: {} }],
    [
      { module: new URL(HREF), export: 'mine', patience: 3, list: [1n, new Map([[1, 2]])] },
      { module: HREF, export: 'mine', patience: 3, list: [1n, new Map([[1, 2]])] },
      { module: HREF, export: 'mine', options: { patience: 3, list: [1n, new Map([[1, 2]])] } },
    ],
    [
      { module: 'data:text/javascript,export default () => {}' },
      { module: 'data:text/javascript,export default () => {}', export: 'default' },
      { module: 'data:text/javascript,export default () => {}', export: 'default', options: {} },
    ],
  ])('%o is %o', (option, config, spec) => {
    expect(isAbsolute(PATH)).toBe(true);
    const resolved = resolveEviction(option);
    expect(resolved).toEqual(config);
    expect(Object.isFrozen(resolved)).toBe(true);
    expect(evictionSpecOf(resolved)).toEqual(spec);
    expect(structuredClone(evictionSpecOf(resolved))).toEqual(spec);
    expect(resolveEviction(resolved)).toEqual(config);
  });

  test('has a word for what is in force', () => {
    expect(evictionName('lru')).toBe('lru');
    expect(evictionName({ name: 'mine', patience: 3 })).toBe('mine');
    expect(evictionName({ module: HREF, export: 'mine' })).toBe(HREF);
  });

  test('keeps what it was given, whatever becomes of that', () => {
    const list = [1];
    const resolved = resolveEviction({ module: PATH, list });
    list.push(2);
    expect(resolved).toMatchObject({ list: [1] });
  });

  test.each<[string, unknown, RegExp]>([
    ['a number', 5, /got 5/],
    ['null', null, /got null/],
    ['a function', () => {}, /got function/],
    ['an empty object', {}, /`name`, or one with `module`/],
    ['a name and a module', { name: 'lru', module: PATH }, /`name`, or one with `module`/],
    ['a name that is none', { name: 7 }, /the name of a policy/],
    ['a setting where there are none', { name: 'lru', smallShare: 0.1 }, /'lru' to have no settings.*got 'smallShare'/],
    ['a relative path', { module: './policy.mjs' }, /`eviction\.module`.*import\.meta\.url/],
    ['an empty export', { module: PATH, export: '' }, /`eviction\.export`/],
    ['a function among the options', { module: PATH, callback() {} }, /another thread: .*callback/],
    ['an instance among them', { module: PATH, at: new (class Point {})() }, /`at` plain data/],
  ])('%s is refused with INVALID_CONFIG', (_, option, message) => {
    expect(() => resolveEviction(option)).toThrow(refusal('INVALID_CONFIG', message));
  });

  test('a name that was registered resolves to its module, and takes any plain data', () => {
    registerEvictionPolicy('Mine.2', { module: PATH, export: 'mine' });
    expect(resolveEviction('MINE.2')).toBe('mine.2');
    expect(evictionSpecOf(resolveEviction({ name: 'mine.2', any: { thing: 1 } }))).toEqual({
      module: HREF,
      export: 'mine',
      options: { any: { thing: 1 } },
    });
    expect(() => resolveEviction('mine.3')).toThrow(refusal('UNKNOWN_PLUGIN', /lru, .*none, mine\.2/));
    expect(() => resolveEviction('toString')).toThrow(refusal('UNKNOWN_PLUGIN', /lru/));
  });
});

describe('the settings of a built-in policy', () => {
  test.each([
    ['s3-fifo', 'smallShare', [0.1, 0.999], [0, 1, -1, Number.NaN, '0.5', null]],
    ['lfu', 'halfLife', [1, 10_000], [0, 1.5, -1, Number.NaN, Number.POSITIVE_INFINITY, '5', null]],
  ])('%s: `%s` may be %o, and not %o', (name, setting, right, wrong) => {
    for (const value of right) {
      const resolved = resolveEviction({ name, [setting]: value });
      expect(resolved).toEqual({ name, [setting]: value });
      expect(evictionSpecOf(resolved)).toEqual({ name, options: { [setting]: value } });
    }
    for (const value of wrong) {
      expect(() => resolveEviction({ name, [setting]: value })).toThrow(
        refusal('INVALID_CONFIG', new RegExp(`'${name}' to have as \`${setting}\``)),
      );
    }
  });

  test('that it does not know are refused with those it does', () => {
    expect(() => resolveEviction({ name: 'lfu', halflife: 5 })).toThrow(
      refusal('INVALID_CONFIG', /'lfu' to have no settings but `halfLife`, got 'halflife'/),
    );
  });
});
