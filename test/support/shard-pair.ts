/**
 * A shard and what it should be: every step is applied to both, and what they answer must be the same. Fuzzers and long
 * checks choose the steps.
 */
import { deepStrictEqual } from 'node:assert/strict';
import { decodeKey } from '../../src/protocol/key.ts';
import type { ShardLimits } from '../../src/protocol/memory.ts';
import {
  FLAG_KEEP_TTL,
  FLAG_SLIDING,
  OP_ADD,
  OP_DELETE,
  OP_DEMAND,
  OP_EXPIRE,
  OP_FILL,
  OP_GET,
  OP_HAS,
  OP_INCREMENT,
  OP_LEASE,
  OP_LOOKUP,
  OP_PEEK,
  OP_POP,
  OP_POP_ITEM,
  OP_RELEASE,
  OP_SET,
  OP_TOUCH,
  OP_TTL,
  OP_UPDATE,
  type StoredEntry,
} from '../../src/protocol/operations.ts';
import { HIT, MISS } from '../../src/protocol/reader.ts';
import type { PolicyName } from '../../src/protocol/spec.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { CacheModel, LEASE_MS } from './cache-model.ts';
import { SEED } from './random.ts';
import { LIMITS, makeShard, numbers, openShard, type ShardSetup, type ShardUnderTest } from './shard.ts';
import { type Witnessed, witnessed } from './witness.ts';

/** What may be done to one key, by its operation. */
const OPERATIONS = {
  set: OP_SET,
  add: OP_ADD,
  update: OP_UPDATE,
  increment: OP_INCREMENT,
  expire: OP_EXPIRE,
  get: OP_GET,
  peek: OP_PEEK,
  has: OP_HAS,
  touch: OP_TOUCH,
  demand: OP_DEMAND,
  lookUp: OP_LOOKUP,
  ttl: OP_TTL,
  delete: OP_DELETE,
  pop: OP_POP,
  lease: OP_LEASE,
  fill: OP_FILL,
  release: OP_RELEASE,
} as const;

export type KeyStep = {
  do: keyof typeof OPERATIONS | 'read';
  key: string;
  length: number;
  ttlMs: number;
  flag: boolean;
};
export type Step =
  | KeyStep
  | { do: 'clear' | 'size' | 'popItem' | 'adopt' }
  | { do: 'scan' | 'wait' | 'sweep'; by: number };

/** A value that names its write, so that a stale or foreign one is seen. */
function textOf(index: number, length: number): string {
  return `${index}:`.padEnd(length, '.').slice(0, length);
}

export class ShardPair {
  target: ShardUnderTest;
  readonly model: CacheModel;
  readonly #seen: Witnessed[] = [];
  /** By key, the last token that the shard gave for it. */
  readonly #tokens = new Map<string, number>();
  readonly #setup: Omit<ShardSetup, 'clock' | 'client'>;

