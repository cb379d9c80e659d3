/** What TypeScript says of stores: checked by the compiler, never run. */
import { type CacheKey, openStore, openStoreAt, registerEngine, type Store, type Version } from 'shardstash/store';

interface User {
  readonly name: string;
}

async function stores(): Promise<void> {
  const users: Store<User> = await openStore<User>({ name: 'users', engine: 'log', segmentBytes: '64mb', sync: true });
  const user: User | undefined = await users.get(['user', 1]);
  await users.set('a', { name: user?.name ?? 'Ann' }, { ttl: '7d' });
  // @ts-expect-error A value is a User.
  await users.set('a', 1);
  const made: User = await users.getOrSet('b', async (key: CacheKey) => ({ name: String(key) }));
  await users.setMany({ c: made });
  await users.setMany([['d', made]]);
  const item: [CacheKey, User] | undefined = await users.popItem();
  for await (const [key, value] of users) await users.set(key, value);
  const all: User[] = await users.getAll('a');
  const versions: Version<User>[] = await users.getAll('a', { withMetadata: true });
  const part: Store<number> = await users.sub<number>('part');
  const some = await openStore.tmp<number>({ engine: 'disk', maxBytes: '10mb', eviction: 'lru' });
  const anything: Store = await openStoreAt('./data/users');
  // @ts-expect-error Nobody knows what is in it.
  const text: string | undefined = await anything.get('a');
  registerEngine('mine', { module: new URL('file:///mine.js') });
  await openStore({ engine: 'mine', colour: 'blue' });
  // @ts-expect-error There is no such way to evict.
  await openStore({ engine: 'disk', eviction: 'lr' });
  void [item, all, versions, part, some, text];
}

void stores;
