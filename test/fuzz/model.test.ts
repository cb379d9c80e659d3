/**
 * Random operations on a shard beside a Map, with every invariant checked after every step. The model says whom a policy
 * must name, and follows the shard in what it cannot know: how many bytes fit, and lots.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ENTRY_COLUMN_BYTES, type ShardLimits } from '../../src/protocol/memory.ts';
import type { PolicyName } from '../../src/protocol/spec.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { WALK_LIMITS, walk } from '../support/model-walk.ts';
import { SEED, seededRandom } from '../support/random.ts';
import { makeShard } from '../support/shard.ts';
import { type KeyStep, ShardPair, type Step } from '../support/shard-pair.ts';

/** `npm run long -- model` walks a hundred times as far. */
const WALK_STEPS = 4_000;

/** Few, so that they meet again; of both encodings, with an empty one, and some whose bytes nearly agree. */
const KEYS = ['', '\0', '\0\0', 'a', 'ab', 'abc', 'abcd', 'abcde', 'ÿ', 'Ā', '\u0100\u0100', '🂡', 'key-of-some-length'];

const key = fc.constantFrom(...KEYS, ...Array.from({ length: 12 }, (_, i) => `key ${i}`));

function anySteps(lengthMax: number): fc.Arbitrary<Step[]> {
  const onKey = (...names: KeyStep['do'][]) =>
    fc.record({
      do: fc.constantFrom(...names),
      key,
      length: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: lengthMax })),
      ttlMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 20 }), fc.constantFrom(0.5, 2 ** 40, 1 / 0)),
      flag: fc.boolean(),
    });
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 12, arbitrary: onKey('set') },
    { weight: 10, arbitrary: onKey('get', 'read', 'read', 'peek', 'has', 'touch', 'demand', 'lookUp', 'ttl') },
    { weight: 8, arbitrary: onKey('add', 'update', 'increment', 'increment', 'expire', 'delete', 'pop') },
    { weight: 5, arbitrary: onKey('lease', 'fill', 'release') },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), by: fc.integer({ min: 1, max: 12 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('size', 'popItem' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep' as const), by: fc.constantFrom(1, 3, 1_000) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('scan' as const), by: fc.integer({ min: 1, max: 9 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('clear', 'adopt' as const) }) },
  );
  return fc.array(step, { minLength: 1, maxLength: 150, size: 'max' });
}

describe.each(Object.keys(policies) as PolicyName[])('%s', (policy) => {
  function runBeside(limits: Partial<ShardLimits>, lengthMax: number): void {
    fc.assert(
      fc.property(anySteps(lengthMax), (steps) => {
        const pair = new ShardPair(policy, limits);
        steps.forEach((step, index) => {
          pair.apply(step, index);
          pair.target.shard.check();
        });
        pair.compare(KEYS);
      }),
      { seed: SEED, numRuns: 60 },
    );
  }

  test.each([1, 2, 5, 20])('with room for %i entries does what the model does, victims included', (entriesMax) => {
    runBeside({ entriesMax, bytesMax: 256 * 1024 }, 300);
  });

  test.each([200, 1_000, 4_096, 10_000])(
    'with room for %i bytes is never wrong, late or over its limit',
    (bytesMax) => {
      runBeside({ bytesMax }, Math.ceil(bytesMax * 1.2));
    },
  );

  test.each(WALK_LIMITS)('hundreds of keys for hours, within %o, do what the model does', (limits) => {
    console.info(`${policy} walk: SEED=${SEED}`);
    walk({ policy, limits, operations: WALK_STEPS, seed: SEED });
  });

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
