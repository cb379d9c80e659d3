/**
 * A long random walk over everything that may be done to a shard, beside its model: hundreds of keys that meet each other
 * for hours of their time, where a fuzzer of short runs sees a few keys for a moment.
 */
import type { ShardLimits } from '../../src/protocol/memory.ts';
import type { PolicyName } from '../../src/protocol/spec.ts';
import { Random } from './random.ts';
import { type KeyStep, ShardPair, type Step } from './shard-pair.ts';

/** Every bound that a walk goes under: few and many entries, few and many bytes. */
export const WALK_LIMITS: Partial<ShardLimits>[] = [
  { entriesMax: 3, bytesMax: 128 * 1024 },
  { entriesMax: 60, bytesMax: 128 * 1024 },
  { entriesMax: 200, bytesMax: 512 * 1024 },
  { bytesMax: 1_500 },
  { bytesMax: 8 * 1024 },
  { bytesMax: 64 * 1024 },
];

const KEYS = 500;
const KEY_NAMES = Array.from({ length: KEYS }, (_, i) => `${i % 3 === 0 ? 'ключ' : 'key'} ${i}${'.'.repeat(i % 17)}`);
/** Invariants are checked, and all keys compared, once in so many steps: it takes as long as a few hundred of them. */
const CHECK_STEPS = 5_000;

const KEY_STEPS: readonly (readonly [KeyStep['do'], weight: number])[] = [
  ['set', 24],
  ['read', 20],
  ['get', 8],
  ['add', 6],
  ['update', 5],
  ['increment', 6],
  ['expire', 4],
  ['peek', 2],
  ['has', 2],
  ['touch', 2],
  ['demand', 4],
  ['lookUp', 3],
  ['ttl', 2],
  ['delete', 3],
  ['pop', 2],
  ['lease', 3],
  ['fill', 3],
  ['release', 1],
];
const KEY_STEP_NAMES = KEY_STEPS.flatMap(([name, weight]) => Array.from({ length: weight }, () => name));

export interface WalkOptions {
  readonly policy: PolicyName;
  readonly limits: Partial<ShardLimits>;
  readonly operations: number;
  readonly seed: number;
}

export interface WalkCounts {
  readonly evictions: number;
  readonly expirations: number;
}

/** Throws at the first step after which shard and model disagree. */
export function walk({ policy, limits, operations, seed }: WalkOptions): WalkCounts {
  const random = new Random(seed);
  const pair = new ShardPair(policy, limits, seed);
  const valueMax = limits.entriesMax === undefined ? Math.floor((limits.bytesMax as number) / 10) : 200;
  for (let index = 0; index < operations; index++) {
    const step = anyStep(random, valueMax);
    try {
      pair.apply(step, index);
      if (index % CHECK_STEPS === CHECK_STEPS - 1) {
        pair.target.shard.check();
        pair.compare(KEY_NAMES);
      }
    } catch (cause) {
      throw new Error(`${policy}, ${JSON.stringify(limits)}, step ${index}: ${JSON.stringify(step)}`, { cause });
    }
  }
  pair.target.shard.check();
  pair.compare(KEY_NAMES);
  return pair.target.shard.counts();
}

function anyStep(random: Random, valueMax: number): Step {
  const dice = random.below(1_000);
  if (dice < 60) {
    return { do: 'wait', by: anyWait(random) };
  }
  if (dice < 70) {
    return { do: 'sweep', by: random.oneIn(2) ? 1 + random.below(10) : 100_000 };
  }
  if (dice < 72) {
    return { do: 'popItem' };
  }
  if (dice < 73) {
    return random.oneIn(2) ? { do: 'scan', by: random.logUniform(1, 1_000) } : anyRare(random);
  }
  if (dice < 74) {
    return { do: 'adopt' };
  }
  return {
    do: KEY_STEP_NAMES[random.below(KEY_STEP_NAMES.length)] as KeyStep['do'],
    key: KEY_NAMES[random.oneIn(2) ? random.below(KEYS) : random.logUniform(1, KEYS) - 1] as string,
    length: random.oneIn(200) ? random.below(valueMax * 12) : random.logUniform(1, valueMax) - 1,
    ttlMs: anyTtl(random),
    flag: random.oneIn(2),
  };
}

/** A shard that is cleared too often is never full. */
function anyRare(random: Random): Step {
  return random.oneIn(5) ? { do: 'clear' } : { do: 'size' };
}

/** Mostly what a few hundred steps take; now and then past leases, levels of the wheel, and all that expires. */
function anyWait(random: Random): number {
  if (random.oneIn(500)) {
    return random.logUniform(1, 2 ** 42);
  }
  return random.oneIn(20) ? random.logUniform(1, 60_000) : 1 + random.below(12);
}

function anyTtl(random: Random): number {
  const dice = random.below(10);
  if (dice < 5) {
    return 0;
  }
  if (dice < 8) {
    return 1 + random.below(3_000);
  }
  return dice < 9 ? random.logUniform(1, 2 ** 40) : 0.5 + random.below(20);
}
