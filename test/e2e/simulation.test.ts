import { openCache } from 'shardstash';
import {
  defaultPolicy,
  entryBytes,
  type SimulatedCache,
  type SimulatedRequests,
  simulate,
  simulatedPolicies,
} from 'shardstash/simulation';
import { describe, expect, test } from 'vitest';
import { BY_BYTES, BYTES_ROUNDING, HITS_ROUNDING, storedBy, trafficOf } from '../support/golden-bytes.ts';
import { seededRandom } from '../support/random.ts';
import { optimum, someTraffic, type Traffic } from '../support/simulated.ts';
import { goldenByteCells, hasTraces } from '../support/traces.ts';

/** An arena is not quite full: some entries fewer than the simulation has. */
const BYTES_DIFFERENCE_MAX = 0.01;
const BOUND = { eviction: 'lru', maxEntries: 10 } as const;
const REQUESTS: SimulatedRequests = { ids: Int32Array.of(0, 1, 0, 2, 0, 1), keys: 3 };

describe('simulate', () => {
  test('answers in the order of the caches, whichever is done first', async () => {
    const caches: SimulatedCache[] = [
      { eviction: 'lru', maxEntries: 1 },
      { eviction: 'belady', maxEntries: 2 },
      { eviction: 'lru', maxEntries: 3 },
      { eviction: 'fifo', maxEntries: 2 },
    ];
    const results = await simulate(REQUESTS, caches, { threads: 2 });
    expect(results.map(({ hits }) => hits)).toEqual([0, 2, 3, 1]);
    expect(results[0]).toEqual({
      ...{ requests: 6, hits: 0, misses: 6, hitRatio: 0, byteHitRatio: undefined },
      ...{ evictions: 5, expirations: 0, refused: 0, tooLarge: 0, entries: 1, bytes: undefined },
    });
  });

  test('hits as often as the cache itself, request for request', async () => {
    const random = seededRandom('simulated and real');
    const { ids, keys } = someTraffic(random, 3_000);
    const maxEntries = Math.max(1, keys >> 2);
    // Lots fall differently: a cache draws its own seed for them and for the hashes that a sketch counts.
    const exact = simulatedPolicies.filter((name) => !['random', 'w-tinylfu'].includes(name));
    const simulated = await simulate(
      { ids, keys },
      exact.map((eviction) => ({ eviction, maxEntries })),
    );
    for (const [i, eviction] of exact.entries()) {
      const cache = await openCache({ shards: 1, maxEntries, eviction });
      let hits = 0;
      for (const id of ids) {
        if ((await cache.get(id)) === undefined) {
          await cache.set(id, 1);
        } else {
          hits++;
        }
      }
      await cache.close();
      expect(simulated[i], eviction).toMatchObject({ hits, misses: 3_000 - hits });
    }
  });

  test('in bytes hits as often as the cache itself but for the room between its blocks', async () => {
    const random = seededRandom('simulated and real bytes');
    // Without loops: where all or nothing fits, a byte decides. What is wanted often is small: shares of bytes and shares
    // of entries are worlds apart.
    const keys = 2_000;
    const ids = Int32Array.from({ length: 8_000 }, () => random.logUniform(1, keys) - 1);
    const bytesOf = Array.from({ length: keys }, (_, id) => (id < 300 ? 30 : random.logUniform(500, 6_000)));
    const maxBytes = 150_000;
    const sizes = Float64Array.from(ids, (id) => entryBytes(String(id).length, bytesOf[id] as number));
    const exact = simulatedPolicies.filter((name) => !['random', 'w-tinylfu'].includes(name));
    const simulated = await simulate(
      { ids, keys, sizes },
      exact.map((eviction) => ({ eviction, maxBytes })),
    );
    const differences = await Promise.all(
      exact.map(async (eviction, i) => {
        const cache = await openCache({ shards: 1, maxBytes, eviction, serializer: 'raw' });
        let hits = 0;
        for (const id of ids) {
          if ((await cache.get(String(id))) === undefined) {
            // What is larger than the cache can hold is refused, as in the simulation.
            await cache.set(String(id), Buffer.alloc(bytesOf[id] as number)).catch(() => {});
          } else {
            hits++;
          }
        }
        await cache.close();
        return { eviction, difference: Math.abs((simulated[i] as { hits: number }).hits - hits) / ids.length };
      }),
    );
    expect(differences.filter(({ difference }) => !(difference <= BYTES_DIFFERENCE_MAX))).toEqual([]);
  });

  test.skipIf(!hasTraces())('agrees with golden_bytes.csv where sizes count', async () => {
    const cells = goldenByteCells();
    expect(cells.length).toBeGreaterThanOrEqual(20);
    const traffics = new Map(cells.map(({ trace }) => [trace, trafficOf(trace)]));
    for (const { trace, policy, bytes, hitRatio, byteHitRatio } of cells) {
      const { name, policyOptions } = BY_BYTES[policy] as (typeof BY_BYTES)[string];
      const traffic = traffics.get(trace) as Traffic;
      const stored = storedBy(policy, traffic, bytes);
      const [result] = await simulate(stored, [{ eviction: { name, ...policyOptions }, maxBytes: bytes }]);
      const { hits = 0, byteHitRatio: ofStored = 0 } = result ?? {};
      expect(Math.abs(hits / traffic.ids.length - hitRatio), `${policy} in ${bytes}`).toBeLessThanOrEqual(
        HITS_ROUNDING,
      );
      const share = sum(stored.sizes) / sum(traffic.sizes);
      expect(Math.abs(ofStored * share - byteHitRatio), `${policy} in ${bytes}`).toBeLessThanOrEqual(BYTES_ROUNDING);
    }
  });

  test('shards share keys and capacity, and the optimum of one is no less', async () => {
    const random = seededRandom('shards');
    const traffic = someTraffic(random, 20_000);
    const maxEntries = Math.max(16, traffic.keys >> 1);
    const caches = [1, 2, 5, 16].flatMap((shards) =>
      [...simulatedPolicies, 'belady' as const].map((eviction) => ({ eviction, maxEntries, shards })),
    );
    const results = await simulate(traffic, caches);
    const best = optimum(traffic, { entriesMax: maxEntries }).hits;
    for (const [i, { hits, misses, entries, requests }] of results.entries()) {
      expect(hits + misses, JSON.stringify(caches[i])).toBe(20_000);
      expect(requests).toBe(20_000);
      expect(hits).toBeLessThanOrEqual(best);
      expect(entries).toBeLessThanOrEqual(maxEntries);
    }
  });

  test('bytes bound where they are given, and count what was asked for', async () => {
    const sizes = Float64Array.of(10, 20, 10, 200, 10, 20);
    const [small, large] = await simulate({ ...REQUESTS, sizes }, [
      { eviction: 'lru', maxBytes: 30 },
      { eviction: 'belady', maxBytes: '1kb' },
    ]);
    expect(small).toMatchObject({ hits: 3, tooLarge: 1, bytes: 30, entries: 2, byteHitRatio: 40 / 270 });
    expect(large).toMatchObject({ hits: 3, tooLarge: 0, bytes: 230, entries: 3 });
  });

  test('what expires is missed, on a clock that goes as fast as it is told', async () => {
    const ttls = new Float64Array(6).fill(1);
    const expiring = { ...REQUESTS, ttls };
    const hitsAt = async (requestsPerSecond?: number) =>
      (await simulate(expiring, [{ eviction: 'lru', maxEntries: 3 }], { requestsPerSecond }))[0]?.hits;
    expect([await hitsAt(), await hitsAt(100), await hitsAt(3), await hitsAt(1)]).toEqual([3, 3, 1, 0]);
  });

  test('says what a cache of bytes charges an entry', async () => {
    const cache = await openCache({ shards: 1, serializer: 'raw' });
    for (const [key, value, ttl] of [
      ['k', 1],
      ['key:12', 100],
      ['x'.repeat(33), 1_000, 1_000],
    ] as const) {
      await cache.set(key, Buffer.alloc(value), { ttl: ttl ?? null });
      const { memoryBytes } = await cache.metrics();
      expect(memoryBytes).toBe(entryBytes(key.length, value, ttl !== undefined));
      await cache.clear();
    }
    await cache.close();
  });

  test('knows the policies and the one that a cache has', async () => {
    const cache = await openCache();
    expect(simulatedPolicies).toContain('lru');
    expect(simulatedPolicies).not.toContain('none');
    expect(cache.config.eviction).toBe(defaultPolicy);
    await cache.close();
  });

  test("plays a policy's settings, and a policy of one's own, or says what is wrong with it", async () => {
    const module = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`;
    const tight = { maxEntries: 2 };
    const queue = `export const make = ({}, { last }) => {
      let slots = [];
      return {
        hits: 'none',
        add: (slot) => slots.push(slot) > 0,
        hit() {},
        update() {},
        remove: (slot) => void (slots = slots.filter((each) => each !== slot)),
        clear: () => void (slots = []),
        victim: () => (last ? slots.at(-1) : slots[0]) ?? -1,
      };
    };`;
    const own = { module: module(queue), export: 'make' };
    const [fifo, oldest, newest, small] = await simulate(REQUESTS, [
      { ...tight, eviction: 'fifo' },
      { ...tight, eviction: own },
      { ...tight, eviction: { ...own, last: true } },
      { ...tight, eviction: { name: 's3-fifo', smallShare: 0.9 } },
    ]);
    expect(oldest).toEqual(fifo);
    expect(newest?.hits).not.toBe(oldest?.hits);
    expect(small?.requests).toBe(6);
    const wrong = async (text: string) =>
      await simulate(REQUESTS, [{ ...tight, eviction: { ...own, module: module(text) } }]).catch((error) => error);
    expect(await wrong('export const other = 1')).toMatchObject({ code: 'INVALID_CONFIG', option: 'eviction' });
    expect(await wrong(queue.replace('slots[0]', '77'))).toMatchObject({ code: 'POLICY_ERROR' });
    expect(await wrong(queue.replace('slots[0]', 'nothing.at.all'))).toMatchObject({
      code: 'POLICY_ERROR',
      message: expect.stringContaining('nothing is not defined'),
    });
  });

  test('of nothing is nothing, and of no requests is zeros', async () => {
    expect(await simulate(REQUESTS, [])).toEqual([]);
    const empty = { ids: new Int32Array(0), keys: 0, sizes: new Float64Array(0) };
    const results = await simulate(empty, [BOUND, { ...BOUND, eviction: 'belady' }, { eviction: 'lru', maxBytes: 1 }]);
    expect(results.map(({ hitRatio, byteHitRatio }) => [hitRatio, byteHitRatio])).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
  });

  test('a capacity beyond all keys costs no memory, an object of no size does no harm', async () => {
    const sizes = new Float64Array(6);
    const results = await simulate({ ...REQUESTS, sizes }, [
      { eviction: 'lru', maxEntries: Number.MAX_SAFE_INTEGER },
      { eviction: 'sieve', maxBytes: 1 },
    ]);
    expect(results.map(({ hits }) => hits)).toEqual([3, 3]);
  });

  test('tells its progress, and stops at an abort with its reason', async () => {
    const ids = new Int32Array(5_000_000).map((_, i) => i);
    const shares: number[] = [];
    const controller = new AbortController();
    const caches = Array.from({ length: 400 }, () => BOUND);
    const running = simulate({ ids, keys: ids.length }, caches, {
      signal: controller.signal,
      onProgress: (share) => {
        shares.push(share);
        if (share > 0.002) {
          controller.abort(new Error('enough'));
        }
      },
    });
    await expect(running).rejects.toThrow('enough');
    expect(shares.toSorted((one, other) => one - other)).toEqual(shares);
    expect(shares.at(-1)).toBeLessThan(0.5);
    await expect(simulate(REQUESTS, [BOUND], { signal: controller.signal })).rejects.toThrow('enough');
  });

  test.each<[string, () => void]>([
    [
      'throws',
      () => {
        throw new Error('boom');
      },
    ],
    ['rejects', () => Promise.reject(new Error('boom'))],
  ])('ends with what a listener %s, and tells it no more', async (_, fail) => {
    const ids = new Int32Array(5_000_000).map((_, i) => i);
    const caches = Array.from({ length: 400 }, () => BOUND);
    let told = 0;
    const onProgress = () => {
      told++;
      return fail();
    };
    await expect(simulate({ ids, keys: ids.length }, caches, { onProgress })).rejects.toThrow('boom');
    expect(told).toBe(1);
  });

  test('of far more keys than requests takes memory for the requests alone, and counts the same', async () => {
    const caches: SimulatedCache[] = [...simulatedPolicies, 'belady' as const].flatMap((eviction) =>
      [2, 2 ** 31].map((maxEntries) => ({ eviction, maxEntries })),
    );
    const few = await simulate(REQUESTS, caches);
    expect(await simulate({ ...REQUESTS, keys: 2 ** 31 }, caches)).toEqual(few);
    const far = REQUESTS.ids.map((id) => 2 ** 31 - 1 - id);
    const [, , optimum] = await simulate({ ids: far, keys: 2 ** 31 }, [BOUND, BOUND, { ...BOUND, eviction: 'belady' }]);
    expect(optimum?.hits).toBe(3);
  });

  test('plays the requests that there were, though shared memory grows meanwhile', async () => {
    const memory = new SharedArrayBuffer(24, { maxByteLength: 4_800 });
    const ids = new Int32Array(memory);
    ids.set(REQUESTS.ids);
    const running = simulate({ ids, keys: 3 }, [BOUND, { ...BOUND, eviction: 'belady' }]);
    memory.grow(4_800);
    expect((await running).map(({ requests, hits }) => [requests, hits])).toEqual([
      [6, 3],
      [6, 3],
    ]);
  });
});

function sum(sizes: Float64Array | undefined): number {
  return sizes?.reduce((total, size) => total + size, 0) ?? 0;
}
