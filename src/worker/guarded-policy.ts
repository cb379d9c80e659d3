/**
 * A user's policy, behind the one boundary between its code and the shard's: whatever it throws, names or returns, the
 * shard's own state is whole, and the call in which it happened is answered. Built-in policies go without.
 *
 *     arrive, add, victim       POLICY_ERROR; what was to be stored is not. A wrong answer counts as a fault, too
 *     restore                   the entry is not loaded, and the load goes on
 *     update, remove, clear     POLICY_ERROR; the change was made all the same, since the shard does not depend on it
 *     remove of what expired    \
 *     hit                        > no call is to blame, or is kept from its work: counted and reported, no more
 *     ahead                     /
 *     order                     throws, and its snapshot has another order; once it has begun: guarded-order.ts
 *     check                     throws as it is: only tests ask
 *
 * A policy that has failed may have lost track of its entries. It is asked on: its next victim may be sound, and if it is
 * not, the set that needs room says so. `clear` lets it begin afresh.
 */
import { types } from 'node:util';
import { describe, describeThrown } from '../protocol/describe.ts';
import type { EvictionPolicy, HitMode, RemovalCause, SlotOrder } from '../protocol/policy.ts';
import { type ForeignOrder, GuardedOrder } from './guarded-order.ts';

/** A policy broke its contract. A call that meets it is answered with POLICY_ERROR; the shard lives on. */
export class PolicyFault extends Error {}

type Hook = keyof Omit<EvictionPolicy, 'hits'>;

/** The user's object, of which only the shape is known. */
type Foreign = Record<Hook, (first?: unknown, second?: unknown, third?: unknown) => unknown>;

/** What became of the call's work, by the hook that failed. */
const OUTCOMES: Record<Hook, string> = {
  arrive: 'Nothing was stored',
  add: 'Nothing was stored',
  victim: 'There is no room without it, and nothing was stored',
  update: 'The entry was changed all the same',
  remove: 'The entry that was to go is gone, and nothing else was done',
  clear: 'The entries are gone all the same',
  hit: 'No call was affected',
  ahead: 'No call was affected',
  order: 'The snapshot has the entries in another order',
  restore: 'The entry was not loaded',
  check: '',
};

/** What a policy must have, whatever else it has. */
export const HOOKS = ['add', 'hit', 'update', 'remove', 'clear', 'victim'] as const satisfies readonly Hook[];
/** What it may have. */
export const OPTIONAL_HOOKS = ['arrive', 'ahead', 'order', 'restore', 'check'] as const satisfies readonly Hook[];

export class GuardedPolicy implements EvictionPolicy {
  readonly hits: HitMode;
  readonly arrive?: (hash: number) => void;
  readonly ahead?: (into: Int32Array) => number;
  readonly order?: (used: number) => SlotOrder;
  readonly restore?: (slot: number, hash: number, standing: number) => boolean;
  readonly check?: () => void;
  readonly #policy: Foreign;
  readonly #isLive: (slot: number) => boolean;
  readonly #onFault: (fault: PolicyFault) => void;
  /** What became of the hook that was asked last. No answer can be taken for it, whatever it is. */
  #failed: PolicyFault | undefined;

  /** `isLive` tells of any number whether it is a slot that holds an entry. Every fault is told to `onFault`, at once. */
  constructor(policy: EvictionPolicy, isLive: (slot: number) => boolean, onFault: (fault: PolicyFault) => void) {
    this.#policy = policy as unknown as Foreign;
    this.#isLive = isLive;
    this.#onFault = onFault;
    this.hits = policy.hits;
    if (policy.arrive !== undefined) {
      this.arrive = (hash) => void this.#answer('arrive', hash);
    }
    if (policy.ahead !== undefined) {
      this.ahead = (into) => this.#guess(into);
    }
    if (policy.order !== undefined) {
      this.order = (used) => this.#orderOf(used);
    }
    if (policy.restore !== undefined) {
      this.restore = (slot, hash, standing) => {
        const admitted = this.#answer('restore', slot, hash, standing);
        return this.#admission('restore', admitted);
      };
    }
    if (policy.check !== undefined) {
      this.check = () => void policy.check?.();
    }
  }

