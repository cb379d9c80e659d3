/** Eviction policies of the user's own: in a module, or by a name; sound, wrong from the start, and failing later. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cache, type CacheOptions, openCache, type PolicyContext, registerEvictionPolicy } from 'shardstash';
import { checkPolicy, manualClock, policyFacts } from 'shardstash/testing';
import { afterAll, describe, expect, test } from 'vitest';
import { cachesOfOneTest, outcomeOf, pairs, READS } from '../support/caches.ts';
import { seededRandom } from '../support/random.ts';
import { withThreads } from '../support/threads.ts';

const make = cachesOfOneTest();
const MODULE = new URL('../support/policy-modules.mjs', import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'policy-'));
afterAll(() => rmSync(folder, { recursive: true }));

const THROW = 1;
const LOOP = 2;
const ANSWER = 3;

/** A cache whose policy does wrong, in one hook, when it is told to. */
async function switched(breaks: string, options: CacheOptions = {}, answer?: unknown) {
  const deed = new SharedArrayBuffer(4);
  const cache = await make({
    shards: 1,
    maxEntries: 3,
    ...options,
    eviction: { module: MODULE, export: 'switched', breaks, answer, deed },
  });
  const flip = (number: number) => void Atomics.store(new Int32Array(deed), 0, number);
  return { cache, flip };
}

function fileOf(name: string, code: string): string {
  const path = join(folder, name);
  writeFileSync(path, code);
  return path;
}

const keysOf = async (cache: Cache) => [...(await cache.toMap()).keys()].sort();

describe('a policy in a module', () => {
  test.each(READS)('decides who goes as a built-in one of the same mind, with reads: %s', async (reads) => {
    const random = seededRandom('own lru');
    const options: CacheOptions = { maxEntries: 60, seed: 3, reads };
    const built = await make({ ...options, eviction: 'lru' });
    const own = await make({ ...options, eviction: { module: MODULE, export: 'lru' } });
    for (let i = 0; i < 2_000; i++) {
      const key = `k${random.logUniform(1, 200)}`;
      const act = random.below(10);
      const [first, second] = await Promise.all(
        [built, own].map((cache) => {
          if (act < 4) return outcomeOf(cache.set(key, i));
          return act === 4 ? cache.delete(key) : cache.get(key);
        }),
      );
      expect(second).toBe(first);
    }
    expect(await keysOf(own)).toEqual(await keysOf(built));
    expect((await own.metrics()).evictions).toBeGreaterThan(100);
    expect((await own.metrics()).policyFaults).toBe(0);
  });

  test('may hear of hits by the byte', async () => {
    const cache = await make({ shards: 1, maxEntries: 3, eviction: { module: MODULE, export: 'secondChance' } });
    await cache.setMany(pairs(3));
    cache.getSync('k0');
    await cache.get('k1');
    await cache.set('k3', 3);
    expect(await keysOf(cache)).toEqual(['k0', 'k1', 'k3']);
  });

  test('may be an instance of a class, and the default export', async () => {
    const cache = await make({ shards: 1, maxEntries: 3, eviction: { module: MODULE } });
    await cache.setMany(pairs(5));
    expect(await keysOf(cache)).toEqual(['k0', 'k1', 'k4']);
    expect(cache.config.eviction).toEqual({ module: MODULE.href, export: 'default' });
    expect(String(cache)).toContain(`eviction='${MODULE.href}'`);
  });

  test('is told of the shard, and gets every other option as its second argument', async () => {
    const eviction = { module: MODULE, export: 'told', patience: 3, deep: { list: [1, null] } };
    const cache = await make({ shards: 2, maxEntries: 10, maxBytes: '1mb', seed: 5, eviction });
    const error = await cache.set('k', 1).catch((caught: Error) => caught);
    const at = (error as { shard?: number }).shard as number;
    expect((error as Error).message).toContain(
      'bytesMax=491504 entriesMax=5 hashOf=f keyOf=f options={"patience":3,"deep":{"list":[1,null]}} ' +
        `seed=${5 + at} slots=5 touched=5 weightOf=f`,
    );
    expect(cache.config.eviction).toEqual({ ...eviction, module: MODULE.href });
  });

  test('may be opened again from the config of another', async () => {
    const first = await make({ maxEntries: 1_000, eviction: { module: MODULE, export: 'lru', some: 'option' } });
    const second = await make(first.config as unknown as CacheOptions);
    expect(second.config).toEqual(first.config);
  });
});

