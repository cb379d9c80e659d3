/** Stores small objects in parts: what waits for its turn is no part of what a contender takes. */
import type { Peer } from '../peers/index.ts';
import { keyOf } from '../support/keys.ts';
import { type SmallObject, smallObject } from '../support/values.ts';

const PART_ENTRIES = 10_000;

/** The ids `first` to `end` - 1. */
export async function storeIds(peer: Peer<SmallObject>, first: number, end: number): Promise<void> {
  for (let from = first; from < end; from += PART_ENTRIES) {
    const keys = Array.from({ length: Math.min(PART_ENTRIES, end - from) }, (_, i) => keyOf(from + i));
    await peer.fill(keys, (index) => smallObject(from + index));
  }
}
