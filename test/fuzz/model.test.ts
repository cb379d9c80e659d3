/**
 * Random operations on a shard beside a Map, with every invariant checked after every step. Under a bound of entries the
 * model names the victims; under a bound of bytes, or where they are drawn by lot, it learns them by asking for every key.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ErrorRecord } from '../../src/protocol/errors.ts';
import { ENTRY_COLUMN_BYTES, type ShardLimits } from '../../src/protocol/memory.ts';
import type { PolicyName } from '../../src/protocol/spec.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { CacheModel } from '../support/cache-model.ts';
import { SEED, seededRandom } from '../support/random.ts';
import { makeShard, type ShardUnderTest } from '../support/shard.ts';

type Step =
  | { do: 'set'; key: string; length: number; ttlMs: number }
  | { do: 'get' | 'read' | 'peek' | 'has' | 'delete'; key: string }
  | { do: 'clear' | 'size' | 'sweep' }
  | { do: 'wait'; ms: number };

/** Few, so that they meet again; of both encodings, with an empty one, and some whose bytes nearly agree. */
const KEYS = ['', '\0', '\0\0', 'a', 'ab', 'abc', 'abcd', 'abcde', 'ÿ', 'Ā', '\u0100\u0100', '🂡', 'key-of-some-length'];
const SWEEP_ALL = 1_000_000;

const key = fc.constantFrom(...KEYS, ...Array.from({ length: 12 }, (_, i) => `key ${i}`));

function anySteps(lengthMax: number): fc.Arbitrary<Step[]> {
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        do: fc.constant('set' as const),
        key,
        length: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: lengthMax })),
        ttlMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 20 }), fc.constantFrom(0.5, 2 ** 40, 1 / 0)),
      }),
    },
    {
      weight: 10,
      arbitrary: fc.record({ do: fc.constantFrom('get', 'read', 'read', 'peek', 'has', 'delete' as const), key }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 12 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('size', 'sweep' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const) }) },
  );
  return fc.array(step, { minLength: 1, maxLength: 150, size: 'max' });
}

/** A value that names its write, so that a stale or foreign one is seen. */
function textOf(index: number, length: number): string {
  return `${index}:`.padEnd(length, '.').slice(0, length);
}

/** Applies a step to both and compares what they say. */
function apply(step: Step, index: number, target: ShardUnderTest, model: CacheModel): void {
  const { clock } = target;
  switch (step.do) {
    case 'set': {
      const value = textOf(index, step.length);
      const expiresAtMs = step.ttlMs > 0 ? clock.nowMs + step.ttlMs : Number.POSITIVE_INFINITY;
      const refusal = target.set(step.key, value, step.ttlMs) as ErrorRecord | undefined;
      if (refusal?.code === 'VALUE_TOO_LARGE') {
        return;
      }
      if (refusal?.code === 'CACHE_FULL' && model.entriesMax === Number.POSITIVE_INFINITY) {
        // How many bytes fit is the shard's to say.
        return expect(model.policy).toBe('none');
      }
      const isStored = model.set(step.key, value, expiresAtMs, clock.nowMs);
      return expect(refusal?.code).toBe(isStored ? undefined : 'CACHE_FULL');
    }
    case 'get':
    case 'read':
      return expect(target[step.do](step.key)).toBe(model.get(step.key, clock.nowMs));
    case 'peek':
      return expect(target.peek(step.key)).toBe(model.peek(step.key, clock.nowMs));
    case 'has':
      return expect(target.has(step.key)).toBe(model.peek(step.key, clock.nowMs) !== undefined);
    case 'delete':
      return expect(target.delete(step.key)).toBe(model.delete(step.key, clock.nowMs));
    case 'clear':
      expect(target.clear()).toBe(model.entries.size);
      return model.clear();
    case 'size':
      return expect(target.size()).toBe(model.entries.size);
    case 'sweep':
      target.shard.sweep(SWEEP_ALL);
      return model.sweep(clock.nowMs);
    case 'wait':
      clock.nowMs += step.ms;
  }
}

/** Every key reads, by frame and through shared memory, as the model says. */
function compareAll(target: ShardUnderTest, model: CacheModel): void {
  for (const known of [...model.entries.keys(), ...KEYS]) {
    const expected = model.peek(known, target.clock.nowMs);
    expect(target.peek(known)).toBe(expected);
    target.key.encode(known);
    expect(target.reader.probe(target.key) !== 0).toBe(expected !== undefined);
  }
}

/** An eviction may take an expired entry, which nobody can see leave: where victims are learnt, both sweep first. */
function sweepBoth(target: ShardUnderTest, model: CacheModel): void {
  target.shard.sweep(SWEEP_ALL);
  model.sweep(target.clock.nowMs);
}

