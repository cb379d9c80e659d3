/** Program order: what one client has called, awaited or not, happens to each key in the order of the calls. */
import type { Cache } from 'shardstash';
import { describe, expect, test } from 'vitest';
import { isOverTier, outcomeOf, READS, sharedCache } from '../support/caches.ts';
import { SEED, seededRandom } from '../support/random.ts';

/** Writes to a key that is 'old', none of them awaited, and what it is after them. */
const SEQUENCES: Record<string, [(cache: Cache) => unknown[], unknown]> = {
  set: [(c) => [c.set('k', 'new')], 'new'],
  'set, set': [(c) => [c.set('k', 1), c.set('k', 2)], 2],
  'set null': [(c) => [c.set('k', null)], null],
  'set a large value': [(c) => [c.set('k', 'x'.repeat(2_000_000))], 'x'.repeat(2_000_000)],
  'set a large value, set': [(c) => [c.set('k', Buffer.alloc(3_000_000)), c.set('k', 'small')], 'small'],
  'set that is aborted': [
    (c) => {
      const controller = new AbortController();
      const calls = [c.set('k', 'kept'), c.set('k', 'aborted', { signal: controller.signal })];
      controller.abort();
      return calls;
    },
    'kept',
  ],
  'set what cannot be stored': [(c) => [c.set('k', () => 1)], 'old'],
  delete: [(c) => [c.delete('k')], undefined],
  'delete, set': [(c) => [c.delete('k'), c.set('k', 'new')], 'new'],
  'set, delete': [(c) => [c.set('k', 'new'), c.delete('k')], undefined],
  add: [(c) => [c.add('k', 'no')], 'old'],
  'delete, add': [(c) => [c.delete('k'), c.add('k', 'yes')], 'yes'],
  'delete, add, add': [(c) => [c.delete('k'), c.add('k', 'yes'), c.add('k', 'no')], 'yes'],
  update: [(c) => [c.update('k', 'yes')], 'yes'],
  'delete, update': [(c) => [c.delete('k'), c.update('k', 'no')], undefined],
  'set, update with keepTtl': [(c) => [c.set('k', 1, { ttl: 500_000 }), c.update('k', 2, { keepTtl: true })], 2],
  increment: [(c) => [c.increment('k')], 'old'],
  'set, increment, increment': [(c) => [c.set('k', 1), c.increment('k', 5), c.increment('k', -2)], 4],
  'delete, increment': [(c) => [c.delete('k'), c.increment('k', 5, { initial: 10 })], 15],
  pop: [(c) => [c.pop('k')], undefined],
  'pop, set': [(c) => [c.pop('k'), c.set('k', 'new')], 'new'],
  popItem: [(c) => [c.set('k', 'new'), c.popItem(), c.popItem()], undefined],
  clear: [(c) => [c.clear()], undefined],
  'set, clear': [(c) => [c.set('k', 'new'), c.clear()], undefined],
  'clear, set': [(c) => [c.clear(), c.set('k', 'new')], 'new'],
  'clear, add': [(c) => [c.clear(), c.add('k', 'new')], 'new'],
  expire: [(c) => [c.expire('k', 1_000)], 'old'],
  'set, expire': [(c) => [c.set('k', 'new'), c.expire('k', null)], 'new'],
  touch: [(c) => [c.set('k', 'new'), c.touch('k')], 'new'],
  setMany: [
    (c) => [
      c.setMany([
        ['k', 1],
        ['other', 1],
        ['k', 2],
      ]),
    ],
    2,
  ],
  'set, setMany': [(c) => [c.set('k', 1), c.setMany({ k: 2 })], 2],
  'setMany, set': [(c) => [c.setMany({ k: 1 }), c.set('k', 2)], 2],
  deleteMany: [(c) => [c.deleteMany(['k', 'other'])], undefined],
  'deleteMany, setMany': [(c) => [c.deleteMany(['k']), c.setMany({ k: 3 })], 3],
  'set, cleanup': [(c) => [c.set('k', 'new'), c.cleanup()], 'new'],
  'set, reads of all kinds': [
    (c) => [c.set('k', 'new'), c.get('k'), c.has('k'), c.peek('k'), c.lookup('k'), c.getMany(['k'])],
    'new',
  ],
};

/** After these getSync, which cannot wait, may still see what was there before the last call. */
const UNDECIDED = ['add', 'update', 'increment', 'popItem'];

const UNCOUNTED = isOverTier('two clears whose shards meet at the engine share what was removed between them');

/** Calls that nobody awaits yet. */
function begin(write: (cache: Cache) => unknown[], cache: Cache): Promise<unknown> {
  return Promise.allSettled(write(cache));
}

const KINDS = [
  ...READS.map((reads) => ({ reads, lane: 'comlink' }) as const),
  // Where every call has to go by it.
  { reads: 'owner', lane: 'wake' } as const,
];

