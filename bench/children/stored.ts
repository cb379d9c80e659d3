/** Stores so many small objects, in parts: what waits for its turn is no part of what a contender takes. */
import type { Peer } from '../peers/index.ts';
import { keyOf } from '../support/keys.ts';
import { type SmallObject, smallObject } from '../support/values.ts';

const PART_ENTRIES = 10_000;

export async function storeAll(peer: Peer<SmallObject>, entries: number): Promise<void> {
  for (let from = 0; from < entries; from += PART_ENTRIES) {
    const keys = Array.from({ length: Math.min(PART_ENTRIES, entries - from) }, (_, i) => keyOf(from + i));
    await peer.fill(keys, (index) => smallObject(from + index));
  }
}
