/** A cache that is saved and loaded: by whom, into how many shards, while what goes on, and what is left when it fails. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { attachCache, type CacheError, type CacheOptions, type EvictionName, openCache } from 'shardstash';
import { crashShard, manualClock } from 'shardstash/testing';
import { describe, expect, test } from 'vitest';
import { OWN_MARK } from '../../src/protocol/process-mark.ts';
import { SnapshotWriter } from '../../src/protocol/snapshot/entry.ts';
import { cachesOfOneTest, outcomeOf, pairs } from '../support/caches.ts';
import { foldersOfOneTest } from '../support/folders.ts';

const make = cachesOfOneTest();
const folder = foldersOfOneTest();
const HOLDER = fileURLToPath(new URL('../support/snapshot-holder.mjs', import.meta.url));
const POLICIES: EvictionName[] = [
  'as3-fifo',
  's3-fifo',
  'w-tinylfu',
  'arc',
  'sieve',
  'clock',
  'lru',
  'lfu',
  'mfu',
  'fifo',
  'random',
  'none',
];

/** Of one shard unless told: a thread costs more than most tests. */
const stored = (dir: string, options: CacheOptions = {}) =>
  make({ tier: false, shards: 1, storage: { dir }, ...options });
/** What a directory has but locks, which are made and removed all the time. */
const filesIn = (dir: string) => readdirSync(dir).filter((name) => !name.startsWith('.lock.'));