/** Drops from the model what the shard has evicted. Whatever the shard still has must be right. */
function forgetEvicted(target: ShardUnderTest, model: CacheModel, written: string | undefined): void {
  const { nowMs } = target.clock;
  for (const known of [...model.entries.keys()]) {
    if (target.peek(known) === undefined && model.peek(known, nowMs) !== undefined) {
      expect(known, 'the set that has just been acknowledged').not.toBe(written);
      model.remove(known);
    }
  }
}

describe.each(Object.keys(policies) as PolicyName[])('%s', (policy) => {
  test.each([1, 2, 5, 20])('with room for %i entries does what the model does, victims included', (entriesMax) => {
    fc.assert(
      fc.property(anySteps(300), (steps) => {
        const target = makeShard({ entriesMax, bytesMax: 256 * 1024 }, policy);
        const isDrawn = policy === 'random';
        const model = new CacheModel(policy, isDrawn ? Number.POSITIVE_INFINITY : entriesMax);
        steps.forEach((step, index) => {
          if (isDrawn) {
            sweepBoth(target, model);
          }
          apply(step, index, target, model);
          target.shard.check();
          if (isDrawn) {
            const kept = Math.min(model.entries.size, entriesMax);
            forgetEvicted(target, model, step.do === 'set' ? step.key : undefined);
            expect(model.entries.size).toBe(kept);
          }
          expect(target.shard.entries).toBe(model.entries.size);
        });
        compareAll(target, model);
      }),
      { seed: SEED, numRuns: 60 },
    );
  });

  test.each([200, 1_000, 4_096, 10_000])(
    'with room for %i bytes is never wrong, late or over its limit',
    (bytesMax) => {
      const limits: Partial<ShardLimits> = { bytesMax };
      fc.assert(
        fc.property(anySteps(Math.ceil(bytesMax * 1.2)), (steps) => {
          const target = makeShard(limits, policy);
          const model = new CacheModel(policy);
          let evictions = 0;
          steps.forEach((step, index) => {
            sweepBoth(target, model);
            const bytesBefore = target.shard.bytes;
            apply(step, index, target, model);
            target.shard.check();
            forgetEvicted(target, model, step.do === 'set' ? step.key : undefined);
            const counts = target.shard.counts();
            expect(counts.entries).toBe(model.entries.size);
            if (counts.evictions > evictions) {
              // Room is made only when there is none: what left was needed, up to one large block and the headroom.
              expect(step.do).toBe('set');
              expect(policy).not.toBe('none');
              expect(bytesBefore).toBeGreaterThan(0);
            }
            evictions = counts.evictions;
          });
          compareAll(target, model);
        }),
        { seed: SEED, numRuns: 60 },
      );
    },
  );

  test('hundreds of small entries that fill every hole never pass the limit by a byte', () => {
    const random = seededRandom(`${policy} to the byte`);
    const target = makeShard({ bytesMax: 4_096 }, policy);
    for (let i = 0; i < 30_000; i++) {
      target.set(`k${random.below(100)}`, Buffer.alloc(random.below(4) * 8), random.below(2));
      expect(target.shard.bytes).toBeLessThanOrEqual(4_096);
    }
    target.shard.check();
  });

  test('a value that could never fit is refused, and nothing changes', () => {
    const target = makeShard({ bytesMax: 4_096 }, policy);
    for (let i = 0; i < 10; i++) {
      target.set(`${i}`, `value ${i}`);
    }
    expect(target.set('0', Buffer.alloc(4_096))).toMatchObject({ code: 'VALUE_TOO_LARGE' });
    expect(Array.from({ length: 10 }, (_, i) => target.peek(`${i}`))).toEqual(
      Array.from({ length: 10 }, (_, i) => `value ${i}`),
    );
  });

  // `none` takes it only where there is nothing.
  test.skipIf(policy === 'none')('the largest value that fits is taken, whatever is there', () => {
    for (const bytesMax of [200, 1_000, 4_096]) {
      const target = makeShard({ bytesMax }, policy);
      let length = bytesMax;
      while (target.set('large', Buffer.alloc(length)) !== undefined) {
        length--;
      }
      expect(length).toBeGreaterThan(bytesMax * 0.93 - 8 * ENTRY_COLUMN_BYTES);
      for (let i = 0; i < 100; i++) {
        target.set(`${i}`, Buffer.alloc(i % 30));
        expect(target.set('large', Buffer.alloc(length))).toBeUndefined();
        target.shard.check();
        expect(target.peek('large')).toHaveLength(length);
      }
    }
  });
});
