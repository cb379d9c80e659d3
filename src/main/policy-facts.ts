/**
 * What every eviction policy must do, whichever entry it prefers: facts that run under any test runner, or none. The
 * built-in policies are held to the same ones.
 */
import assert from 'node:assert/strict';
import { describeThrown } from '../protocol/describe.ts';
import { misuse } from '../protocol/errors.ts';
import { HIT_MODES } from '../protocol/policy.ts';
import { Chance, type PolicyMaker, Rehearsal, SLOTS, WEIGHT } from './policy-rehearsal.ts';

export interface PolicyFact {
  readonly name: string;
  /** Throws where the fact does not hold, an AssertionError or what the policy throws. */
  run(): void;
}

export interface PolicyCheckOptions {
  /** Names of facts that are not to be checked, because the policy means it so. */
  skip?: readonly string[];
  /** Of the random walks; default 1. */
  seed?: number;
}

const WALK_STEPS = 50_000;
/** Orders that are asked for in a walk. */
const ORDERS = 20;
const METHODS = ['add', 'hit', 'update', 'remove', 'clear', 'victim'] as const;
const OPTIONAL_METHODS = ['arrive', 'ahead', 'order', 'restore', 'check'] as const;
const WORDS = 2 ** 32;

/**
 * Checks every fact and returns their names. Throws an AggregateError that names all that do not hold, with the error of
 * each in `errors`.
 *
 * @example
 * import { checkPolicy } from 'shardstash/testing';
 * checkPolicy((context) => createMine(context, { patience: 3 }), { skip: ['a touched entry outlives an untouched one'] });
 */
export function checkPolicy(factory: PolicyMaker, { skip = [], seed = 1 }: PolicyCheckOptions = {}): string[] {
  const facts = policyFacts(factory, seed);
  const unknown = skip.find((name) => facts.every((fact) => fact.name !== name));
  if (unknown !== undefined) {
    throw misuse('INVALID_CONFIG', '`skip` to name facts of `policyFacts`', unknown, { option: 'skip' });
  }
  const checked = facts.filter(({ name }) => !skip.includes(name));
  // What is no policy keeps none of the other facts, and to say so fourteen times more helps nobody.
  const shapeless = checked.filter((fact) => fact.name === facts[0]?.name).flatMap(failureOf);
  const failures = shapeless.length > 0 ? shapeless : checked.flatMap(failureOf);
  if (failures.length > 0) {
    const list = failures.map(({ message }) => `- ${message}`).join('\n');
    const count = `${failures.length} of ${checked.length} facts do not hold`;
    throw new AggregateError(failures, `${count} for this policy (seed ${seed}):\n${list}`);
  }
  return checked.map(({ name }) => name);
}

/** The facts, to be run one by one. */
export function policyFacts(factory: PolicyMaker, seed = 1): PolicyFact[] {
  if (typeof factory !== 'function') {
    throw misuse('INVALID_CONFIG', '`factory` to be a function that makes a policy', factory, { option: 'factory' });
  }
  return Object.entries(FACTS).map(([name, run]) => ({ name, run: () => run(factory, seed) }));
}

function failureOf({ name, run }: PolicyFact): Error[] {
  try {
    run();
    return [];
  } catch (cause) {
    return [new Error(`${name}: ${describeThrown(cause)}`, { cause })];
  }
}

function ascending(slots: number[]): number[] {
  return slots.sort((a, b) => a - b);
}

function walk(shard: Rehearsal, seed: number): void {
  const chance = new Chance(seed);
  for (let step = 0; step < WALK_STEPS; step++) {
    try {
      shard.walk(chance);
      shard.victim();
    } catch (cause) {
      throw new Error(`step ${step}: ${describeThrown(cause)}`, { cause });
    }
  }
  shard.policy.check?.();
}

