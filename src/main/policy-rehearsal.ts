/**
 * The shard's side of the policy contract, without a shard: a policy is told what a shard would tell it, in the same order,
 * and asked what a shard would ask. It may ask back only about entries that live, or are leaving in that very call of `remove`.
 */
import assert from 'node:assert/strict';
import { types } from 'node:util';
import { describe } from '../protocol/describe.ts';
import { TOUCHED_MAX } from '../protocol/memory.ts';
import type { EvictionPolicy, PolicyContext, RemovalCause, SlotOrder } from '../protocol/policy.ts';

export const SLOTS = 64;
/** Of an entry, where nobody cares. */
export const WEIGHT = 100;

/** A factory that needs no options, or has been given them. */
export type PolicyMaker = (context: PolicyContext) => EvictionPolicy;

export class Rehearsal {
  readonly policy: EvictionPolicy;
  readonly #touched = new Uint8Array(SLOTS);
  readonly #entriesMax: number;
  readonly #bytesMax = (SLOTS - 1) * WEIGHT;
  readonly #live = new Map<number, { readonly hash: number; readonly weight: number }>();
  #bytes = 0;

  constructor(factory: PolicyMaker, seed: number, entriesMax = SLOTS - 1) {
    this.#entriesMax = entriesMax;
    const entry = (slot: number) => {
      const found = this.#live.get(slot);
      assert(found !== undefined, `it asks about slot ${slot}, which holds no entry`);
      return found;
    };
    const policy: unknown = factory({
      slots: SLOTS,
      entriesMax,
      bytesMax: this.#bytesMax,
      touched: this.#touched,
      seed,
      keyOf: (slot) => `key ${entry(slot).hash}`,
      hashOf: (slot) => entry(slot).hash,
      weightOf: (slot) => entry(slot).weight,
    });
    if (types.isPromise(policy)) {
      // Nobody awaits it, and if it rejects that must not end the process.
      Promise.prototype.then.call(policy, undefined, () => {});
    }
    assert(
      typeof policy === 'object' && policy !== null && !types.isPromise(policy),
      `the factory returns ${describe(policy)}, not a policy`,
    );
    this.policy = policy as EvictionPolicy;
  }

