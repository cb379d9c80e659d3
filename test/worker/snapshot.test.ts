import { deepStrictEqual } from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { diskFiles, type Files } from '../../src/protocol/files.ts';
import { shardOf } from '../../src/protocol/key.ts';
import { HEADER_SEQ_LOW, reserveShard, ShardMemory } from '../../src/protocol/memory.ts';
import { FLAG_SLIDING, OP_EXPIRE, OP_FILL, OP_LEASE, OP_POP, OP_TTL } from '../../src/protocol/operations.ts';
import type { EvictionPolicy, PolicyFactory } from '../../src/protocol/policy.ts';
import { sealIndex } from '../../src/protocol/snapshot/block-index.ts';
import { entriesOf, type SnapshotEntry } from '../../src/protocol/snapshot/entry.ts';
import { indexIn, readIndex, sourceOf } from '../../src/protocol/snapshot/source.ts';
import type { BegunLoad, InstalledEntries, RoutedBlock, SavedShard } from '../../src/protocol/snapshot/tasks.ts';
import type { PolicyName } from '../../src/protocol/spec.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { FaultyFiles, onlyThe } from '../support/faulty-files.ts';
import { Death, MortalMemory } from '../support/mortal-memory.ts';
import { type Random, seededRandom } from '../support/random.ts';
import { HandClock, LIMITS, makeShard, numbers, openShard, type ShardUnderTest } from '../support/shard.ts';
import { load, SaveUnderTest, SnapshotOwner, save, WALL_ORIGIN_MS } from '../support/snapshot-owner.ts';
import { drawEntry, KEYS, snapshotOf } from '../support/snapshots.ts';

let directory: string;
let path: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'snapshot-owner-'));
  path = join(directory, 'shards.snapshot');
});
afterAll(() => rmSync(directory, { recursive: true }));

const FOREVER = { deadlineMs: Number.POSITIVE_INFINITY, slideMs: 0, graceMs: 0, standing: 0 };

function entriesAt(where: string): SnapshotEntry[] {
  return [...entriesOf(readIndex(diskFiles, where), where)];
}

function texts(where: string): string[] {
  return entriesAt(where).map(({ key, value }) => `${String(key)}=${value}`);
}

function owners(count: number, ...setup: Parameters<typeof makeShard>): SnapshotOwner[] {
  return Array.from({ length: count }, () => new SnapshotOwner(makeShard(...setup)));
}

function owner(...setup: Parameters<typeof makeShard>): SnapshotOwner {
  return owners(1, ...setup)[0] as SnapshotOwner;
}

function only(target: ShardUnderTest): SnapshotOwner {
  return new SnapshotOwner(target);
}

/** The entries in an order that no shard has a say in. */
function sorted(entries: readonly SnapshotEntry[]): SnapshotEntry[] {
  return entries.toSorted((a, b) => Buffer.compare(a.value, b.value));
}

/** A policy whose calls are noted. It names nobody, and has an order of its own only with `standings`. */
function noting(calls: string[], more: Partial<EvictionPolicy> = {}): PolicyFactory {
  return (context) => ({
    ...policies.lru(context),
    hits: 'none',
    add(slot: number) {
      calls.push(`add ${String(context.keyOf(slot))}`);
      return true;
    },
    ...Object.fromEntries(['hit', 'update', 'remove', 'clear'].map((name) => [name, () => {}])),
    victim: () => -1,
    ...more,
  });
}

