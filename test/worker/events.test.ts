/** What an owner tells clients that listen: every entry that leaves, in order, within bounds that nobody's sleep can move. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ClientMemory } from '../../src/protocol/client.ts';
import { BATCH_BYTES_MAX, BATCH_EVENTS_MAX, EventBatchReader, KINDS } from '../../src/protocol/events.ts';
import { HEADER_WISHES } from '../../src/protocol/memory.ts';
import {
  OP_CLEAR,
  OP_INCREMENT,
  OP_METRICS,
  OP_POP,
  OP_POP_ITEM,
  type ShardCounts,
} from '../../src/protocol/operations.ts';
import type { PolicyFactory } from '../../src/protocol/policy.ts';
import { CREDIT, Events, FLUSH_MS, RETRY_MS } from '../../src/worker/events.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { makeShard, numbers, openShard, type ShardUnderTest } from '../support/shard.ts';

const EVERYTHING = 0b1111;
const NAMES = Object.keys(KINDS);

/** A client whose thread takes batches out of its port when the test lets it. */
class Listener {
  readonly client = new ClientMemory();
  readonly port: Uint8Array[] = [];
  /** All that was taken: `evict a`, `clear 3`. */
  readonly told: string[] = [];
  /** By kind, and in all. */
  readonly dropped = [0, 0, 0, 0];

  constructor(target: ShardUnderTest, kinds = EVERYTHING) {
    this.want(target, kinds);
    this.connect(target);
  }

  get droppedInAll(): number {
    return this.dropped.reduce((sum, each) => sum + each);
  }

  connect({ shard }: ShardUnderTest): void {
    shard.connect(this.client, (batch) => this.port.push(batch));
  }

  want({ memory }: ShardUnderTest, kinds: number): void {
    this.client.wanted = kinds;
    Atomics.add(memory.header, HEADER_WISHES, 1);
  }

  /** Takes `count` batches, or all there are. */
  take(count = this.port.length): string[] {
    const before = this.told.length;
    for (const bytes of this.port.splice(0, count)) {
      this.client.countBatch();
      const batch = new EventBatchReader(bytes);
      for (const [kind, dropped] of batch.dropped.entries()) (this.dropped[kind] as number) += dropped;
      while (batch.next()) {
        this.told.push(`${NAMES[batch.kind]} ${batch.kind === KINDS.clear ? batch.entries : String(batch.key)}`);
      }
    }
    return this.told.slice(before);
  }

  /** As `take`, when what waits in the shard has had its time. */
  takeLater(): string[] {
    vi.advanceTimersByTime(RETRY_MS);
    return this.take();
  }
}