describe('a name', () => {
  test('is given once and used in any case, with options', async () => {
    registerEvictionPolicy('My-LRU', { module: MODULE, export: 'lru' });
    const cache = await make({ shards: 1, maxEntries: 2, eviction: 'my-lru' });
    await cache.setMany(pairs(3));
    expect(await keysOf(cache)).toEqual(['k1', 'k2']);
    expect(cache.config.eviction).toBe('my-lru');
    expect(String(cache)).toContain("eviction='my-lru'");
    registerEvictionPolicy('told', { module: MODULE, export: 'told' });
    const told = await make({ shards: 1, eviction: { name: 'TOLD', patience: 3 } });
    expect(told.config.eviction).toEqual({ name: 'told', patience: 3 });
    await expect(told.set('k', 1)).rejects.toThrow('options={"patience":3}');
  });

  test('that is taken is refused with DUPLICATE_PLUGIN', () => {
    registerEvictionPolicy('taken', { module: MODULE });
    for (const name of ['taken', 'TAKEN', 'lru', 'Sieve']) {
      expect(() => registerEvictionPolicy(name, { module: MODULE })).toThrow(
        expect.objectContaining({ name: 'TypeError', code: 'DUPLICATE_PLUGIN' }),
      );
    }
  });

  test('that nobody knows is refused with all that are known', async () => {
    registerEvictionPolicy('known', { module: MODULE });
    const error = await openCache({ eviction: 'unknown' }).catch((caught) => caught);
    expect(error).toMatchObject({ name: 'TypeError', code: 'UNKNOWN_PLUGIN', option: 'eviction' });
    expect(error.available).toEqual(expect.arrayContaining(['lru', 'none', 'known']));
    expect(error.message).toContain('known');
  });

  test.each<[string, unknown, unknown]>([
    ['no name', undefined, { module: MODULE }],
    ['an empty one', '', { module: MODULE }],
    ['one that is a number', 5, { module: MODULE }],
    ['one with a space', 'my lru', { module: MODULE }],
    ['no module', 'half', {}],
    ['nothing', 'half', undefined],
    ['a function', 'half', () => {}],
    ['a relative path', 'half', { module: './policy.mjs' }],
    ['an export that is no name', 'half', { module: MODULE, export: 7 }],
    ['options, which belong to the cache', 'half', { module: MODULE, patience: 3 }],
  ])('with %s is refused with INVALID_CONFIG', (_, name, where) => {
    expect(() => registerEvictionPolicy(name as string, where as { module: URL })).toThrow(
      expect.objectContaining({ name: 'TypeError', code: 'INVALID_CONFIG' }),
    );
  });
});

