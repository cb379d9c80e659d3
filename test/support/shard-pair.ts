/**
 * A shard and what it should be: every step is applied to both, and what they answer must be the same. Fuzzers and long
 * checks choose the steps.
 */
import { deepStrictEqual } from 'node:assert/strict';
import { decodeKey } from '../../src/protocol/key.ts';
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
import type { CacheModel } from './cache-model.ts';
import { numbers, type ShardUnderTest } from './shard.ts';

const SWEEP_ALL = 1_000_000;

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
export type Step = KeyStep | { do: 'clear' | 'size' | 'sweep' | 'popItem' } | { do: 'scan' | 'wait'; by: number };

/** A value that names its write, so that a stale or foreign one is seen. */
function textOf(index: number, length: number): string {
  return `${index}:`.padEnd(length, '.').slice(0, length);
}

/** A shard and what it should be. */
export class ShardPair {
  readonly target: ShardUnderTest;
  readonly model: CacheModel;
  /** By key, the last token that the shard gave for it. */
  readonly #tokens = new Map<string, number>();

  constructor(target: ShardUnderTest, model: CacheModel) {
    this.target = target;
    this.model = model;
  }

  /** Applies a step to both and compares what they say. */
  apply(step: Step, index: number): void {
    const { target, model } = this;
    const { clock } = target;
    switch (step.do) {
      case 'clear':
        same(target.clear(), model.entries.size);
        return model.clear();
      case 'size':
        return same(target.size(), model.entries.size);
      case 'sweep': {
        const removed = target.shard.sweep(SWEEP_ALL);
        return same(removed, model.sweep(clock.nowMs));
      }
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

  /** An eviction may take an expired entry, which nobody can see leave: where victims are learnt, both sweep first. */
  sweep(): void {
    this.target.shard.sweep(SWEEP_ALL);
    this.model.sweep(this.target.clock.nowMs);
  }

  /** Of two expired entries in a full shard either may have to make room: then there are none. */
  sweepIfAmbiguous(): void {
    const { nowMs } = this.target.clock;
    const expired = this.model.entries.size - this.model.keys(nowMs).length;
    if (expired > 1 && this.model.entries.size >= this.model.entriesMax) {
      this.sweep();
    }
  }

  #applyToKey(step: KeyStep, value: string): void {
    const answer = step.do === 'read' ? this.target.read(step.key) : this.#ask(step.do, step, value);
    if (answer === 'VALUE_TOO_LARGE') {
      // A lease that could not be filled has ended all the same.
      this.model.release(step.key, this.#tokens.get(step.key) ?? 0);
      return;
    }
    if (answer === 'CACHE_FULL' && this.model.entriesMax === Number.POSITIVE_INFINITY) {
      // How many bytes fit is the shard's to say.
      this.model.release(step.key, this.#tokens.get(step.key) ?? 0);
      return same(this.model.policy, 'none');
    }
    if (step.do === 'lease' && typeof answer === 'number') {
      this.#tokens.set(step.key, answer);
    }
    same(answer, this.#expected(step, value, answer));
  }

  #ask(operation: keyof typeof OPERATIONS, step: KeyStep, value: string): unknown {
    const op = OPERATIONS[operation];
    const { key, ttlMs } = step;
    const token = this.#tokens.get(key) ?? 0;
    switch (operation) {
      case 'set':
      case 'lease':
        return this.target.ask(op, key, operation === 'set' ? value : '', ttlMs, step.flag ? FLAG_SLIDING : 0);
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
    this.sweep();
    const first = model.first();
    const entry = target.call(OP_POP_ITEM) as StoredEntry | undefined;
    if (entry === undefined) {
      return same(model.entries.size, 0);
    }
    const popped = decodeKey(entry.key, entry.encoding) as string;
    same(model.entries.has(popped), true);
    if (first !== undefined && model.entriesMax !== Number.POSITIVE_INFINITY) {
      same(popped, first);
    }
    model.remove(popped);
  }
}

function same(actual: unknown, expected: unknown): void {
  if (!Object.is(actual, expected)) {
    throw new Error(`the shard says ${String(actual)}, the model ${String(expected)}`);
  }
}