describe('shards that are saved and loaded', () => {
  test.each([
    [1, 1],
    [1, 3],
    [2, 5],
  ])('%i are loaded into %i others with every key, value and expiry', (from, to) => {
    const random = seededRandom(`snapshot of ${from} for ${to}`);
    const nowWallMs = WALL_ORIGIN_MS + new HandClock().nowMs;
    const entries = [...KEYS, ...Array.from({ length: 1_000 }, (_, i) => `key ${i}`)].map((key, i) => {
      const entry = drawEntry(random, key, nowWallMs);
      return { ...entry, tag: 4, value: Buffer.concat([numbers(i), entry.value]), standing: 0 };
    });
    const alive = entries.filter(({ deadlineMs, graceMs }) => deadlineMs + graceMs > nowWallMs);
    writeFileSync(path, snapshotOf(entries));
    const first = owners(from);
    expect(load(path, first)).toEqual({
      installed: alive.length,
      evicted: 0,
      expired: entries.length - alive.length,
    });
    save(path, first);
    deepStrictEqual(sorted(entriesAt(path)), sorted(alive));
    const second = owners(to);
    expect(load(path, second).installed).toBe(alive.length);
    for (const { target } of second) {
      target.shard.check();
    }
    save(path, second);
    deepStrictEqual(sorted(entriesAt(path)), sorted(alive));
  });

  test('are in the order in which their entries would leave, and stay in it', () => {
    const saved = owner({ entriesMax: 100 });
    for (let i = 0; i < 100; i++) saved.target.set(`${i}`, 'x');
    for (let i = 0; i < 50; i++) saved.target.read(`${i * 2}`);
    save(path, [saved]);
    const odd = Array.from({ length: 50 }, (_, i) => `${i * 2 + 1}=x`);
    const even = Array.from({ length: 50 }, (_, i) => `${i * 2}=x`);
    expect(texts(path)).toEqual([...odd, ...even]);
    const loaded = owner({ entriesMax: 100 });
    expect(load(path, [loaded], { standings: true })).toEqual({ installed: 100, evicted: 0, expired: 0 });
    save(path, [loaded]);
    expect(texts(path)).toEqual([...odd, ...even]);
    const small = owner({ entriesMax: 30 });
    expect(load(path, [small], { skip: 60 })).toEqual({ installed: 40, evicted: 10, expired: 0 });
    save(path, [small]);
    expect(texts(path)).toEqual(even.slice(20));
  });

  test('are in the order of writing where the policy has none', () => {
    const saved = owner({}, noting([], { order: undefined as never }));
    for (const key of ['c', 'a', 'b', 'd']) saved.target.set(key, 'x');
    saved.target.set('a', 'y');
    save(path, [saved]);
    expect(texts(path)).toEqual(['c=x', 'b=x', 'd=x', 'a=y']);
  });

  test('tell the policy what the one of the snapshot said, but not one of another name', () => {
    const order = () => {
      let slot = -1;
      return {
        next: () => (slot < 2 ? ++slot : -1),
        get standing() {
          return slot * 1_000_000_000;
        },
      };
    };
    const saved = owner({}, noting([], { order }));
    for (const key of ['a', 'b', 'c']) saved.target.set(key, 'x');
    save(path, [saved]);
    const calls: string[] = [];
    const restore = (_slot: number, _hash: number, said: number) => {
      calls.push(`restore ${said}`);
      return true;
    };
    load(path, [owner({}, noting(calls, { restore }))], { standings: true });
    expect(calls).toEqual(['restore 0', 'restore 1000000000', 'restore 2000000000']);
    load(path, [owner({}, noting(calls, { restore }))], { standings: false });
    expect(calls.slice(3)).toEqual(['add a', 'add b', 'add c']);
    load(path, [owner({}, noting(calls))], { standings: true });
    expect(calls.slice(6)).toEqual(['add a', 'add b', 'add c']);
  });

  test('write nothing that is not theirs: where a value ends within a word, zeros follow', () => {
    const saved = owner({ bytesMax: 65_536 });
    saved.target.set('a', Buffer.alloc(4_000, 0xff));
    saved.target.delete('a');
    saved.target.set('b', 'x'.repeat(301));
    save(path, [saved]);
    const bytes = readFileSync(path);
    const end = bytes.lastIndexOf('xxxx') + 4;
    expect(bytes.subarray(end, end + 3)).toEqual(Buffer.alloc(3));
  });

  test('count neither gets nor sets, and their peaks rise', () => {
    const saved = owner();
    for (let i = 0; i < 10; i++) saved.target.set(`${i}`, 'x');
    const before = saved.target.shard.counts();
    save(path, [saved]);
    expect(saved.target.shard.counts()).toEqual(before);
    const loaded = owner();
    load(path, [loaded]);
    const { sets, hits, misses, entriesPeak, validPeak } = loaded.target.shard.counts();
    expect({ sets, hits, misses, entriesPeak, validPeak }).toEqual({
      sets: 0,
      hits: 0,
      misses: 0,
      entriesPeak: 10,
      validPeak: 10,
    });
  });

  test('expire as they would have: by their deadline, after their last read, or when their grace is over', () => {
    const saved = owner();
    saved.target.set('soon', 'x', 1_000);
    saved.target.set('slides', 'x', 1_000, FLAG_SLIDING);
    saved.target.set('never', 'x', 1_000);
    saved.target.ask(OP_EXPIRE, 'never', '', 0);
    const token = saved.target.ask(OP_LEASE, 'grace', numbers(9_999, 5_000), 1_000) as number;
    saved.target.ask(OP_FILL, 'grace', 'x', token);
    saved.target.clock.nowMs += 900;
    saved.target.read('slides');
    save(path, [saved]);
    const loaded = owner({}, 'lru', Object.assign(new HandClock(), { nowMs: 1_950 }));
    const { target } = loaded;
    expect(load(path, [loaded]).installed).toBe(4);
    expect(['soon', 'slides', 'grace'].map((key) => target.ask(OP_TTL, key))).toEqual([50, 950, 50]);
    target.clock.nowMs = 2_100;
    expect(['soon', 'slides', 'grace', 'never'].map((key) => target.look(key))).toEqual([
      undefined,
      'x',
      undefined,
      'x',
    ]);
    target.read('slides');
    target.clock.nowMs = 3_050;
    expect(target.look('slides')).toBe('x');
    save(path, [loaded]);
    expect(texts(path).sort()).toEqual(['grace=x', 'never=x', 'slides=x']);
    target.clock.nowMs = 60_000;
    target.shard.sweep();
    expect(target.shard.entries).toBe(1);
    target.shard.check();
  });
});

