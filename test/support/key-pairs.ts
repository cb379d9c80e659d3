/**
 * Pairs of keys, most of them alike: they are the same bytes exactly when they are equal, and every key comes back.
 */
import type { CacheKey } from '../../src/protocol/cache-key.ts';
import { decodeKey, KeyEncoder } from '../../src/protocol/key.ts';
import { equalKeys } from './key-equality.ts';
import { KeyMaker } from './key-maker.ts';
import { Random } from './random.ts';

export interface PairCounts {
  readonly equal: number;
  readonly different: number;
  /** Different keys of the same 64-bit hash: chance alone gives one in 2^64. */
  readonly equalHashes: number;
  readonly faults: readonly string[];
}

const FAULTS_MAX = 10;

/** A key and another: the same rearranged, one changed a little, or one that has nothing to do with it. */
export function comparePairs({ pairs, seed }: { pairs: number; seed: number }): PairCounts {
  const random = new Random(seed);
  const maker = new KeyMaker(random);
  const [a, b] = [new KeyEncoder({ low: 1, high: 2 }), new KeyEncoder({ low: 1, high: 2 })];
  const counts = { equal: 0, different: 0, equalHashes: 0, faults: [] as string[] };
  for (let i = 0; i < pairs && counts.faults.length < FAULTS_MAX; i++) {
    const left = maker.key();
    const kind = random.below(8);
    const right = (kind === 0 ? maker.rearranged(left) : kind === 1 ? maker.key() : maker.mutated(left)) ?? null;
    a.encode(left);
    b.encode(right);
    const isEqual = equalKeys(left, right);
    counts[isEqual ? 'equal' : 'different']++;
    if (isEqual !== sameKey(a, b)) {
      counts.faults.push(`pair ${i} of seed ${seed}: ${isEqual ? 'equal keys differ' : 'different keys are the same'}`);
    }
    if (!isEqual && a.hashLow === b.hashLow && a.hashHigh === b.hashHigh) {
      counts.equalHashes++;
    }
    if (!equalKeys(decoded(b), right)) {
      counts.faults.push(`pair ${i} of seed ${seed}: the second key comes back as another`);
    }
  }
  return counts;
}

/** As a shard compares them: words, length and encoding. */
function sameKey(a: KeyEncoder, b: KeyEncoder): boolean {
  const end = (a.byteLength + 3) & ~3;
  return a.meta === b.meta && Buffer.compare(a.bytes.subarray(0, end), b.bytes.subarray(0, end)) === 0;
}

export function decoded(encoder: KeyEncoder): CacheKey {
  return decodeKey(encoder.bytes.subarray(0, encoder.byteLength), encoder.encoding);
}
