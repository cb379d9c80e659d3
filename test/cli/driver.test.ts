import { expect, test } from 'vitest';
import { type Batch, BatchBuilder, UNSET } from '../../src/main/cli/batch.ts';
import { Driver, type DriverOptions } from '../../src/main/cli/driver.ts';
import { type Cache, CacheError, type CacheErrorCode } from '../../src/main/index.ts';

/** A cache whose gets answer at once and whose sets take a turn of the event loop, as those of shards do. */
class FakeCache {
  readonly config: { reads: string; maxBytes: number };
  readonly values = new Map<string, Buffer>();
  readonly ttls = new Map<string, number | undefined>();
  readonly log: string[] = [];
  /** Errors for the next sets of a key. */
  readonly faults = new Map<string, CacheErrorCode[]>();
  outstanding = 0;
  outstandingMax = 0;

  constructor(reads = 'shared') {
    this.config = { reads, maxBytes: 1_000 };
  }

  async get(key: string): Promise<Buffer | undefined> {
    this.log.push(`get ${key}`);
    if (this.config.reads === 'owner') {
      await this.#turn();
    }
    return this.values.get(key);
  }

  async set(key: string, value: Buffer, options?: { ttl: number }): Promise<void> {
    this.log.push(`set ${key}`);
    await this.#turn();
    const code = this.faults.get(key)?.shift();
    if (code !== undefined) {
      throw new CacheError(code, code);
    }
    this.values.set(key, value);
    this.ttls.set(key, options?.ttl);
  }

  async #turn(): Promise<void> {
    this.outstandingMax = Math.max(this.outstandingMax, ++this.outstanding);
    await new Promise((resolve) => setImmediate(resolve));
    this.outstanding--;
  }
}

function batchOf(lines: readonly string[]): Batch {
  const builder = new BatchBuilder(100);
  for (const line of lines) {
    const [key = '', size, ttl] = line.split(' ');
    const bytes = Buffer.from(key);
    builder.add(bytes, 0, bytes.length, size === undefined ? UNSET : Number(size), ttl ? Number(ttl) : UNSET);
  }
  return builder.take();
}

function makeDriver(cache: FakeCache, lines: readonly string[], options: Partial<DriverOptions> = {}): Driver {
  const batches = [batchOf(lines)];
  return new Driver(cache as unknown as Cache<Buffer>, {
    concurrency: 1,
    valueBytes: 100,
    expires: true,
    next: async () => batches.shift(),
    ...options,
  });
}

const keys = Array.from({ length: 500 }, (_, i) => `k${i}`);

test('one client gets, sets on a miss and waits for it, one request after the other', async () => {
  const cache = new FakeCache();
  const driver = makeDriver(cache, ['a', 'a', 'b', 'a']);
  await driver.run();
  expect(cache.log).toEqual(['get a', 'set a', 'get a', 'get b', 'set b', 'get a']);
  expect(driver).toMatchObject({ requests: 4, hits: 2, misses: 2, failed: 0 });
  expect(driver.latencies.get.count).toBe(4);
  expect(driver.latencies.set.count).toBe(2);
});

test.each(['shared', 'owner'])(
  'with %s reads as many requests are under way as asked for, and no more',
  async (reads) => {
    const cache = new FakeCache(reads);
    await makeDriver(cache, keys, { concurrency: 8 }).run();
    expect(cache.outstandingMax).toBe(8);
    expect(cache.values.size).toBe(500);
  },
);

test('values have the size and the TTL of their request, or the settings', async () => {
  const cache = new FakeCache();
  await makeDriver(cache, ['a', 'b 0', 'c 7 2.5']).run();
  expect([...cache.values.values()].map((value) => value.length)).toEqual([100, 0, 7]);
  expect([...cache.ttls.values()]).toEqual([undefined, undefined, 2_500]);
});

test('a request keeps its size when the next batch comes while its get waits', async () => {
  const cache = new FakeCache();
  const get = cache.get.bind(cache);
  cache.get = async (key) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return await get(key);
  };
  const batches = [batchOf(['a 10']), batchOf(['b 20'])];
  await makeDriver(cache, [], { concurrency: 2, next: async () => batches.shift() }).run();
  expect([...cache.values].map(([key, value]) => [key, value.length])).toEqual([
    ['a', 10],
    ['b', 20],
  ]);
});

test('TTLs are left out where they do not count', async () => {
  const cache = new FakeCache();
  await makeDriver(cache, ['c 7 2.5'], { expires: false }).run();
  expect(cache.ttls.get('c')).toBeUndefined();
});

test('a value that does not fit is a failed request, and the next one is served', async () => {
  const cache = new FakeCache();
  cache.faults.set('a', ['VALUE_TOO_LARGE']);
  const driver = makeDriver(cache, ['a 900', 'b 9007199254740991', 'c']);
  await driver.run();
  expect(driver).toMatchObject({ misses: 3, failed: 2 });
  expect([...cache.values.keys()]).toEqual(['c']);
});

test('a full queue is waited out', async () => {
  const cache = new FakeCache();
  cache.faults.set('a', ['OVERLOADED', 'OVERLOADED']);
  const driver = makeDriver(cache, ['a']);
  await driver.run();
  expect(driver.failed).toBe(0);
  expect(cache.values.has('a')).toBe(true);
});

test('a dead shard ends the run with its error, when all others have settled', async () => {
  const cache = new FakeCache();
  cache.faults.set('k3', ['SHARD_DOWN']);
  const driver = makeDriver(cache, keys, { concurrency: 8 });
  await expect(driver.run()).rejects.toMatchObject({ code: 'SHARD_DOWN' });
  expect(cache.outstanding).toBe(0);
  expect(driver.requests).toBeLessThan(500);
});

test('the event loop turns while nothing but hits is served', async () => {
  const cache = new FakeCache();
  cache.values.set('a', Buffer.alloc(1));
  let batches = 2_000;
  const one = new BatchBuilder(100);
  for (let i = 0; i < 100; i++) one.add(Buffer.from('a'), 0, 1, UNSET, UNSET);
  const batch = one.take();
  const driver = makeDriver(cache, [], { next: async () => (batches-- > 0 ? batch : undefined) });
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await driver.run();
  clearInterval(timer);
  expect(driver.hits).toBe(200_000);
  expect(turns).toBeGreaterThan(5);
});

test('a run that is stopped ends although its source never does', async () => {
  const driver = makeDriver(new FakeCache(), [], { next: () => new Promise(() => {}) });
  setTimeout(() => driver.stop(), 5);
  await driver.run();
  expect(driver.requests).toBe(0);
});
