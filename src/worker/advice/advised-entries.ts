/** A shard's entries as its advisor sees them: by hash, since that is all that readers tell. */
import { HIGH_MASK } from '../../protocol/samples.ts';
import type { Entries } from '../entries.ts';
import type { AdvisedShard } from './advisor.ts';
import type { LiveEntry } from './miniatures.ts';

export class AdvisedEntries implements AdvisedShard {
  readonly #entries: Entries;
  /** Gets that were counted before this owner was there. */
  readonly #getsBefore: number;

  constructor(entries: Entries) {
    this.#entries = entries;
    this.#getsBefore = entries.tally.gets([]);
  }

  gets(): number {
    const { tally, hits } = this.#entries;
    return tally.gets(hits.clients) - hits.getsBefore - this.#getsBefore;
  }

  entryOf(hashLow: number, hashHigh: number): LiveEntry | undefined {
    const { blocks } = this.#entries;
    const block = this.#entries.findHash(hashLow, hashHigh & HIGH_MASK);
    return block === 0
      ? undefined
      : { size: this.#entries.weightOf(block), deadline: blocks.expiresAt(block), slideMs: blocks.slideOf(block) };
  }

  keyOf(hashLow: number, hashHigh: number): { readonly encoding: number; readonly bytes: Uint8Array } | undefined {
    const { blocks, expiries } = this.#entries;
    const block = this.#entries.findHash(hashLow, hashHigh & HIGH_MASK);
    return block === 0 || expiries.isExpired(block)
      ? undefined
      : { encoding: blocks.encodingOf(block), bytes: blocks.keyBytesOf(block) };
  }

  meanSize(): number {
    return this.#entries.count === 0 ? 0 : this.#entries.bytes / this.#entries.count;
  }
}