describe.each(Object.keys(policies) as PolicyName[])('a shard with the policy %s', (name) => {
  test('is loaded with all its entries, and goes on evicting', () => {
    const random = seededRandom(`snapshot of ${name}`);
    const saved = owner({ entriesMax: 400 }, name);
    for (let i = 0; i < 1_500; i++) {
      const key = `${random.below(random.oneIn(2) ? 100 : 1_000)}`;
      if (saved.target.read(key) === undefined) saved.target.set(key, key, random.oneIn(3) ? 1e6 : 0);
    }
    save(path, [saved]);
    const there = texts(path);
    expect([there.length, new Set(there).size]).toEqual([saved.target.shard.entries, 400]);
    for (const entriesMax of [400, 50]) {
      const loaded = owner({ entriesMax }, name);
      load(path, [loaded], { standings: true });
      expect(loaded.target.shard.entries).toBe(entriesMax);
      expect(there.filter((entry) => loaded.target.look(entry.split('=')[0] as string)).length).toBe(entriesMax);
      loaded.target.shard.check();
      for (let i = 0; i < 500; i++) loaded.target.set(`new ${i}`, 'x');
      loaded.target.shard.check();
    }
  });
});

describe('what happens while a shard is saved', () => {
  test('every key that was there from begin to end is in the snapshot once, and none that came later', () => {
    const random = seededRandom('saves under way');
    for (let round = 0; round < 2; round++) {
      saveUnderWay(random, round % 2 === 0 ? { entriesMax: 6_000 } : { bytesMax: 900_000 });
    }
  });

  test.each(['that of writing', 'none'])(
    'an entry that has to go for its own overwrite is in the snapshot wherever it is then, once, if the order is %s',
    (order) => {
      const victims: string[] = [];
      const slots = new Map<unknown, number>();
      const policy: PolicyFactory = (context) => ({
        ...noting([])(context),
        add: (slot) => slots.set(context.keyOf(slot), slot) !== undefined,
        order: order === 'none' ? () => ({ next: () => -1, standing: 0 }) : (undefined as never),
        victim: () => slots.get(victims[0]) ?? -1,
        remove: () => void victims.shift(),
      });
      const saved = owner({ bytesMax: 600_000 }, policy);
      const { target } = saved;
      let count = 0;
      while (target.set(`${count}`, 'x'.repeat(100)) === undefined) count++;
      const [first, last] = ['0', `${count - 1}`];
      const saving = new SaveUnderTest(path);
      const task = saved.start(saving.task);
      victims.push(last, first);
      target.set(last, 'y'.repeat(260));
      expect([target.look(first), slots.get(last)]).toEqual([undefined, slots.get(first)]);
      saving.seal([saved.finish<SavedShard>(task)]);
      const there = texts(path);
      expect([there.length, new Set(there).size]).toEqual([count, count]);
      expect(there).toContain(`${last}=${'y'.repeat(260)}`);
    },
  );

  test('a slice ends after so many bytes, whatever entries are gathered', () => {
    const saved = owner({ bytesMax: 8 * 1024 * 1024 });
    const { target } = saved;
    for (let i = 0; i < 40; i++) target.set(`${i}`, Buffer.alloc(100_000, 'x'));
    const saving = new SaveUnderTest(path);
    const task = saved.start(saving.task);
    target.delete('20');
    target.set('later', 'x');
    target.set('30', 'new');
    let slices = 1;
    while (saved.turn()) slices++;
    saving.seal([saved.finish<SavedShard>(task)]);
    // Six of them are more than half a MiB.
    expect(slices).toBe(7);
    const keys = entriesAt(path).map(({ key, value }) => `${String(key)}: ${value.length}`);
    const rest = Array.from({ length: 40 }, (_, i) => i).filter((i) => i !== 20 && i !== 30);
    expect(keys.sort()).toEqual([...rest.map((i) => `${i}: 100000`), '30: 3'].sort());
  });

  test('clear leaves what was written, and a later save has what came after it', () => {
    const saved = owner({ entriesMax: 6_000 });
    const all = Array.from({ length: 6_000 }, (_, i) => `${i}`);
    for (const key of all) saved.target.set(key, 'x');
    const saving = new SaveUnderTest(path);
    const task = saved.start(saving.task);
    saved.target.clear();
    for (const key of all) saved.target.set(key, 'y');
    saving.seal([saved.finish<SavedShard>(task)]);
    const there = texts(path);
    expect(there).toEqual(all.slice(0, there.length).map((key) => `${key}=x`));
    expect(there.length).toBeLessThan(6_000);
    save(path, [saved]);
    expect(texts(path)).toEqual(all.map((key) => `${key}=y`));
    saved.target.clear();
    save(path, [saved, owner()]);
    expect(texts(path)).toEqual([]);
    expect(load(path, [saved])).toEqual({ installed: 0, evicted: 0, expired: 0 });
  });

  test('a second save waits for the first; too many are refused', () => {
    const saved = owner();
    for (let i = 0; i < 5_000; i++) saved.target.set(`${i}`, 'x');
    const savings = Array.from({ length: 19 }, (_, i) => new SaveUnderTest(join(directory, `${i}.snapshot`)));
    const tasks = savings.map((saving) => saved.start(saving.task));
    for (const [i, saving] of savings.slice(0, 17).entries()) {
      saving.seal([saved.finish<SavedShard>(tasks[i] as number)]);
      expect(entriesAt(saving.task.path).length).toBe(5_000);
    }
    for (const task of tasks.slice(17)) {
      expect(() => saved.finish(task)).toThrow(/16 saves/);
    }
  });
});