describe('save and load', () => {
  test('bring back what was there, under the names that the README says', async () => {
    const dir = join(folder(), 'cache_storage');
    const cache = await stored(dir, { shards: 2 });
    expect(existsSync(dir)).toBe(false);
    await cache.setMany(pairs(1_000));
    const saved = await cache.save('my_cache_file');
    expect(saved).toMatchObject({ path: join(dir, 'my_cache_file.snapshot'), entries: 1_000 });
    expect(saved.bytes).toBe(readFileSync(saved.path).length);
    await cache.clear();
    expect(await cache.load('my_cache_file')).toEqual({ loaded: 1_000, expired: 0, evicted: 0 });
    expect(await cache.toMap()).toEqual(new Map(pairs(1_000)));
    expect((await cache.save()).path).toBe(resolve(dir, 'cache_data.snapshot'));
    expect((await cache.save(join(dir, 'deep', 'er', 'it.bin'))).path).toBe(join(dir, 'deep', 'er', 'it.bin'));
    expect(filesIn(dir).sort()).toEqual(['cache_data.snapshot', 'deep', 'my_cache_file.snapshot']);
    expect((await cache.metrics()).snapshots).toMatchObject({ saves: 3, loads: 1, failures: 0, lastEntries: 1_000 });
  });

  test('know other numbers of shards, and every kind of key, value and deadline', async () => {
    const dir = folder();
    const clock = manualClock();
    const eight = await stored(dir, { shards: 8, clock });
    const entries = new Map<unknown, unknown>([
      ...pairs(2_000),
      [['user', 7], { name: 'Ann', at: new Date(5) }],
      [12n, new Map([['a', new Set([1])]])],
      [-1.5, Buffer.from('bytes')],
      ['wide \u{1f600}', undefined],
      [null, 'x'.repeat(600_000)],
    ]);
    await eight.setMany(entries as never);
    await eight.set('mortal', 1, { ttl: '1h' });
    await eight.set('slides', 1, { ttl: '1h', sliding: true });
    await eight.set('short', 1, { ttl: 1_000 });
    await eight.save();
    const later = manualClock();
    const three = await stored(dir, { shards: 3, clock: later });
    later.advance(5_000);
    expect(await three.load()).toEqual({ loaded: 2_007, expired: 1, evicted: 0 });
    expect(await three.has('short')).toBe(false);
    // Both clocks stand still, but some time has passed between them.
    expect(await three.ttl('mortal')).toBeGreaterThan(3_500_000);
    expect(await three.ttl('mortal')).toBeLessThanOrEqual(3_595_000);
    await three.deleteMany(['mortal']);
    later.advance('30m');
    expect(await three.get('slides')).toBe(1);
    later.advance('40m');
    expect(await three.get('slides')).toBe(1);
    await three.delete('slides');
    expect(await three.toMap()).toEqual(entries);
  });

  test('nothing lives longer because a clock was set back', async () => {
    const dir = folder();
    const clock = manualClock();
    const cache = await stored(dir, { clock });
    await cache.set('k', 1, { ttl: '1h' });
    clock.advance('30d');
    await cache.set('k', 1, { ttl: '1h' });
    await cache.save();
    // Its wall's clock is where the other one began.
    const other = await stored(dir, { clock: manualClock() });
    expect(await other.load()).toEqual({ loaded: 1, expired: 0, evicted: 0 });
    expect(await other.ttl('k')).toBeGreaterThan(3_590_000);
    expect(await other.ttl('k')).toBeLessThanOrEqual(3_600_000);
  });

  test('an entry that expires while nobody has it open is not loaded', async () => {
    const dir = folder();
    const cache = await stored(dir);
    await cache.setMany(pairs(10), { ttl: 30 });
    await cache.set('stays', 1, { ttl: '1h' });
    await cache.save();
    await cache.clear();
    await sleep(40);
    expect(await cache.load()).toEqual({ loaded: 1, expired: 10, evicted: 0 });
    expect(await cache.toMap()).toEqual(new Map([['stays', 1]]));
  });

  test.each(POLICIES)('%s: all of it comes back, and the cache goes on', async (eviction) => {
    const dir = folder();
    const cache = await stored(dir, { maxEntries: 400, eviction });
    await cache.setMany(pairs(400));
    for (let i = 0; i < 100; i++) await cache.get(`k${i}`);
    const { entries } = await cache.save();
    expect(entries).toBe(await cache.size());
    const before = await cache.toMap();
    expect(await cache.load()).toEqual({ loaded: entries, expired: 0, evicted: 0 });
    expect(await cache.toMap()).toEqual(before);
    expect(await outcomeOf(cache.setMany(pairs(10, 'new')))).toBe(eviction === 'none' ? 'CACHE_FULL' : undefined);
    expect(await cache.size()).toBeLessThanOrEqual(400);
  });

  test('a smaller cache takes what it has room for, which is what was used last', async () => {
    const dir = folder();
    const big = await stored(dir, { shards: 2, maxEntries: 4_000, eviction: 'lru' });
    await big.setMany(pairs(400));
    for (let i = 0; i < 100; i++) await big.get(`k${i}`);
    await big.save();
    const small = await stored(dir, { maxEntries: 200, eviction: 'lru' });
    expect(await small.load()).toEqual({ loaded: 200, expired: 0, evicted: 200 });
    const kept = new Set((await small.toMap()).keys());
    // Of two shards, the order of one among the other is a guess.
    expect(pairs(100).filter(([key]) => kept.has(key)).length).toBeGreaterThan(95);
    const popped = await Promise.all(Array.from({ length: 50 }, () => small.popItem()));
    expect(popped.filter((pair) => Number(String(pair?.[0]).slice(1)) < 100)).toEqual([]);
    await small.setMany(pairs(60, 'new'));
    expect(await small.size()).toBe(200);
  });

  test('lfu counts on where it was: who was used least goes first, of those who was used longest ago', async () => {
    const dir = folder();
    const cache = await stored(dir, { maxEntries: 3, eviction: 'lfu' });
    await cache.setMany(pairs(3));
    for (const key of ['k0', 'k0', 'k1', 'k2', 'k1', 'k2']) await cache.get(key);
    await cache.get('k0');
    await cache.save();
    await cache.clear();
    await cache.load();
    await cache.set('new', 1);
    expect(new Set((await cache.toMap()).keys())).toEqual(new Set(['k0', 'k2', 'new']));
  });

  test('merge keeps the rest, and what is written while it is loaded is newer', async () => {
    const dir = folder();
    const cache = await stored(dir, { shards: 2 });
    await cache.setMany(pairs(20_000));
    await cache.save();
    await cache.set('mine', 1);
    await cache.set('k1', 'changed before');
    const loading = cache.load(undefined, { merge: true });
    let written = 0;
    let done = false;
    const writing = (async () => {
      for (; !done; written++) await cache.set(`k${2 + (written % 1_000)}`, 'changed meanwhile');
    })();
    expect(await loading).toMatchObject({ expired: 0, evicted: 0 });
    done = true;
    await writing;
    await cache.set('k3', 'changed after');
    expect(await cache.get('mine')).toBe(1);
    expect(await cache.get('k1')).toBe(1);
    expect(await cache.get('k3')).toBe('changed after');
    expect(await cache.size()).toBe(20_001);
  });

  test('what is saved over a file while it is loaded comes with the next load', async () => {
    const dir = folder();
    const cache = await stored(dir);
    await cache.setMany(pairs(20_000));
    await cache.save();
    const other = await stored(dir);
    await other.set('other', 1);
    const loading = cache.load();
    await other.save();
    expect(await loading).toEqual({ loaded: 20_000, expired: 0, evicted: 0 });
    expect(filesIn(dir)).toEqual(['cache_data.snapshot']);
    expect(await cache.load()).toEqual({ loaded: 1, expired: 0, evicted: 0 });
  });

  test('the filter of what was loaded has no false negative, and few false positives', async () => {
    const dir = folder();
    const count = 8_000;
    const cache = await stored(dir, {
      maxEntries: 10_000,
      reads: 'owner',
      filter: { type: 'bloom', falsePositiveRate: 0.01 },
    });
    await cache.setMany(pairs(count));
    await cache.save();
    await cache.clear();
    await cache.setMany(pairs(count, 'other'));
    expect((await cache.load()).loaded).toBe(count);
    await cache.resetMetrics();
    expect((await cache.getMany(pairs(count).map(([key]) => key))).size).toBe(count);
    await cache.getMany(pairs(count, 'nobody').map(([key]) => key));
    const { misses, filterFalsePositives, filterNegatives } = await cache.metrics();
    expect(misses).toBe(count);
    expect(filterFalsePositives + filterNegatives).toBe(count);
    expect(filterFalsePositives).toBeLessThanOrEqual(0.015 * count);
  });

  test('timestamps give each file a name of its own, and load takes the newest', async () => {
    const dir = folder();
    const cache = await stored(dir, { storage: { dir, timestamps: true } });
    const paths: string[] = [];
    for (let i = 0; i < 3; i++) {
      await cache.set('generation', i);
      paths.push((await cache.save()).path);
    }
    for (const path of paths) expect(basename(path)).toMatch(/^cache_data_\d{8}_\d{6}(_\d)?\.snapshot$/);
    expect(new Set(paths).size).toBe(3);
    await cache.load();
    expect(await cache.get('generation')).toBe(2);
    await cache.load(paths[0]);
    expect(await cache.get('generation')).toBe(0);
    expect(basename((await cache.save(undefined, { useTimestamp: false })).path)).toBe('cache_data.snapshot');
    expect(filesIn(dir)).toHaveLength(4);
  });

  test('a cache of JSON saves text, which an editor may change and any other serializer reads', async () => {
    const dir = folder();
    const cache = await stored(dir, { serializer: 'json' });
    await cache.set('user:1', { name: 'Ann', at: new Date(5) });
    const { path } = await cache.save();
    expect(path).toBe(join(dir, 'cache_data.json'));
    const text = JSON.parse(readFileSync(path, 'utf8'));
    expect(text.entries).toEqual([
      { key: 'user:1', value: { name: 'Ann', at: { $date: new Date(5).toISOString() } }, expiresAt: null },
    ]);
    text.entries[0].value.name = 'Bob';
    writeFileSync(path, JSON.stringify(text));
    const other = await stored(dir, { serializer: 'v8' });
    expect(await other.load('cache_data.json')).toMatchObject({ loaded: 1 });
    expect(await other.get('user:1')).toEqual({ name: 'Bob', at: new Date(5) });
    const named = { name: 'mine', extension: 'mine', encode: () => Buffer.from('x'), decode: () => 'x' };
    const own = await stored(dir, { serializer: named });
    await own.set('a', 'x');
    expect((await own.save()).path).toBe(join(dir, 'cache_data.mine'));
    expect(await own.load()).toMatchObject({ loaded: 1 });
  });

  test('work from a thread that has attached, which hears of errors as the opener does', async () => {
    const dir = folder();
    const cache = await stored(dir);
    const client = await attachCache(cache.handle());
    await client.set('a', 1);
    expect(await client.save('theirs')).toMatchObject({ path: join(dir, 'theirs.snapshot'), entries: 1 });
    await client.clear();
    expect(await client.load('theirs')).toEqual({ loaded: 1, expired: 0, evicted: 0 });
    const error = await client.load('nothing').catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      code: 'CACHE_LOAD_ERROR',
      path: join(dir, 'nothing.snapshot'),
      cause: { code: 'ENOENT' },
    });
    expect(await outcomeOf(client.save('late', { signal: AbortSignal.abort('enough') }))).toBe('enough');
    expect((await client.metrics()).snapshots).toMatchObject({ saves: 1, loads: 1, failures: 1 });
    expect((await client.saveMetrics(join(dir, 'm.csv'))).bytes).toBeGreaterThan(1_000);
    await client.close();
  });
});

