import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { type FilterName, FilterReader, filterBytes } from '../../../src/protocol/filter.ts';
import { filters } from '../../../src/worker/filter/index.ts';
import { seededRandom } from '../../support/random.ts';

/** Keys that stay, and all. */
const STAYING = 300;
const KEYS = 60_000;
const HASH_HIGH_MASK = 0x7ff;
const SECONDS = 2;
const SLOTS = 1_200;
const [STOP, ROUNDS, REBUILDS] = [0, 1, 2];

/** Short fingerprints, so that many keys are one; and so small that most adds move others. */
const RATE = 0.1;

test.each(Object.keys(filters) as FilterName[])(
  `${SECONDS} seconds beside a thread that churns a %s filter: no key that stays is ruled out`,
  async (type) => {
    const spec = { type, falsePositiveRate: RATE };
    const words = new Int32Array(new SharedArrayBuffer(filterBytes(spec, SLOTS)));
    const random = seededRandom('race');
    const hashes = new Int32Array(new SharedArrayBuffer(8 * KEYS));
    for (let i = 0; i < KEYS; i++) {
      hashes[2 * i] = random.word();
      hashes[2 * i + 1] = random.word() & HASH_HIGH_MASK;
      // A quarter of those that come and go are one with a key that stays.
      if (i >= STAYING && i % 4 === 0) {
        hashes.copyWithin(2 * i, 2 * (i % STAYING), 2 * (i % STAYING) + 2);
      }
    }
    const control = new Int32Array(new SharedArrayBuffer(12));
    const owner = new Worker(new URL('../../support/filter-race-owner.mjs', import.meta.url), {
      workerData: { ...spec, words, slots: SLOTS, control, hashes, staying: STAYING },
    });
    const faults: unknown[] = [];
    owner.on('error', (fault) => faults.push(fault));
    const exit = once(owner, 'exit');
    while (Atomics.load(control, ROUNDS) === 0 && faults.length === 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const reader = new FilterReader(words);
    let [lost, ruledOut, asked] = [0, 0, 0];
    const endMs = performance.now() + SECONDS * 1_000;
    while (performance.now() < endMs) {
      for (let id = 0; id < STAYING; id++) {
        lost += reader.rulesOut(hashes[2 * id] as number, hashes[2 * id + 1] as number) ? 1 : 0;
        ruledOut += reader.rulesOut(random.word() | 0, random.word() | 0) ? 1 : 0;
        asked++;
      }
    }
    Atomics.store(control, STOP, 1);
    await exit;
    expect(faults).toEqual([]);
    expect(lost).toBe(0);
    // A race in which one of these did not happen would prove nothing.
    expect(asked).toBeGreaterThan(100_000);
    expect(ruledOut).toBeGreaterThan(asked / 20);
    expect(control[ROUNDS]).toBeGreaterThan(20);
    expect(type === 'cuckoo' || (control[REBUILDS] as number) > 10).toBe(true);
  },
);
