/**
 * A long random walk of owners that die and are followed by others, who may die while they take over, beside a Map of what
 * was acknowledged. Whom a policy gives up is its own to say: a witness tells who left.
 */
import { reserveShard, type ShardLimits, ShardMemory, type ShardRegions } from '../../src/protocol/memory.ts';
import { FLAG_SLIDING, OP_EXPIRE, OP_INCREMENT } from '../../src/protocol/operations.ts';
import type { PolicyName, ShardSpec } from '../../src/protocol/spec.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { Death, MortalMemory } from './mortal-memory.ts';
import { Random } from './random.ts';
import { HandClock, numbers, openShard, type ShardUnderTest } from './shard.ts';
import { type Witnessed, witnessed } from './witness.ts';

/** Every bound that a walk goes under. */
export const MORTAL_LIMITS: Partial<ShardLimits>[] = [
  { entriesMax: 40 },
  { bytesMax: 6 * 1024 },
  { bytesMax: 64 * 1024 },
];

const KEYS = 150;
/** Stores after which an owner dies: of some hundred calls, now and then of a few. */
const STORES_MAX = 8_000;
const HEIRS_STORES_MAX = 1_500;

export interface MortalWalkOptions {
  readonly policy: PolicyName;
  readonly filter: ShardSpec['filter'];
  readonly limits: Partial<ShardLimits>;
  readonly operations: number;
  readonly seed: number;
}

interface Entry {
  readonly text: string;
  readonly expiresAtMs: number;
  readonly slideMs: number;
}

/** What a call makes of an entry: undefined for none. */
type Outcome = (entry: Entry | undefined) => Entry | undefined;

export class MortalWalk {
  deaths = 0;
  readonly #options: MortalWalkOptions;
  readonly #limits: ShardLimits;
  readonly #random: Random;
  readonly #clock = new HandClock();
  readonly #regions: ShardRegions;
  readonly #seen: Witnessed[] = [];
  readonly #entries = new Map<string, Entry>();
  #mortal: MortalMemory;
  #target: ShardUnderTest;

  constructor(options: MortalWalkOptions) {
    this.#options = options;
    this.#limits = { bytesMax: 64 * 1024, entriesMax: Number.POSITIVE_INFINITY, ...options.limits };
    this.#random = new Random(options.seed);
    this.#regions = reserveShard(this.#limits, options.filter);
    this.#mortal = new MortalMemory(this.#regions);
    this.#target = this.#open(this.#mortal.memory);
    this.#mortal.dieAfter(this.#random.below(STORES_MAX));
  }

  run(): void {
    for (let step = 0; step < this.#options.operations; step++) {
      this.#step(step);
    }
    this.#takeOver();
    this.#compare();
  }

