/** The owner of a shard as the opener of a cache knows it: tasks in, answers out, and slices when the test says so. */
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { diskFiles, type Files } from '../../src/protocol/files.ts';
import { coldestFirst, sealIndex } from '../../src/protocol/snapshot/block-index.ts';
import { snapshotHeader } from '../../src/protocol/snapshot/ends.ts';
import { HEADER_BYTES } from '../../src/protocol/snapshot/file.ts';
import { readIndex } from '../../src/protocol/snapshot/source.ts';
import type {
  BegunLoad,
  CheckedBlock,
  InstalledEntries,
  RoutedBlock,
  SavedShard,
  SnapshotAnswer,
  SnapshotReply,
  SnapshotTask,
} from '../../src/protocol/snapshot/tasks.ts';
import { FrameClock } from '../../src/worker/frame-clock.ts';
import { Snapshots } from '../../src/worker/snapshot/snapshots.ts';
import type { ShardUnderTest } from './shard.ts';
import { FACTS } from './snapshots.ts';

/** What the wall says when the shard's clock says 0. */
export const WALL_ORIGIN_MS = 1_700_000_000_000;
/** Seed of the shards' own key encoders. */
const HASH_SEED = { low: 1, high: 2 };
let loads = 0;

export class SnapshotOwner {
  readonly target: ShardUnderTest;
  readonly replies: SnapshotReply[] = [];
  readonly #snapshots: Snapshots;
  readonly #slices: (() => void)[] = [];
  #tasks = 0;

  constructor(target: ShardUnderTest, files: Files = diskFiles) {
    this.target = target;
    this.#snapshots = new Snapshots({
      shard: target.shard,
      memory: target.memory,
      clock: new FrameClock(target.clock),
      tell: (reply) => this.replies.push(reply),
      files,
      later: (slice) => this.#slices.push(slice),
    });
  }

  /** Gives it a task and says its number. */
  start(snapshot: SnapshotTask): number {
    this.#snapshots.take({ task: ++this.#tasks, snapshot });
    return this.#tasks;
  }

  /** A turn of its event loop: one slice. False when there is none to do. */
  turn(): boolean {
    const slice = this.#slices.shift();
    slice?.();
    return slice !== undefined;
  }

  /** Does what there is to do, and gives the answer to a task. Throws the failure. */
  finish<Answer extends SnapshotAnswer>(task: number): Answer {
    while (this.turn()) {
      // As long as it goes on.
    }
    const replies = this.replies.filter((reply) => reply.task === task);
    if (replies.length !== 1) throw new Error(`${replies.length} replies to one task`);
    const reply = replies[0] as SnapshotReply;
    if ('failed' in reply) throw Object.assign(new Error(reply.failed.message), reply.failed);
    return reply.done as Answer;
  }

  ask<Answer extends SnapshotAnswer>(snapshot: SnapshotTask): Answer {
    return this.finish<Answer>(this.start(snapshot));
  }
}

/** A file in which owners can save, and the task that asks them to. */
export class SaveUnderTest {
  readonly task: Extract<SnapshotTask, { do: 'save' }>;
  readonly #id = randomBytes(16);
  readonly #cursor = new BigInt64Array(new SharedArrayBuffer(8));

  constructor(path: string) {
    writeFileSync(path, snapshotHeader(this.#id));
    this.#cursor[0] = BigInt(HEADER_BYTES);
    const cursor = this.#cursor.buffer as SharedArrayBuffer;
    this.task = { do: 'save', path, cursor, wallOriginMs: WALL_ORIGIN_MS };
  }

  /** Writes the end, as the opener does when all owners have answered. */
  seal(saved: readonly SavedShard[]): void {
    const shards = saved.map(({ blocks }) => blocks);
    const entries = shards.flat().reduce((sum, block) => sum + block.entries, 0);
    const offset = Number(this.#cursor[0]);
    truncateSync(this.task.path, Math.max(offset, statSync(this.task.path).size));
    const end = sealIndex(this.#id, { ...FACTS, shards: shards.length, entries }, shards, offset);
    writeFileSync(this.task.path, Buffer.concat([readFileSync(this.task.path), end]));
  }
}

/** Saves shards into a file, their slices by turns. */
export function save(path: string, owners: readonly SnapshotOwner[]): void {
  const saving = new SaveUnderTest(path);
  const tasks = owners.map((owner) => owner.start(saving.task));
  while (owners.filter((owner) => owner.turn()).length > 0) {
    // As long as one of them goes on.
  }
  saving.seal(owners.map((owner, i) => owner.finish<SavedShard>(tasks[i] as number)));
}

export interface Loaded {
  readonly installed: number;
  readonly evicted: number;
  readonly expired: number;
}

/** Loads a file into shards. Of each block's section `skip` are left out; `meanwhile` runs when all shards have begun. */
export function load(
  path: string,
  owners: readonly SnapshotOwner[],
  { merge = false, standings = false, skip = 0, meanwhile = () => {} } = {},
): Loaded {
  const blocks = coldestFirst(readIndex(diskFiles, path));
  const anyone = owners[0] as SnapshotOwner;
  const nowWallMs = WALL_ORIGIN_MS + anyone.target.clock.nowMs;
  const common = { path, nowWallMs, hashSeed: HASH_SEED, shards: owners.length };
  const checked = blocks.map((block) => anyone.ask<CheckedBlock>({ do: 'check', block, ...common }));
  loads++;
  const begun = owners.map((owner) => owner.ask<BegunLoad>({ do: 'begin', load: loads, merge }));
  meanwhile();
  let [installed, evicted] = [0, 0];
  for (const block of blocks) {
    const { memory, sections } = anyone.ask<RoutedBlock>({ do: 'route', block, ...common });
    for (const [i, section] of sections.entries()) {
      const { since } = begun[i] as BegunLoad;
      const left = Math.min(skip, section.entries);
      const task = { memory, section, skip: left, since, standings, wallOriginMs: WALL_ORIGIN_MS };
      const answer = (owners[i] as SnapshotOwner).ask<InstalledEntries>({ do: 'install', ...task });
      installed += answer.installed;
      evicted += answer.evicted;
    }
  }
  for (const owner of owners) owner.ask({ do: 'end' });
  return { installed, evicted, expired: checked.reduce((sum, { expired }) => sum + expired, 0) };
}
