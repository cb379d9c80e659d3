import { type SimulatedCache, type SimulatedRequests, simulate } from 'shardstash/simulation';
import { describe, expect, test, vi } from 'vitest';

const BOUND = { eviction: 'lru', maxEntries: 10 } as const;
const REQUESTS: SimulatedRequests = { ids: Int32Array.of(0, 1, 0, 2, 0, 1), keys: 3 };

describe('what cannot be simulated is told by a TypeError with a code', () => {
  const sizes = new Float64Array(6);
  test.each<[string, SimulatedRequests, SimulatedCache, object, string, RegExp]>([
    ['no bound', REQUESTS, { eviction: 'lru' }, {}, 'INVALID_CONFIG', /`maxEntries` to be given, or `maxBytes`/],
    ['no sizes', REQUESTS, { eviction: 'lru', maxBytes: 9 }, {}, 'INVALID_CONFIG', /`sizes` to be given/],
    ['none', REQUESTS, { ...BOUND, eviction: 'none' }, {}, 'INVALID_CONFIG', /`eviction` to be a policy that evicts/],
    ['no policy', REQUESTS, { ...BOUND, eviction: 'lur' as 'lru' }, {}, 'UNKNOWN_PLUGIN', /`eviction` to be one of/],
    [
      'shards',
      REQUESTS,
      { ...BOUND, shards: 11 },
      {},
      'INVALID_CONFIG',
      /at most one shard for each of the 10 entries/,
    ],
    ['entries', REQUESTS, { ...BOUND, maxEntries: 0 }, {}, 'INVALID_CONFIG', /`maxEntries` to be an integer/],
    ['threads', REQUESTS, BOUND, { threads: 0 }, 'INVALID_CONFIG', /`threads` to be an integer from 1/],
    ['rate', REQUESTS, BOUND, { requestsPerSecond: 0 }, 'INVALID_CONFIG', /`requestsPerSecond`/],
    ['ids', { ids: [1] as unknown as Int32Array, keys: 3 }, BOUND, {}, 'INVALID_CONFIG', /`ids` to be an Int32Array/],
    ['a foreign id', { ...REQUESTS, keys: 2 }, BOUND, {}, 'INVALID_CONFIG', /request 3 has id 2, and there are 2 keys/],
    ['a column too short', { ...REQUESTS, sizes: sizes.slice(1) }, BOUND, {}, 'INVALID_CONFIG', /`sizes` .* of 6/],
    ['a size', { ...REQUESTS, sizes: sizes.fill(-1, 5) }, BOUND, {}, 'INVALID_CONFIG', /request 5 has size -1/],
  ])('%s', async (_, requests, cache, options, code, told) => {
    const failure = simulate(requests, [cache], options);
    await expect(failure).rejects.toThrow(told);
    await expect(failure).rejects.toMatchObject({ name: 'TypeError', code });
  });

  test.each<[string, unknown[], RegExp]>([
    ['no arguments', [], /`requests` to be an object of `ids`, .*, got undefined/],
    ['requests that are none', [null, [BOUND]], /`requests` to be an object .*, got null/],
    [
      'a misspelt column',
      [{ ...REQUESTS, size: sizes }, [BOUND]],
      /Unknown option `size`\. Known: ids, keys, sizes, ttls/,
    ],
    ['memory that was given away', [{ ...REQUESTS, ids: detached() }, [BOUND]], /`ids` to be an Int32Array/],
    ['no caches', [REQUESTS], /`caches` to be an array .*, got undefined/],
    ['one cache, not in an array', [REQUESTS, BOUND], /`caches` to be an array/],
    [
      'a hole among the caches',
      [REQUESTS, Object.assign(new Array(2), { 1: BOUND })],
      /`caches` to be .*, got undefined/,
    ],
    ['a cache that is none', [REQUESTS, [BOUND, null]], /`caches` to be an object of `eviction`, .*, got null/],
    [
      'a misspelt bound',
      [REQUESTS, [{ ...BOUND, maxentries: 2 }]],
      /Unknown option `maxentries`\. Known: eviction, maxE/,
    ],
    ['options that are none', [REQUESTS, [BOUND], null], /`options` to be an object of `threads`, .*, got null/],
    [
      'a misspelt option',
      [REQUESTS, [BOUND], { thread: 2 }],
      /Unknown option `thread`\. Known: threads, requestsPerSecond/,
    ],
    ['a rate in quotes', [REQUESTS, [BOUND], { requestsPerSecond: '10' }], /`requestsPerSecond` to be .*, got '10'/],
    ['a signal that is none', [REQUESTS, [BOUND], { signal: {} }], /`signal` to be an AbortSignal, got {}/],
    ['a listener that is none', [REQUESTS, [BOUND], { onProgress: 5 }], /`onProgress` to be a function, got 5/],
  ])('%s', async (_, args, told) => {
    const failure = (simulate as (...args: unknown[]) => Promise<unknown>)(...args);
    await expect(failure).rejects.toThrow(told);
    await expect(failure).rejects.toMatchObject({ name: 'TypeError', code: 'INVALID_CONFIG' });
  });

  test('more memory than there is, with the way out', async () => {
    const refuse = function refuse(): never {
      throw new RangeError('Array buffer allocation failed');
    };
    vi.stubGlobal('SharedArrayBuffer', refuse);
    const failure = await simulate(REQUESTS, [BOUND]).catch((error: unknown) => error);
    vi.unstubAllGlobals();
    expect(failure).toMatchObject({ name: 'TypeError', code: 'INVALID_CONFIG', cause: { name: 'RangeError' } });
    expect((failure as Error).message).toMatch(/more memory than there is .*fewer requests at a time, or .*`threads`/);
  });
});

function detached(): Int32Array {
  const ids = Int32Array.of(0, 1, 0);
  structuredClone(ids.buffer, { transfer: [ids.buffer as ArrayBuffer] });
  return ids;
}
