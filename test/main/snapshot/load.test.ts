/** Loading, as the thread that opened the cache does it, with owners that stand in: who is asked what, when, and how much at once. */
import { describe, expect, test } from 'vitest';
import { type LoadWork, loadSnapshot } from '../../../src/main/snapshot/load.ts';
import { type Owner, Owners } from '../../../src/main/snapshot/owners.ts';
import type { SnapshotIndex } from '../../../src/protocol/snapshot/block-index.ts';
import type { BlockPlace, SnapshotAnswer, SnapshotTask } from '../../../src/protocol/snapshot/tasks.ts';
import { type Random, seededRandom } from '../../support/random.ts';

const BLOCKS_PER_OWNER = 2;
const BYTES_MAX = 64 * 1024 * 1024;
const PER_BLOCK = 10;

/** Answers in any order, as owners of many threads do. Every block has ten entries for each shard. */
class StandIns {
  readonly tasks: { readonly shard: number; readonly task: SnapshotTask }[] = [];
  readonly owners: Owners;
  /** Blocks that were asked for and are neither checked nor installed, and their bytes; and the most there were. */
  readonly #underWay = new Map<number, number>();
  most = { blocks: 0, bytes: 0 };
  /** Makes an answer of a task an error. */
  fault: (task: SnapshotTask) => Error | undefined = () => undefined;
  readonly #random: Random;
  readonly #left = new Map<number, number>();
  #waiting: (() => void)[] = [];

  constructor(count: number, random: Random) {
    this.#random = random;
    const owner = (shard: number): Owner => ({
      ask: (task) => this.#ask(shard, task),
      present: async () => {},
    });
    this.owners = new Owners(Array.from({ length: count }, (_, shard) => owner(shard)));
  }

