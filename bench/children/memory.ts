/** Fills one contender and weighs the process, churns it and weighs again. Runs in a process of its own, with `--expose-gc`. */
import { setTimeout as pause } from 'node:timers/promises';
import { type ContenderName, openContender } from '../peers/open.ts';
import { answerJob } from '../support/fresh-process.ts';
import { keyOf } from '../support/keys.ts';
import { storeIds } from './stored.ts';

export interface MemoryJob {
  readonly contender: ContenderName;
  /** 0: only the modules are loaded. */
  readonly entries: number;
}

export interface MemoryAnswer {
  /** Filled, and all garbage collected. */
  readonly filledBytes: number;
  /**
   * After every entry has been replaced CHURNS times; garbage is collected when the process sees fit. Not
   * for Map, which would keep them all.
   */
  readonly churnedBytes: number;
}

const CHURNS = 2;

/** Freed pages go back to the system some time after a collection, by a thread of their own. */
const COLLECT_PAUSE_MS = 50;
const COLLECTIONS_MAX = 60;
/** It weighs no less after so many collections: this is it. */
const COLLECTIONS_IN_VAIN = 6;
const LESS_BYTES = 256 * 1024;
const SAMPLES = 1_000;
/** Of several shards with an even share of `maxEntries` each, some fill up before the others. */
const FOUND_MIN = SAMPLES * 0.98;

answerJob(async ({ contender, entries }: MemoryJob): Promise<MemoryAnswer> => {
  const peer = await openContender(entries === 0 ? 'nothing' : contender, entries);
  await storeIds(peer, 0, entries);
  const filledBytes = await settledRss();
  let found = 0;
  for (let i = 0; i < SAMPLES; i++) {
    found += (await peer.get(keyOf(Math.floor((entries * i) / SAMPLES)))) === undefined ? 0 : 1;
  }
  if (entries > 0 && found < FOUND_MIN) {
    throw new Error(`${contender}: found ${found} of ${SAMPLES} entries that were stored`);
  }
  if (contender !== 'Map') {
    await storeIds(peer, entries, entries * (1 + CHURNS));
  }
  return { filledBytes, churnedBytes: process.memoryUsage.rss() };
});

async function settledRss(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  let inVain = 0;
  for (let i = 0; i < COLLECTIONS_MAX && inVain < COLLECTIONS_IN_VAIN; i++) {
    globalThis.gc?.();
    await pause(COLLECT_PAUSE_MS);
    const rss = process.memoryUsage.rss();
    inVain = rss < least - LESS_BYTES ? 0 : inVain + 1;
    least = Math.min(least, rss);
  }
  return least;
}
