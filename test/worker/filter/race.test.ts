import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { type FilterName, FilterReader, filterBytes } from '../../../src/protocol/filter.ts';
import { filters } from '../../../src/worker/filter/index.ts';
// @ts-expect-error: the owner's thread runs it as it stands.
import { hashOf, STAYING, strangerOf } from '../../support/filter-race-hashes.mjs';

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
    const control = new Int32Array(new SharedArrayBuffer(12));
    const owner = new Worker(new URL('../../support/filter-race-owner.mjs', import.meta.url), {
      workerData: { ...spec, words, slots: SLOTS, control },
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
        const [low, high] = hashOf(id);
        lost += reader.rulesOut(low, high) ? 1 : 0;
        const [strange, stranger] = strangerOf(asked++);
        ruledOut += reader.rulesOut(strange, stranger) ? 1 : 0;
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