const FACTS: Record<string, (factory: PolicyMaker, seed: number) => void> = {
  'has the methods of the contract, and says how it wants to hear of hits'(factory, seed) {
    const { policy } = new Rehearsal(factory, seed);
    assert(HIT_MODES.includes(policy.hits), `\`hits\` is ${String(policy.hits)}, not one of ${HIT_MODES.join(', ')}`);
    for (const method of METHODS) {
      assert.equal(typeof policy[method], 'function', `\`${method}\` is no function`);
    }
    for (const method of OPTIONAL_METHODS) {
      assert(
        ['function', 'undefined'].includes(typeof policy[method]),
        `\`${method}\` is neither a function nor left out`,
      );
    }
  },

  'an empty policy has no victim'(factory, seed) {
    assert.equal(new Rehearsal(factory, seed).policy.victim(), -1);
  },

  'a victim is an entry that lives, and asking again changes nothing'(factory, seed) {
    const shard = new Rehearsal(factory, seed);
    for (const slot of [3, 1, 2]) {
      assert.equal(shard.add(slot), true, 'it refuses an entry that has room');
    }
    const victim = shard.victim();
    assert([1, 2, 3].includes(victim), `the victim is ${victim}`);
    assert.equal(shard.victim(), victim);
  },

  'every entry becomes the victim once when nothing else happens'(factory, seed) {
    const shard = new Rehearsal(factory, seed);
    shard.fill();
    for (let i = 0; i < SLOTS - 1; i++) {
      shard.remove(shard.victim(), 'evict');
    }
    assert.equal(shard.victim(), -1);
  },

  'after an update the old slot is never named, the new one is'(factory, seed) {
    const shard = new Rehearsal(factory, seed);
    shard.add(5);
    shard.update(6, 5);
    assert.equal(shard.victim(), 6);
    shard.update(5, 6);
    assert.equal(shard.victim(), 5);
    shard.remove(5, 'delete');
    assert.equal(shard.victim(), -1);
  },

  'an entry changed in place stays, once, and the others with it'(factory, seed) {
    const shard = new Rehearsal(factory, seed);
    for (const slot of [1, 2, 3]) {
      shard.add(slot);
    }
    for (const slot of [2, 1, 3, 3]) {
      shard.update(slot, slot);
    }
    assert.deepEqual(shard.drain().sort(), [1, 2, 3], 'the victims are not the three entries, each once');
  },

  'a slot can be used again after its entry left, whatever the cause'(factory, seed) {
    const shard = new Rehearsal(factory, seed);
    for (const cause of ['evict', 'expire', 'delete'] as const) {
      shard.add(7);
      shard.use(7);
      shard.remove(7, cause);
      assert.equal(shard.policy.victim(), -1, `after '${cause}'`);
    }
  },

  'an entry that expired or was deleted is not named again, wherever it stood'(factory, seed) {
    const shard = new Rehearsal(factory, seed);
    for (const cause of ['expire', 'delete'] as const) {
      shard.fill();
      for (const slot of [0, 31, 30, 33, 62, 1]) {
        shard.remove(slot, cause);
      }
      assert(
        shard.drain().every((slot) => ![0, 1, 30, 31, 33, 62].includes(slot)),
        `named after '${cause}'`,
      );
      shard.clear();
    }
  },

  'a cleared policy is empty, and takes the same slots again'(factory, seed) {
    const shard = new Rehearsal(factory, seed);
    shard.fill();
    shard.clear();
    assert.equal(shard.policy.victim(), -1);
    shard.add(9);
    assert.equal(shard.victim(), 9);
  },

  'a touched entry outlives an untouched one'(factory, seed) {
    const shard = new Rehearsal(factory, seed);
    shard.add(1);
    shard.add(2);
    shard.use(1);
    assert.equal(shard.victim(), 2, 'the entry that was used is to go before the one that was not');
  },

  'an entry that it refuses is none of its own: it is not named, and does not leave'(factory, seed) {
    const shard = new Rehearsal(factory, seed);
    const chance = new Chance(seed);
    for (let i = 0; i < 4_000; i++) {
      const hash = chance.below(200);
      if (shard.slotOf(hash) !== undefined) {
        shard.use(shard.slotOf(hash) as number);
      } else {
        shard.store(hash, WEIGHT);
      }
    }
  },

  'where bytes are the bound, room can be made for any weight'(factory, seed) {
    const shard = new Rehearsal(factory, seed, Number.POSITIVE_INFINITY);
    const chance = new Chance(seed);
    for (let hash = 0; hash < 4_000; hash++) {
      const weight = 8 * (1 + chance.below(chance.oneIn(10) ? 500 : 30));
      assert(shard.store(hash, weight), `there is no room for ${weight} bytes, and it gives nothing up`);
    }
  },

  'what it would evict soonest it names within bounds'(factory, seed) {
    const shard = new Rehearsal(factory, seed);
    const { policy } = shard;
    for (const entries of [0, 1, SLOTS - 1]) {
      shard.fill(entries);
      for (const room of [0, 1, SLOTS, SLOTS * 2]) {
        const into = new Int32Array(room).fill(-1);
        const count = policy.ahead?.(into) ?? 0;
        assert(Number.isInteger(count) && count >= 0 && count <= room, `\`ahead\` says ${count} of ${room}`);
        assert(
          into.subarray(0, count).every((slot) => shard.isLive(slot)),
          '`ahead` names a slot without an entry',
        );
      }
    }
  },

  'its order names every entry once, as it was when the policy was asked for it'(factory, seed) {
    const shard = new Rehearsal(factory, seed);
    const chance = new Chance(seed);
    for (let round = 0; round < ORDERS; round++) {
      const expected = shard.liveSlots();
      const order = shard.policy.order?.(SLOTS);
      if (order === undefined) return;
      const named: number[] = [];
      // What happens meanwhile changes nothing in it.
      for (let slot = order.next(); slot !== -1 && named.length < SLOTS; slot = order.next()) {
        named.push(slot);
        const standing = shard.isLive(slot) ? order.standing : 0;
        assert(Number.isInteger(standing) && standing >= 0 && standing < WORDS, `its standing is ${standing}`);
        shard.walk(chance);
      }
      assert.deepEqual(ascending(named), ascending(expected), 'the slots of its order are not those of the entries');
      for (let step = 0; step < SLOTS; step++) {
        shard.walk(chance);
      }
    }
  },

  'restored in its order, a policy of another size holds what it was told of'(factory, seed) {
    for (const entriesMax of [SLOTS - 1, SLOTS / 4, Number.POSITIVE_INFINITY]) {
      const [from, to] = [new Rehearsal(factory, seed), new Rehearsal(factory, seed, entriesMax)];
      if (from.policy.order === undefined) return;
      const chance = new Chance(seed);
      for (let step = 0; step < WALK_STEPS / 50; step++) {
        from.walk(chance);
      }
      from.restoreInto(to, from.policy.order(SLOTS));
      to.policy.check?.();
      const entries = to.liveSlots();
      assert.deepEqual(
        ascending(to.drain()),
        ascending(entries),
        'not every entry that it took becomes the victim once',
      );
    }
  },

  'whatever a snapshot says of an entry, restored it is an entry like any other'(factory, seed) {
    const shard = new Rehearsal(factory, seed);
    if (shard.policy.restore === undefined) return;
    const chance = new Chance(seed);
    for (let hash = 0; hash < 4_000; hash++) {
      shard.store(hash, WEIGHT, chance.oneIn(2) ? chance.below(WORDS) : chance.below(64));
      if (chance.oneIn(2)) {
        shard.walk(chance);
      }
    }
    shard.policy.check?.();
  },

  'whatever happens, it names a live entry while there is one'(factory, seed) {
    walk(new Rehearsal(factory, seed), seed);
  },

  'whatever happens and whatever entries weigh, it does so where bytes are the bound'(factory, seed) {
    walk(new Rehearsal(factory, seed, Number.POSITIVE_INFINITY), seed);
  },

  'of the same seed and told the same, two name the same victims'(factory, seed) {
    const chance = new Chance(seed);
    const twins = [new Rehearsal(factory, seed), new Rehearsal(factory, seed)] as const;
    for (const twin of twins) {
      twin.fill();
    }
    for (let step = 0; step < 1_000; step++) {
      const slot = chance.below(SLOTS);
      for (const twin of twins) {
        twin.use(slot);
      }
      const [victim, other] = [twins[0].policy.victim(), twins[1].policy.victim()];
      assert.equal(other, victim);
      for (const twin of twins) {
        if (twin.isLive(victim)) {
          twin.remove(victim, 'evict');
          twin.add(victim);
        }
      }
    }
  },
};