describe('a cache that cannot open says why, and leaves no thread', () => {
  const own = (name: string, of: URL | string = MODULE) => ({ module: of, export: name });
  test.each<[string, () => object, { name: string; code: string }, RegExp]>([
    ['a module that is not there', () => own('lru', join(folder, 'none.mjs')), INVALID, /none\.mjs: .*Cannot find/],
    [
      'one that does not compile',
      () => own('x', fileOf('half.mjs', 'export const')),
      INVALID,
      /half\.mjs: SyntaxError/,
    ],
    ['one that throws', () => own('x', fileOf('throws.mjs', 'throw new Error("at once")')), INVALID, /at once/],
    ['one without exports', () => own('x', fileOf('empty.mjs', '')), INVALID, /'x'\. It exports nothing/],
    ['an export that is not there', () => own('lur'), INVALID, /'lur'\. Its exports: asClass, .*lru/],
    ['an export that is no function', () => own('notAFunction'), INVALID, /`notAFunction`.*function.*hits: 'none'/],
    ['a factory that returns nothing', () => own('nothing'), INVALID, /`nothing`.*add, hit, .*got undefined/],
    ['a policy without a method', () => own('incomplete'), INVALID, /a method `victim`, got undefined/],
    ['a policy with other hits', () => own('wrongHits'), INVALID, /'none' or 'byte' or 'ring', got 'rings'/],
    ['a policy without hits', () => own('noHits'), INVALID, /`hits`.*got undefined/],
    ['an optional method that is none', () => own('wrongOptional'), INVALID, /a method `ahead`, got 5/],
    ['a factory that is async', () => own('asyncFactory'), INVALID, /got a Promise/],
    ['a factory that is async and rejects', () => own('rejectingFactory'), INVALID, /got a Promise/],
    ['a method that is async', () => own('asyncHook'), INVALID, /`add` that answers at once, got an async one/],
    ['a factory that throws', () => own('throwing'), FAILED, /`throwing` of .*threw RangeError: no such table/],
    ['a factory that is a class', () => own('asClass'), FAILED, /without 'new'/],
    ['a policy that cannot be read', () => own('throwingWhenRead'), FAILED, /read me not/],
    [
      'a module that waits for ever',
      () => own('x', fileOf('waits.mjs', 'await new Promise(() => {})')),
      LATE,
      /waits\.mjs/,
    ],
    ['a module that never ends', () => own('x', fileOf('loops.mjs', 'for (;;);')), LATE, /loops\.mjs/],
    ['a factory that never ends', () => own('looping'), LATE, /400 ms/],
  ])('%s', async (_, eviction, expected, message) => {
    const { result, threads } = await withThreads(() =>
      openCache({ shards: 2, timeout: 400, eviction: eviction() as { module: URL } }).catch(
        (error) => error as unknown,
      ),
    );
    expect(result).toBeInstanceOf(Error);
    expect(result).toMatchObject({ ...expected, message: expect.stringMatching(message) });
    expect(threads).toHaveLength(2);
    expect(threads.map(({ threadId }) => threadId)).toEqual([-1, -1]);
  });

  test('with the cause, and the place in the user’s code', async () => {
    const error = await openCache({ eviction: own('throwing') }).catch((caught) => caught);
    expect(error.cause.message).toBe('RangeError: no such table');
    expect(error.cause.stack).toContain('policy-modules.mjs');
  });

  test.each<[string, unknown]>([
    ['a function', () => {}],
    ['a symbol', Symbol('x')],
    ['an instance of a class', new (class Limit {})()],
    ['a URL', new URL('file:///x')],
    ['deep in a list', [{ callback() {} }]],
  ])('an option that another thread would not get as it is: %s', async (_, value) => {
    const eviction = { module: MODULE, export: 'lru', value };
    const { result, threads } = await withThreads(() => openCache({ eviction }).catch((error) => error as unknown));
    expect(result).toMatchObject({ name: 'TypeError', code: 'INVALID_CONFIG', option: 'eviction' });
    expect(threads).toEqual([]);
  });
});

const INVALID = { name: 'TypeError', code: 'INVALID_CONFIG', option: 'eviction' };
const FAILED = { name: 'CacheError', code: 'POLICY_ERROR' };
const LATE = { name: 'CacheError', code: 'TIMEOUT' };

