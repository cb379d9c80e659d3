/**
 * Kills a shard's owner at every store of one call, and lets others take over: whatever was acknowledged must be there, and
 * what was under way be as before or as after.
 */
import { expect } from 'vitest';
import { FilterReader } from '../../src/protocol/filter.ts';
import { KeyEncoder } from '../../src/protocol/key.ts';
import {
  BLOCK_EXPIRES_AT,
  BLOCK_META,
  BLOCK_SEQ_HIGH,
  BLOCK_SEQ_LOW,
  BLOCK_SLIDE,
  HEADER_SEQ_HIGH,
  HEADER_SEQ_LOW,
  META_EXPIRES,
  META_SLIDES,
  reserveShard,
  SEQ_HIGH_MASK,
  type ShardLimits,
  ShardMemory,
  type ShardRegions,
} from '../../src/protocol/memory.ts';
import { HIT, MISS, Reader } from '../../src/protocol/reader.ts';
import type { ShardSpec } from '../../src/protocol/spec.ts';
import { copyOf, Death, MortalMemory } from './mortal-memory.ts';
import { HandClock, openShard, type ShardSetup, type ShardUnderTest } from './shard.ts';

export interface Scenario {
  readonly limits: Partial<ShardLimits>;
  readonly filter?: ShardSpec['filter'];
  readonly eviction?: ShardSetup['eviction'];
  /** Every key that it names. */
  readonly keys: readonly string[];
  /** What is there before the call. */
  prepare(target: ShardUnderTest): void;
  /** The call that its owner dies in. */
  act(target: ShardUnderTest): void;
  /** The write sequence's low word, all ones, is to wrap in the call. */
  readonly wraps?: boolean;
  /** Every how manieth store is the owner's last, and of an adoption the adopter's. Default 1 and 9. */
  readonly ownersEvery?: number;
  readonly heirsEvery?: number;
}

/** Deaths of an owner and of those that took over from it. */
export interface Deaths {
  readonly owners: number;
  readonly heirs: number;
}

export class Dying {
  readonly #scenario: Scenario;
  readonly #limits: ShardLimits;
  readonly #clock = new HandClock();
  readonly #prepared: ShardRegions;
  readonly #before: Contents;
  readonly #after: Contents;
  readonly #stores: number;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.#limits = { bytesMax: 64 * 1024, entriesMax: Number.POSITIVE_INFINITY, ...scenario.limits };
    this.#prepared = this.#prepare(scenario.wraps === true);
    this.#before = this.#contents(this.#prepared);
    // Once to the end: so long is the call, and so it ends.
    const regions = copyOf(this.#prepared);
    const { mortal, target } = this.#begin(regions);
    const first = mortal.stores;
    scenario.act(target);
    this.#stores = mortal.stores - first;
    target.shard.check();
    this.#after = this.#contents(regions);
  }

