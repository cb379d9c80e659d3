/**
 * What the owner of a shard does with it while a snapshot is loaded: begins, once for each load, whoever owned the shard when it
 * was begun, and stores entries, unless somebody has written to their keys since.
 *
 * To store the same entries twice is to store them once: the second time they have been written since the load began. Of keys that
 * were removed since then departures.ts knows.
 */
import {
  HEADER_LOAD,
  HEADER_LOAD_SEQ_HIGH,
  HEADER_LOAD_SEQ_LOW,
  HEADER_SEQ_HIGH,
  HEADER_SEQ_LOW,
  type ShardMemory,
} from '../../protocol/memory.ts';
import type { BeginTask, BegunLoad, EndedLoad, InstalledEntries, InstallTask } from '../../protocol/snapshot/tasks.ts';
import type { FrameClock } from '../frame-clock.ts';
import { PolicyFault } from '../guarded-policy.ts';
import { LOOKAHEAD_CALLS } from '../lookahead.ts';
import type { Shard } from '../shard.ts';
import { SectionReader } from './section.ts';

export class Loading {
  readonly #shard: Shard;
  readonly #memory: ShardMemory;
  readonly #clock: FrameClock;
  readonly #expiry = { atMs: 0, slideMs: 0, graceMs: 0 };
  readonly #hashes = new Int32Array(LOOKAHEAD_CALLS);
  /** Where loads leave what they found, so that no compiler may leave them out. */
  warmed = 0;

  /** `clock` is the one by which the shard tells the time. */
  constructor(shard: Shard, memory: ShardMemory, clock: FrameClock) {
    this.#shard = shard;
    this.#memory = memory;
    this.#clock = clock;
  }

  begin({ load, merge }: BeginTask): BegunLoad {
    const { header } = this.#memory;
    const { departures } = this.#shard.contents;
    if (header[HEADER_LOAD] !== (load | 0)) {
      this.#memory.beat();
      this.#shard.contents.events.heed();
      if (!merge) {
        tolerate(() => void this.#shard.clear());
      }
      header[HEADER_LOAD_SEQ_LOW] = header[HEADER_SEQ_LOW] as number;
      header[HEADER_LOAD_SEQ_HIGH] = header[HEADER_SEQ_HIGH] as number;
      header[HEADER_LOAD] = load | 0;
      departures.forget();
    }
    const since = [header[HEADER_LOAD_SEQ_LOW] as number, header[HEADER_LOAD_SEQ_HIGH] as number] as const;
    departures.heed(since);
    return { since };
  }

  /** Nothing is noted any more. */
  end(): EndedLoad {
    this.#shard.contents.departures.forget();
    return { ended: true };
  }

  install({ memory, section, skip, since, standings, wallOriginMs }: InstallTask): InstalledEntries {
    const { contents } = this.#shard;
    const reader = new SectionReader(memory, section);
    let installed = 0;
    let lost = 0;
    contents.events.heed();
    // An owner that came after one that has begun knows of no load.
    contents.departures.heed(since);
    const evictedBefore = contents.tally.evicted;
    for (let i = 0; i < skip; i++) {
      reader.advance();
    }
    for (let from = skip; from < section.entries; from += LOOKAHEAD_CALLS) {
      const to = Math.min(section.entries, from + LOOKAHEAD_CALLS);
      this.#memory.beat();
      reader.lookAhead(to - from, this.#hashes);
      this.warmed ^= contents.warm(this.#hashes, 0, to - from);
      this.#clock.hold();
      try {
        for (let i = from; i < to; i++) {
          reader.advance();
          this.#expireAt(reader, wallOriginMs);
          const outcome = this.#store(reader, standings);
          installed += outcome === 'stored' ? 1 : 0;
          lost += outcome === 'lost' ? 1 : 0;
        }
      } finally {
        this.#clock.release();
      }
    }
    return { installed, evicted: contents.tally.evicted - evictedBefore + lost };
  }

  /** `newer`: the key's writer was faster, or who removed it. `refused`: by the policy, which counts as an eviction of its own. */
  #store(reader: SectionReader, standings: boolean): 'stored' | 'newer' | 'refused' | 'lost' {
    const { contents } = this.#shard;
    const { departures } = contents;
    const there = contents.find(reader);
    if (there !== 0 && departures.isNewer(there)) {
      return this.#isSame(there, reader) ? 'stored' : 'newer';
    }
    if (departures.has(reader)) {
      return 'newer';
    }
    const isPut = tolerate(
      () => this.#shard.promote(reader, this.#expiry, standings ? reader.record.standing : undefined) === undefined,
    );
    const block = contents.find(reader);
    if (block !== 0 && departures.isNewer(block)) {
      return 'stored';
    }
    return isPut === true ? 'refused' : 'lost';
  }

  #expireAt({ record }: SectionReader, wallOriginMs: number): void {
    this.#expiry.atMs = record.deadlineMs - wallOriginMs;
    this.#expiry.slideMs = record.slideMs;
    this.#expiry.graceMs = record.graceMs;
  }

  /** Whether an owner that died in the middle of these entries has stored this one. */
  #isSame(block: number, { tag, value }: SectionReader): boolean {
    const { blocks } = this.#shard;
    return blocks.tagOf(block) === tag && Buffer.compare(blocks.valueOf(block), value) === 0;
  }
}

/** What a policy of a user's spoils is counted and told where it happens, and keeps nobody from loading the rest. */
function tolerate<T>(step: () => T): T | undefined {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof PolicyFault)) throw error;
    return undefined;
  }
}
