/**
 * What readers tell of the entries they use: hits in order from the rings of all clients, or a count in a byte that readers
 * store themselves, as the policy wants it; and the last read of entries whose expiry slides.
 */
import type { ClientCounts, ClientMemory } from '../protocol/client.ts';
import type { Clock } from '../protocol/clock.ts';
import { TOUCHED_MAX } from '../protocol/memory.ts';
import type { EvictionPolicy } from '../protocol/policy.ts';
import type { Blocks } from './blocks.ts';
import type { Slots } from './slots.ts';

export class Hits {
  readonly #policy: EvictionPolicy;
  readonly #blocks: Blocks;
  readonly #slots: Slots;
  readonly #touched: Uint8Array;
  readonly #clock: Clock;
  readonly #clients = new Set<ClientMemory>();
  /** Gets that clients had counted before they came here: in the time of an owner that died. */
  getsBefore = 0;

  constructor(policy: EvictionPolicy, blocks: Blocks, slots: Slots, touched: Uint8Array, clock: Clock) {
    this.#policy = policy;
    this.#blocks = blocks;
    this.#slots = slots;
    this.#touched = touched;
    this.#clock = clock;
  }

  get clients(): ReadonlySet<ClientMemory> {
    return this.#clients;
  }

  /** Takes in what a client has counted in the time of an owner that died. */
  connect(client: ClientMemory, counts: ClientCounts): void {
    if (client.becomeKnown()) {
      const before = counts.hits + counts.misses;
      client.takeCounts(counts);
      this.getsBefore += counts.hits + counts.misses - before;
    }
    this.#clients.add(client);
  }

  /** Takes in what a client has left, and its counts. */
  disconnect(client: ClientMemory, counts: ClientCounts): void {
    if (this.#clients.delete(client)) {
      client.drain(this.#onHit);
      client.takeCounts(counts);
    }
  }

  /** A reader that came by frame used the entry. */
  use(block: number): void {
    const slot = this.#blocks.slotOf(block);
    if (this.#policy.hits === 'ring') {
      this.drain();
      this.#policy.hit(slot);
    } else if (this.#policy.hits === 'byte') {
      this.#touched[slot] = Math.min(TOUCHED_MAX, (this.#touched[slot] as number) + 1);
    }
    if (this.#blocks.slides(block)) {
      this.#blocks.slide(block, this.#clock.now());
    }
  }

  /** Hands the readers' hits to the policy, in order. */
  drain(): void {
    if (this.#policy.hits === 'ring') {
      for (const client of this.#clients) {
        client.drain(this.#onHit);
      }
    }
  }

  /** Forgets the hits that wait: their entries are gone. */
  clear(): void {
    for (const client of this.#clients) {
      client.drain(() => {});
    }
  }

  readonly #onHit = (slot: number, seqLow: number): void => {
    const block = this.#slots.blockOf(slot);
    if (block !== 0 && this.#blocks.seqLowOf(block) === seqLow) {
      this.#policy.hit(slot);
    }
  };
}