/** One save with writes, deletes and time between its slices. What is kept, and what a key may say, is noted beside it. */
function saveUnderWay(random: Random, limits: { entriesMax?: number; bytesMax?: number }): void {
  const saved = owner(limits);
  const { target } = saved;
  const values = new Map<string, string[]>();
  const kept = new Set<string>();
  const set = (key: string) => {
    const value = `${random.word()}`.padEnd(random.below(120), '.');
    const wasThere = target.look(key) !== undefined;
    target.set(key, value, random.oneIn(3) ? 10 + random.below(1_000) : 0);
    if (!wasThere) kept.delete(key);
    return value;
  };
  const draw = () => `key ${random.below(7_000)}`;
  for (let i = 0; i < 9_000; i++) set(draw());
  for (let i = 0; i < 7_000; i++) {
    const value = target.look(`key ${i}`);
    if (value !== undefined) {
      kept.add(`key ${i}`);
      values.set(`key ${i}`, [value]);
    }
  }
  const saving = new SaveUnderTest(path);
  const task = saved.start(saving.task);
  do {
    for (let i = 0; i < 300; i++) {
      const key = draw();
      if (random.oneIn(5)) {
        target.delete(key);
        kept.delete(key);
      } else {
        const value = set(key);
        values.get(key)?.push(value);
      }
    }
    target.clock.nowMs += random.below(20);
  } while (saved.turn());
  saving.seal([saved.finish<SavedShard>(task)]);
  const found = entriesAt(path).map(({ key, value }) => [key as string, value.toString()] as const);
  const keys = new Set(found.map(([key]) => key));
  expect(keys.size).toBe(found.length);
  expect(found.filter(([key, value]) => !values.get(key)?.includes(value))).toEqual([]);
  expect([...kept].filter((key) => target.look(key) !== undefined && !keys.has(key))).toEqual([]);
  expect(kept.size).toBeGreaterThan(1_000);
  target.shard.check();
}

