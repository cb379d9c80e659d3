/** What every eviction policy must do, whichever entry it prefers. A policy that cannot lists the test and why. */
import { describe, expect, test } from 'vitest';
import { decodeKey } from '../../src/protocol/key.ts';
import type { EvictionPolicy, PolicyFactory } from '../../src/protocol/policy.ts';
import { SEED, seededRandom } from './random.ts';

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
    hitCount: () => 0,
    hashOf: (slot) => Math.imul(slot + 1, 0x9e37_79b1),
    weightOf: () => 100,
    touched,
    seed,
    keyOf: (slot) => decodeKey(Buffer.from(`key ${slot}`), 0),
  });
}

export function runPolicySuite(factory: PolicyFactory, exceptions: readonly PolicyException[]): void {
  const names = new Set<string>();
  const fact = (name: string, run: () => void) => {
    names.add(name);
    const exception = exceptions.find((candidate) => candidate.test === name);
    test.skipIf(exception !== undefined)(exception === undefined ? name : `${name} (not: ${exception.reason})`, run);
  };

  fact('an empty policy has no victim', () => {
    expect(create(factory).victim()).toBe(-1);
  });

  fact('a victim is an entry that lives, and asking again changes nothing', () => {
    const policy = create(factory);
    for (const slot of [3, 1, 2]) {
      expect(policy.add(slot, slot)).toBe(true);
    }
    const victim = policy.victim();
    expect([1, 2, 3]).toContain(victim);
    expect(policy.victim()).toBe(victim);
  });

  fact('every entry becomes the victim once when nothing else happens', () => {
    const policy = create(factory);
    for (let slot = 0; slot < SLOTS; slot++) {
      policy.add(slot, slot);
    }
    const victims = new Set<number>();
    for (let i = 0; i < SLOTS; i++) {
      const victim = policy.victim();
      victims.add(victim);
      policy.remove(victim, 'evict');
    }
    expect(victims.size).toBe(SLOTS);
    expect(policy.victim()).toBe(-1);
  });

  fact('after an update the old slot is never named, the new one is', () => {
    const policy = create(factory);
    policy.add(5, 1);
    policy.update(6, 5);
    expect(policy.victim()).toBe(6);
    policy.update(5, 6);
    expect(policy.victim()).toBe(5);
    policy.remove(5, 'delete');
    expect(policy.victim()).toBe(-1);
  });

  fact('an entry changed in place stays, once, and the others with it', () => {
    const policy = create(factory);
    for (const slot of [1, 2, 3]) {
      policy.add(slot, slot);
    }
    for (const slot of [2, 1, 3, 3]) {
      policy.update(slot, slot);
    }
    const victims: number[] = [];
    for (let victim = policy.victim(); victim !== -1 && victims.length < 4; victim = policy.victim()) {
      victims.push(victim);
      policy.remove(victim, 'evict');
    }
    expect(victims.sort()).toEqual([1, 2, 3]);
  });

  fact('a slot can be used again after its entry left, whatever the cause', () => {
    const policy = create(factory);
    for (const cause of ['evict', 'expire', 'delete'] as const) {
      policy.add(7, 1);
      policy.hit(7);
      policy.remove(7, cause);
      expect(policy.victim()).toBe(-1);
    }
  });

  fact('a cleared policy is empty, and takes the same slots again', () => {
    const policy = create(factory);
    for (let slot = 0; slot < SLOTS; slot++) {
      policy.add(slot, slot);
    }
    policy.clear();
    expect(policy.victim()).toBe(-1);
    policy.add(9, 9);
    expect(policy.victim()).toBe(9);
  });

  fact('a touched entry outlives an untouched one', () => {
    const touched = new Uint8Array(SLOTS);
    const policy = create(factory, touched);
    policy.add(1, 1);
    policy.add(2, 2);
    touched[1] = 1;
    policy.hit(1);
    expect(policy.victim()).toBe(2);
  });

  fact('whatever happens, it names a live entry while there is one', () => {
    const random = seededRandom('any policy');
    const touched = new Uint8Array(SLOTS);
    const policy = create(factory, touched);
    const live = new Set<number>();
    const anyLive = () => [...live][random.below(live.size)] as number;
    const anyFree = () => {
      const slot = random.below(SLOTS);
      return live.has(slot) ? -1 : slot;
    };
    for (let step = 0; step < 50_000; step++) {
      const free = anyFree();
      switch (random.below(6)) {
        case 0:
        case 1:
          if (free >= 0 && policy.add(free, random.word() | 0)) {
            live.add(free);
          }
          break;
        case 2:
          if (live.size > 0) {
            const slot = anyLive();
            touched[slot] = Math.min(3, (touched[slot] as number) + 1);
            policy.hit(slot);
          }
          break;
        case 3:
          if (live.size > 0) {
            const slot = anyLive();
            const moved = free >= 0 ? free : slot;
            policy.update(moved, slot);
            live.delete(slot);
            live.add(moved);
          }
          break;
        case 4:
          if (live.size > 0) {
            const slot = anyLive();
            policy.remove(slot, 'delete');
            live.delete(slot);
          }
          break;
        default:
          if (random.oneIn(200)) {
            policy.clear();
            live.clear();
          } else if (live.size > SLOTS / 2) {
            const victim = policy.victim();
            policy.remove(victim, 'evict');
            live.delete(victim);
          }
      }
      const victim = policy.victim();
      if (live.size === 0 ? victim !== -1 : !live.has(victim)) {
        expect.fail(`step ${step}: victim ${victim} of ${live.size} live entries`);
      }
    }
  });

  fact('of the same seed and told the same, two name the same victims', () => {
    const random = seededRandom('twins');
    const touched = new Uint8Array(SLOTS);
    const twins = [create(factory, touched), create(factory, touched.slice())] as const;
    for (let slot = 0; slot < SLOTS; slot++) {
      twins.map((policy) => policy.add(slot, slot));
    }
    for (let step = 0; step < 1_000; step++) {
      const slot = random.below(SLOTS);
      twins.map((policy) => policy.hit(slot));
      const [victim, other] = twins.map((policy) => policy.victim()) as [number, number];
      expect(other).toBe(victim);
      for (const policy of twins) {
        policy.remove(victim, 'evict');
        policy.add(victim, victim);
      }
    }
  });

  describe('its exceptions', () => {
    test('name tests of this suite and say why', () => {
      for (const exception of exceptions) {
        expect(names).toContain(exception.test);
        expect(exception.reason).not.toBe('');
      }
    });
  });
}
