/**
 * What a snapshot keeps of each policy: the order of its entries and what is said of them, from which another policy of
 * its kind goes on as it would have gone on itself.
 */
import { describe, expect, test } from 'vitest';
import type { EvictionPolicy, PolicyContext, PolicyFactory } from '../../../src/protocol/policy.ts';
import type { PolicyName } from '../../../src/protocol/spec.ts';
import { policies } from '../../../src/worker/eviction/index.ts';
import { ListOrder } from '../../../src/worker/eviction/list-order.ts';
import { SlotLists } from '../../../src/worker/eviction/lists.ts';
import { create } from '../../support/policy-suite.ts';
import { type Random, seededRandom } from '../../support/random.ts';

const ENTRIES = 300;
const SLOTS = ENTRIES * 2;
const KEYS = 1_200;
const STEPS = 5_000;
/** What adapts tells what it has learnt above these bits, rounded. */
const MARK_BITS = 8;
/** Of the marks of W-TinyLFU. */
const LIST_MASK = 3;
const ESTIMATE = 0b111100;

/** Policies whose snapshots have the order of writing. */
const WITHOUT: Partial<Record<PolicyName, string>> = {
  random: 'a lot may fall on any entry next',
  none: 'no entry leaves',
};

const SETTINGS: Partial<Record<PolicyName, Record<string, unknown>>> = {
  lfu: { halfLife: 700 },
  's3-fifo': { smallShare: 0.3 },
};

/** Nothing that these know is lost on the way. */
const EXACT: readonly PolicyName[] = ['fifo', 'lru', 'lfu', 'mfu', 'clock', 'sieve'];

/** Nothing gives an entry of these another round, so that they leave in their order. */
const BY_TURNS: readonly PolicyName[] = ['fifo', 'lru', 'lfu', 'mfu'];

const LIMITS = [
  { bound: 'entries', entriesMax: ENTRIES, bytesMax: Number.MAX_SAFE_INTEGER },
  { bound: 'bytes', entriesMax: Number.POSITIVE_INFINITY, bytesMax: ENTRIES * 100 },
];

const orderly = (Object.keys(policies) as PolicyName[]).filter((name) => WITHOUT[name] === undefined);
const cases = [
  ...orderly.map((name) => ({ name, options: {} })),
  ...orderly.flatMap((name) => (SETTINGS[name] === undefined ? [] : [{ name, options: SETTINGS[name] }])),
].flatMap((policy) => LIMITS.map((limits) => ({ ...policy, ...limits })));

type Case = (typeof cases)[number];
type Named = readonly [key: number, standing: number];

/** A cache without memory: keys in slots that are taken by chance, and a policy. */
class Stage {
  readonly policy: EvictionPolicy;
  readonly #slotOf = new Map<number, number>();
  readonly #keys = new Int32Array(SLOTS).fill(-1);
  readonly #weights = new Float64Array(SLOTS);
  readonly #touched = new Uint8Array(SLOTS);
  readonly #free = Array.from({ length: SLOTS }, (_, slot) => slot);
  readonly #limits: Pick<Case, 'entriesMax' | 'bytesMax'>;
  readonly #random: Random;
  #bytes = 0;