describe.each(READS)('a policy that fails later, with reads: %s', (reads) => {
  test.each<[string, (cache: Cache) => Promise<unknown>]>([
    ['arrive', (cache) => cache.set('new', 1)],
    ['victim', (cache) => cache.set('new', 1)],
    ['remove', (cache) => cache.set('new', 1)],
    ['add', (cache) => cache.set('new', 1)],
    ['add', (cache) => cache.increment('count')],
    ['update', (cache) => cache.set('k0', 1)],
    ['remove', (cache) => cache.delete('k0')],
    ['clear', (cache) => cache.clear()],
  ])('in `%s`: the call rejects with POLICY_ERROR, the others go on, and it can begin afresh', async (hook, act) => {
    const { cache, flip } = await switched(hook, { reads });
    await cache.setMany(pairs(3));
    flip(THROW);
    const error = await act(cache).catch((caught) => caught as Error);
    expect(error).toMatchObject({ name: 'CacheError', code: 'POLICY_ERROR', shard: 0 });
    expect((error as Error).message).toContain(`\`${hook}\`: RangeError: boom`);
    flip(0);
    expect(await cache.get('k2')).toBe(hook === 'clear' ? undefined : 2);
    expect((await cache.metrics()).policyFaults).toBe(1);
    await cache.clear();
    await cache.setMany(pairs(5));
    expect(await keysOf(cache)).toEqual(['k2', 'k3', 'k4']);
  });

  test('in `hit`: every call has its answer, and the fault is counted', async () => {
    const { cache, flip } = await switched('hit', { reads });
    await cache.setMany(pairs(3));
    flip(THROW);
    expect([await cache.get('k0'), cache.getSync('k1'), await cache.touch('k2')]).toEqual([0, 1, true]);
    await cache.set('k0', 'new');
    expect(await cache.get('k0')).toBe('new');
    expect((await cache.metrics()).policyFaults).toBeGreaterThanOrEqual(3);
    await cache.resetMetrics();
    flip(0);
    expect((await cache.metrics()).policyFaults).toBe(0);
  });

  test('in `remove`: what is popped is not lost', async () => {
    const { cache, flip } = await switched('remove', { reads });
    await cache.setMany(pairs(3));
    flip(THROW);
    expect(await cache.pop('k1')).toBe(1);
    expect(await cache.popItem()).toEqual(['k0', 0]);
    expect(await cache.size()).toBe(1);
    expect((await cache.metrics()).manualDeletions).toBe(2);
  });
});

test.each([
  ['a free slot', 3],
  ['a slot that there is not', 4_000],
  ['-2', -2],
  ['NaN', Number.NaN],
  ['undefined', undefined],
  ['text', '0'],
])('a victim that is %s is POLICY_ERROR for the set, and the cache still answers', async (_, victim) => {
  const { cache, flip } = await switched('victim', {}, victim);
  await cache.setMany(pairs(3));
  flip(ANSWER);
  await expect(cache.set('k3', 3)).rejects.toMatchObject({ code: 'POLICY_ERROR', key: 'k3' });
  expect(await outcomeOf(cache.setMany(pairs(50, 'new')))).toBe('POLICY_ERROR');
  expect(await keysOf(cache)).toEqual(['k0', 'k1', 'k2']);
  await cache.set('k0', 'overwritten');
  expect(await cache.delete('k1')).toBe(true);
  await cache.set('k3', 3);
  expect(await keysOf(cache)).toEqual(['k0', 'k2', 'k3']);
});

describe.each(['add', 'update', 'victim'] as const)(
  'an answer of `%s` that runs code when it is looked at',
  (breaks) => {
    test.each([
      'a function whose name throws',
      'a class whose name is a symbol',
      'an object whose constructor throws',
      'an object over a Proxy',
      'a revoked Proxy',
      'a Promise without catch',
      'a Promise whose constructor throws',
    ])('is POLICY_ERROR at worst, and the cache still answers: %s', async (trap) => {
      const eviction = { module: MODULE, export: 'trapping', breaks, trap };
      const cache = await make({ shards: 1, maxEntries: 2, eviction });
      const outcomes: unknown[] = [];
      for (const key of ['a', 'a', 'a', 'b', 'c', 'd', 'e']) {
        outcomes.push(await outcomeOf(cache.set(key, key)));
      }
      expect(new Set(outcomes)).not.toContain('SHARD_DOWN');
      expect(outcomes.filter((outcome) => typeof outcome === 'string' && outcome !== 'POLICY_ERROR')).toEqual([]);
      expect(await cache.get('a')).toSatisfy((value) => value === 'a' || value === undefined);
      expect(await cache.size()).toBeLessThanOrEqual(2);
    });
  },
);

