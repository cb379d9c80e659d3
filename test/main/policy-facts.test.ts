import { describe, expect, test } from 'vitest';
import { policyFacts } from '../../src/main/policy-facts.ts';
import type { EvictionPolicy } from '../../src/protocol/policy.ts';

const ORDER = 'its order names every entry once, as it was when the policy was asked for it';
const RESTORED = 'restored in its order, a policy of another size holds what it was told of';
const STANDINGS = 'whatever a snapshot says of an entry, restored it is an entry like any other';
const WORDS = 2 ** 32;

function run(make: () => unknown, fact: string): void {
  const found = policyFacts(make as () => EvictionPolicy).find(({ name }) => name === fact);
  expect(found?.name).toBe(fact);
  found?.run();
}

/** FIFO as users write it, whose order and restore can be others. */
function fifo(spoilt: (slots: number[]) => Partial<EvictionPolicy> = () => ({})): () => EvictionPolicy {
  return () => {
    const slots: number[] = [];
    const add = (slot: number) => slots.push(slot) > 0;
    return {
      hits: 'none',
      add,
      hit() {},
      update: (slot, previous) => void slots.splice(slots.indexOf(previous), 1, slot),
      remove: (slot) => void slots.splice(slots.indexOf(slot), 1),
      clear: () => void slots.splice(0),
      victim: () => slots[0] ?? -1,
      order: () => named([...slots]),
      restore: add,
      ...spoilt(slots),
    };
  };
}

/** An order of these. */
function named(slots: Iterable<number>, standing = 0) {
  const left = slots[Symbol.iterator]();
  return { standing, next: () => left.next().value ?? -1 };
}

test.each([ORDER, RESTORED, STANDINGS])('an order and a restore that are sound pass: %s', (fact) => {
  run(fifo(), fact);
  run(
    fifo(() => ({ restore: undefined as never })),
    fact,
  );
  run(
    fifo(() => ({ order: undefined as never })),
    fact,
  );
});

describe('what is wrong is found:', () => {
  test.each<[string, (slots: number[]) => ReturnType<typeof named>, RegExp]>([
    ['leaves an entry out', (slots) => named(slots.slice(1)), /not those of the entries/],
    ['names one twice', (slots) => named([...slots, ...slots.slice(0, 1)]), /not those of the entries/],
    ['never ends', (slots) => ({ standing: 0, next: () => slots[0] ?? -1 }), /not those of the entries/],
    ['changes while it is walked', (slots) => named(slots), /not those of the entries/],
    ['has standings that are no uint32', (slots) => named([...slots], WORDS), /its standing is 4294967296/],
  ])('an order that %s', (_, order, told) => {
    expect(() =>
      run(
        fifo((slots) => ({ order: () => order(slots) })),
        ORDER,
      ),
    ).toThrow(told);
  });

  test.each<[string, Partial<EvictionPolicy>, string]>([
    ['forgets', { restore: () => true }, RESTORED],
    ['answers nothing', { restore: () => undefined as never }, RESTORED],
    ['names what it has not been told of', { restore: (_slot, hash, standing) => standing < hash }, STANDINGS],
  ])('a restore that %s', (_, spoilt, fact) => {
    expect(() =>
      run(
        fifo(() => spoilt),
        fact,
      ),
    ).toThrow();
  });

  test('a restore that chokes on what it has not said itself', () => {
    const restore = (_slot: number, _hash: number, standing: number) => {
      throw new Error(`what is ${standing}?`);
    };
    expect(() =>
      run(
        fifo(() => ({ restore })),
        STANDINGS,
      ),
    ).toThrow(/what is \d+\?/);
  });
});