describe('what stands in the way', () => {
  test('a file that cannot be loaded leaves the cache as it was, and says why', async () => {
    const dir = folder();
    const cache = await stored(dir, { shards: 2 });
    await cache.setMany(pairs(5_000, 'saved'));
    const { path } = await cache.save('good');
    const good = readFileSync(path);
    await cache.clear();
    await cache.setMany(pairs(100));
    const changed = (at: number) => {
      const bytes = Buffer.from(good);
      (bytes[at] as number) ^= 1;
      return bytes;
    };
    const files: Record<string, readonly [Buffer | string, RegExp]> = {
      'a changed block': [changed(good.length >> 1), /damaged/],
      'a changed index': [changed(good.length - 70), /damaged/],
      truncated: [good.subarray(0, good.length - 1), /without its end|damaged/],
      half: [good.subarray(0, good.length >> 1), /without its end/],
      empty: ['', /no snapshot/],
      foreign: ['PK\u0003\u0004 and so on', /no snapshot/],
      'json that is none': ['{ "version": 1, "entries": [ {"key":1}, ', /entry 1/],
      'newer json': ['{"version": 2, "entries": []}', /version 2/],
    };
    for (const [name, [bytes, why]] of Object.entries(files)) {
      const path = join(dir, `${name}.bin`);
      writeFileSync(path, bytes);
      const error = (await cache.load(path).catch((caught: unknown) => caught)) as CacheError;
      expect([error.code, error.path, error.filepath], name).toEqual(['CACHE_LOAD_ERROR', path, path]);
      expect(error.message, name).toMatch(why);
      expect(error.message, name).toMatch(/Next: /);
    }
    expect(await outcomeOf(cache.load(join(dir, 'missing')))).toBe('CACHE_LOAD_ERROR');
    expect(await outcomeOf(cache.load(`${dir}/`))).toBe('CACHE_LOAD_ERROR');
    expect(await cache.toMap()).toEqual(new Map(pairs(100)));
    const json = await stored(dir, { serializer: 'json' });
    await expect(json.load(path)).rejects.toThrow(/serializer 'msgpack'.*open the cache with `serializer: 'msgpack'`/);
    const later = join(dir, 'later.snapshot');
    const fd = openSync(later, 'w');
    new SnapshotWriter(fd).finish({ serializer: 'v8', v8: '99', eviction: 'lru', savedAtMs: 0 });
    closeSync(fd);
    const v8 = await stored(dir, { serializer: 'v8' });
    await expect(v8.load(later)).rejects.toThrow(/V8 wrote in its format 99.*load it with the Node that saved it/);
    expect(filesIn(dir).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('what cannot be written is CACHE_SAVE_ERROR, with its path and the cause', async () => {
    const dir = folder();
    writeFileSync(join(dir, 'file'), '');
    const cache = await stored(join(dir, 'file', 'below'));
    const error = await cache.save().catch((caught: unknown) => caught);
    const path = join(dir, 'file', 'below', 'cache_data.snapshot');
    expect(error).toMatchObject({ code: 'CACHE_SAVE_ERROR', path, cause: { code: 'ENOTDIR' } });
    expect(await outcomeOf(cache.saveMetrics(`${dir}/file/below/m`))).toBe('CACHE_METRICS_SAVE_ERROR');
    expect(await outcomeOf(cache.save(dir, { useTimestamp: 1 as never }))).toBe('INVALID_CONFIG');
    expect(await outcomeOf(cache.save('', {}))).toBe('INVALID_CONFIG');
    expect(await outcomeOf(cache.load(undefined, { ttl: 1 } as never))).toBe('INVALID_CONFIG');
    expect((await cache.metrics()).snapshots).toMatchObject({ saves: 0, failures: 1 });
  });

  test('a save that is aborted or takes too long leaves the old file, and nothing else', async () => {
    const dir = folder();
    const cache = await stored(dir, { shards: 2 });
    await cache.set('generation', 1);
    await cache.save();
    await cache.setMany(pairs(30_000));
    const controller = new AbortController();
    const saving = cache.save(undefined, { signal: controller.signal });
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort(new Error('enough'));
    await expect(saving).rejects.toThrow('enough');
    expect(filesIn(dir)).toEqual(['cache_data.snapshot']);
    expect(await outcomeOf(cache.save(undefined, { timeout: 0.001 }))).toBe('TIMEOUT');
    expect(filesIn(dir)).toEqual(['cache_data.snapshot']);
    expect(await cache.load()).toEqual({ loaded: 1, expired: 0, evicted: 0 });
    // What was given up is out of the way of the next.
    expect(await cache.save()).toMatchObject({ entries: 1 });
  });

  test('owners that die over a save or a load are followed by others, and nothing is missing', async () => {
    const dir = folder();
    const cache = await stored(dir, { shards: 2 });
    await cache.setMany(pairs(30_000));
    const saving = cache.save();
    await Promise.all([crashShard(cache, 0), crashShard(cache, 1)]);
    expect(await saving).toMatchObject({ entries: 30_000 });
    await cache.clear();
    const loading = cache.load();
    await sleep(10);
    await crashShard(cache, 1);
    await sleep(10);
    await crashShard(cache, 0);
    expect(await loading).toMatchObject({ expired: 0, evicted: 0 });
    expect(await cache.toMap()).toEqual(new Map(pairs(30_000)));
    expect(filesIn(dir)).toEqual(['cache_data.snapshot']);
  });

  test('a shard that has failed is told at once, and nothing has changed', async () => {
    const dir = folder();
    const cache = await stored(dir, { shards: 2, crashBudget: 0 });
    await cache.setMany(pairs(100));
    await cache.save();
    await crashShard(cache, 0);
    expect(await outcomeOf(cache.save())).toBe('SHARD_FAILED');
    expect(await outcomeOf(cache.load())).toBe('SHARD_FAILED');
    expect(filesIn(dir)).toEqual(['cache_data.snapshot']);
    expect(pairs(100).every(([key, value]) => cache.getSync(key) === value)).toBe(true);
  });

  test('a directory that another process holds is LOCKED, by whom the message says', async () => {
    const dir = folder();
    const holder = spawn(process.execPath, [HOLDER, dir], { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      await once(holder.stdout, 'data');
      const cache = await stored(dir);
      const error = await cache.save().catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: 'LOCKED', path: dir });
      expect((error as Error).message).toContain(`process ${holder.pid}`);
      expect(await outcomeOf(openCache({ storage: { dir }, autosave: true }))).toBe('LOCKED');
      holder.stdin.end();
      await once(holder, 'exit');
      await cache.save();
    } finally {
      holder.kill('SIGKILL');
    }
  });

  test('a cache over a tier can be saved, but not loaded: the tier keeps its entries', async () => {
    const dir = folder();
    const cache = await make({ storage: { dir }, tier: { engine: 'memory' } });
    await cache.set('a', 1);
    expect(await cache.save()).toMatchObject({ entries: 1 });
    await expect(cache.load()).rejects.toMatchObject({ code: 'INVALID_CONFIG', option: 'tier' });
    const restored = openCache({ storage: { dir }, tier: { engine: 'memory' }, restore: true });
    await expect(restored).rejects.toMatchObject({ code: 'INVALID_CONFIG', option: 'restore' });
  });
});

describe('by itself', () => {
  test('a cache saves now and then and when it is closed, and another one begins with that', async () => {
    const dir = folder();
    const options = { storage: { dir }, autosave: { everyMs: 100 }, restore: true };
    const cache = await stored(dir, options);
    expect(await cache.size()).toBe(0);
    await cache.set('a', 1);
    const isSaved = async () => (await cache.metrics()).snapshots.saves > 0;
    for (let i = 0; i < 200 && !(await isSaved()); i++) await sleep(10);
    expect(await isSaved()).toBe(true);
    await cache.set('b', 2);
    await cache.close();
    const next = await stored(dir, { ...options });
    expect(await next.toMap()).toEqual(
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
    );
  });

  test('what failed is told, and the next one tries again', async () => {
    const dir = join(folder(), 'storage');
    const told: string[] = [];
    const note = (message: string) => void told.push(message);
    const logger = { debug() {}, info() {}, warn: note, error: note };
    const cache = await stored(dir, { autosave: { everyMs: 100, onClose: false }, logger });
    // A directory lies where the file should be.
    mkdirSync(join(dir, 'cache_data.snapshot'));
    for (let i = 0; i < 200 && told.length === 0; i++) await sleep(10);
    expect(told[0]).toMatch(/could not save itself/);
    rmdirSync(join(dir, 'cache_data.snapshot'));
    const saves = async () => (await cache.metrics()).snapshots;
    for (let i = 0; i < 200 && (await saves()).saves === 0; i++) await sleep(10);
    expect(await saves()).toMatchObject({ saves: expect.any(Number), lastEntries: 0 });
    expect((await saves()).failures).toBeGreaterThan(0);
  });

  test('what is there and cannot be loaded is an error of the opening, and stays', async () => {
    const dir = folder();
    const path = join(dir, 'cache_data.snapshot');
    writeFileSync(path, 'no snapshot at all');
    const options = { storage: { dir }, autosave: true, restore: true, tier: false } as const;
    const error = await openCache(options).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'CACHE_LOAD_ERROR', path });
    expect(readFileSync(path, 'utf8')).toBe('no snapshot at all');
    expect(readdirSync(dir)).toEqual(['cache_data.snapshot']);
  });

  test('what a process left that died while it saved is swept', async () => {
    const dir = folder();
    const child = spawn(process.execPath, ['-e', 'process.exit()'], { stdio: 'ignore' });
    await once(child, 'exit');
    const cache = await stored(dir, { shards: 1 });
    await cache.save();
    // A mark of this machine and of a process that has ended.
    const left = `.cache_data.snapshot.${OWN_MARK.replace(/-\d+-\d+$/, `-${child.pid}-1`)}-1.tmp`;
    writeFileSync(join(dir, left), 'half');
    await cache.load();
    expect(filesIn(dir)).toEqual(['cache_data.snapshot']);
  });

  test('close() lets a save finish, and gives up one that takes longer than its timeout', async () => {
    const dir = folder();
    const cache = await stored(dir);
    await cache.setMany(pairs(20_000));
    const saving = cache.save('finished');
    const closing = cache.close();
    expect(await saving).toMatchObject({ entries: 20_000 });
    await closing;
    const next = await stored(dir);
    await next.load('finished');
    const late = outcomeOf(next.save('given up'));
    await next.close({ timeout: 1 });
    expect(await late).toBe('CACHE_CLOSED');
    expect(filesIn(dir)).toEqual(['finished.snapshot']);
    expect(await outcomeOf(next.save())).toBe('CACHE_CLOSED');
  });
});
