import { describe, expect, test } from 'vitest';
import { callsOf, crashAt, MORTALS } from '../../support/crash-points.ts';
import { seededRandom } from '../../support/random.ts';

/** `npm run long -- store-kills` does thousands. */
const POINTS = 15;

describe.each(Object.entries(MORTALS))('%s', (name, mortal) => {
  test('a process that ends at any call of the file system loses nothing that was acknowledged', async () => {
    const random = seededRandom(`the crashes of ${name}`);
    const seed = random.word();
    const calls = await callsOf(mortal, seed);
    const faults: string[] = [];
    for (let point = 0; point < POINTS; point++) {
      faults.push(...(await crashAt(mortal, seed, random.below(calls))).faults);
    }
    expect(faults).toEqual([]);
    expect(calls).toBeGreaterThan(100);
  });
});