  add(slot: number, hash: number): boolean {
    const admitted = this.#answer('add', slot, hash);
    return this.#admission('add', admitted);
  }

  hit(slot: number): void {
    this.#ask('hit', slot);
  }

  update(slot: number, previous: number): void {
    this.#answer('update', slot, previous);
  }

  remove(slot: number, cause: RemovalCause): void {
    this.#ask('remove', slot, cause);
    if (this.#failed !== undefined && cause !== 'expire') {
      throw this.#failed;
    }
  }

  clear(): void {
    this.#answer('clear');
  }

  victim(): number {
    const victim = this.#answer('victim');
    if (victim === -1 || this.#isSlot(victim)) {
      return victim;
    }
    throw this.#fault(
      'victim',
      `named ${describe(victim)} as victim, where a slot that holds an entry, or -1, is expected`,
    );
  }

  #admission(hook: Hook, admitted: unknown): boolean {
    if (typeof admitted !== 'boolean') {
      throw this.#fault(hook, `returned ${describe(admitted)} from \`${hook}\`, where true or false is expected`);
    }
    return admitted;
  }

  #orderOf(used: number): SlotOrder {
    const order = this.#answer('order', used);
    if (typeof order !== 'object' || order === null) {
      throw this.#fault(
        'order',
        `returned ${describe(order)} from \`order\`, where an object with \`next\` is expected`,
      );
    }
    return new GuardedOrder(order as ForeignOrder, used, this.#isLive, (what, cause) => {
      this.#fault('order', what, cause);
    });
  }

  #guess(into: Int32Array): number {
    const count = this.#ask('ahead', into);
    if (this.#failed !== undefined) {
      return 0;
    }
    if (!(Number.isInteger(count) && (count as number) >= 0 && (count as number) <= into.length)) {
      this.#fault(
        'ahead',
        `returned ${describe(count)} from \`ahead\`, where a count of at most ${into.length} is expected`,
      );
      return 0;
    }
    const stranger = into.subarray(0, count as number).find((slot) => !this.#isSlot(slot));
    if (stranger !== undefined) {
      this.#fault('ahead', `named slot ${stranger} in \`ahead\`, which holds no entry`);
      return 0;
    }
    return count as number;
  }

  #isSlot(candidate: unknown): candidate is number {
    return typeof candidate === 'number' && this.#isLive(candidate);
  }

  /** What a hook answers. Throws PolicyFault. */
  #answer(hook: Hook, first?: unknown, second?: unknown, third?: unknown): unknown {
    const answer = this.#ask(hook, first, second, third);
    if (this.#failed !== undefined) {
      throw this.#failed;
    }
    return answer;
  }

  /** What a hook answers. Where it fails, the fault has been told, and `#failed` is it. */
  #ask(hook: Hook, first?: unknown, second?: unknown, third?: unknown): unknown {
    this.#failed = undefined;
    let answer: unknown;
    try {
      answer = this.#policy[hook](first, second, third);
      if (types.isPromise(answer)) {
        // Nobody awaits it: if it rejects, that would end the thread. Its own `then` is the user's, too.
        Promise.prototype.then.call(answer, undefined, (cause: unknown) => {
          this.#fault(hook, `rejected in \`${hook}\`: ${describeThrown(cause)}`, cause);
        });
      }
    } catch (cause) {
      this.#failed = this.#fault(hook, `threw in \`${hook}\`: ${describeThrown(cause)}`, cause);
      return undefined;
    }
    if (types.isPromise(answer)) {
      this.#failed = this.#fault(hook, `returned a Promise from \`${hook}\`, which must answer at once`);
    }
    return answer;
  }

  #fault(hook: Hook, what: string, cause?: unknown): PolicyFault {
    const fault = new PolicyFault(`The eviction policy ${what}. ${OUTCOMES[hook]}`, { cause });
    this.#onFault(fault);
    return fault;
  }
}