  constructor({ name, options, entriesMax, bytesMax }: Case, random: Random) {
    this.#limits = { entriesMax, bytesMax };
    this.#random = random;
    const live = (slot: number) => {
      if (this.#keys[slot] === -1) {
        throw new Error(`it asks about slot ${slot}, which holds no entry`);
      }
      return slot;
    };
    const context: PolicyContext = {
      slots: SLOTS,
      entriesMax,
      bytesMax,
      touched: this.#touched,
      seed: 1,
      keyOf: (slot) => this.#keys[live(slot)] as number,
      hashOf: (slot) => hashOf(this.#keys[live(slot)] as number),
      weightOf: (slot) => this.#weights[live(slot)] as number,
    };
    this.policy = (policies[name] as PolicyFactory)(context, options);
  }

  get keys(): number[] {
    return [...this.#slotOf.keys()].sort((a, b) => a - b);
  }

  /** A set, or the loading of a key that is not there. */
  store(key: number, weight: number, standing?: number): void {
    const old = this.#slotOf.get(key);
    if (old !== undefined) {
      this.policy.update(old, old);
      return;
    }
    this.policy.arrive?.(hashOf(key));
    while (this.#slotOf.size >= this.#limits.entriesMax || this.#bytes + weight > this.#limits.bytesMax) {
      this.remove(this.#keys[this.policy.victim()] as number, 'evict');
    }
    const [slot] = this.#free.splice(this.#random.below(this.#free.length), 1) as [number];
    this.#keys[slot] = key;
    this.#weights[slot] = weight;
    this.#touched[slot] = 0;
    this.#bytes += weight;
    this.#slotOf.set(key, slot);
    const { policy } = this;
    const isRestored = standing !== undefined && policy.restore !== undefined;
    if ((isRestored ? policy.restore?.(slot, hashOf(key), standing) : policy.add(slot, hashOf(key))) !== true) {
      throw new Error(`it refuses ${key}`);
    }
  }

  hit(key: number): void {
    const slot = this.#slotOf.get(key);
    if (slot !== undefined && this.policy.hits === 'ring') {
      this.policy.hit(slot);
    } else if (slot !== undefined) {
      this.#touched[slot] = Math.min(3, (this.#touched[slot] as number) + 1);
    }
  }

  remove(key: number, cause: 'evict' | 'delete'): void {
    const slot = this.#slotOf.get(key);
    if (slot !== undefined) {
      this.policy.remove(slot, cause);
      this.#slotOf.delete(key);
      this.#keys[slot] = -1;
      this.#bytes -= this.#weights[slot] as number;
      this.#free.push(slot);
    }
  }

  weightOf(key: number): number {
    return this.#weights[this.#slotOf.get(key) as number] as number;
  }

  order(): Named[] {
    // No more slots than it must look at.
    const order = this.policy.order?.(Math.max(0, ...this.#slotOf.values()) + 1);
    const named: Named[] = [];
    for (let slot = order?.next() ?? -1; slot !== -1; slot = order?.next() ?? -1) {
      named.push([this.#keys[slot] as number, order?.standing ?? -1]);
    }
    return named;
  }

  drain(): number[] {
    const victims: number[] = [];
    for (let victim = this.policy.victim(); victim !== -1; victim = this.policy.victim()) {
      victims.push(this.#keys[victim] as number);
      this.remove(this.#keys[victim] as number, 'evict');
    }
    return victims;
  }
}

function hashOf(key: number): number {
  return Math.imul(key + 1, 0x9e37_79b1);
}

/** One call of a load whose popularity moves, told to all of them. */
function work(stages: readonly Stage[], step: number, random: Random): void {
  const key = (random.logUniform(1, KEYS) + Math.floor(step / 1_000) * 100) % KEYS;
  const dice = random.below(100);
  const weight = random.oneIn(4) ? 200 + random.below(200) : 30 + random.below(50);
  for (const stage of stages) {
    if (dice < 45) {
      stage.store(key, weight);
    } else if (dice < 97) {
      stage.hit(key);
    } else {
      stage.remove(key, 'delete');
    }
  }
}

/** A policy that has worked, full at last, and one that has not. */
function pair(what: Case): { old: Stage; fresh: Stage; random: Random } {
  const random = seededRandom(`order of ${what.name}, bound by ${what.bound}`);
  const old = new Stage(what, random);
  for (let step = 0; step < STEPS; step++) {
    work([old], step, random);
  }
  for (let key = KEYS; key < KEYS + 5; key++) {
    old.store(key, 100);
  }
  return { old, fresh: new Stage(what, random), random };
}

function restore(order: readonly Named[], from: Stage, to: Stage): void {
  for (const [key, standing] of order) {
    to.store(key, from.weightOf(key), standing);
  }
  to.policy.check?.();
}

const learntOf = ([, standing]: Named) => standing >>> MARK_BITS;
const marksOf = (named: readonly Named[]) => named.map(([key, standing]) => [key, standing & (2 ** MARK_BITS - 1)]);

test('every policy has an order, or says why it has none', () => {
  for (const [name, factory] of Object.entries(policies)) {
    const isListed = WITHOUT[name as PolicyName] !== undefined;
    expect(`${name}: ${create(factory as PolicyFactory).order === undefined}`).toBe(`${name}: ${isListed}`);
  }
});

describe.each(cases)('$name $options, bound by $bound', (what) => {
  test('a policy restored in its order says the same of the same entries, and evicts them in the same order', () => {
    const { old, fresh } = pair(what);
    const order = old.order();
    expect(order.map(([key]) => key).sort((a, b) => a - b)).toEqual(old.keys);
    restore(order, old, fresh);
    const again = fresh.order();
    if (what.name === 'w-tinylfu' && what.bound === 'bytes') {
      // Its sketch was small at first, and has taken some keys for others: these are estimated higher, and may win a place.
      expect(again.map(([key, standing]) => [key, standing & LIST_MASK])).toEqual(
        order.map(([key, standing]) => [key, standing & LIST_MASK]),
      );
      expect(again.every(([, standing], i) => (standing & ESTIMATE) >= ((order[i]?.[1] ?? 0) & ESTIMATE))).toBe(true);
      return;
    }
    expect(marksOf(again)).toEqual(marksOf(order));
    const rounded = Math.abs(learntOf(again[0] as Named) - learntOf(order[0] as Named));
    expect(rounded).toBeLessThanOrEqual(order.length);
    const victims = old.drain();
    expect(fresh.drain()).toEqual(victims);
    if (BY_TURNS.includes(what.name)) {
      expect(order.map(([key]) => key)).toEqual(victims);
    }
  });

  test.runIf(EXACT.includes(what.name) && Object.keys(what.options).length === 0)(
    'and from then on they evict the same, whatever comes',
    () => {
      const { old, fresh, random } = pair(what);
      restore(old.order(), old, fresh);
      for (let step = 0; step < STEPS / 4; step++) {
        work([old, fresh], step, random);
        if (step % 50 === 0) {
          expect(fresh.keys).toEqual(old.keys);
        }
      }
    },
  );
});

const adapting = cases.filter(({ name }) => ['as3-fifo', 'arc', 'w-tinylfu'].includes(name));

test.each(adapting)(
  '$name, bound by $bound: what was learnt comes with any part of the entries, in proportion',
  (what) => {
    const { old, random } = pair(what);
    // All that comes back does so soon, and just too late for a short queue.
    for (let key = 0; key < ENTRIES * 2; key++) {
      old.store(KEYS * 2 + key, 100);
      old.store(KEYS * 2 + key - ENTRIES / 4, 100);
    }
    const order = old.order();
    const learnt = learntOf(order[0] as Named);
    expect(learnt).toBeGreaterThan(0);
    for (const part of [0, 1]) {
      const stage = new Stage(what, random);
      restore(
        order.filter(([key]) => key % 2 === part),
        old,
        stage,
      );
      expect(Math.abs(learntOf(stage.order()[0] as Named) - learnt)).toBeLessThanOrEqual(order.length);
    }
  },
);

test.each(['s3-fifo', 'as3-fifo', 'arc', 'w-tinylfu'] as const)(
  '%s: any stretch of its order has a share of both queues',
  (name) => {
    const { old } = pair(cases.find((one) => one.name === name) as Case);
    const order = old.order();
    const isNew = ({ 1: standing }: Named) => (standing & (name.endsWith('s3-fifo') ? 4 : 3)) === 0;
    const share = order.filter(isNew).length / order.length;
    for (let from = 0; from + 60 <= order.length; from += 60) {
      const inStretch = order.slice(from, from + 60).filter(isNew).length;
      expect(Math.abs(inStretch - share * 60)).toBeLessThanOrEqual(2);
    }
  },
);

test.each(['clock', 'sieve', 's3-fifo', 'as3-fifo'] as const)(
  '%s: what an order says was so when it was asked for',
  (name) => {
    const touched = new Uint8Array(4);
    const policy = create(policies[name], touched, 0, 4);
    policy.add(1, 1);
    touched[1] = 2;
    const order = policy.order?.(2);
    touched[1] = 0;
    expect([order?.next(), (order?.standing ?? 0) & 3]).toEqual([1, 2]);
  },
);

test('stretches of lists end where they are to end, and empty ones are passed over', () => {
  const lists = new SlotLists(10, 2);
  for (const slot of [4, 2, 7, 5]) {
    lists.push(slot);
  }
  lists.push(9, 1);
  const stretches = [
    { from: 4, until: 4, mark: 1 },
    { from: -1, mark: 2 },
    { from: 2, until: 5, mark: 3 },
    { from: 9, mark: 4 },
    { from: -1, mark: 5 },
  ];
  const order = new ListOrder(lists.copy(10), stretches);
  lists.clear();
  const named: number[][] = [];
  for (let slot = order.next(); slot !== -1; slot = order.next()) {
    named.push([slot, order.standing]);
  }
  expect([...named, order.next()]).toEqual([[2, 3], [7, 3], [9, 4], -1]);
});

test('an entry of a made-up snapshot is led past 4,096 classes of uses at most', () => {
  const slots = 10_000;
  const policy = create(policies.lfu, new Uint8Array(slots), 0, slots);
  for (let slot = 0; slot < 6_000; slot++) {
    policy.restore?.(slot, slot, slot + 1);
  }
  policy.restore?.(6_000, 0, 1);
  policy.check?.();
  const order = policy.order?.(slots);
  const standings = new Map<number, number>();
  for (let slot = order?.next() ?? -1; slot !== -1; slot = order?.next() ?? -1) {
    standings.set(slot, order?.standing ?? -1);
  }
  expect([standings.size, standings.get(0), standings.get(6_000)]).toEqual([6_001, 1, 6_000 - 4_096]);
});