describe('a load', () => {
  function snapshot(count: number, value = 'old'): void {
    writeFileSync(path, snapshotOf(Array.from({ length: count }, (_, i) => entry(`${i}`, value))));
  }
  const entry = (key: string, value: string) => ({ ...FOREVER, key, tag: 4, value: Buffer.from(value) });

  test('empties the shard, and leaves what was written since', () => {
    snapshot(10);
    const loading = owner();
    const { target } = loading;
    target.set('gone', 'x');
    target.set('3', 'older');
    const meanwhile = () => {
      target.set('3', 'newer');
      target.set('more', 'newer');
    };
    expect(load(path, [loading], { meanwhile })).toEqual({ installed: 9, evicted: 0, expired: 0 });
    expect(['gone', '3', 'more', '4'].map((key) => target.look(key))).toEqual([undefined, 'newer', 'newer', 'old']);
    target.shard.check();
  });

  test('that merges takes the place of what was there before it began, and of nothing else', () => {
    snapshot(5);
    const loading = owner();
    const { target } = loading;
    for (const key of ['stays', '1', '2', '3']) target.set(key, 'mine');
    const meanwhile = () => {
      target.set('2', 'newer');
      target.ask(OP_EXPIRE, '3', '', 5_000);
    };
    expect(load(path, [loading], { merge: true, meanwhile }).installed).toBe(3);
    expect(['stays', '0', '1', '2', '3'].map((key) => target.look(key))).toEqual([
      'mine',
      'old',
      'old',
      'newer',
      'mine',
    ]);
    target.shard.check();
  });

  test('leaves out what was removed since it began, and nothing of what was removed before', () => {
    snapshot(6);
    const loading = owner();
    const { target } = loading;
    const left = () => [...'012345'].filter((key) => target.look(key) === 'old').join('');
    const remove = () => {
      // Yet to come, there from before, and written since.
      target.delete('0');
      target.delete('1');
      target.set('2', 'newer');
      target.ask(OP_POP, '2');
    };
    target.set('1', 'mine');
    expect(load(path, [loading], { merge: true, meanwhile: remove }).installed).toBe(3);
    expect(left()).toBe('345');
    remove();
    expect(load(path, [loading]).installed).toBe(6);
    const expire = () => {
      target.set('4', 'newer', 5);
      target.clock.nowMs += 10;
      target.shard.sweep();
    };
    expect(load(path, [loading], { meanwhile: expire }).installed).toBe(5);
    expect(left()).toBe('01235');
  });

  test('goes no further where the shard was cleared since, by whatever owner', () => {
    snapshot(4);
    const { target } = owner();
    const owners = [only(target)];
    const meanwhile = () => {
      target.clear();
      target.set('2', 'newer');
      owners[0] = only(openShard(target.memory, { limits: LIMITS }));
    };
    expect(load(path, owners, { meanwhile }).installed).toBe(0);
    expect(target.look('2')).toBe('newer');
    expect(load(path, owners).installed).toBe(4);
  });

  test('knows what is newer when the low word of the write sequence has begun anew', () => {
    snapshot(10);
    const memory = new ShardMemory(reserveShard(LIMITS, { type: 'blocked-bloom', falsePositiveRate: 0.01 }));
    memory.header[HEADER_SEQ_LOW] = -4;
    const loading = only(openShard(memory, { limits: LIMITS }));
    const { target } = loading;
    const meanwhile = () => {
      for (let i = 0; i < 6; i++) target.set(`${i}`, 'newer');
    };
    expect(load(path, [loading], { meanwhile }).installed).toBe(4);
    expect([...'0123456789'].map((key) => target.look(key)).filter((value) => value === 'newer').length).toBe(6);
  });

  test('ends what is being computed for the keys that come', () => {
    snapshot(1);
    const loading = owner();
    const { target } = loading;
    let token = 0;
    const meanwhile = () => {
      token = target.ask(OP_LEASE, '0', numbers(9_999, 0), 0) as number;
    };
    load(path, [loading], { meanwhile });
    expect(token).toBeGreaterThan(0);
    expect(target.ask(OP_FILL, '0', 'computed', token)).not.toBe(true);
    expect(target.look('0')).toBe('old');
  });

  test('of more than fits leaves the hottest, and counts what had to go', () => {
    snapshot(100);
    const loading = owner({ entriesMax: 30 });
    expect(load(path, [loading])).toEqual({ installed: 100, evicted: 70, expired: 0 });
    expect(loading.target.look('70')).toBe('old');
    expect(loading.target.look('69')).toBe(undefined);
  });

  test('leaves out what is too large for the shard, and what its policy has no room for', () => {
    writeFileSync(path, snapshotOf([entry('small', 'x'), entry('large', 'x'.repeat(70_000)), entry('other', 'x')]));
    const small = owner({ bytesMax: 60_000 });
    expect(load(path, [small])).toEqual({ installed: 2, evicted: 1, expired: 0 });
    snapshot(10);
    const full = owner({ entriesMax: 4 }, 'none');
    expect(load(path, [full])).toEqual({ installed: 4, evicted: 6, expired: 0 });
    const refusing = owner({}, noting([], { add: (slot) => slot < 0 }));
    expect(load(path, [refusing])).toEqual({ installed: 0, evicted: 10, expired: 0 });
    full.target.shard.check();
  });

  test("goes on where a user's policy throws, without the entry", () => {
    snapshot(10);
    const faults: unknown[] = [];
    let adds = 0;
    const add = () => {
      if (++adds % 2 === 0) throw new Error('no');
      return true;
    };
    const target = makeShard({}, noting([], { add }), undefined, undefined, undefined, (fault) => faults.push(fault));
    expect(load(path, [only(target)])).toEqual({ installed: 5, evicted: 5, expired: 0 });
    expect(faults.length).toBe(5);
    const clear = () => {
      throw new Error('no');
    };
    const other = makeShard({}, noting([], { clear }), undefined, undefined, undefined, (fault) => faults.push(fault));
    other.set('gone', 'x');
    expect(load(path, [only(other)]).installed).toBe(10);
    expect(other.shard.entries).toBe(10);
  });

  test('that a new owner is asked to begin again keeps what was written since', () => {
    const first = owner();
    first.target.set('gone', 'x');
    const begin = { do: 'begin', load: 77_000, merge: false } as const;
    const begun = first.ask<BegunLoad>(begin);
    first.target.set('since', 'x');
    const second = only(openShard(first.target.memory, { limits: LIMITS }));
    expect(second.ask<BegunLoad>(begin)).toEqual(begun);
    expect(second.target.look('since')).toBe('x');
    expect(second.target.look('gone')).toBe(undefined);
    expect(second.ask<BegunLoad>({ ...begin, load: 77_001 })).not.toEqual(begun);
    expect(second.target.shard.entries).toBe(0);
  });

  test('is the same when its owner dies in the middle of a section and the next one is asked', () => {
    const random = seededRandom('deaths in a load');
    snapshot(40, 'a value that is there');
    const [block] = readIndex(diskFiles, path).shards[0] ?? [];
    if (block === undefined) throw new Error('no block');
    const common = { path, nowWallMs: WALL_ORIGIN_MS, hashSeed: { low: 1, high: 2 }, shards: 1 };
    for (let round = 0; round < 10; round++) {
      const limits = { ...LIMITS, bytesMax: 65_536 };
      const mortal = new MortalMemory(reserveShard(limits, { type: 'blocked-bloom', falsePositiveRate: 0.01 }));
      const first = only(openShard(mortal.memory, { limits }));
      const { memory, sections } = first.ask<RoutedBlock>({ do: 'route', block, ...common });
      const { since } = first.ask<BegunLoad>({ do: 'begin', load: 88_000, merge: false });
      const section = sections[0] as (typeof sections)[0];
      const install = { do: 'install', memory, section, skip: 0, since, standings: false, wallOriginMs: 0 } as const;
      mortal.dieAfter(random.below(1_500));
      let died = 0;
      try {
        first.start(install);
      } catch (error) {
        expect(error).toBeInstanceOf(Death);
        died++;
      }
      mortal.dieAfter(Number.POSITIVE_INFINITY);
      const second = only(openShard(mortal.memory, { limits }));
      expect(second.ask<BegunLoad>({ do: 'begin', load: 88_000, merge: false })).toEqual({ since });
      expect(second.ask<InstalledEntries>(install)).toEqual({ installed: 40, evicted: 0 });
      expect(second.target.shard.entries).toBe(40);
      second.target.shard.check();
      expect(died).toBeLessThanOrEqual(1);
    }
  });

  test('of blocks that somebody made up, with checksums that are right, refuses them or leaves the shard whole', () => {
    const random = seededRandom('made-up blocks');
    const nowWallMs = WALL_ORIGIN_MS;
    let refused = 0;
    for (let round = 0; round < 50; round++) {
      const entries = [...KEYS.slice(0, -1), ...KEYS.slice(0, 5)].map((key, i) =>
        drawEntry(random, i < KEYS.length ? key : [i, key], nowWallMs, 20),
      );
      const bytes = snapshotOf(entries);
      const { id, facts, shards } = indexIn(sourceOf(bytes, path));
      const place = shards[0]?.[0];
      if (place === undefined) throw new Error('no block');
      const block = bytes.subarray(place.offset, place.offset + place.bytes);
      for (let changes = random.below(3); changes >= 0; changes--) {
        block[24 + random.below(block.length - 24)] = random.oneIn(2) ? 0xff : random.word();
      }
      const end = sealIndex(id, facts, [[{ ...place, checksum: crc32(block) }]], place.offset + place.bytes);
      writeFileSync(path, Buffer.concat([bytes.subarray(0, place.offset + place.bytes), end]));
      const loading = owner({ bytesMax: 131_072 });
      try {
        load(path, [loading], { standings: true });
      } catch (error) {
        expect(error).toMatchObject({ code: 'CACHE_LOAD_ERROR' });
        refused++;
      }
      loading.target.shard.check();
      loading.target.clock.nowMs += 1e13;
      loading.target.shard.sweep();
      save(path, [loading]);
      expect(entriesAt(path).length).toBe(loading.target.shard.entries);
    }
    expect(refused).toBeGreaterThan(5);
  });

  test('sorts what it checks by shard, and knows what it will take', () => {
    snapshot(200);
    const targets = owners(4);
    load(path, targets);
    for (const [shard, { target }] of targets.entries()) {
      for (let i = 0; i < 200; i++) {
        target.key.encode(`${i}`);
        const isHere = shardOf(target.key.hashHigh, 4) === shard;
        expect(target.look(`${i}`)).toBe(isHere ? 'old' : undefined);
      }
    }
    const [block] = readIndex(diskFiles, path).shards[0] ?? [];
    if (block === undefined) throw new Error('no block');
    const common = { path, block, nowWallMs: 0, hashSeed: { low: 1, high: 2 }, shards: 4 };
    const any = targets[0] as SnapshotOwner;
    const checked = any.ask({ do: 'check', ...common });
    expect(checked).toMatchObject({
      expired: 0,
      entries: targets.map(({ target }) => target.shard.entries),
      bytes: targets.map(({ target }) => target.shard.bytes),
    });
  });
});

