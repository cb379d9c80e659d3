/**
 * Which entries of a snapshot a smaller cache loads: where a shard has no room for all that belong to it, the coldest are left out
 * before they are stored, so that its policy need not throw out one for each.
 *
 *     blocks, coldest first     [ 4 of 5 ] [ 3 of 6 ] [ 0 of 2 ] [ 0 of 7 ]      4 + 3 left out where 13 of 20 fit
 */
import type { ShardLimits } from '../../protocol/memory.ts';
import type { CheckedBlock } from '../../protocol/snapshot/tasks.ts';

/** Of each block, in that order, by shard of this cache: how many of its entries for that, the first, are left out. */
export function skipsOf(checked: readonly CheckedBlock[], limits: readonly ShardLimits[]): number[][] {
  const skips = checked.map(() => limits.map(() => 0));
  for (const [shard, { entriesMax, bytesMax }] of limits.entries()) {
    const of = ({ entries, bytes }: CheckedBlock) => ({
      entries: entries[shard] as number,
      bytes: bytes[shard] as number,
    });
    let entriesOver = -entriesMax;
    let bytesOver = -bytesMax;
    for (const block of checked) {
      const { entries, bytes } = of(block);
      entriesOver += entries;
      bytesOver += bytes;
    }
    for (const [i, block] of checked.entries()) {
      const { entries, bytes } = of(block);
      if (entries === 0) {
        continue;
      }
      if (entriesOver <= 0 && bytesOver <= 0) {
        break;
      }
      const bytesEach = bytes / entries;
      const skip = Math.min(entries, Math.ceil(Math.max(entriesOver, bytesOver / bytesEach)));
      (skips[i] as number[])[shard] = skip;
      entriesOver -= skip;
      bytesOver -= skip * bytesEach;
    }
  }
  return skips;
}
