import { expect, test } from 'vitest';
import { losePowerOften, SYNCED } from '../../support/power-loss.ts';
import { seededRandom } from '../../support/random.ts';

/** `npm run long -- store-kills` does thousands. */
const POINTS = 15;

test.each(Object.entries(SYNCED))(
  "%s: what was acknowledged with 'sync' survives the machine's end, on a disk that forgets what was not synced",
  async (name, mortal) => {
    expect(await losePowerOften(mortal, POINTS, seededRandom(`the losses of ${name}`))).toEqual([]);
  },
);
