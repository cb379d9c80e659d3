import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { MessageChannel, type Worker } from 'node:worker_threads';
import { type Cache, type CacheOptions, openCache } from 'shardstash';
import { describe, expect, test } from 'vitest';
import { withThreads } from '../support/threads.ts';

const run = promisify(execFile);
const entry = fileURLToPath(new URL('../../dist/main/index.js', import.meta.url));

/** Runs a script in a process of its own, for at most ten seconds. */
function script(body: string, flags: string[] = [], cwd?: string): Promise<{ stdout: string; stderr: string }> {
  const source = `import { openCache } from ${JSON.stringify(entry)};\n${body}`;
  return run(process.execPath, [...flags, '--input-type=module', '-e', source], { timeout: 10_000, cwd });
}

async function openWithThreads(options: CacheOptions): Promise<{ cache: Cache; threads: Worker[] }> {
  const { result, threads } = await withThreads(() => openCache(options));
  return { cache: result, threads };
}

describe('close', () => {
  test('is idempotent, and every call after it rejects with CACHE_CLOSED', async () => {
    const { cache, threads } = await openWithThreads({ shards: 2 });
    await cache.set('k', 'v');
    const closing = cache.close();
    expect(cache.close()).toBe(closing);
    await closing;
    await cache.close();
    expect(threads.map(({ threadId }) => threadId)).toEqual([-1, -1]);
    const calls = [
      cache.get('k'),
      cache.set('k', 1),
      cache.delete('k'),
      cache.has('k'),
      cache.peek('k'),
      cache.getMany(['k']),
      cache.setMany([['k', 1]]),
      cache.deleteMany(['k']),
      cache.getOrThrow('k'),
      cache.lookup('k'),
      cache.touch('k'),
      cache.ttl('k'),
      cache.add('k', 1),
      cache.update('k', 1),
      cache.getOrSet('k', () => 1),
      cache.increment('k'),
      cache.expire('k', 1),
      cache.pop('k'),
      cache.popItem(),
      cache.keys().next(),
      cache.values().next(),
      cache.entries().next(),
      cache.toMap(),
      cache.clear(),
      cache.size(),
      cache.validSize(),
      cache.cleanup(),
      cache.metrics(),
      cache.resetMetrics(),
    ];
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'CacheError', code: 'CACHE_CLOSED' } });
    }
    expect(() => cache.getSync('k')).toThrow(expect.objectContaining({ code: 'CACHE_CLOSED' }));
  });

  test('waits for calls of every kind that were made before', async () => {
    const { cache } = await openWithThreads({ shards: 2 });
    const sets = Array.from({ length: 5_000 }, (_, i) => cache.set(`k${i}`, i));
    const others = [
      cache.get('k1'),
      cache.increment('counter'),
      cache.getMany(['k2', 'k3']),
      cache.getOrSet('k4', () => 'not needed'),
      cache.getOrSet('new', () => 'made'),
      cache.size(),
    ];
    await cache.close();
    await Promise.all(sets);
    const found = new Map([
      ['k2', 2],
      ['k3', 3],
    ]);
    expect(await Promise.all(others)).toEqual([1, 1, found, 4, 'made', 5_001]);
  });

  test('settles every call that is pending when its timeout is over, and what was stored was acknowledged', async () => {
    const { cache } = await openWithThreads({ shards: 1, maxPendingCalls: 1_000_000 });
    const calls = Array.from({ length: 60_000 }, (_, i) => cache.set(`k${i}`, i));
    const outcomes = Promise.allSettled(calls);
    await cache.close({ timeout: 1 });
    const rejected = (await outcomes).filter((outcome) => outcome.status === 'rejected');
    for (const { reason } of rejected) {
      expect(reason).toMatchObject({ name: 'CacheError', code: 'CACHE_CLOSED' });
      expect(['unknown', 'not-sent']).toContain(reason.outcome);
    }
    expect(rejected.length).toBeGreaterThan(0);
  });

  test.each<[unknown, string]>([
    [{ timeout: 0 }, 'timeout'],
    [{ timeout: -1 }, 'timeout'],
    [{ timeout: 'soon' }, 'timeout'],
    [null, 'options'],
    [5, 'options'],
  ])('refuses %o, and leaves the cache open', async (options, option) => {
    const { cache, threads } = await openWithThreads({ shards: 1 });
    await expect(cache.close(options as never)).rejects.toMatchObject({ code: 'INVALID_CONFIG', option });
    await cache.set('k', 'v');
    expect(await cache.get('k')).toBe('v');
    await cache.close();
    expect(threads.map(({ threadId }) => threadId)).toEqual([-1]);
  });

  test('Symbol.asyncDispose closes', async () => {
    const { cache } = await openWithThreads({ shards: 1 });
    await cache[Symbol.asyncDispose]();
    await expect(cache.get('k')).rejects.toMatchObject({ code: 'CACHE_CLOSED' });
  });
});

