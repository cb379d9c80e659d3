/** What the compiler must accept of the public types, and what it must not. Checked by `npm run types`; never run. */
import { type Cache, type CacheKey, type Lookup, openCache } from 'shardstash';
import { manualClock } from 'shardstash/testing';

interface User {
  readonly id: number;
  readonly name: string;
}

export async function typed(): Promise<void> {
  const users = await openCache<User, number>({ ttl: '10m', clock: manualClock() });
  const ada: User = { id: 7, name: 'Ada' };
  await users.set(7, ada, { ttl: 1_000, sliding: true });
  await users.update(7, ada, { keepTtl: true });
  (await users.get(7)) satisfies User | undefined;
  (await users.getOrThrow(7)) satisfies User;
  (await users.getOrSet(7, async (id: number) => ({ id, name: 'Ada' }))) satisfies User;
  (await users.lookup(7)) satisfies Lookup<User>;
  (await users.popItem()) satisfies [number, User] | undefined;
  (await users.getMany([7])) satisfies Map<number, User>;
  for await (const [id, user] of users) {
    id satisfies number;
    user satisfies User;
  }
  // @ts-expect-error keys of this cache are numbers
  await users.get('7');
  // @ts-expect-error values of this cache are users
  await users.set(7, 'Ada');
  // @ts-expect-error there is no such option
  await users.set(7, ada, { tll: 5 });
  // @ts-expect-error nor this one
  await openCache({ maxEntrys: 5 });

  const lookup = await users.lookup(7);
  if (lookup.status === 'hit') {
    lookup.value satisfies User;
  } else {
    // @ts-expect-error there is no value without a hit
    lookup.value;
  }

  const anything: Cache = await openCache();
  const keys: CacheKey[] = [
    'k',
    1,
    1n,
    true,
    null,
    new Date(),
    new Uint8Array(),
    ['a', 1],
    { a: 1 },
    new Map(),
    new Set(),
  ];
  await anything.setMany(keys.map((key) => [key, 'value'] as const));
  // @ts-expect-error a function is no key
  await anything.get(() => {});
  (await anything.increment(['rate', 1], 1, { initial: 5 })) satisfies number;
}
