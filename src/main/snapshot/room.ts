/**
 * Which entries of a snapshot a smaller cache loads: where a shard has no room for all that belong to it, the coldest are left out
 * before they are stored, so that its policy need not throw out one for each. Coldest of all: each entry is as cold as the share of
 * the shard that saved it that is colder, so every block loses what is colder than one bound.
 *
 *     saved by    0: [ cold . . . . | . . . hot ]      two blocks
 *                 1: [ cold . . ][ . | . . . . hot ]
 *                          left out  | loaded
 */
import type { ShardLimits } from '../../protocol/memory.ts';
import type { BlockPlace, CheckedBlock } from '../../protocol/snapshot/tasks.ts';

/** The part of its shard that a block is, from 0, the coldest, to 1. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Halvings of the bound: finer than an entry of any shard. */
const HALVINGS = 40;

export function spansOf(shards: readonly (readonly BlockPlace[])[]): Map<BlockPlace, Span> {
  const spans = new Map<BlockPlace, Span>();
  for (const blocks of shards) {
    const total = blocks.reduce((sum, { entries }) => sum + entries, 0);
    let colder = 0;
    for (const block of blocks) {
      spans.set(block, { from: colder / total, to: (colder + block.entries) / total });
      colder += block.entries;
    }
  }
  return spans;
}

/** Of each block, by shard of this cache: how many of its entries for that, the first, are left out. */
export function skipsOf(
  checked: readonly CheckedBlock[],
  spans: readonly Span[],
  limits: readonly ShardLimits[],
): number[][] {
  const byShard = limits.map(({ entriesMax, bytesMax }, shard) => {
    const parts = checked.map(({ entries, bytes }, i) => ({
      entries: entries[shard] as number,
      bytesEach: (bytes[shard] as number) / Math.max(1, entries[shard] as number),
      span: spans[i] as Span,
    }));
    return skipsOfShard(parts, entriesMax, bytesMax);
  });
  return checked.map((_, i) => byShard.map((skips) => skips[i] as number));
}

interface Part {
  readonly entries: number;
  readonly bytesEach: number;
  readonly span: Span;
}

function skipsOfShard(parts: readonly Part[], entriesMax: number, bytesMax: number): number[] {
  const fits = (skips: readonly number[]) => {
    let entries = 0;
    let bytes = 0;
    for (const [i, part] of parts.entries()) {
      const left = part.entries - (skips[i] as number);
      entries += left;
      bytes += left * part.bytesEach;
    }
    return entries <= entriesMax && bytes <= bytesMax;
  };
  let skips = parts.map(() => 0);
  if (fits(skips)) {
    return skips;
  }
  let low = 0;
  let high = 1;
  for (let i = 0; i < HALVINGS; i++) {
    const bound = (low + high) / 2;
    if (fits(below(parts, bound))) high = bound;
    else low = bound;
  }
  // Below the bound by less than one entry of each block.
  skips = below(parts, low);
  for (const [i, { entries }] of parts.entries()) {
    if (fits(skips)) {
      break;
    }
    (skips[i] as number) = Math.min(entries, (skips[i] as number) + 1);
  }
  return skips;
}

function below(parts: readonly Part[], bound: number): number[] {
  return parts.map(({ entries, span: { from, to } }) => {
    const share = Math.min(1, Math.max(0, (bound - from) / (to - from)));
    return Math.floor(share * entries);
  });
}
