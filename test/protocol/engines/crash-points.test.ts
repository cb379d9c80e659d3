import { describe, expect, test } from 'vitest';
import { diskEngine } from '../../../src/protocol/engines/disk.ts';
import { logEngine } from '../../../src/protocol/engines/log.ts';
import { callsOf, crashAt, type Mortal } from '../../support/crash-points.ts';
import { seededRandom } from '../../support/random.ts';

/** `npm run long -- store-kills` does thousands. */
const POINTS = 40;

const MORTALS: Record<string, Mortal> = {
  log: { kind: logEngine, options: { segmentBytes: 4_096 }, recordMax: 3_000 },
  'log, synced': { kind: logEngine, options: { segmentBytes: 4_096, sync: true }, recordMax: 3_000 },
  disk: { kind: diskEngine, options: { maxBytes: 64 * 2 ** 20 }, recordMax: 60_000 },
  'disk, full': { kind: diskEngine, options: { maxBytes: 2 ** 20 }, recordMax: 120_000, maxBytes: 2 ** 20 },
};

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
