/**
 * The order of entries that a user's policy gives for a snapshot, behind the boundary of guarded-policy.ts. Whatever
 * the policy names, every entry comes once: an order that throws, names what is no slot, or the same slot again, is not
 * asked on. What it has not named by then follows in the order of slots, and so does what it has left out.
 *
 * That takes a byte for each slot, for as long as the snapshot is written.
 */
import { types } from 'node:util';
import { describe, describeThrown } from '../protocol/describe.ts';
import type { SlotOrder } from '../protocol/policy.ts';

const NONE = -1;
const WORDS = 2 ** 32;

/** The user's object, of which nothing is known but that it is one. */
export interface ForeignOrder {
  next(): unknown;
  readonly standing: unknown;
}

/** Hears what an order did wrong, with what was thrown, if anything was. */
export type OnOrderFault = (what: string, cause?: unknown) => void;

export class GuardedOrder implements SlotOrder {
  standing = 0;
  readonly #order: ForeignOrder;
  readonly #isNamed: Uint8Array;
  readonly #isLive: (slot: number) => boolean;
  readonly #onFault: OnOrderFault;
  #isOver = false;
  /** Where the search for what was not named goes on. */
  #at = 0;

  /** All entries are in slots below `used`. */
  constructor(order: ForeignOrder, used: number, isLive: (slot: number) => boolean, onFault: OnOrderFault) {
    this.#order = order;
    this.#isNamed = new Uint8Array(used);
    this.#isLive = isLive;
    this.#onFault = onFault;
  }

  next(): number {
    const slot = this.#isOver ? NONE : this.#named();
    if (slot !== NONE) {
      this.#isNamed[slot] = 1;
      this.standing = this.#isLive(slot) ? this.#asked() : 0;
      return slot;
    }
    this.#isOver = true;
    this.standing = 0;
    return this.#left();
  }

  /** The slot that the policy names, NONE when it is at its end or has failed. */
  #named(): number {
    let slot: unknown;
    try {
      slot = this.#order.next();
      if (types.isPromise(slot)) {
        // Nobody awaits it: if it rejects, that would end the thread. Its own `then` is the user's, too.
        Promise.prototype.then.call(slot, undefined, (cause: unknown) => {
          this.#fault(`rejected in \`order\`: ${describeThrown(cause)}`, cause);
        });
      }
    } catch (cause) {
      this.#fault(`threw in \`order\`: ${describeThrown(cause)}`, cause);
      return NONE;
    }
    if (slot === NONE) {
      return NONE;
    }
    if (typeof slot !== 'number' || this.#isNamed[slot] === undefined) {
      const expected = `a slot below ${this.#isNamed.length}, or -1 at the end, is expected`;
      this.#fault(`named ${describe(slot)} in \`order\`, where ${expected}`);
      return NONE;
    }
    if (this.#isNamed[slot] === 1) {
      this.#fault(`named slot ${slot} twice in \`order\``);
      return NONE;
    }
    return slot;
  }

  /** What the policy says of the slot that it has just named. */
  #asked(): number {
    try {
      const standing: unknown = this.#order.standing;
      if (typeof standing === 'number' && Number.isInteger(standing) && standing >= 0 && standing < WORDS) {
        return standing;
      }
      const expected = 'an integer from 0 to 2^32 - 1 is expected';
      this.#fault(`has ${describe(standing)} as \`standing\` in its \`order\`, where ${expected}`);
    } catch (cause) {
      this.#fault(`threw when asked for \`standing\` in its \`order\`: ${describeThrown(cause)}`, cause);
    }
    return 0;
  }

  /** The next entry that was not named. */
  #left(): number {
    while (this.#at < this.#isNamed.length) {
      const slot = this.#at++;
      if (this.#isNamed[slot] === 0 && this.#isLive(slot)) {
        return slot;
      }
    }
    return NONE;
  }

  #fault(what: string, cause?: unknown): void {
    this.#isOver = true;
    this.#onFault(what, cause);
  }
}