test('a policy whose methods throw when they are looked up fails by call, not by thread', async () => {
  const cache = await make({ shards: 1, maxEntries: 2, eviction: { module: MODULE, export: 'once' } });
  expect(await outcomeOf(cache.set('a', 1))).toBe('POLICY_ERROR');
  expect(await cache.size()).toBe(0);
});

test("what a policy's module posts from its thread is nobody's business", async () => {
  const module = new URL('../support/talking-policy.mjs', import.meta.url);
  const cache = await make({ shards: 1, eviction: { module } });
  await cache.set('a', 1);
  expect(await cache.get('a')).toBe(1);
});

test('a policy that fails while the shard sweeps costs no entry, no call and no thread', async () => {
  const clock = manualClock();
  const { cache, flip } = await switched('remove', { clock, maxEntries: 5_000 });
  await cache.setMany(pairs(3_000), { ttl: 10 });
  await cache.set('live', 1);
  flip(THROW);
  clock.advance(10);
  await expect.poll(() => cache.size()).toBe(1);
  expect(await cache.get('live')).toBe(1);
  expect(await cache.metrics()).toMatchObject({ expirations: 3_000, policyFaults: 3_000 });
});

test('a logger hears of faults once a second at most, and so does whoever subscribes', async () => {
  const heard: Record<string, unknown>[] = [];
  const told: unknown[] = [];
  const listen = (message: unknown) => void told.push(message);
  subscribe('shardstash:policy:fault', listen);
  try {
    const error = (message: string, details?: unknown) => void heard.push({ message, details });
    const { cache, flip } = await switched('add', { logger: { debug() {}, info() {}, warn() {}, error } });
    flip(THROW);
    for (let i = 0; i < 100; i++) {
      await outcomeOf(cache.set(`k${i}`, i));
    }
    expect(heard.length).toBeGreaterThanOrEqual(1);
    expect(heard.length).toBeLessThanOrEqual(3);
    expect(heard[0]).toMatchObject({
      message: 'Shard 0: The eviction policy threw in `add`: RangeError: boom. Nothing was stored',
      details: { cache: String(cache), shard: 0, cause: { stack: expect.stringContaining('policy-modules.mjs') } },
    });
    expect(told).toHaveLength(heard.length);
    expect((await cache.metrics()).policyFaults).toBe(100);
  } finally {
    unsubscribe('shardstash:policy:fault', listen);
  }
});

test('a method that never ends: calls reject with TIMEOUT, shared reads go on, and close ends it', async () => {
  const { result, threads } = await withThreads(() => switched('victim', { timeout: 300 }));
  const { cache, flip } = result;
  await cache.setMany(pairs(3));
  flip(LOOP);
  const calls = [cache.set('k3', 3), cache.delete('k0'), cache.size()];
  expect(await Promise.all(calls.map(outcomeOf))).toEqual(['TIMEOUT', 'TIMEOUT', 'TIMEOUT']);
  expect(cache.getSync('k1')).toBe(1);
  const begunMs = performance.now();
  await cache.close({ timeout: 200 });
  expect(performance.now() - begunMs).toBeLessThan(5_000);
  expect(threads.map(({ threadId }) => threadId)).toEqual([-1]);
});

test('popItem walks past ten thousand expired entries in many turns, and gives the live one', async () => {
  const clock = manualClock();
  const cache = await make({ shards: 1, clock, cleanupInterval: false });
  await cache.setMany(pairs(10_000), { ttl: 10 });
  await cache.set('live', 1);
  clock.advance(10);
  expect(await cache.popItem()).toEqual(['live', 1]);
  expect(await cache.popItem()).toBeUndefined();
  expect((await cache.metrics()).expirations).toBe(10_000);
});

