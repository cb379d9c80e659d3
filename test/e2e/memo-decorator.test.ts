/** `@memoized()`: methods that remember, for each instance by itself. */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { memoized } from 'shardstash/memo';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { counted, errorOf, memoFolder } from '../support/memos.ts';

const run = promisify(execFile);
const root = new URL('../../', import.meta.url);
const out = new URL('build/decorated/', root);
const folder = memoFolder();

describe('decorators of the language', () => {
  let classes: typeof import('../support/decorated.ts');
  beforeAll(async () => {
    const options = ['--outDir', fileURLToPath(out), '--rootDir', '.', '--noEmit', 'false', '--target', 'es2022'];
    const others = ['--module', 'nodenext', '--lib', 'es2024,esnext.disposable', '--types', 'node', '--skipLibCheck'];
    const tsc = fileURLToPath(new URL('node_modules/typescript/bin/tsc', root));
    const files = ['--ignoreConfig', 'test/support/decorated.ts'];
    await run(process.execPath, [tsc, ...files, ...options, ...others, '--strict'], { cwd: fileURLToPath(root) });
    classes = await import(new URL('test/support/decorated.js', out).href);
  });
  afterAll(() => rm(out, { recursive: true, force: true }));

  test('each instance has results of its own', async () => {
    const [ada, bob] = [new classes.Account('ada'), new classes.Account('bob')];
    const calls = [ada.load(1), ada.load(1), bob.load(1), ada.load(1, { verbose: true })];
    expect(await Promise.all(calls)).toEqual(['ada 1 false', 'ada 1 false', 'bob 1 false', 'ada 1 true']);
    expect([ada.runs, bob.runs]).toEqual([2, 1]);
    expect(classes.Account.prototype.load.name).toBe('load');
  });

  test('with options, as `memoize` takes them', async () => {
    const ada = new classes.Account('ada');
    expect([await ada.page(1), await ada.page(1, { verbose: true }), ada.runs]).toEqual([1, 1, 1]);
  });

  test('private and static methods, too', async () => {
    const ada = new classes.Account('ada');
    expect([await ada.secret(), await ada.secret(), ada.runs]).toEqual(['secret of ada', 'secret of ada', 1]);
    expect([await classes.Account.count(), await classes.Account.count()]).toEqual([1, 1]);
  });

  test('those that outlive the process go by what `self` says', async () => {
    const [first, same, other] = [new classes.Stored('a'), new classes.Stored('a'), new classes.Stored('b')];
    expect([await first.load(1), await same.load(1), await other.load(1)]).toEqual(['a 1', 'a 1', 'b 1']);
    expect([first.runs, same.runs, other.runs]).toEqual([1, 0, 1]);
  });
});

describe('by hand', () => {
  const context = (kind: string) => ({ kind, name: 'method' }) as unknown as ClassMethodDecoratorContext<object, never>;

  test('a method that returns its result returns a promise of it', async () => {
    const method = counted((n: number) => n + 1);
    const remembered = memoized()(method as never, context('method')) as unknown as (n: number) => Promise<number>;
    const instance = {};
    const first = remembered.call(instance, 1);
    expect(first).toBeInstanceOf(Promise);
    expect([await first, await remembered.call(instance, 1), method.runs]).toEqual([2, 2, 1]);
    expect(await errorOf(() => remembered(1))).toMatchObject({ code: 'INVALID_CONFIG', option: 'self' });
  });

  test('in a cache that threads share instances of different decorators do not meet', async () => {
    const made = [1, 2].map((n) => {
      const options = { cache: folder.cache };
      return memoized(options)((async () => n) as never, context('method')) as unknown as () => Promise<number>;
    });
    expect(await Promise.all(made.map((method) => method.call({})))).toEqual([1, 2]);
  });

  test.each(['getter', 'setter', 'field', 'accessor', 'class'])('a %s is refused', async (kind) => {
    const error = await errorOf(() => memoized()((() => 1) as never, context(kind)));
    expect(error).toMatchObject({ name: 'TypeError', code: 'INVALID_CONFIG', message: expect.stringContaining(kind) });
  });

  test('so are TypeScript’s own decorators, and a file without `self`', async () => {
    const old = memoized() as unknown as (target: object, name: string, descriptor: object) => void;
    expect((await errorOf(() => old({}, 'load', {}))).message).toMatch(/experimentalDecorators/);
    const error = await errorOf(() => memoized({ filename: 'x' })((async () => 1) as never, context('method')));
    expect(error).toMatchObject({ code: 'INVALID_CONFIG', option: 'self' });
    expect(
      await errorOf(() => memoized({ self: 5 as never })((async () => 1) as never, context('method'))),
    ).toMatchObject({ option: 'self' });
  });
});