describe.each(KINDS)('%o', ({ reads, lane }) => {
  const shared = sharedCache({ reads, lane });

  describe.each(Object.entries(SEQUENCES))('after an unawaited %s', (name, [write, expected]) => {
    const looks: [string, (cache: Cache) => Promise<unknown>, unknown][] = [
      ['get', (c) => c.get('k'), expected],
      ['peek', (c) => c.peek('k'), expected],
      ['has', (c) => c.has('k'), expected !== undefined],
      ['touch', (c) => c.touch('k'), expected !== undefined],
      ['lookup', async (c) => ((await c.lookup('k')) as { value?: unknown }).value, expected],
      ['getOrThrow', (c) => outcomeOf(c.getOrThrow('k')), expected === undefined ? 'KEY_NOT_FOUND' : expected],
      ['ttl', async (c) => (await c.ttl('k')) !== undefined, expected !== undefined],
      ['getMany', async (c) => (await c.getMany(['k'])).get('k'), expected],
      ['getOrSet', (c) => c.getOrSet('k', () => 'made'), expected === undefined ? 'made' : expected],
      ['toMap', async (c) => (await c.toMap()).get('k'), expected],
      ['pop', (c) => c.pop('k'), expected],
      ['delete', (c) => c.delete('k'), expected !== undefined],
      ['add', (c) => outcomeOf(c.add('k', 'added')), expected === undefined ? undefined : 'KEY_EXISTS'],
    ];

    test('every look that can wait sees its outcome', async () => {
      const { cache } = shared;
      for (const [look, see, seen] of looks) {
        await cache.clear();
        await cache.set('k', 'old');
        const written = begin(write, cache);
        const saw = await see(cache);
        await written;
        expect({ look, saw }).toEqual({ look, saw: seen });
      }
    });

    test('getSync sees it, too, unless the shard has yet to decide', async () => {
      const { cache } = shared;
      await cache.set('k', 'old');
      const written = begin(write, cache);
      if (!UNDECIDED.some((call) => name.includes(call))) {
        expect(cache.getSync('k')).toEqual(expected);
      }
      await written;
      expect(cache.getSync('k')).toEqual(expected);
    });
  });

  test('getSync sees what this client has written, acknowledged or not', async () => {
    const { cache } = shared;
    await cache.set('k', 'old');
    void cache.set('k', { n: 1 });
    expect(cache.getSync('k')).toEqual({ n: 1 });
    void cache.delete('k');
    expect(cache.getSync('k')).toBeUndefined();
    const last = cache.set('k', 'newest');
    expect(cache.getSync('k')).toBe('newest');
    await last;
    expect(cache.getSync('k')).toBe('newest');
  });

  test('getSync between hundreds of unawaited sets of other keys sees each key’s own', async () => {
    const { cache } = shared;
    const calls = Array.from({ length: 500 }, (_, i) => cache.set(`k${i % 100}`, i));
    for (let i = 0; i < 100; i++) {
      expect(cache.getSync(`k${i}`)).toBe(400 + i);
    }
    await Promise.all(calls);
  });

  test('a thousand calls of every kind, hardly ever awaited, answer as a Map does', async () => {
    const { cache } = shared;
    const random = seededRandom('program order');
    const model = new Map<string, unknown>();
    const keys = ['a', 'b', 'c', 'd'];
    const calls: { said: unknown; is: Promise<unknown>; should: unknown }[] = [];
    const expectCall = (said: unknown, call: Promise<unknown>, should: unknown) =>
      calls.push({ said, is: outcomeOf(call), should });
    for (let i = 0; i < 1_000; i++) {
      const key = keys[random.below(keys.length)] as string;
      const other = keys[random.below(keys.length)] as string;
      const had = model.has(key);
      const old = model.get(key);
      const kind = random.below(16);
      const said = { i, kind, key, other, SEED };
      switch (kind) {
        case 0:
        case 1:
          expectCall(said, cache.set(key, i), undefined);
          model.set(key, i);
          break;
        case 2:
          expectCall(said, cache.delete(key), model.delete(key));
          break;
        case 3:
          expectCall(said, cache.add(key, i), had ? 'KEY_EXISTS' : undefined);
          if (!had) model.set(key, i);
          break;
        case 4:
          expectCall(said, cache.update(key, i), had ? undefined : 'KEY_NOT_FOUND');
          if (had) model.set(key, i);
          break;
        case 5:
          expectCall(said, cache.increment(key, 7), ((old as number | undefined) ?? 0) + 7);
          model.set(key, ((old as number | undefined) ?? 0) + 7);
          break;
        case 6:
          expectCall(said, cache.pop(key), old);
          model.delete(key);
          break;
        case 7:
          expectCall(
            said,
            cache.setMany([
              [key, i],
              [other, -i],
            ]),
            undefined,
          );
          model.set(key, i).set(other, -i);
          break;
        case 8:
          expectCall(said, cache.deleteMany([key, other]), Number(model.delete(key)) + Number(model.delete(other)));
          break;
        case 9:
          expectCall(
            said,
            cache.getMany(keys),
            new Map(keys.filter((k) => model.has(k)).map((k) => [k, model.get(k)])),
          );
          break;
        case 10:
          expectCall(said, cache.getOrThrow(key), had ? old : 'KEY_NOT_FOUND');
          break;
        case 11:
          expectCall(said, cache.has(key), had);
          break;
        case 12:
          expectCall(said, cache.peek(key), old);
          break;
        case 13:
          expectCall(said, cache.size(), model.size);
          break;
        case 14:
          if (random.oneIn(3)) {
            const cleared = cache.clear();
            expectCall(said, UNCOUNTED ? cleared.then(() => 'cleared') : cleared, UNCOUNTED ? 'cleared' : model.size);
            model.clear();
          }
          break;
        default:
          expectCall(said, cache.get(key), old);
          break;
      }
      if (random.oneIn(20)) await calls.at(-1)?.is;
      if (random.oneIn(20)) await new Promise((resolve) => setImmediate(resolve));
    }
    for (const { said, is, should } of calls) {
      expect({ said, is: await is }).toEqual({ said, is: should });
    }
  });
});
