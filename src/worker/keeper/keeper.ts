/**
 * A tier that is open: its engine, and all that stands between it and the owners of the shards.
 *
 *     port -- Session -- TierRecords ---- Breaker -- Engine
 *                |        Sealing, Writes ---+
 *                +-- Clearing, HashListing, Scans
 *     Engine.watch -- Watching -- all sessions
 */
import { type CompressionName, loadCompression } from '../../protocol/compression/index.ts';
import type { Engine, EngineKind } from '../../protocol/engines/engine.ts';
import { engineError } from '../../protocol/engines/faults.ts';
import type { Files } from '../../protocol/files.ts';
import { Sealing } from '../../protocol/sealing.ts';
import type { FromKeeper, KeeperBirth } from '../../protocol/tier.ts';
import { Breaker } from './breaker.ts';
import { Clearing } from './clearing.ts';
import { TierCounts } from './counts.ts';
import { errorRecordOf } from './error-record.ts';
import { HashListing } from './hash-listing.ts';
import { KeyHashes } from './key-hashes.ts';
import { TierRecords } from './records.ts';
import { Scans } from './scans.ts';
import type { SessionPort } from './session-port.ts';
import { Sessions } from './sessions.ts';
import { Watching } from './watching.ts';
import { WriteBehind } from './write-behind.ts';
import { type Unwritten, type Writes, WriteThrough } from './writes.ts';

export interface KeeperSurroundings {
  readonly files: Files;
  tell(message: FromKeeper): void;
}

export class Keeper {
  /** Whether there is no entry; false where it costs something to know. */
  readonly isEmpty: boolean;
  readonly #engine: Engine;
  readonly #writes: Writes;
  readonly #listing: HashListing;
  readonly #scans: Scans;
  readonly #sessions: Sessions;

  private constructor(engine: Engine, isEmpty: boolean, parts: Parts) {
    this.isEmpty = isEmpty;
    this.#engine = engine;
    this.#writes = parts.writes;
    this.#listing = parts.listing;
    this.#scans = parts.scans;
    this.#sessions = parts.sessions;
  }

  /** Rejects with what the engine refuses, and INVALID_CONFIG for one that is shared and cannot be watched. */
  static async open(kind: EngineKind, birth: KeeperBirth, { files, tell }: KeeperSurroundings): Promise<Keeper> {
    // Before the engine: it may not be there.
    const compression = birth.compression === false ? undefined : loadCompression(birth.compression as CompressionName);
    const warn = (message: string) => tell({ is: 'warning', message });
    let engine: Engine | undefined;
    try {
      engine = await kind.open({ ...birth.place, files, isLocked: kind.keeps === 'directory', warn });
      const sealing = new Sealing({ compression, base64: false });
      const parts = assemble(engine, birth, sealing, tell);
      if (birth.isShared) {
        await parts.watching.begin(engine, birth.place.name, parts.sessions);
      }
      return new Keeper(engine, kind.keeps !== 'server' && (await isEmptyNow(engine)), parts);
    } catch (error) {
      await closeAfterFault(engine);
      throw engineError('open a tier', whereOf(birth), error);
    }
  }

  connect(shard: number, port: SessionPort): void {
    this.#sessions.connect(shard, port);
  }

  /** Waits for what is under way, writes what waits, and closes the engine. Never rejects. */
  async close(): Promise<Unwritten> {
    await this.#sessions.close();
    await this.#listing.close();
    const unwritten = await this.#writes.close();
    try {
      await this.#scans.close();
      await this.#engine.close();
      return unwritten;
    } catch (error) {
      return { error: errorRecordOf(error), ...unwritten };
    }
  }
}

type Parts = ReturnType<typeof assemble>;

function assemble(engine: Engine, birth: KeeperBirth, sealing: Sealing, tell: (message: FromKeeper) => void) {
  const { seed, shards, behind, isShared } = birth;
  const counts = new TierCounts(birth.counts);
  const hashes = new KeyHashes(seed, shards);
  const breaker = new Breaker({
    where: whereOf(birth),
    counts,
    down: (message) => tell({ is: 'down', message }),
    up: () => tell({ is: 'up' }),
    nowMs: () => performance.now(),
  });
  const writes: Writes =
    behind === false ? new WriteThrough(engine, breaker) : new WriteBehind(engine, breaker, counts, behind);
  const records = new TierRecords({ engine, breaker, writes, sealing, counts, isShared });
  const clearing = new Clearing({ records, engine, breaker, writes, hashes, shards });
  const listing = new HashListing(records, writes, hashes);
  const scans = new Scans(records, writes);
  const watching = new Watching(hashes, counts);
  const greet = () => (isShared ? watching.greeting() : []);
  const sessions = new Sessions({ records, clearing, listing, scans }, greet);
  return { writes, listing, scans, sessions, watching };
}

/** For messages: its directory, or its name on a server. */
function whereOf({ place }: KeeperBirth): string {
  return place.directory === '' ? place.name : place.directory;
}

async function closeAfterFault(engine: Engine | undefined): Promise<void> {
  try {
    await engine?.close();
  } catch {
    // What went wrong before is told: it is why the engine is closed.
  }
}

/** The first page of keys says it: some engines would have to count them all. */
async function isEmptyNow(engine: Engine): Promise<boolean> {
  for await (const page of engine.keys()) {
    if (page.length > 0) return false;
  }
  return true;
}