describe('a disk that fails', () => {
  /** Files that fail as they are told, and say which are open. */
  function failing(): { faulty: FaultyFiles; files: Files; opened: Set<number> } {
    const faulty = new FaultyFiles();
    const opened = new Set<number>();
    const openSync = (...args: Parameters<Files['openSync']>) => {
      const fd = faulty.files.openSync(...args);
      opened.add(fd);
      return fd;
    };
    const closeSync = (fd: number) => {
      opened.delete(fd);
      diskFiles.closeSync(fd);
      // Fails when it is told to, and has closed the file all the same, as the system does.
      faulty.files.fstatSync(0);
    };
    return { faulty, files: { ...faulty.files, openSync, closeSync } as Files, opened };
  }

  test.each([
    ['ENOSPC', 'writeSync', 3],
    ['EIO', 'writeSync', 1],
    ['EMFILE', 'openSync', 1],
    ['EIO', 'readSync', 1],
    ['EIO', 'fstatSync', 1],
  ] as const)('with %s in %s fails the save, leaves no file open, and the next save is whole', (code, call, nth) => {
    const { faulty, files, opened } = failing();
    const saved = new SnapshotOwner(makeShard({ bytesMax: 4 * 1024 * 1024 }), files);
    for (let i = 0; i < 4_000; i++) saved.target.set(`${i}`, 'x'.repeat(200));
    faulty.fault = { code, calls: [call], strikes: onlyThe(nth), partOf: 100 };
    const saving = new SaveUnderTest(path);
    const task = saved.start(saving.task);
    expect(() => saved.finish(task)).toThrow(`Cannot write a shard of the snapshot at ${path}: ${code}`);
    expect(saved.replies).toMatchObject([{ is: 'task', task, failed: { code: 'CACHE_SAVE_ERROR', cause: {} } }]);
    expect([faulty.struck, opened.size]).toEqual([1, 0]);
    expect(saved.target.shard.contents.slots.isPassed(0)).toBe(false);
    saved.target.set('later', 'x');
    save(path, [saved]);
    expect(new Set(entriesAt(path).map(({ key }) => key)).size).toBe(4_001);
    expect(opened.size).toBe(0);
  });

  test('writes a part of what it is given, and the rest when it is asked again', () => {
    const files = {
      ...diskFiles,
      writeSync: ((fd: number, bytes: Uint8Array, offset: number, length: number, position: number) =>
        diskFiles.writeSync(fd, bytes, offset, Math.min(length, 10_000), position)) as Files['writeSync'],
    };
    const saved = new SnapshotOwner(makeShard(), files);
    for (let i = 0; i < 2_000; i++) saved.target.set(`${i}`, `${i}`.repeat(50));
    save(path, [saved]);
    expect(texts(path)).toEqual(Array.from({ length: 2_000 }, (_, i) => `${i}=${`${i}`.repeat(50)}`));
  });

  test('or a file that is another one fails the load, and nothing has changed', () => {
    writeFileSync(path, snapshotOf([{ ...FOREVER, key: 'a', tag: 4, value: Buffer.from('x') }]));
    const [block] = readIndex(diskFiles, path).shards[0] ?? [];
    if (block === undefined) throw new Error('no block');
    const { faulty, files, opened } = failing();
    const loading = new SnapshotOwner(makeShard(), files);
    const task = { path, block, nowWallMs: 0, hashSeed: { low: 1, high: 2 }, shards: 1 };
    faulty.fault = { code: 'EIO', calls: ['readSync'], strikes: onlyThe(2) };
    for (const step of ['check', 'route'] as const) {
      faulty.fault = { code: 'EIO', calls: ['readSync'], strikes: onlyThe(2) };
      expect(() => loading.ask({ do: step, ...task })).toThrow(/Cannot read the snapshot .*EIO.*Next: /);
      expect(loading.replies.at(-1)).toMatchObject({ failed: { code: 'CACHE_LOAD_ERROR', cause: {} } });
    }
    faulty.fault = undefined;
    writeFileSync(path, snapshotOf([{ ...FOREVER, key: 'b', tag: 4, value: Buffer.from('x') }]));
    expect(() => loading.ask({ do: 'check', ...task })).toThrow(/the block at 64 has changed/);
    rmSync(path);
    expect(() => loading.ask({ do: 'route', ...task })).toThrow(/ENOENT/);
    expect(opened.size).toBe(0);
  });
});
