/** What the compiler must accept of the public types of memos, and what it must not. Checked by `npm run types`; never run. */
import type { Cache } from 'shardstash';
import { compact, memoize, memoized, memoizeSync, openMemo, upgrade } from 'shardstash/memo';
import type { Store } from 'shardstash/store';

interface User {
  readonly id: number;
}

export async function typed(cache: Cache, store: Store): Promise<void> {
  const load = memoize(async (id: number, options?: { fresh?: boolean }): Promise<User> => ({ id, ...options }), {
    name: 'load',
    cache,
    store,
    ttl: '1h',
    hash: ([id]) => id.toFixed(),
    copy: (user) => ({ id: user.id }),
    validate: ({ id }) => id > 0,
    ignore: [1, 'fresh'],
  });
  (await load(1)) satisfies User;
  (await load(1, { fresh: true })).id satisfies number;
  (await load.get(1)) satisfies User | undefined;
  (await load.has(1)) satisfies boolean;
  (await load.callWithStatus(1)) satisfies { value: User; status: 'memory' | 'disk' | 'miss' };
  await load.put({ id: 2 }, 2);
  (await load.uncache(2)) satisfies boolean;
  (await load.force(2)) satisfies User;
  (await load.store.entries()) satisfies [string, User][];
  (await load.store.rawValues())[0]?.createdAt satisfies Date | undefined;
  await load[Symbol.asyncDispose]();
  // @ts-expect-error ids are numbers
  await load('1');
  // @ts-expect-error as they are for everything else
  await load.has('1');
  // @ts-expect-error a result is a user
  await load.put(5, 1);
  // @ts-expect-error there is no such option
  memoize((n: number) => n, { tll: 5 });

  // A function that is not async becomes one.
  const length = memoize((text: string, ...rest: string[]) => text.length + rest.length);
  (await length('a', 'b', 'c')) satisfies number;
  // @ts-expect-error its result is promised
  length('a').toFixed();

  // Parameters that take their types from their defaults, too.
  const scaled = memoize(async (n: number, by = 2) => n * by, { name: 'scaled' });
  (await scaled(1)) satisfies number;
  memoizeSync((text: string, at = 0) => text.slice(at), { cache, name: 'tail' })('a', 1) satisfies string;

  // Type parameters, overloads and `this` of async functions stay.
  const same = memoize(async <T>(value: T): Promise<T> => value, { name: 'same' });
  (await same('a')) satisfies string;
  (await same(5)) satisfies number;
  async function find(id: number): Promise<User>;
  async function find(name: string): Promise<User[]>;
  async function find(by: number | string): Promise<User | User[]> {
    return typeof by === 'number' ? { id: by } : [];
  }
  const found = memoize(find);
  (await found(1)) satisfies User;
  (await found('a')) satisfies User[];
  async function named(this: User, prefix: string) {
    return prefix + this.id;
  }
  const user = { id: 1, named: memoize(named) };
  (await user.named('u')) satisfies string;
  // @ts-expect-error it needs its `this`
  await memoize(named)('u');

  const fib = memoizeSync((n: number): number => (n < 2 ? n : fib(n - 1) + fib(n - 2)), { cache });
  fib(90) satisfies number;
  fib.get(90) satisfies number | undefined;
  // @ts-expect-error it looks into the memory of a cache
  memoizeSync((n: number) => n);
  // @ts-expect-error a store answers later
  memoizeSync((n: number) => n, { cache, store });

  const render = memoize<(year: number) => Promise<string>>({ module: '/app/report.js', export: 'render' }, { cache });
  (await render(2026)) satisfies string;
  const opened = await openMemo((n: number) => n * 2, './double.log', { compression: 'gzip' });
  (await opened(2)) satisfies number;
  (await compact('double', { backup: false })).bytesAfter satisfies number;
  await upgrade('double', { hash: (args) => String(args[0]) });
  // @ts-expect-error it must know the new keys
  await upgrade('double');
}

export class Users {
  @memoized({ ttl: '10m' })
  async load(id: number): Promise<User> {
    return { id };
  }

  @memoized({ filename: 'named', self: (users: Users) => String(users) })
  async named(name: string): Promise<string> {
    return name;
  }

  @memoized()
  async same<T>(value: T): Promise<T> {
    return value;
  }

  @memoized()
  static async kinds(this: typeof Users, ...names: string[]): Promise<number> {
    return names.length;
  }

  // @ts-expect-error its callers would get a promise where they expect a number
  @memoized()
  count(): number {
    return 1;
  }

  // @ts-expect-error what is no method has no arguments
  @memoized()
  get size(): number {
    return 1;
  }
}

export async function methods(users: Users): Promise<void> {
  (await users.same('a')) satisfies string;
  (await Users.kinds('a')) satisfies number;
}
