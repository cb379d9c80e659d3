/** What the compiler must accept of the public types of stores, and what it must not. Checked by `npm run types`; never run. */
import { type CacheKey, openStore, openStoreAt, type Store, type Version } from 'shardstash/store';

interface User {
  readonly name: string;
}

export async function typed(): Promise<void> {
  const store: Store<User> = await openStore<User>({ name: 'users', engine: 'log', compression: 'gzip' });
  await store.set('a', { name: 'Ann' }, { ttl: null });
  await store.setMany(new Map([[1, { name: 'Ann' }]]));
  await store.setMany({ a: { name: 'Ann' } });
  (await store.get(['a', 1])) satisfies User | undefined;
  (await store.getAll('a')) satisfies User[];
  (await store.getAll('a', { withMetadata: true })) satisfies Version<User>[];
  (await store.popItem()) satisfies [CacheKey, User] | undefined;
  (await store.getOrSet('a', async () => ({ name: 'Ann' }))) satisfies User;
  for await (const [, user] of store) user.name satisfies string;
  // What a store says of itself opens it again.
  (await openStore<User>(store.toJSON())) satisfies Store<User>;
  (await store.sub('part')) satisfies Store<User>;
  (await store.sub<number>('part')) satisfies Store<number>;
  (await openStore.tmp<number>({ engine: 'memory', root: '/tmp' })) satisfies Store<number>;
  (await openStoreAt('/data/users', { engine: 'log', sync: true })) satisfies Store;
  await openStore({ engine: 'mine', colour: 'an option of an engine of one’s own' });
  // @ts-expect-error no user
  await store.set('a', { nam: 'Ann' });
  // @ts-expect-error no key
  await store.get(() => 1);
  // @ts-expect-error no option of a set
  await store.set('a', { name: 'Ann' }, { tll: 5 });
  // @ts-expect-error true or false
  await openStore({ base64: 'yes' });
  // @ts-expect-error true or false, here as there
  await openStoreAt('/data/users', { sync: 'yes' });
}
