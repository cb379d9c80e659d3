/**
 * `@memoized()`: a method that remembers, by the decorators of the language (not TypeScript's `experimentalDecorators`). Each instance
 * has results of its own, and they are forgotten with it; all of them lie in one memory, behind a number for each instance.
 *
 * A number means nothing to another process, nor to another thread. So for results that outlive the process, or that threads share, the
 * instance has to say itself who it is: that is the option `self`.
 */
import { randomUUID } from 'node:crypto';
import { misuse } from '../../protocol/errors.ts';
import { digestOfArgs, type Hash } from './call-keys.ts';
import type { MemoOptions } from './memo-options.ts';
import { memoOf } from './memoize.ts';

export interface MemoizedOptions extends MemoOptions {
  /** What tells an instance from others, as part of the key of each call. Required with `filename` and with `store`. */
  readonly self?: ((instance: never) => unknown) | undefined;
}

/** Any method that returns promises. */
type AsyncMethod = (...args: never[]) => Promise<unknown>;

/**
 * Memoizes a method, which must return promises: its type stays. (In JavaScript a method that returns its result may be decorated, too,
 * and returns a promise from then on.) Without `filename` or `store` results are in memory alone. Throws INVALID_CONFIG for options that
 * are none, and for a getter, a field or a class.
 *
 * @example
 * class Users {
 *   @memoized({ ttl: '10m' })
 *   async load(id: number) {
 *     return await this.db.user(id);
 *   }
 * }
 */
export function memoized(options: MemoizedOptions = {}) {
  return <M extends AsyncMethod>(method: M, context: ClassMethodDecoratorContext<never>): M => {
    checkPlace(method, context);
    const { self, ...rest } = options;
    const isKept = (rest.filename !== undefined && rest.filename !== false) || rest.store !== undefined;
    if (self !== undefined && typeof self !== 'function') {
      throw misuse('INVALID_CONFIG', '`self` to be a function of the instance', self, { option: 'self' });
    }
    if (isKept && self === undefined && !rest.disable) {
      const expected = '`self`, which tells an instance from others, for results that outlive the process';
      throw misuse('INVALID_CONFIG', expected, self, { option: 'self' });
    }
    // Numbers of instances begin anew in each thread: nobody else may take them for its own.
    const name = rest.name ?? (self === undefined ? `${String(context.name)} ${randomUUID()}` : String(context.name));
    const hashes = { hash: besideSelf(rest.hash, name), hashMemory: besideSelf(rest.hashMemory, name) };
    const { memo } = memoOf(method, { ...rest, ...hashes, name, filename: rest.filename ?? false });
    const partOf = (self as ((instance: unknown) => unknown) | undefined) ?? numbering();
    function remembered(this: unknown, ...args: unknown[]): Promise<unknown> {
      try {
        return memo.call(this, args, [partOf(this)]);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    return Object.defineProperty(remembered, 'name', { value: method.name }) as unknown as M;
  };
}

/** A hash says nothing of the instance: whose call it is is told beside it. What is no function is refused elsewhere. */
function besideSelf(hash: MemoizedOptions['hash'], name: string): MemoizedOptions['hash'] {
  if (typeof hash !== 'function') {
    return hash;
  }
  const beside: Hash = ([self, ...args]) => {
    const text = (hash as Hash)(args);
    // One that is none is refused as it is.
    return typeof text === 'string' && text !== '' ? digestOfArgs(name, [self, text]) : text;
  };
  return beside;
}

/** A number for each object, for as long as there is one. */
function numbering(): (instance: unknown) => number {
  const numbers = new WeakMap<object, number>();
  let next = 0;
  return (instance) => {
    if ((typeof instance !== 'object' && typeof instance !== 'function') || instance === null) {
      throw misuse('INVALID_CONFIG', 'a memoized method to be called on an object', instance, { option: 'self' });
    }
    let number = numbers.get(instance);
    if (number === undefined) {
      number = next++;
      numbers.set(instance, number);
    }
    return number;
  };
}

function checkPlace(method: unknown, context: unknown): void {
  const kind = (context as { kind?: unknown } | undefined)?.kind;
  if (typeof method === 'function' && kind === 'method') {
    return;
  }
  const isOld = typeof context !== 'object';
  const next = isOld ? " by the decorators of the language (without TypeScript's `experimentalDecorators`)" : '';
  const expected = `\`@memoized()\` before a method, which alone has arguments to remember by${next}`;
  throw misuse('INVALID_CONFIG', expected, isOld ? method : kind, { option: 'memoized' });
}
