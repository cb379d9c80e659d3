/**
 * Each policy beside a naive one that is told the same: they must name the same victims for as long as they are told. Slots
 * are reused, entries overwritten in place and elsewhere, deleted and expired, under limits of entries and of bytes.
 */
import { expect, test } from 'vitest';
import type { EvictionPolicy, PolicyContext, PolicyFactory } from '../../../src/protocol/policy.ts';
import { policies } from '../../../src/worker/eviction/index.ts';
import { HALF_LIFE, naivePolicies } from '../../support/naive-policies.ts';
import { type Random, SEED, seededRandom } from '../../support/random.ts';

const STEPS = 30_000;
const ENTRIES = 60;
const KEYS = 240;

type Name = keyof typeof naivePolicies;

const REAL: Record<Name, PolicyFactory> = {
  lfu: policies.lfu,
  'lfu, counts halved': (context) => policies.lfu(context, { halfLife: HALF_LIFE }),
  mfu: policies.mfu,
  clock: policies.clock,
  's3-fifo': policies['s3-fifo'],
  's3-fifo 10 %': (context) => policies['s3-fifo'](context, { smallShare: 0.1 }),
  'as3-fifo': policies['as3-fifo'],
  arc: policies.arc,
};

/** A cache without memory: keys in slots, and two policies that hear the same. */
class Lockstep {
  readonly slotOf = new Map<number, number>();
  evictions = 0;
  readonly #real: EvictionPolicy;
  readonly #naive: EvictionPolicy;
  readonly #touched = [new Uint8Array(ENTRIES * 3), new Uint8Array(ENTRIES * 3)] as const;
  readonly #weights = new Float64Array(ENTRIES * 3);
  readonly #keys = new Int32Array(ENTRIES * 3);
  readonly #free = Array.from({ length: ENTRIES * 3 }, (_, slot) => slot);
  readonly #entriesMax: number;
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(name: Name, entriesMax: number, bytesMax: number) {
    this.#entriesMax = entriesMax;
    this.#bytesMax = bytesMax;
    const context = (touched: Uint8Array): PolicyContext => ({
      slots: ENTRIES * 3,
      entriesMax,
      bytesMax,
      touched,
      seed: SEED,
      keyOf: (slot) => this.#keys[slot] as number,
      hashOf: (slot) => Math.imul(this.#keys[slot] as number, 0x9e37_79b1),
      weightOf: (slot) => this.#weights[slot] as number,
    });
    this.#real = REAL[name](context(this.#touched[0]));
    this.#naive = naivePolicies[name](context(this.#touched[1]));
  }

  set(key: number, weight: number, random: Random): void {
    const old = this.slotOf.get(key);
    if (old === undefined) {
      this.#tell((policy) => policy.arrive?.(Math.imul(key, 0x9e37_79b1)));
      this.#makeRoom(weight, 1);
      const slot = this.#take(key, weight, random);
      for (const touched of this.#touched) {
        touched[slot] = 0;
      }
      this.slotOf.set(key, slot);
      this.#tell((policy) => policy.add(slot, Math.imul(key, 0x9e37_79b1)));
      return;
    }
    if (random.oneIn(3)) {
      return this.#tell((policy) => policy.update(old, old));
    }
    this.#makeRoom(weight - (this.#weights[old] as number), 0);
    if (this.slotOf.get(key) === undefined) {
      return;
    }
    const slot = this.#take(key, weight, random);
    for (const touched of this.#touched) {
      touched[slot] = touched[old] as number;
    }
    this.#tell((policy) => policy.update(slot, old));
    this.#bytes -= this.#weights[old] as number;
    this.#free.push(old);
    this.slotOf.set(key, slot);
  }

  hit(key: number): void {
    const slot = this.slotOf.get(key);
    if (slot === undefined) {
      return;
    }
    if (this.#real.hits === 'ring') {
      this.#tell((policy) => policy.hit(slot));
    } else {
      for (const touched of this.#touched) {
        touched[slot] = Math.min(3, (touched[slot] as number) + 1);
      }
    }
  }

  remove(key: number, cause: 'evict' | 'expire' | 'delete'): void {
    const slot = this.slotOf.get(key);
    if (slot !== undefined) {
      this.#tell((policy) => policy.remove(slot, cause));
      this.slotOf.delete(key);
      this.#bytes -= this.#weights[slot] as number;
      this.#free.push(slot);
    }
  }

  clear(): void {
    this.#tell((policy) => policy.clear());
    this.#free.push(...this.slotOf.values());
    this.slotOf.clear();
    this.#bytes = 0;
  }

  /** The victim that both name. */
  victim(): number {
    const victim = this.#real.victim();
    expect(victim).toBe(this.#naive.victim());
    expect(this.#real.victim()).toBe(victim);
    return victim;
  }

  check(): void {
    this.#real.check?.();
  }

  #makeRoom(weight: number, entries: number): void {
    while (this.slotOf.size + entries > this.#entriesMax || this.#bytes + weight > this.#bytesMax) {
      this.remove(this.#keys[this.victim()] as number, 'evict');
      this.evictions++;
    }
  }

  #take(key: number, weight: number, random: Random): number {
    const [slot] = this.#free.splice(random.below(this.#free.length), 1) as [number];
    this.#keys[slot] = key;
    this.#weights[slot] = weight;
    this.#bytes += weight;
    return slot;
  }

  #tell(what: (policy: EvictionPolicy) => void): void {
    what(this.#real);
    what(this.#naive);
  }
}

const LIMITS = [
  { bound: 'entries', entriesMax: ENTRIES, bytesMax: Number.MAX_SAFE_INTEGER },
  { bound: 'bytes', entriesMax: Number.POSITIVE_INFINITY, bytesMax: ENTRIES * 100 },
  { bound: 'bytes before entries', entriesMax: ENTRIES * 2, bytesMax: ENTRIES * 100 },
];

test.each((Object.keys(REAL) as Name[]).flatMap((name) => LIMITS.map((limits) => ({ name, ...limits }))))(
  '$name names the victims of a naive one, bound by $bound',
  ({ name, entriesMax, bytesMax }) => {
    const random = seededRandom(`${name} ${entriesMax}`);
    const cache = new Lockstep(name, entriesMax, bytesMax);
    for (let step = 0; step < STEPS; step++) {
      // Phases of another popularity each, so that what adapts has to.
      const key = (random.logUniform(1, KEYS) + Math.floor(step / 5_000) * 40) % KEYS;
      const dice = random.below(1_000);
      if (dice < 450) {
        cache.set(key, random.oneIn(4) ? 300 + random.below(300) : 30 + random.below(60), random);
      } else if (dice < 950) {
        cache.hit(key);
      } else if (dice < 980) {
        cache.remove(key, random.oneIn(2) ? 'delete' : 'expire');
      } else if (dice < 998) {
        cache.victim();
      } else if (random.oneIn(10)) {
        cache.clear();
      }
      if (step % 100 === 0) {
        cache.check();
      }
    }
    expect(cache.evictions).toBeGreaterThan(1_000);
  },
);
