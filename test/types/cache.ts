/** What the compiler must accept of the public types, and what it must not. Checked by `npm run types`; never run. */
import {
  type Cache,
  type CacheAdvice,
  type CacheEvents,
  type CacheKey,
  type CacheListener,
  type EvictionPolicy,
  type HitMode,
  type Lookup,
  openCache,
  type PolicyContext,
  type PolicyFactory,
  type RemovalCause,
  registerEvictionPolicy,
  type SlotOrder,
} from 'shardstash';
import { checkPolicy, manualClock, type PolicyFact, policyFacts } from 'shardstash/testing';

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

  const tiered = await openCache({
    tier: { engine: 'log', write: 'behind', flushInterval: '5s', segmentBytes: '8mb' },
  });
  await openCache({ tier: tiered.config.tier });
  (await tiered.metrics()).tier?.queuedEntries satisfies number | undefined;
  // @ts-expect-error a tier has an engine
  await openCache({ tier: { name: 'cache' } });
  // @ts-expect-error it is written through or behind
  await openCache({ tier: { engine: 'log', write: 'back' } });

  const advice = await users.advise({ timeout: 5 });
  advice satisfies CacheAdvice<number>;
  advice.hotKeys.map(({ key, share }) => key * share) satisfies number[];
  advice.sizes.map(({ hitRatio, margin, maxEntries }) => hitRatio + margin + maxEntries) satisfies number[];
  advice.recommendation satisfies string;
  await openCache({ advise: { sampleRate: 0.5 } });
  users.config.advise satisfies false | { readonly sampleRate: number };
  // @ts-expect-error it is frozen
  advice.ready = true;
  // @ts-expect-error it is true, false or an object
  await openCache({ advise: 'yes' });

  users.on('evict', ({ keys, dropped }) => keys.map((id) => id + dropped) satisfies number[]);
  users.on('clear', async ({ entries }) => entries satisfies number).off('shard:up', ({ shard }) => shard);
  const onDown: CacheListener<'shard:down'> = ({ cause }) => cause;
  users.on('shard:down', onDown);
  // @ts-expect-error there is no such event
  users.on('evicted', () => {});
  // @ts-expect-error keys of this cache are numbers
  users.on('delete', ({ keys }: CacheEvents<string>['delete']) => keys);
  // @ts-expect-error what is shared with other listeners is not to be changed
  users.on('expire', ({ keys }) => keys.pop());

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

const createMine: PolicyFactory<{ patience?: number }> = (context: PolicyContext, { patience = 3 } = {}) => ({
  hits: 'ring',
  add: (slot, hash) => hash !== patience && context.hashOf(slot) === hash,
  hit: (slot) => void (slot satisfies number),
  update: (slot, previous) => void (slot === previous),
  remove: (_slot, cause) => void (cause satisfies RemovalCause),
  clear: () => {},
  victim: () => (context.touched[0] as number) - 1,
  ahead: (into) => into.length,
  order: (used) => ({ next: () => used - 1, standing: 0 }) satisfies SlotOrder,
  restore: (slot, hash, standing) => slot < hash && standing > 0,
});

/** A policy may leave out what it has no use for, arguments and all. */
const createLess: PolicyFactory = () => ({
  hits: 'none',
  add: () => true,
  hit() {},
  update() {},
  remove() {},
  clear() {},
  victim: () => -1,
});

export async function ownPolicies(): Promise<void> {
  const module = new URL('./mine.mjs', import.meta.url);
  const cache = await openCache({ eviction: { module, export: 'createMine', patience: 5 } });
  await openCache({ eviction: { module: '/abs/mine.mjs' } });
  await openCache({ eviction: { name: 'lru' } });
  await openCache({ eviction: 'mine' });
  await openCache({ eviction: { name: 'mine', patience: 5 } });
  registerEvictionPolicy('mine', { module, export: 'createMine' });
  // @ts-expect-error a policy itself cannot cross to a shard's thread
  await openCache({ eviction: createMine });
  // @ts-expect-error nor is it registered by itself
  registerEvictionPolicy('mine', createMine);
  // @ts-expect-error a module is a URL or a path
  await openCache({ eviction: { module: 5 } });
  cache.config.eviction satisfies string | object;
  (await cache.metrics()).policyFaults satisfies number;

  checkPolicy(createMine) satisfies string[];
  checkPolicy((context) => createMine(context, { patience: 5 }), { skip: ['an empty policy has no victim'], seed: 3 });
  policyFacts(createLess) satisfies PolicyFact[];
  // @ts-expect-error a promise is no policy
  checkPolicy(async (context) => createMine(context));
  // @ts-expect-error without a victim it is none
  ({ hits: 'none', add: () => true, hit() {}, update() {}, remove() {}, clear() {} }) satisfies EvictionPolicy;
  // @ts-expect-error there are three ways
  'rings' satisfies HitMode;
}