describe('the process', () => {
  test('ends by itself while a cache is open, and loses no awaited write', async () => {
    const { stdout } = await script(`
      const cache = await openCache({ shards: 2 });
      for (let i = 0; i < 50; i++) await cache.set('k' + i, i);
      console.log(await cache.size());
    `);
    expect(stdout.trim()).toBe('50');
  });

  test('waits for a write that is awaited by nobody else', async () => {
    const { stdout } = await script(`
      const cache = await openCache({ shards: 1 });
      void cache.set('k', 'v').then(() => console.log('stored'));
    `);
    expect(stdout.trim()).toBe('stored');
  });

  test('stays alive with unref: false until the cache is closed', async () => {
    const { stdout } = await script(`
      const cache = await openCache({ shards: 1, unref: false });
      setTimeout(() => { console.log('closing'); void cache.close(); }, 100).unref();
    `);
    expect(stdout.trim()).toBe('closing');
  });

  test('waits for a call that is made while a shard has no owner', async () => {
    const { stdout } = await script(`
      import { crashShard } from ${JSON.stringify(new URL('testing.js', `file://${entry}`).href)};
      const cache = await openCache({ shards: 1 });
      await cache.set('k', 1);
      await crashShard(cache, 0);
      await cache.set('k', 2);
      console.log(await cache.get('k'));
    `);
    expect(stdout).toBe('2\n');
  });

  test('stays alive with unref: false while a shard has no owner, for a pause or more', async () => {
    const { stdout } = await script(`
      import { crashShard } from ${JSON.stringify(new URL('testing.js', `file://${entry}`).href)};
      const cache = await openCache({ shards: 1, unref: false });
      for (let i = 0; i < 3; i++) await crashShard(cache, 0), await cache.set('k', i);
      await crashShard(cache, 0);
      setTimeout(() => console.log('alive'), 100).unref();
      setTimeout(() => process.exit(), 150).unref();
    `);
    expect(stdout).toBe('alive\n');
  });

  test('prints nothing and leaves no file behind', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'shardstash-cwd-'));
    try {
      const { stdout, stderr } = await script(
        `
        const cache = await openCache({ maxBytes: '64kb', shards: 3, maxEntries: 30 });
        await cache.set('k', 'v', { ttl: 1 });
        await cache.getOrSet('big', () => 'x'.repeat(100_000));
        await cache.close();
        `,
        [],
        folder,
      );
      expect(stdout + stderr).toBe('');
      expect(await readdir(folder)).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('keeps nothing open after close: it ends, though nobody unrefs anything', async () => {
    const { stdout } = await script(`
      const cache = await openCache({ shards: 2, unref: false, cleanupInterval: 10 });
      await cache.setMany(Array.from({ length: 100 }, (_, i) => ['k' + i, i]), { ttl: '1h' });
      const waiting = cache.getOrSet('k', () => new Promise(() => {}), { timeout: '1h' }).catch(({ code }) => code);
      await cache.close({ timeout: 10 });
      console.log(await waiting);
      await new Promise(setImmediate);
      console.log(process.getActiveResourcesInfo().filter((name) => !/TTY|Pipe/.test(name)));
    `);
    expect(stdout.trim()).toBe('CACHE_CLOSED\n[]');
  });
});

describe('a shard that dies', () => {
  test('settles every call, and what it held can still be read', async () => {
    const { cache, threads } = await openWithThreads({ shards: 1 });
    await cache.set('kept', { n: 1 });
    const calls = Array.from({ length: 2_000 }, (_, i) => cache.set(`k${i}`, i));
    const late = new Promise<void>((resolve) => setImmediate(resolve)).then(() => cache.set('late', 1));
    const settled = Promise.allSettled([...calls, late]);
    await threads[0]?.terminate();
    for (const outcome of await settled) {
      if (outcome.status === 'rejected') {
        expect(outcome.reason).toMatchObject({ name: 'CacheError', code: 'SHARD_DOWN', shard: 0 });
        expect(['unknown', 'not-sent']).toContain(outcome.reason.outcome);
      }
    }
    expect(await cache.get('kept')).toEqual({ n: 1 });
    expect(cache.getSync('kept')).toEqual({ n: 1 });
    await cache.close();
  });

  test('does not touch the other shards', async () => {
    const { cache, threads } = await openWithThreads({ shards: 2 });
    const settled = Promise.allSettled(Array.from({ length: 100 }, (_, i) => cache.set(`k${i}`, i)));
    await new Promise((resolve) => process.nextTick(resolve));
    await threads[0]?.terminate();
    const outcomes = await settled;
    const shards = outcomes
      .filter(({ status }) => status === 'rejected')
      .map((each) => (each as PromiseRejectedResult).reason.shard);
    expect(shards.every((shard) => shard === 0)).toBe(true);
    await cache.close();
  });
});

describe('a hostile client of a shard’s port', () => {
  async function connect(): Promise<{ cache: Cache; ask(message: unknown): Promise<unknown> }> {
    const { cache, threads } = await openWithThreads({ shards: 1 });
    const { port1, port2 } = new MessageChannel();
    threads[0]?.postMessage({ connect: port2, client: new SharedArrayBuffer(64 * 1024) }, [port2]);
    const ask = (message: unknown) =>
      new Promise((resolve) => {
        port1.once('message', resolve);
        port1.postMessage(message);
      });
    return { cache, ask };
  }

  const text = (reply: unknown) => Buffer.from((reply as { value: Uint8Array }).value).toString();

  test('gets an error for a garbage frame, and the shard lives on', async () => {
    const { cache, ask } = await connect();
    await cache.set('k', 'v');
    const frames = [new Uint8Array(0), new Uint8Array(64), Buffer.from('not a frame at all'), 'text', 7, null, {}];
    for (const [i, value] of frames.entries()) {
      const reply = await ask({ id: `${i}`, type: 'APPLY', path: ['call'], argumentList: [{ type: 'RAW', value }] });
      expect(reply).toMatchObject({ id: `${i}` });
      expect(text(reply)).toContain('PROTOCOL_ERROR');
    }
    expect(await cache.get('k')).toBe('v');
    await cache.set('k', 'w');
    expect(await cache.get('k')).toBe('w');
    await cache.close();
  });

  test('cannot reach past the one function', async () => {
    const { cache, ask } = await connect();
    const path = ['call', 'constructor', 'constructor'];
    const messages = [
      { id: '1', type: 'GET', path: ['call'] },
      { id: '2', type: 'SET', path: ['call'], value: { type: 'RAW', value: 1 } },
      { id: '3', type: 'APPLY', path, argumentList: [{ type: 'RAW', value: 'process.exit()' }] },
      { id: '4', type: 'CONSTRUCT', path: ['call'], argumentList: [] },
      { id: '5', type: 'ENDPOINT', path: [] },
      { id: '6', type: 'APPLY', path: ['__proto__', 'polluted'], argumentList: [] },
      { id: '7', type: 'RELEASE' },
    ];
    for (const message of messages) {
      const reply = await ask(message);
      expect(reply).toMatchObject({ id: message.id });
      expect(text(reply)).toContain('PROTOCOL_ERROR');
    }
    await cache.set('k', 'v');
    expect(await cache.get('k')).toBe('v');
    await cache.close();
  });
});

test('a cache that was closed leaves no memory behind', async () => {
  const { stdout } = await script(
    `
    import { setTimeout } from 'node:timers/promises';
    async function once() {
      const cache = await openCache({ shards: 2, maxBytes: '32mb' });
      await cache.setMany(Array.from({ length: 5_000 }, (_, i) => ['k' + i, Buffer.alloc(1_000)]));
      await cache.close();
    }
    async function settled() {
      for (let i = 0; i < 5; i++) {
        globalThis.gc();
        await setTimeout(20);
      }
      return process.memoryUsage().arrayBuffers;
    }
    await once();
    const before = await settled();
    for (let i = 0; i < 5; i++) await once();
    console.log((await settled()) - before);
  `,
    ['--expose-gc'],
  );
  expect(Number(stdout)).toBeLessThan(1_000_000);
});