  /** What readers find before the call, and after. */
  get change(): { before: Contents; after: Contents } {
    return { before: this.#before, after: this.#after };
  }

  run(): Deaths {
    const { ownersEvery = 1, heirsEvery = 9 } = this.#scenario;
    let owners = 0;
    let heirs = 0;
    for (let stores = 0; stores < this.#stores; stores += ownersEvery) {
      const regions = copyOf(this.#prepared);
      this.#kill(regions, stores);
      owners++;
      this.#judgeHeir(copyOf(regions));
      const all = this.#adoptionOf(copyOf(regions));
      for (let made = owners % heirsEvery; made < all; made += heirsEvery) {
        const twice = copyOf(regions);
        this.#killHeir(twice, made);
        heirs++;
        this.#judgeHeir(twice);
      }
    }
    return { owners, heirs };
  }

  #prepare(wraps: boolean): ShardRegions {
    const { prepare, filter } = this.#scenario;
    const reserve = () => reserveShard(this.#limits, filter ?? false);
    const regions = reserve();
    const target = this.#open(new ShardMemory(regions), regions);
    prepare(target);
    target.shard.check();
    if (!wraps) {
      return regions;
    }
    const used = target.memory.header[HEADER_SEQ_LOW] as number;
    const again = reserve();
    const memory = new ShardMemory(again);
    memory.header[HEADER_SEQ_LOW] = -1 - used;
    prepare(this.#open(memory, again));
    expect(memory.header[HEADER_SEQ_LOW]).toBe(-1);
    return again;
  }

  #open(memory: ShardMemory, regions: ShardRegions): ShardUnderTest {
    const { filter = false, eviction = 'lru' } = this.#scenario;
    const readers = new ShardMemory(regions);
    return openShard(memory, { limits: this.#limits, clock: this.#clock, eviction, filter, readers });
  }

  #begin(regions: ShardRegions): { mortal: MortalMemory; target: ShardUnderTest } {
    const mortal = new MortalMemory(regions);
    return { mortal, target: this.#open(mortal.memory, regions) };
  }

  #kill(regions: ShardRegions, stores: number): void {
    const { mortal, target } = this.#begin(regions);
    mortal.onStore = this.#onStore(regions);
    mortal.dieAfter(stores);
    expect(() => this.#scenario.act(target)).toThrow(Death);
  }

  #killHeir(regions: ShardRegions, stores: number): void {
    const mortal = new MortalMemory(regions);
    mortal.onStore = this.#onStore(regions);
    mortal.dieAfter(stores);
    expect(() => this.#open(mortal.memory, regions)).toThrow(Death);
  }

  /** How many stores it takes to take over. */
  #adoptionOf(regions: ShardRegions): number {
    const mortal = new MortalMemory(regions);
    this.#open(mortal.memory, regions);
    return mortal.stores;
  }

  /** Fails when a reader, between any two stores, misses what was there all the time. */
  #onStore(regions: ShardRegions): () => void {
    const memory = new ShardMemory(regions);
    const reader = new Reader(memory, this.#clock);
    const ruling = this.#scenario.filter ? new FilterReader(memory.filter) : undefined;
    const key = new KeyEncoder({ low: 1, high: 2 });
    const lasting = [...this.#before.keys()].filter((text) => this.#after.has(text)).slice(0, 20);
    return () => {
      for (const text of lasting) {
        key.encode(text);
        if (reader.probe(key) === MISS || ruling?.rulesOut(key.hashLow, key.hashHigh) === true) {
          throw new Error(`a reader misses ${text}`);
        }
      }
    };
  }

  #judgeHeir(regions: ShardRegions): void {
    const memory = new ShardMemory(regions);
    const highest = markOf(memory);
    const target = this.#open(memory, regions);
    target.shard.check();
    const contents = this.#contents(regions);
    for (const key of this.#scenario.keys) {
      const found = contents.get(key);
      const [before, after] = [this.#before.get(key), this.#after.get(key)];
      if (found !== before && found !== after) {
        throw new Error(`${key} is ${found}, was ${before} and was to be ${after}`);
      }
      const owned = target.peek(key);
      if (owned !== found?.split(' until ')[0]) {
        throw new Error(`${key} is ${found} to readers and ${owned} to the owner`);
      }
    }
    const sequences = sequencesOf(memory);
    if (new Set(sequences).size !== sequences.length || Math.max(0, ...sequences) > markOf(memory)) {
      throw new Error('two entries have one sequence, or it is above the mark');
    }
    goOn(target, this.#scenario.keys);
    target.set('the next', 'one');
    if (target.peek('the next') === 'one' && Math.max(...sequencesOf(memory)) <= highest) {
      throw new Error('a sequence was given twice');
    }
  }

  /** By key: the value, and the expiry as it is stored. */
  #contents(regions: ShardRegions): Contents {
    const memory = new ShardMemory(regions);
    const { words, doubles, slots } = memory;
    const reader = new Reader(memory, this.#clock);
    const key = new KeyEncoder({ low: 1, high: 2 });
    const contents = new Map<string, string>();
    for (const text of this.#scenario.keys) {
      key.encode(text);
      const seen = reader.read(key);
      if (seen === MISS) {
        continue;
      }
      expect(seen).toBe(HIT);
      const block = slots[reader.slot] as number;
      const meta = words[block + BLOCK_META] as number;
      const atMs = meta & META_EXPIRES ? doubles[(block + BLOCK_EXPIRES_AT) >> 1] : 'ever';
      const slideMs = meta & META_SLIDES ? doubles[(block + BLOCK_SLIDE) >> 1] : 0;
      const value = reader.tag === 6 ? `number ${reader.value.readDoubleLE()}` : reader.value.toString();
      contents.set(text, `${value} until ${atMs}, sliding ${slideMs}`);
    }
    return contents;
  }
}

type Contents = ReadonlyMap<string, string>;

/** Whoever has taken over is as good as any: it takes, gives up and clears entries. */
function goOn(target: ShardUnderTest, keys: readonly string[]): void {
  for (const key of keys.slice(0, 5)) {
    target.set(key, `again ${key}`);
  }
  target.delete(keys[0] as string);
  target.shard.check();
}

function sequencesOf({ slots, words }: ShardMemory): number[] {
  return [...slots]
    .filter((block) => block > 0)
    .map((block) => sequence(words[block + BLOCK_SEQ_HIGH] as number, words[block + BLOCK_SEQ_LOW] as number));
}

function markOf({ header }: ShardMemory): number {
  return sequence(header[HEADER_SEQ_HIGH] as number, header[HEADER_SEQ_LOW] as number);
}

function sequence(high: number, low: number): number {
  return (high & SEQ_HIGH_MASK) * 2 ** 32 + (low >>> 0);
}
