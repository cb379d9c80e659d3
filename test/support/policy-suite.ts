/** The facts of `shardstash/testing` as tests. A policy that cannot keep one lists it and why. */
import { describe, expect, test } from 'vitest';
import { policyFacts } from '../../src/main/policy-facts.ts';
import { decodeKey } from '../../src/protocol/key.ts';
import type { EvictionPolicy, PolicyFactory } from '../../src/protocol/policy.ts';
import { SEED } from './random.ts';

export interface PolicyException {
  readonly test: string;
  readonly reason: string;
}

const SLOTS = 64;

/** A policy by itself, for so many slots. */
export function create(
  factory: PolicyFactory,
  touched = new Uint8Array(SLOTS),
  seed = SEED,
  slots = SLOTS,
): EvictionPolicy {
  return factory({
    slots,
    entriesMax: slots - 1,
    bytesMax: slots * 100,
    hashOf: (slot) => Math.imul(slot + 1, 0x9e37_79b1),
    weightOf: () => 100,
    touched,
    seed,
    keyOf: (slot) => decodeKey(Buffer.from(`key ${slot}`), 0),
  });
}

export function runPolicySuite(factory: PolicyFactory, exceptions: readonly PolicyException[]): void {
  console.info(`policy suite: SEED=${SEED}`);
  const facts = policyFacts(factory, SEED);
  for (const { name, run } of facts) {
    const exception = exceptions.find((candidate) => candidate.test === name);
    test.skipIf(exception !== undefined)(exception === undefined ? name : `${name} (not: ${exception.reason})`, run);
  }

  describe('its exceptions', () => {
    test('name tests of this suite and say why', () => {
      for (const exception of exceptions) {
        expect(facts.map(({ name }) => name)).toContain(exception.test);
        expect(exception.reason).not.toBe('');
      }
    });
  });
}