  constructor(policy: PolicyName, limits: Partial<ShardLimits>, seed = SEED) {
    const eviction = witnessed(policies[policy], this.#seen);
    this.target = makeShard(limits, eviction, undefined, seed);
    this.#setup = { limits: { ...LIMITS, ...limits }, eviction, seed };
    this.model = new CacheModel(policy, limits.entriesMax, this.#seen);
  }

  /** Applies a step to both and compares what they say. */
  apply(step: Step, index: number): void {
    this.#apply(step, index);
    same(this.#seen.length, 0);
    same(this.target.shard.entries, this.model.entries.size);
  }

  /** Every key there is, and those of `others`, read as the model says, by frame and through shared memory. */
  compare(others: readonly string[] = []): void {
    const { target, model } = this;
    const { nowMs } = target.clock;
    for (const key of [...model.entries.keys(), ...others]) {
      const expected = model.peek(key, nowMs);
      same(target.peek(key), expected);
      target.key.encode(key);
      same(target.reader.probe(target.key), expected === undefined ? MISS : HIT);
    }
    same(target.shard.counts().validEntries, model.keys(nowMs).length);
  }

  #apply(step: Step, index: number): void {
    const { target, model } = this;
    const { clock } = target;
    switch (step.do) {
      case 'clear':
        same(target.clear(), model.entries.size);
        return model.clear();
      case 'size':
        return same(target.size(), model.entries.size);
      case 'adopt':
        // Hits that wait in the ring would be heard by the next owner, after it has put the entries in order.
        target.shard.contents.hits.drain();
        this.target = openShard(target.memory, { ...this.#setup, clock, client: target.client });
        return model.adopt();
      case 'sweep':
        return this.#sweep(step.by);
      case 'popItem':
        return this.#popItem();
      case 'scan':
        return deepStrictEqual(target.scan(step.by).sort(), model.keys(clock.nowMs).sort());
      case 'wait':
        clock.nowMs += step.by;
        return;
      default:
        return this.#applyToKey(step, textOf(index, step.length));
    }
  }

  #sweep(budget: number): void {
    const { shard, clock } = this.target;
    same(shard.sweep(budget), this.model.sweep(clock.nowMs));
    if (!shard.isDue) {
      same(this.model.keys(clock.nowMs).length, this.model.entries.size);
    }
  }

  #applyToKey(step: KeyStep, value: string): void {
    const answer = step.do === 'read' ? this.target.read(step.key) : this.#ask(step.do, step, value);
    this.model.refused = answer === 'VALUE_TOO_LARGE' || answer === 'CACHE_FULL' ? answer : undefined;
    if (step.do === 'lease' && typeof answer === 'number' && answer > 0) {
      this.#tokens.set(step.key, answer);
    }
    same(answer, this.#expected(step, value, answer));
    // A wrong deadline would mostly be gone with the next use, before anybody could see it.
    same(this.target.ask(OP_TTL, step.key), this.model.leftMs(step.key, this.target.clock.nowMs));
  }

  #ask(operation: keyof typeof OPERATIONS, step: KeyStep, value: string): unknown {
    const op = OPERATIONS[operation];
    const { key, ttlMs } = step;
    const token = this.#tokens.get(key) ?? 0;
    switch (operation) {
      case 'set':
        return this.target.ask(op, key, value, ttlMs, step.flag ? FLAG_SLIDING : 0);
      case 'lease':
        return this.target.ask(op, key, numbers(LEASE_MS, 0), ttlMs, step.flag ? FLAG_SLIDING : 0);
      case 'update':
        return this.target.ask(op, key, value, ttlMs, step.flag ? FLAG_KEEP_TTL : 0);
      case 'add':
        return this.target.ask(op, key, value, ttlMs);
      case 'increment':
        return this.target.ask(op, key, numbers(step.length, 0), ttlMs);
      case 'fill':
        return this.target.ask(op, key, value, token);
      case 'release':
        return this.target.ask(op, key, '', token);
      default:
        return this.target.ask(op, key, '', ttlMs);
    }
  }

  #expected({ do: operation, key, length, ttlMs, flag }: KeyStep, value: string, answer: unknown): unknown {
    const { model } = this;
    const { nowMs } = this.target.clock;
    const token = this.#tokens.get(key) ?? 0;
    switch (operation) {
      case 'set':
        return model.set(key, value, ttlMs, flag, nowMs);
      case 'add':
        return model.add(key, value, ttlMs, nowMs);
      case 'update':
        return model.update(key, value, ttlMs, flag, nowMs);
      case 'increment':
        return model.increment(key, length, ttlMs, nowMs);
      case 'expire':
        return model.expire(key, ttlMs, nowMs);
      case 'get':
      case 'read':
        return model.get(key, nowMs);
      case 'peek':
        return model.peek(key, nowMs);
      case 'has':
        return model.peek(key, nowMs) !== undefined;
      case 'touch':
        return model.get(key, nowMs) !== undefined;
      case 'demand':
        return model.getOrThrow(key, nowMs);
      case 'lookUp':
        return model.lookup(key, nowMs);
      case 'ttl':
        return model.leftMs(key, nowMs);
      case 'delete':
        return model.delete(key, nowMs);
      case 'pop':
        return model.pop(key, nowMs);
      case 'lease':
        return model.lease(key, typeof answer === 'number' ? answer : -1, ttlMs, flag, nowMs);
      case 'fill':
        return model.fill(key, value, token, nowMs);
      case 'release':
        return model.release(key, token);
    }
  }

  #popItem(): void {
    const { target, model } = this;
    const entry = target.call(OP_POP_ITEM) as StoredEntry | undefined;
    const first = model.first(target.clock.nowMs);
    if (entry === undefined) {
      return same(model.entries.size, 0);
    }
    const popped = decodeKey(entry.key, entry.encoding) as string;
    same(popped, first ?? popped);
    same(model.peek(popped, target.clock.nowMs) === undefined, false);
    model.remove(popped);
  }
}

function same(actual: unknown, expected: unknown): void {
  if (!Object.is(actual, expected)) {
    throw new Error(`the shard says ${String(actual)}, the model ${String(expected)}`);
  }
}