  liveSlots(): number[] {
    return [...this.#live.keys()];
  }

  isLive(slot: number): boolean {
    return this.#live.has(slot);
  }

  slotOf(hash: number): number | undefined {
    return this.liveSlots().find((slot) => this.#live.get(slot)?.hash === hash);
  }

  /** The policy's victim, which must be a live entry where there is one, and -1 where there is none. */
  victim(): number {
    const victim = this.policy.victim();
    assert(
      this.#live.size === 0 ? victim === -1 : this.isLive(victim),
      `the victim is ${victim}, of ${this.#live.size} live entries`,
    );
    return victim;
  }

  /** A new entry in that slot, if the policy takes it. */
  add(slot: number, hash = slot, weight = WEIGHT): boolean {
    this.policy.arrive?.(hash);
    return this.#insert(slot, hash, weight);
  }

  /** A new entry in each of the first slots that has none. One is left: an overwrite here may take another slot. */
  fill(entries = SLOTS - 1): void {
    for (let slot = 0; slot < entries; slot++) {
      if (!this.isLive(slot)) {
        this.add(slot);
      }
    }
  }

  /**
   * A new entry, room made for it. False when the policy gives too little up; a refusal is none. One of a snapshot
   * comes with its standing, to a policy that has `restore`.
   */
  store(hash: number, weight: number, standing?: number): boolean {
    this.policy.arrive?.(hash);
    while (this.#live.size >= Math.min(this.#entriesMax, SLOTS - 1) || this.#bytes + weight > this.#bytesMax) {
      const victim = this.policy.victim();
      if (victim === -1) {
        return false;
      }
      this.remove(victim, 'evict');
    }
    this.#insert(this.#free(), hash, weight, standing);
    return true;
  }

  /**
   * Stores what an order of this policy, just asked for, names in another rehearsal, in its slots and with what is said
   * of it.
   */
  restoreInto(other: Rehearsal, order: SlotOrder): void {
    for (let slot = order.next(); slot !== -1; slot = order.next()) {
      const entry = this.#live.get(slot);
      assert(entry !== undefined, `its order names slot ${slot}, which holds no entry`);
      other.store(entry.hash, entry.weight, order.standing);
    }
  }

  /** A reader uses an entry. */
  use(slot: number): void {
    if (this.policy.hits === 'byte') {
      this.#touched[slot] = Math.min(TOUCHED_MAX, (this.#touched[slot] as number) + 1);
    } else if (this.policy.hits === 'ring' && this.isLive(slot)) {
      this.policy.hit(slot);
    }
  }

  /** An overwrite, which may weigh less or more. A shard's keeps its slot; the contract allows for another one. */
  update(slot: number, previous: number, weight?: number): void {
    const entry = this.#live.get(previous);
    assert(entry !== undefined, `slot ${previous} is overwritten and holds no entry`);
    this.#live.delete(previous);
    this.#live.set(slot, { ...entry, weight: weight ?? entry.weight });
    this.#bytes += (weight ?? entry.weight) - entry.weight;
    this.#touched[slot] = this.#touched[previous] as number;
    this.policy.update(slot, previous);
  }

  remove(slot: number, cause: RemovalCause): void {
    const entry = this.#live.get(slot);
    assert(entry !== undefined, `the victim is ${slot}, which holds no entry`);
    this.policy.remove(slot, cause);
    this.#live.delete(slot);
    this.#bytes -= entry.weight;
  }

  clear(): void {
    this.#live.clear();
    this.#bytes = 0;
    this.policy.clear();
  }

  /** Evicts until the policy names nobody; who went, in order. */
  drain(): number[] {
    const victims: number[] = [];
    for (let victim = this.policy.victim(); victim !== -1; victim = this.policy.victim()) {
      victims.push(victim);
      this.remove(victim, 'evict');
    }
    return victims;
  }

  /** Does one thing of all that can happen. */
  walk(chance: Chance): void {
    const slots = this.liveSlots();
    const any = slots[chance.below(slots.length)];
    switch (chance.below(6)) {
      case 0:
      case 1:
        this.#walkStore(chance.below(500), this.#anyWeight(chance));
        break;
      case 2:
        if (any !== undefined) this.use(any);
        break;
      case 3:
        if (any !== undefined) this.#walkUpdate(any, chance);
        break;
      case 4:
        if (any !== undefined) this.remove(any, chance.oneIn(2) ? 'delete' : 'expire');
        break;
      default:
        if (chance.oneIn(200)) {
          this.clear();
        } else if (slots.length > SLOTS / 2) {
          this.remove(this.victim(), 'evict');
        }
    }
  }

  #walkUpdate(previous: number, chance: Chance): void {
    // As heavy as there is room for beside the old one: whoever makes room may have to evict.
    const weight = Math.min(this.#anyWeight(chance), this.#bytesMax - this.#bytes);
    const slot = chance.oneIn(2) ? previous : this.#free();
    this.update(slot, previous, weight > 0 ? weight : undefined);
  }

  #anyWeight(chance: Chance): number {
    return WEIGHT - 50 + chance.below(100);
  }

  #walkStore(hash: number, weight: number): void {
    const slot = this.slotOf(hash);
    if (slot === undefined) {
      this.store(hash, weight);
    } else {
      this.update(slot, slot);
    }
  }

  #insert(slot: number, hash: number, weight: number, standing?: number): boolean {
    this.#touched[slot] = 0;
    this.#live.set(slot, { hash, weight });
    const isRestored = standing !== undefined && this.policy.restore !== undefined;
    const admitted = isRestored ? this.policy.restore?.(slot, hash, standing) : this.policy.add(slot, hash);
    assert(typeof admitted === 'boolean', `\`${isRestored ? 'restore' : 'add'}\` returns ${String(admitted)}`);
    if (admitted) {
      this.#bytes += weight;
    } else {
      this.#live.delete(slot);
    }
    return admitted;
  }

  #free(): number {
    for (let slot = 0; ; slot++) {
      if (!this.isLive(slot)) {
        return slot;
      }
    }
  }
}

/** Mulberry32 (Tommy Ettinger, public domain). */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** An integer in [0, limit), 0 where there is none. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return Math.floor((((z ^ (z >>> 14)) >>> 0) / 0x1_0000_0000) * limit);
  }

  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }
}
