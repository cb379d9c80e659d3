/**
 * Loads a snapshot, in two phases. In the first every block is read and checked, by all owners at once, and nothing changes. Only a
 * file that is whole comes to the second, in which blocks are read again, coldest first, sorted by shard and stored:
 *
 *     block    route by any owner     shared memory     install by every owner that it has entries for
 *       1      ---------------------> [ 0 | 1 | 2 ] --> 0, 1, 2
 *       2      --------------> [ 0 | 2 ] waits until block 1 is on its way: the order of installs is that of the file
 *       3      ...
 *
 * What fails in the second phase, a disk that does not read twice or a shard that has no owner any more, leaves a part of it loaded.
 *
 * This thread only passes messages. An owner that dies is followed by another, which is asked the same again, and finds what the dead
 * one had stored.
 */
import type { HashSeed } from '../../protocol/key.ts';
import type { ShardLimits } from '../../protocol/memory.ts';
import { coldestFirst, type SnapshotIndex } from '../../protocol/snapshot/block-index.ts';
import type {
  BegunLoad,
  BlockPlace,
  BlockTask,
  CheckedBlock,
  InstalledEntries,
  RoutedBlock,
} from '../../protocol/snapshot/tasks.ts';
import type { Owners } from './owners.ts';
import { type Span, skipsOf, spansOf } from './room.ts';
import { orAborted } from './turns.ts';

/** Blocks that are under way for each owner: one that it reads, and the next. */
const BLOCKS_PER_OWNER = 2;
/** Bytes of blocks that are under way in all, but for one that is larger by itself. */
const BYTES_MAX = 64 * 1024 * 1024;

export interface LoadWork {
  readonly owners: Owners;
  readonly limits: readonly ShardLimits[];
  readonly hashSeed: HashSeed;
  /** Whether the policy of the cache is of the name of that in the snapshot. */
  readonly standings: boolean;
  readonly merge: boolean;
  /** Above 0, and unlike that of any other load of the cache. */
  readonly load: number;
  readonly wallOriginMs: number;
  readonly nowWallMs: number;
}

export interface LoadedEntries {
  /** Entries of the snapshot that are in the cache now. */
  readonly loaded: number;
  /** Entries that had expired. */
  readonly expired: number;
  /** Entries that there was no room for, and entries that had to go for others. */
  readonly evicted: number;
}

/** The signal is heard until the first shard is touched; from then on it ends as it ends. */
export async function loadSnapshot(
  work: LoadWork,
  path: string,
  index: SnapshotIndex,
  signal: AbortSignal,
): Promise<LoadedEntries> {
  const { owners, limits, hashSeed, nowWallMs } = work;
  const blocks = coldestFirst(index);
  const tasks = blocks.map((block) => ({ path, block, nowWallMs, hashSeed, shards: owners.count }) as const);
  const checked: CheckedBlock[] = [];
  const check = inOrder(
    blocks,
    owners.count,
    signal,
    (i, owner) => owners.ask(owner, { do: 'check', ...(tasks[i] as BlockTask) }),
    async (block) => void checked.push(block),
  );
  await orAborted(check, signal);
  // A shard that will have no owner any more is told before another has been emptied.
  await orAborted(owners.present(), signal);
  const spans = spansOf(index.shards);
  const ordered = blocks.map((block) => spans.get(block) as Span);
  const skips = skipsOf(checked, ordered, limits);
  const { installed, evicted } = await installAll(work, tasks, skips);
  return {
    loaded: installed,
    expired: sum(checked.map((block) => block.expired)),
    evicted: evicted + sum(skips.flat()),
  };
}

/** The second phase. Of each block, each shard leaves out so many entries as `skips` says. */
async function installAll(
  { owners, standings, merge, load, wallOriginMs }: LoadWork,
  tasks: readonly BlockTask[],
  skips: readonly (readonly number[])[],
): Promise<InstalledEntries> {
  const total = { installed: 0, evicted: 0 };
  const shards = Array.from({ length: owners.count }, (_, shard) => shard);
  let begun: readonly BegunLoad[] = [];
  const install = async ({ memory, sections }: RoutedBlock, i: number) => {
    const stored = sections.map(async (section, shard) => {
      const skip = skips[i]?.[shard] as number;
      const { since } = begun[shard] as BegunLoad;
      if (section.entries > skip) {
        const task = { do: 'install', memory, section, skip, since, standings, wallOriginMs } as const;
        const { installed, evicted } = await owners.ask(shard, task);
        total.installed += installed;
        total.evicted += evicted;
      }
    });
    await Promise.all(stored);
  };
  const never = new AbortController().signal;
  const route = (i: number, owner: number) => owners.ask(owner, { do: 'route', ...(tasks[i] as BlockTask) });
  try {
    begun = await Promise.all(shards.map((shard) => owners.ask(shard, { do: 'begin', load, merge })));
    await inOrder(
      tasks.map(({ block }) => block),
      owners.count,
      never,
      route,
      install,
    );
  } finally {
    // A shard that has no owner any more has nobody who notes anything.
    await Promise.allSettled(shards.map((shard) => owners.ask(shard, { do: 'end' })));
  }
  return total;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

/**
 * Asks for every block, owners taking turns, and hands the answers on in the order of the blocks, whichever comes first; the next is
 * handed on without waiting for what became of the one before. A block is under way until that has settled. After the first failure
 * nothing more is asked, and what was is waited for.
 */
async function inOrder<T>(
  blocks: readonly BlockPlace[],
  owners: number,
  signal: AbortSignal,
  ask: (index: number, owner: number) => Promise<T>,
  hand: (answer: T, index: number) => Promise<void>,
): Promise<void> {
  const underWay = new Set<Promise<void>>();
  let bytes = 0;
  let before: Promise<unknown> = Promise.resolve();
  let failure: { readonly error: unknown } | undefined;
  for (const [i, block] of blocks.entries()) {
    while (underWay.size >= owners * BLOCKS_PER_OWNER || (bytes > 0 && bytes + block.bytes > BYTES_MAX)) {
      await Promise.race(underWay);
    }
    if (failure !== undefined || signal.aborted) {
      break;
    }
    bytes += block.bytes;
    const answer = ask(i, i % owners);
    // Handed on: that is, its messages are sent.
    const handed = Promise.all([answer, before]).then(([answered]) => ({ settled: hand(answered, i) }));
    before = handed;
    const done = handed
      .then(({ settled }) => settled)
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => {
        bytes -= block.bytes;
        underWay.delete(done);
      });
    underWay.add(done);
  }
  await Promise.all(underWay);
  if (failure !== undefined) throw failure.error;
  signal.throwIfAborted();
}
