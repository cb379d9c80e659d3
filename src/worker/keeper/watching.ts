/**
 * What others change in a tier that several processes share, as its engine hears of it, told to the owners whose memory may have
 * older values. While nobody tells of changes, memory is not to be trusted at all.
 *
 * Every session begins with distrust: what happened between the last news that the owner before has read and this
 * session nobody has told to anyone, and memory outlives its owner.
 */
import type { Engine, Watcher } from '../../protocol/engines/engine.ts';
import { misuse } from '../../protocol/errors.ts';
import { TIER_DISTRUSTS, TIER_INVALIDATIONS, type TierAnswer } from '../../protocol/tier.ts';
import type { TierCounts } from './counts.ts';
import type { KeyHashes } from './key-hashes.ts';
import type { Sessions } from './sessions.ts';

export class Watching implements Watcher {
  readonly #hashes: KeyHashes;
  readonly #counts: TierCounts;
  #sessions: Sessions | undefined;
  #isTrusted = true;

  constructor(hashes: KeyHashes, counts: TierCounts) {
    this.#hashes = hashes;
    this.#counts = counts;
  }

  /** Throws INVALID_CONFIG for an engine that cannot. */
  async begin(engine: Engine, name: string, sessions: Sessions): Promise<void> {
    this.#sessions = sessions;
    if (engine.watch === undefined) {
      const expected = `an engine on a server, as a tier, to have \`watch\`: else nobody tells a cache what other processes write to '${name}'`;
      throw misuse('INVALID_CONFIG', expected, engine.watch, { option: 'engine' });
    }
    await engine.watch(this);
  }

  /** The first news of a session. */
  greeting(): readonly TierAnswer[] {
    return this.#isTrusted ? [{ is: 'distrusted' }, { is: 'trusted' }] : [{ is: 'distrusted' }];
  }

  changed(keys: readonly string[] | undefined): void {
    if (keys === undefined) {
      this.#counts.add(TIER_DISTRUSTS);
      this.#tellAll('distrusted');
      if (this.#isTrusted) this.#tellAll('trusted');
      return;
    }
    this.#counts.add(TIER_INVALIDATIONS, keys.length);
    const ofShards = new Map<number, string[]>();
    for (const key of keys) {
      const shard = this.#hashes.shardOf(key);
      if (shard !== undefined) {
        const list = ofShards.get(shard) ?? [];
        ofShards.set(shard, list);
        list.push(key);
      }
    }
    for (const [shard, changed] of ofShards) this.#sessions?.tell(shard, { is: 'changed', keys: changed });
  }

  lost(): void {
    if (this.#isTrusted) {
      this.#isTrusted = false;
      this.#counts.add(TIER_DISTRUSTS);
      this.#tellAll('distrusted');
    }
  }

  regained(): void {
    if (!this.#isTrusted) {
      this.#isTrusted = true;
      this.#tellAll('trusted');
    }
  }

  #tellAll(is: 'distrusted' | 'trusted'): void {
    this.#sessions?.tellAll({ is });
  }
}