function range(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

/** A shard of one entry with a client that listens. */
function tinyShard(kinds = EVERYTHING) {
  const target = makeShard({ entriesMax: 1 }, 'fifo');
  return { target, listener: new Listener(target, kinds) };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe('each cause is told with its key:', () => {
  test('eviction by number', () => {
    const { target, listener } = tinyShard();
    for (const key of ['a', 'b', 'c']) target.set(key, 'v');
    expect(listener.takeLater()).toEqual(['evict a', 'evict b']);
  });

  test('eviction by bytes, of as many as had to go', () => {
    const target = makeShard({ bytesMax: 1_000 }, 'fifo');
    const listener = new Listener(target);
    for (const key of ['a', 'b', 'c']) target.set(key, 'v'.repeat(200));
    target.set('large', 'v'.repeat(600));
    const evicted = (target.call(OP_METRICS) as ShardCounts).evictions;
    expect(evicted).toBeGreaterThan(1);
    expect(listener.takeLater()).toEqual(['evict a', 'evict b', 'evict c'].slice(0, evicted));
  });

  test('refusal by the policy', () => {
    const picky: PolicyFactory = (context) => {
      const lru = policies.lru(context);
      const add = lru.add.bind(lru);
      return Object.assign(lru, {
        add: (slot: number, hash: number) => !String(context.keyOf(slot)).startsWith('no') && add(slot, hash),
      });
    };
    const target = makeShard({}, picky);
    const listener = new Listener(target);
    target.set('yes', 'v');
    target.set('no', 'v');
    expect(target.size()).toBe(1);
    expect(listener.takeLater()).toEqual(['evict no']);
  });

  test('expiry, found by a sweep and by a write', () => {
    const target = makeShard();
    const listener = new Listener(target);
    target.set('swept', 'v', 10);
    target.set('written', 'v', 10);
    target.set('stays', 'v');
    target.clock.nowMs += 10;
    target.set('written', 'again');
    expect(listener.takeLater()).toEqual(['expire written']);
    target.shard.sweep();
    expect(listener.takeLater()).toEqual(['expire swept']);
  });

  test('expiry that makes room', () => {
    const { target, listener } = tinyShard();
    target.set('a', 'v', 10);
    target.clock.nowMs += 10;
    target.set('b', 'v');
    expect(listener.takeLater()).toEqual(['expire a']);
  });

  test('delete, pop and popItem', () => {
    const target = makeShard({}, 'fifo');
    const listener = new Listener(target);
    for (const key of ['a', 'b', 'c']) target.set(key, 'v');
    target.call(OP_POP, 'b');
    target.delete('c');
    target.call(OP_POP_ITEM);
    expect(listener.takeLater()).toEqual(['delete b', 'delete c', 'delete a']);
  });

  test('clear, once for all entries', () => {
    const target = makeShard();
    const listener = new Listener(target);
    for (const key of ['a', 'b', 'c']) target.set(key, 'v');
    target.call(OP_CLEAR);
    expect(listener.takeLater()).toEqual(['clear 3']);
  });

  test('nothing, where nothing left: overwrites, and calls about nobody', () => {
    const target = makeShard();
    const listener = new Listener(target);
    target.set('a', 'v');
    target.set('a', 'a longer value that needs another block');
    target.call(OP_INCREMENT, 'n', numbers(1, 0));
    target.call(OP_INCREMENT, 'n', numbers(1, 0));
    target.delete('nobody');
    target.call(OP_POP, 'nobody');
    target.get('nobody');
    const other = makeShard();
    const silent = new Listener(other);
    other.call(OP_CLEAR);
    other.call(OP_POP_ITEM);
    expect([...listener.takeLater(), ...silent.takeLater()]).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

test('events come in the order in which entries left, whatever the cause', () => {
  const target = makeShard({ entriesMax: 3 }, 'fifo');
  const listener = new Listener(target);
  for (const key of ['a', 'b', 'c', 'd']) target.set(key, 'v', key === 'c' ? 10 : 0);
  target.delete('b');
  target.clock.nowMs += 10;
  target.shard.sweep();
  target.call(OP_CLEAR);
  target.set('d', 'v');
  target.delete('d');
  expect(listener.takeLater()).toEqual(['evict a', 'delete b', 'expire c', 'clear 1', 'delete d']);
});

describe('a batch leaves', () => {
  test('a few ms after its first event, on one timer', () => {
    const { target, listener } = tinyShard();
    target.set(`k0`, 'v');
    expect(vi.getTimerCount()).toBe(0);
    for (const i of range(10, 1)) target.set(`k${i}`, 'v');
    expect([vi.getTimerCount(), listener.port.length]).toEqual([1, 0]);
    vi.advanceTimersByTime(FLUSH_MS);
    expect([vi.getTimerCount(), listener.port.length]).toEqual([0, 1]);
    expect(listener.take()).toHaveLength(10);
  });

  test('no later, however fast others follow', () => {
    const { target, listener } = tinyShard();
    for (const i of range(FLUSH_MS + 2)) {
      target.set(`k${i}`, 'v');
      vi.advanceTimersByTime(1);
    }
    expect(listener.take()).toHaveLength(FLUSH_MS);
  });

  test('when it has its number of events, without waiting', () => {
    const { target, listener } = tinyShard();
    for (const i of range(BATCH_EVENTS_MAX + 2)) target.set(`k${i}`, 'v');
    expect(listener.port).toHaveLength(1);
    expect(listener.take()).toHaveLength(BATCH_EVENTS_MAX);
  });

  test('when the next key finds no room in it, without waiting', () => {
    const { target, listener } = tinyShard();
    for (const i of range(4)) target.set(`${i}`.repeat(30_000), 'v');
    expect(listener.port).toHaveLength(1);
    expect(listener.take().map((event) => event.length)).toEqual([30_006, 30_006]);
  });

  test('in a buffer of exactly its size', () => {
    const { target, listener } = tinyShard();
    target.set('abcd', 'v');
    target.delete('abcd');
    vi.advanceTimersByTime(FLUSH_MS);
    // Four float64 of drops, a head, one word of key.
    expect(listener.port.map((batch) => batch.buffer.byteLength)).toEqual([4 * 8 + 4 + 4]);
  });
});

describe('a client that takes nothing', () => {
  const LEFT = (CREDIT + 3) * BATCH_EVENTS_MAX;

  test('has a bounded number of batches in its port, and what it is told and what was dropped is all that left', () => {
    const { target, listener } = tinyShard();
    for (const i of range(LEFT + 1)) target.set(`k${i}`, 'v');
    vi.advanceTimersByTime(10 * RETRY_MS);
    expect(listener.port).toHaveLength(CREDIT);
    for (const round of range(3)) {
      listener.takeLater();
      expect(listener.port.length).toBeLessThanOrEqual(round === 0 ? 2 : 0);
    }
    // Nothing more has left: the count came by itself.
    expect(listener.told).toEqual(range((CREDIT + 1) * BATCH_EVENTS_MAX).map((i) => `evict k${i}`));
    expect(listener.dropped).toEqual([LEFT - listener.told.length, 0, 0, 0]);
    expect((target.call(OP_METRICS) as ShardCounts).droppedEvents).toBe(listener.droppedInAll);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('has a bounded number of bytes in its port, however long the keys', () => {
    const { target, listener } = tinyShard();
    for (const i of range(100)) target.set(`${i % 10}`.repeat(65_000), 'v');
    vi.advanceTimersByTime(10 * RETRY_MS);
    const bytes = listener.port.reduce((sum, batch) => sum + batch.buffer.byteLength, 0);
    expect(bytes).toBeGreaterThan(1_000_000);
    expect(bytes).toBeLessThanOrEqual(CREDIT * BATCH_BYTES_MAX);
    target.call(OP_CLEAR);
    for (let round = 0; round < 4; round++) listener.takeLater();
    expect(listener.told.length + listener.droppedInAll).toBe(100);
    expect(listener.dropped).toEqual([expect.any(Number), 0, 0, 1]);
  });

  test('is told of each kind how many it has missed, before what comes after', () => {
    const target = makeShard({ entriesMax: 2 }, 'fifo');
    const listener = new Listener(target);
    for (const i of range((CREDIT + 1) * BATCH_EVENTS_MAX + 2)) target.set(`k${i}`, 'v');
    for (const i of range(5)) target.delete(`k${(CREDIT + 1) * BATCH_EVENTS_MAX + i}`);
    target.set('mortal', 'v', 5);
    target.clock.nowMs += 5;
    target.shard.sweep();
    target.set('one', 'v');
    target.call(OP_CLEAR);
    listener.take();
    expect(listener.droppedInAll).toBe(0);
    listener.takeLater();
    expect(listener.dropped).toEqual([0, 1, 2, 1]);
    target.set('late', 'v');
    target.delete('late');
    expect(listener.takeLater()).toEqual(['delete late']);
  });

  test('keeps nobody else from being told, and one that takes again is told again', () => {
    const { target, listener: sleeper } = tinyShard();
    const awake = new Listener(target);
    for (const i of range(LEFT + 1)) {
      target.set(`k${i}`, 'v');
      awake.take();
    }
    awake.takeLater();
    expect([awake.told.length, awake.droppedInAll]).toEqual([LEFT, 0]);
    sleeper.takeLater();
    sleeper.takeLater();
    target.set('after', 'v');
    expect(sleeper.takeLater()).toEqual([`evict k${LEFT}`]);
  });

  test('is waited for without more than one look in a while', () => {
    const { target, listener } = tinyShard();
    for (const i of range(LEFT)) target.set(`k${i}`, 'v');
    const batches = vi.spyOn(listener.client, 'batches', 'get');
    vi.advanceTimersByTime(1_000);
    expect(batches.mock.calls.length).toBeLessThanOrEqual(1_000 / RETRY_MS + 1);
    expect(batches.mock.calls.length).toBeGreaterThan(10);
  });
});

test('the count of batches may wrap, at either end', () => {
  for (const start of [0x7fff_ffff - 5, -5]) {
    const target = makeShard({ entriesMax: 1 }, 'fifo');
    const listener = new Listener(target, 0);
    // BATCHES, as the drawing in client.ts has it.
    new Int32Array(listener.client.buffer)[5] = start;
    target.shard.disconnect(listener.client);
    listener.connect(target);
    listener.want(target, EVERYTHING);
    for (const i of range(CREDIT * 2)) {
      target.set(`k${i}`, 'v');
      vi.advanceTimersByTime(FLUSH_MS);
      if (i % 10 === 0) listener.take();
    }
    listener.take();
    expect([listener.told.length, listener.droppedInAll]).toEqual([CREDIT * 2 - 1, 0]);
    for (const i of range(CREDIT * 2)) {
      target.set(`more ${i}`, 'v');
      vi.advanceTimersByTime(FLUSH_MS);
    }
    expect(listener.port).toHaveLength(CREDIT);
  }
});

describe('who listens', () => {
  test('is told only of the kinds that it wants', () => {
    const target = makeShard();
    const [one, other] = [new Listener(target, 1 << KINDS.delete), new Listener(target, 1 << KINDS.clear)];
    target.set('a', 'v');
    target.set('b', 'v');
    target.delete('a');
    target.call(OP_CLEAR);
    expect([one.takeLater(), other.takeLater()]).toEqual([['delete a'], ['clear 1']]);
  });

  test('is asked at the next frame, and at the next sweep, after it has changed its mind', () => {
    const target = makeShard();
    const listener = new Listener(target, 0);
    target.set('a', 'v', 10);
    target.set('b', 'v');
    target.delete('b');
    listener.want(target, 1 << KINDS.expire);
    target.clock.nowMs += 10;
    target.shard.sweep();
    expect(listener.takeLater()).toEqual(['expire a']);
    listener.want(target, 1 << KINDS.delete);
    target.set('c', 'v');
    target.delete('c');
    expect(listener.takeLater()).toEqual(['delete c']);
  });

  test('costs nothing any more when it has stopped: no batch is written, none leaves, no timer runs', () => {
    const { target, listener } = tinyShard();
    const announce = vi.spyOn(Events.prototype, 'announce');
    const announceClear = vi.spyOn(Events.prototype, 'announceClear');
    target.set('a', 'v');
    target.set('b', 'v');
    expect(announce).toHaveBeenCalledTimes(1);
    listener.want(target, 0);
    for (const key of ['c', 'd', 'e']) target.set(key, 'v');
    target.call(OP_CLEAR);
    expect(announce).toHaveBeenCalledTimes(1);
    expect(announceClear).not.toHaveBeenCalled();
    expect(listener.takeLater()).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('that stops and begins again is not told of what waited before', () => {
    const { target, listener } = tinyShard();
    for (const key of ['a', 'b']) target.set(key, 'v');
    listener.want(target, 0);
    target.set('c', 'v');
    listener.want(target, EVERYTHING);
    target.set('d', 'v');
    expect(listener.takeLater()).toEqual(['evict c']);
  });

  test('is forgotten when it is gone', () => {
    const { target, listener } = tinyShard();
    const announce = vi.spyOn(Events.prototype, 'announce');
    target.set('a', 'v');
    target.set('b', 'v');
    target.shard.disconnect(listener.client);
    target.set('c', 'v');
    expect(announce).toHaveBeenCalledTimes(1);
    expect(listener.takeLater()).toEqual([]);
  });

  test('is known to the next owner, which tells of what leaves from then on', () => {
    const { target, listener } = tinyShard();
    target.set('a', 'v');
    const next = openShard(target.memory, { limits: { bytesMax: 1024 * 1024, entriesMax: 1 }, eviction: 'fifo' });
    listener.connect(next);
    next.set('b', 'v');
    expect(listener.takeLater()).toEqual(['evict a']);
  });

  test('may keep a client of a dead owner’s batches waiting, and still has room for those of the next', () => {
    const { target, listener } = tinyShard();
    for (const i of range(CREDIT + 2)) {
      target.set(`k${i}`, 'v');
      vi.advanceTimersByTime(FLUSH_MS);
    }
    expect(listener.port).toHaveLength(CREDIT);
    // They went with their port.
    listener.port.length = 0;
    const next = openShard(target.memory, { limits: { bytesMax: 1024 * 1024, entriesMax: 1 }, eviction: 'fifo' });
    listener.connect(next);
    next.set('b', 'v');
    expect(listener.takeLater()).toHaveLength(1);
  });
});