describe('checkPolicy', () => {
  test('says which facts it has checked', async () => {
    const { lru } = await import(MODULE.href);
    const facts = checkPolicy(lru);
    expect(facts).toEqual(policyFacts(lru).map(({ name }) => name));
    expect(facts.length).toBeGreaterThan(12);
    expect(checkPolicy(lru, { skip: [facts[0] as string], seed: 7 })).toEqual(facts.slice(1));
  });

  test('throws with every fact that does not hold, and why', async () => {
    const { lru } = await import(MODULE.href);
    const forgetful = () => ({ ...lru(), remove() {} });
    try {
      checkPolicy(forgetful, { seed: 5 });
      expect.fail('it has found nothing');
    } catch (error) {
      expect(error).toBeInstanceOf(AggregateError);
      const { message, errors } = error as AggregateError;
      expect(message).toMatch(
        /^\d+ of \d+ facts do not hold for this policy \(seed 5\):\n- every entry becomes the victim/,
      );
      expect(errors.length).toBeGreaterThan(3);
      expect(errors[0].cause).toBeInstanceOf(Error);
    }
  });

  test.each([
    ['in its slot', (slot: number, previous: number) => slot === previous],
    ['in another slot', (slot: number, previous: number) => slot !== previous],
  ])('finds a policy that holds on to the weight of what was overwritten %s', (_, holdsOn) => {
    const queue = ({ weightOf }: PolicyContext) => {
      const noted = new Map<number, number>();
      return {
        hits: 'none' as const,
        add: (slot: number) => noted.set(slot, weightOf(slot)).has(slot),
        hit() {},
        update(slot: number, previous: number) {
          const weight = noted.get(previous) as number;
          noted.delete(previous);
          noted.set(slot, holdsOn(slot, previous) ? weight : weightOf(slot));
        },
        remove: (slot: number) => void noted.delete(slot),
        clear: () => noted.clear(),
        victim: () => noted.keys().next().value ?? -1,
        check() {
          for (const [slot, weight] of noted) {
            if (weight !== weightOf(slot)) throw new Error(`slot ${slot} weighs ${weightOf(slot)}, not ${weight}`);
          }
        },
      };
    };
    const skip = ['a touched entry outlives an untouched one'];
    expect(() => checkPolicy(queue, { skip })).toThrow(/whatever entries weigh.*slot \d+ weighs/);
  });

  test('never has more entries or bytes there than it says', async () => {
    const { lru } = await import(MODULE.href);
    const strict = ({ entriesMax, bytesMax, weightOf }: PolicyContext) => {
      const policy = lru();
      const weights = new Map<number, number>();
      const checked = () => {
        const bytes = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
        if (weights.size > entriesMax || bytes > bytesMax) throw new Error(`${weights.size} entries, ${bytes} bytes`);
      };
      return {
        ...policy,
        add(slot: number) {
          weights.set(slot, weightOf(slot));
          checked();
          return policy.add(slot);
        },
        update(slot: number, previous: number) {
          weights.delete(previous);
          weights.set(slot, weightOf(slot));
          checked();
          policy.update(slot, previous);
        },
        remove(slot: number) {
          weights.delete(slot);
          policy.remove(slot);
        },
        clear() {
          weights.clear();
          policy.clear();
        },
      };
    };
    expect(checkPolicy(strict).length).toBeGreaterThan(12);
  });

  test.each<[string, () => unknown]>([
    ['nothing', () => undefined],
    ['a rejected Promise', async () => Promise.reject(new Error('too late'))],
    ['a number', () => 5],
  ])('says once that a factory returns %s', (_, factory) => {
    expect(() => checkPolicy(factory as () => never)).toThrow(/^1 of \d+ facts do not hold.*\n.*the factory returns/);
  });

  test.each<[string, unknown, object]>([
    ['no factory', undefined, {}],
    ['a policy in place of its factory', {}, {}],
    ['a skip that is no fact', () => ({}), { skip: ['all is well'] }],
  ])('refuses %s', (_, factory, options) => {
    expect(() => checkPolicy(factory as () => never, options)).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG' }),
    );
  });
});
