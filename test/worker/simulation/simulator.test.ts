import { describe, expect, test } from 'vitest';
import type { EvictionPolicy, PolicyContext, PolicyFactory } from '../../../src/protocol/policy.ts';
import { policies } from '../../../src/worker/eviction/index.ts';
import { mixed, shardOf, unmixed } from '../../../src/worker/simulation/mix.ts';
import { Simulator } from '../../../src/worker/simulation/simulator.ts';
import { seededRandom } from '../../support/random.ts';
import { optimum, simulated, someTraffic } from '../../support/simulated.ts';

const EVICTING = Object.entries(policies).filter(([name]) => name !== 'none');

describe('hashes of numbers', () => {
  test('have a way back, so that no two numbers share one', () => {
    const random = seededRandom('mix');
    for (const id of [0, 1, -1, 2 ** 31 - 1, -(2 ** 31), ...Array.from({ length: 10_000 }, () => random.word() | 0)]) {
      expect(unmixed(mixed(id))).toBe(id);
    }
  });

  test('spread numbers evenly over shards', () => {
    const counts = new Float64Array(7);
    for (let id = 0; id < 70_000; id++) {
      counts[shardOf(id, 7)] = (counts[shardOf(id, 7)] as number) + 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(9_500);
    expect(Math.max(...counts)).toBeLessThan(10_500);
  });
});

/** First in, first out, with a list of everything it is told. */
function recording(hits: EvictionPolicy['hits'], told: string[], seen?: (context: PolicyContext) => void) {
  const factory: PolicyFactory = (context) => {
    const queue: number[] = [];
    return {
      hits,
      arrive: (hash) => void told.push(`arrive ${unmixed(hash)}`),
      add(slot, hash) {
        told.push(`add ${unmixed(hash)}`);
        expect(context.hashOf(slot)).toBe(hash);
        expect(context.keyOf(slot)).toBe(unmixed(hash));
        queue.push(slot);
        seen?.(context);
        return unmixed(hash) !== 13;
      },
      hit: (slot) => void told.push(`hit ${context.keyOf(slot)}`),
      update: () => expect.fail('a simulation overwrites nothing'),
      remove(slot, cause) {
        told.push(`${cause} ${context.keyOf(slot)} of ${context.weightOf(slot)}`);
        queue.splice(queue.indexOf(slot), 1);
      },
      clear: () => {},
      victim: () => queue[0] ?? -1,
    };
  };
  return factory;
}

describe('a policy in a simulation', () => {
  test('is told what a shard would tell it, in that order', () => {
    const told: string[] = [];
    const simulator = new Simulator({ createPolicy: recording('ring', told), entriesMax: 2, keys: 10 });
    expect([1, 2, 1, 3].map((id) => simulator.request(id))).toEqual([false, false, true, false]);
    expect(told.join(', ')).toBe('arrive 1, add 1, arrive 2, add 2, hit 1, arrive 3, evict 1 of 1, add 3');
    expect(simulator).toMatchObject({ requests: 4, hits: 1, misses: 3, evictions: 1, entries: 2, bytes: 2 });
  });

  test('that wants a byte finds a count that ends at 3, and is not called', () => {
    const told: string[] = [];
    let context: PolicyContext | undefined;
    const createPolicy = recording('byte', told, (given) => {
      context = given;
    });
    const simulator = new Simulator({ createPolicy, entriesMax: 2, keys: 10 });
    for (let i = 0; i < 6; i++) {
      simulator.request(1);
    }
    expect(told).toEqual(['arrive 1', 'add 1']);
    expect(context?.touched[0]).toBe(3);
    simulator.request(2);
    simulator.request(3);
    // The slot of 1 belongs to 3 now, which nobody has asked for since.
    expect(context?.touched[0]).toBe(0);
  });

  test('may refuse a key, which is then not there', () => {
    const simulator = new Simulator({ createPolicy: recording('none', []), entriesMax: 2, keys: 10 });
    expect([13, 13].map((id) => simulator.request(id))).toEqual([false, false]);
    expect(simulator).toMatchObject({ refused: 2, entries: 0, bytes: 0 });
  });

  test('that gives nothing up refuses', () => {
    const simulator = new Simulator({ createPolicy: policies.none, entriesMax: 1, keys: 10 });
    expect([1, 2, 1].map((id) => simulator.request(id))).toEqual([false, false, true]);
    expect(simulator).toMatchObject({ refused: 1, evictions: 0, entries: 1 });
    simulator.check();
  });

  test.each([7, -2, 1e9, Number.NaN, 0.5])('that names slot %s as victim, where no entry is, ends it', (slot) => {
    const createPolicy: PolicyFactory = (context) => ({ ...policies.lru(context), victim: () => slot });
    const simulator = new Simulator({ createPolicy, entriesMax: 1, keys: 10 });
    simulator.request(1);
    expect(() => simulator.request(2)).toThrow(/named slot .* which holds no entry/);
  });

  test('is not asked for what could never fit, and evicts nothing for it', () => {
    const told: string[] = [];
    const simulator = new Simulator({ createPolicy: recording('none', told), bytesMax: 100, keys: 10 });
    const sizes: [number, number][] = [
      [1, 60],
      [2, 101],
      [3, 0],
      [4, 40],
      [5, 1],
    ];
    expect(sizes.map(([id, size]) => simulator.request(id, size))).not.toContain(true);
    expect(told.filter((what) => !what.startsWith('arrive'))).toEqual([
      ...['add 1', 'add 3', 'add 4', 'evict 1 of 60', 'add 5'],
    ]);
    expect(simulator).toMatchObject({ tooLarge: 1, entries: 3, bytes: 41, bytesRequested: 202 });
    simulator.check();
  });

  test('charges an entry what it was when it was stored', () => {
    const simulator = new Simulator({ createPolicy: policies.lru, bytesMax: 100, keys: 10 });
    expect([10, 90, 10].map((size) => simulator.request(1, size))).toEqual([false, true, true]);
    expect(simulator).toMatchObject({ bytes: 10, bytesHit: 100, bytesRequested: 110 });
  });

  test('loses an entry at its deadline, and is told that it expired', () => {
    const told: string[] = [];
    const createPolicy = recording('none', told);
    const simulator = new Simulator({ createPolicy, entriesMax: 2, keys: 10, expires: true });
    expect([1, 4, 5, 6].map((now) => simulator.request(1, 1, now + 4, now))).toEqual([false, true, false, true]);
    simulator.request(2, 1, 100, 7);
    // Its victim has expired meanwhile; the next one's has not.
    simulator.request(3, 1, 100, 9);
    simulator.request(4, 1, 100, 9);
    expect(told.filter((what) => /expire|evict/.test(what))).toEqual([
      'expire 1 of 1',
      'expire 1 of 1',
      'evict 2 of 1',
    ]);
    expect(simulator).toMatchObject({ expirations: 2, evictions: 1 });
    simulator.check();
  });

  test('more keys than were announced are an error, not a corrupt table', () => {
    const simulator = new Simulator({ createPolicy: policies.lru, keys: 2 });
    expect(() => [1, 2, 3, 4].map((id) => simulator.request(id))).toThrow(RangeError);
  });

  test('the smallest size bounds the slots, a size of 0 does not', () => {
    const slots: number[] = [];
    const createPolicy: PolicyFactory = (context) => {
      slots.push(context.slots);
      return policies.lru(context);
    };
    for (const sizeMin of [10, 0]) {
      new Simulator({ createPolicy, bytesMax: 100, keys: 1_000, sizeMin });
    }
    new Simulator({ createPolicy, bytesMax: 0, keys: 1_000, sizeMin: 0 });
    expect(slots).toEqual([11, 1_001, 1_001]);
  });
});

describe('over any traffic', () => {
  test.each(EVICTING)('%s: never above the optimum, never more entries or bytes than fit', (name, createPolicy) => {
    const random = seededRandom(`simulated ${name}`);
    for (let round = 0; round < 30; round++) {
      const traffic = someTraffic(random, 5_000);
      const entriesMax = random.logUniform(1, 1_000);
      const best = optimum(traffic, { entriesMax });
      const { misses, hits, requests } = simulated(createPolicy, traffic, { entriesMax });
      expect(hits + misses).toBe(requests);
      expect(hits).toBeLessThanOrEqual(best.hits);
      const sizes = traffic.ids.map((id) => mixed(id) & 0xff);
      const bytesMax = random.logUniform(1, 50_000);
      const simulator = new Simulator({ createPolicy, keys: traffic.keys, entriesMax, bytesMax });
      for (let i = 0; i < 5_000; i++) {
        simulator.request(traffic.ids[i] as number, sizes[i] as number);
        if (simulator.entries > entriesMax || simulator.bytes > bytesMax) {
          expect.fail(`${simulator.entries} entries of ${simulator.bytes} bytes`);
        }
      }
      simulator.check();
    }
  });

  test('lru and the optimum never fall as capacity grows', () => {
    const random = seededRandom('inclusion');
    for (let round = 0; round < 30; round++) {
      const traffic = someTraffic(random, 5_000);
      let [lru, best] = [0, 0];
      for (const entriesMax of [1, 2, 3, 5, 10, 50, 200, 1_000, 3_000]) {
        const [now, optimal] = [simulated(policies.lru, traffic, { entriesMax }), optimum(traffic, { entriesMax })];
        expect(now.hits).toBeGreaterThanOrEqual(lru);
        expect(optimal.hits).toBeGreaterThanOrEqual(best);
        [lru, best] = [now.hits, optimal.hits];
      }
      // What fits is only missed the first time.
      expect(lru).toBe(traffic.ids.length - new Set(traffic.ids).size);
      expect(best).toBe(lru);
    }
  });

  test('the optimum is that of trying every choice', () => {
    const random = seededRandom('optimum');
    for (let round = 0; round < 200; round++) {
      const ids = Int32Array.from({ length: 12 }, () => random.below(5));
      const entriesMax = 1 + random.below(3);
      expect(optimum({ ids, keys: 5 }, { entriesMax }).hits).toBe(mostHits([...ids], [], entriesMax));
    }
  });
});

/** Over all ways to choose victims. */
function mostHits(ids: readonly number[], inside: readonly number[], entriesMax: number): number {
  const [id, ...rest] = ids;
  if (id === undefined) {
    return 0;
  }
  if (inside.includes(id)) {
    return 1 + mostHits(rest, inside, entriesMax);
  }
  if (inside.length < entriesMax) {
    return mostHits(rest, [...inside, id], entriesMax);
  }
  const ways = inside.map((victim) => mostHits(rest, [...inside.filter((each) => each !== victim), id], entriesMax));
  return Math.max(...ways);
}
