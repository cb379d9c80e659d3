/**
 * How a new owner's policy hears of the entries that a dead owner left: as if each had just been stored, in the order in which
 * they were. FIFO and LRU go on in that order; what others had learnt of the past is lost with their memory, but for what
 * readers count in `touched`, and they behave as they do when a cache has just been filled. Nobody asks for a victim meanwhile.
 */
import type { EvictionPolicy } from '../protocol/policy.ts';
import { PolicyFault } from './guarded-policy.ts';

/** Entries whose memory is loaded before the policy hears of them: so no load waits for another. */
const AT_ONCE = 64;

/** Calls `refused` for every slot that the policy did not take: it said so, or it failed, and that has been told. */
export function introduce(
  policy: EvictionPolicy,
  slots: Int32Array,
  hashOf: (slot: number) => number,
  refused: (slot: number) => void,
): void {
  const hashes = new Int32Array(AT_ONCE);
  for (let from = 0; from < slots.length; from += AT_ONCE) {
    const to = Math.min(slots.length, from + AT_ONCE);
    for (let i = from; i < to; i++) {
      hashes[i - from] = hashOf(slots[i] as number);
    }
    for (let i = from; i < to; i++) {
      if (!isTaken(policy, slots[i] as number, hashes[i - from] as number)) {
        refused(slots[i] as number);
      }
    }
  }
}

function isTaken(policy: EvictionPolicy, slot: number, hash: number): boolean {
  try {
    return policy.add(slot, hash);
  } catch (error) {
    if (!(error instanceof PolicyFault)) throw error;
    return false;
  }
}