  #ask(shard: number, task: SnapshotTask): Promise<SnapshotAnswer> {
    this.tasks.push({ shard, task });
    if (task.do === 'check' || task.do === 'route') {
      this.#underWay.set(task.block.offset, task.block.bytes);
      const bytes = [...this.#underWay.values()].reduce((sum, each) => sum + each, 0);
      this.most = { blocks: Math.max(this.most.blocks, this.#underWay.size), bytes: Math.max(this.most.bytes, bytes) };
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        const fault = this.fault(task);
        if (fault === undefined) resolve(this.#answer(task));
        else reject(fault);
      });
      // One of those that wait is answered, some turns of the loop later.
      setImmediate(() => this.#waiting.splice(this.#random.below(this.#waiting.length), 1)[0]?.());
    });
  }

  #answer(task: SnapshotTask): SnapshotAnswer {
    const { count } = this.owners;
    const each = (value: number) => Array.from({ length: count }, () => value);
    switch (task.do) {
      case 'check':
        this.#underWay.delete(task.block.offset);
        return { expired: 1, entries: each(PER_BLOCK), bytes: each(PER_BLOCK * 8), bytesMax: 8 };
      case 'route': {
        const memory = new SharedArrayBuffer(8);
        new Float64Array(memory)[0] = task.block.offset;
        this.#left.set(task.block.offset, count);
        const section = { offset: 0, bytes: 8, entries: PER_BLOCK };
        return { memory, sections: Array.from({ length: count }, () => section) };
      }
      case 'begin':
        return { since: [task.load, 0] };
      case 'install': {
        const offset = offsetOf(task);
        const left = (this.#left.get(offset) as number) - 1;
        this.#left.set(offset, left);
        if (left === 0) this.#underWay.delete(offset);
        return { installed: PER_BLOCK - task.skip, evicted: 0 };
      }
      case 'end':
        return { ended: true };
      default:
        throw new Error(`No owner is asked to ${task.do} when a snapshot is loaded`);
    }
  }
}

function offsetOf(task: SnapshotTask): number {
  return task.do === 'install' ? (new Float64Array(task.memory)[0] as number) : -1;
}

/** `shards` lists of blocks, whose offsets tell how cold they are. */
function indexOf(shards: number, blocks: number, bytes = 1_000): SnapshotIndex {
  const place = (shard: number, i: number): BlockPlace => ({
    offset: i * shards + shard,
    bytes,
    entries: PER_BLOCK * 2 + 1,
    checksum: 0,
  });
  const places = Array.from({ length: shards }, (_, shard) =>
    Array.from({ length: blocks }, (__, i) => place(shard, i)),
  );
  const facts = { serializer: 'msgpack', eviction: 'lru', shards, savedAtMs: 0, entries: 0 };
  return { id: Buffer.alloc(16), facts, shards: places, bytes: 0 };
}

function workOf({ owners }: StandIns, entriesMax = Number.POSITIVE_INFINITY): LoadWork {
  return {
    owners,
    limits: Array.from({ length: owners.count }, () => ({ entriesMax, bytesMax: 1e9 })),
    hashSeed: { low: 1, high: 2 },
    standings: true,
    merge: false,
    load: 3,
    wallOriginMs: 0,
    nowWallMs: 0,
  };
}

const never = () => new AbortController().signal;

describe('a load', () => {
  test('checks all, begins, and installs coldest first, whoever answers first', async () => {
    const standIns = new StandIns(3, seededRandom('load order'));
    const loaded = await loadSnapshot(workOf(standIns), 'p', indexOf(2, 20), never());
    expect(loaded).toEqual({ loaded: 40 * 3 * PER_BLOCK, expired: 40, evicted: 0 });
    const kinds = standIns.tasks.map(({ task }) => task.do);
    const first = (kind: string) => kinds.indexOf(kind as SnapshotTask['do']);
    const last = (kind: string) => kinds.lastIndexOf(kind as SnapshotTask['do']);
    expect(last('check')).toBeLessThan(first('begin'));
    expect(last('begin')).toBeLessThan(first('route'));
    for (let shard = 0; shard < 3; shard++) {
      const installed = standIns.tasks.filter((each) => each.shard === shard && each.task.do === 'install');
      const offsets = installed.map(({ task }) => offsetOf(task));
      expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
      expect(installed).toHaveLength(40);
    }
    expect(standIns.most.blocks).toBeLessThanOrEqual(3 * BLOCKS_PER_OWNER);
  });

  test('has no more bytes under way than may be, but for a block that is larger by itself', async () => {
    const standIns = new StandIns(4, seededRandom('load bytes'));
    await loadSnapshot(workOf(standIns), 'p', indexOf(1, 12, 20 * 1024 * 1024), never());
    expect(standIns.most.bytes).toBeLessThanOrEqual(BYTES_MAX);
    const large = new StandIns(4, seededRandom('load bytes'));
    await loadSnapshot(workOf(large), 'p', indexOf(1, 4, 2 * BYTES_MAX), never());
    expect(large.most.blocks).toBe(1);
  });

  test('leaves the coldest out where there is no room, and asks nobody to install nothing', async () => {
    const standIns = new StandIns(2, seededRandom('load room'));
    const loaded = await loadSnapshot(workOf(standIns, 25), 'p', indexOf(1, 5), never());
    expect(loaded).toEqual({ loaded: 50, expired: 5, evicted: 50 });
    const skips = standIns.tasks.flatMap(({ task }) => (task.do === 'install' ? [[offsetOf(task), task.skip]] : []));
    expect(new Set(skips.map(String))).toEqual(new Set(['2,5', '3,0', '4,0']));
  });

  test('changes nothing where one block does not check, or the caller gives up', async () => {
    const standIns = new StandIns(2, seededRandom('load faults'));
    standIns.fault = (task) => (task.do === 'check' && task.block.offset === 7 ? new Error('damaged') : undefined);
    await expect(loadSnapshot(workOf(standIns), 'p', indexOf(2, 10), never())).rejects.toThrow('damaged');
    expect(new Set(standIns.tasks.map(({ task }) => task.do))).toEqual(new Set(['check']));
    const given = new StandIns(2, seededRandom('load faults'));
    const controller = new AbortController();
    given.fault = (task) => {
      if (task.do === 'check' && task.block.offset === 3) controller.abort(new Error('enough'));
      return undefined;
    };
    await expect(loadSnapshot(workOf(given), 'p', indexOf(2, 10), controller.signal)).rejects.toThrow('enough');
    await given.owners.idle();
    for (let i = 0; i < 40; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(new Set(given.tasks.map(({ task }) => task.do))).toEqual(new Set(['check']));
    expect(given.tasks.length).toBeLessThan(20);
  });

  test('that has begun ends as it ends: whoever gives up then is not heard', async () => {
    const standIns = new StandIns(2, seededRandom('load late'));
    const controller = new AbortController();
    standIns.fault = (task) => {
      if (task.do === 'begin') controller.abort(new Error('enough'));
      return undefined;
    };
    const loaded = await loadSnapshot(workOf(standIns), 'p', indexOf(2, 3), controller.signal);
    expect(loaded.loaded).toBe(120);
  });
});