  #step(step: number): void {
    const random = this.#random;
    const key = `key ${random.oneIn(2) ? random.below(KEYS) : random.logUniform(1, KEYS) - 1}`;
    const dice = random.below(100);
    if (dice < 4) {
      this.#clock.nowMs += 1 + random.below(30);
    } else if (dice < 30) {
      this.#read(key);
    } else if (dice < 31) {
      this.#try(undefined, () => this.#target.shard.sweep());
    } else if (dice < 32 && random.oneIn(6)) {
      this.#clear();
    } else {
      this.#write(key, step, dice);
    }
  }

  #write(key: string, step: number, dice: number): void {
    const { nowMs } = this.#clock;
    const ttlMs = [0, 0, 40, 400][this.#random.below(4)] as number;
    const live = (entry: Entry | undefined) => (entry !== undefined && entry.expiresAtMs > nowMs ? entry : undefined);
    const expiresAtMs = ttlMs === 0 ? Number.POSITIVE_INFINITY : nowMs + ttlMs;
    if (dice < 40) {
      this.#try(
        key,
        () => this.#target.delete(key),
        () => undefined,
      );
    } else if (dice < 50) {
      const added = (old: Entry | undefined) => ({
        expiresAtMs,
        slideMs: 0,
        ...live(old),
        text: `number ${Number(live(old)?.text.slice(7) ?? 0) + 1 / 3}`,
      });
      const isNumber = live(this.#entries.get(key))?.text.startsWith('number') !== false;
      const outcome: Outcome = (old) => (isNumber ? added(old) : old);
      this.#try(key, () => this.#target.ask(OP_INCREMENT, key, numbers(1 / 3, 0), ttlMs), outcome);
    } else if (dice < 60) {
      // What slides goes on sliding, by its next ttl, also when it lives for ever meanwhile.
      const slideMs = (old: Entry) => (old.slideMs > 0 && ttlMs > 0 ? ttlMs : old.slideMs);
      const outcome: Outcome = (old) => live(old) && { ...(old as Entry), expiresAtMs, slideMs: slideMs(old as Entry) };
      this.#try(key, () => this.#target.ask(OP_EXPIRE, key, '', ttlMs), outcome);
    } else {
      const slides = ttlMs > 0 && this.#random.oneIn(2);
      const text = `${step}:`.padEnd(this.#random.logUniform(1, 300), '.');
      this.#try(
        key,
        () => this.#target.set(key, text, ttlMs, slides ? FLAG_SLIDING : 0),
        () => ({ text, expiresAtMs, slideMs: slides ? ttlMs : 0 }),
      );
    }
  }

  /** A call on `key`, which makes this of its entry. Answers may be errors: then nothing changes but who has left. */
  #try(key: string | undefined, call: () => unknown, outcome?: Outcome): void {
    let answer: unknown;
    try {
      answer = call();
    } catch (error) {
      if (!(error instanceof Death)) throw error;
      this.#bury(key, outcome);
      return;
    }
    const before = key === undefined ? undefined : this.#entries.get(key);
    this.#leave();
    if (key !== undefined && outcome !== undefined && !(answer instanceof Error) && answer !== 'CACHE_FULL') {
      this.#assign(key, outcome(before));
    }
  }

  #clear(): void {
    try {
      this.#target.clear();
      this.#entries.clear();
      this.#seen.length = 0;
    } catch (error) {
      if (!(error instanceof Death)) throw error;
      const keys = [...this.#entries.keys()];
      this.#takeOver();
      for (const key of keys) {
        this.#settle(key, [this.#entries.get(key), undefined]);
      }
      this.#compare();
    }
  }

  /** Whoever was seen to leave in the call that failed may be gone or there; its own key is as before or as after. */
  #bury(key: string | undefined, outcome: Outcome | undefined): void {
    const leaving = this.#seen.flatMap(({ what, key: left }) => (what === 'named' ? [] : [left as string]));
    this.#takeOver();
    if (key !== undefined && outcome !== undefined) {
      const before = this.#entries.get(key);
      // It may have had to leave first: expired, or to make room.
      const gone = leaving.includes(key) ? [undefined] : [];
      this.#settle(key, [before, outcome(before), ...gone]);
    }
    for (const each of leaving) {
      this.#settle(each, [this.#entries.get(each), undefined]);
    }
    this.#compare();
  }

  #settle(key: string, allowed: readonly (Entry | undefined)[]): void {
    const found = this.#look(key);
    const one = allowed.find((each) => found === this.#visible(each));
    if (one === undefined && found !== undefined) {
      throw new Error(`${key} is ${found}, and may be ${allowed.map((each) => this.#visible(each)).join(', ')}`);
    }
    this.#assign(key, one);
  }

  #takeOver(): void {
    this.deaths++;
    while (this.#random.oneIn(2)) {
      const heir = new MortalMemory(this.#regions);
      heir.dieAfter(this.#random.below(HEIRS_STORES_MAX));
      try {
        this.#open(heir.memory);
      } catch (error) {
        if (!(error instanceof Death)) throw error;
      }
    }
    this.#open(new ShardMemory(this.#regions)).shard.check();
    this.#mortal = new MortalMemory(this.#regions);
    this.#target = this.#open(this.#mortal.memory);
    this.#seen.length = 0;
    this.#mortal.dieAfter(this.#random.below(this.#random.oneIn(4) ? 100 : STORES_MAX));
  }

  #open(memory: ShardMemory): ShardUnderTest {
    const { policy, filter, seed } = this.#options;
    const eviction = witnessed(policies[policy], this.#seen);
    const readers = new ShardMemory(this.#regions);
    return openShard(memory, { limits: this.#limits, eviction, clock: this.#clock, seed, filter, readers });
  }

  /** As a reader does, who lets the entry live on. */
  #read(key: string): void {
    const entry = this.#entries.get(key);
    const expected = this.#visible(entry);
    const found = this.#target.read(key);
    if (found !== expected?.split(' until ')[0]) {
      throw new Error(`a reader finds ${found} at ${key}, where there is ${expected}`);
    }
    if (entry !== undefined && expected !== undefined && entry.slideMs > 0) {
      const expiresAtMs = Math.max(entry.expiresAtMs, this.#clock.nowMs + entry.slideMs);
      this.#entries.set(key, { ...entry, expiresAtMs });
    }
  }

  #compare(): void {
    for (let i = 0; i < KEYS; i++) {
      const found = this.#look(`key ${i}`);
      const expected = this.#visible(this.#entries.get(`key ${i}`));
      if (found !== expected) {
        throw new Error(`key ${i} is ${found}, not ${expected}`);
      }
    }
  }

  /** Value and time left, as a reader sees them. */
  #look(key: string): string | undefined {
    const text = this.#target.look(key);
    return text === undefined ? undefined : `${text} until ${this.#clock.nowMs + this.#target.reader.leftMs}`;
  }

  #visible(entry: Entry | undefined): string | undefined {
    return entry === undefined || entry.expiresAtMs <= this.#clock.nowMs
      ? undefined
      : `${entry.text} until ${entry.expiresAtMs}`;
  }

  /** Those who left in a call that went well. */
  #leave(): void {
    for (const { what, key } of this.#seen.splice(0)) {
      if (what !== 'named') {
        this.#entries.delete(key as string);
      }
    }
  }

  #assign(key: string, entry: Entry | undefined): void {
    if (entry === undefined) {
      this.#entries.delete(key);
    } else {
      this.#entries.set(key, entry);
    }
  }
}
