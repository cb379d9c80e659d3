/** `npm run long -- snapshot-flips` flips every bit and cuts at every byte. */
import { expect, test } from 'vitest';
import { verifySnapshot } from '../../src/protocol/snapshot/verify.ts';
import { seededRandom } from '../support/random.ts';
import { judge, judgeFlip, snapshotOfBytes } from '../support/snapshot-damage.ts';
import { entriesOfBytes } from '../support/snapshots.ts';

const BYTES = 65_536;
const SAMPLES = 300;

test('a flipped bit, or a missing end, of a snapshot is found, or is harmless', () => {
  const random = seededRandom('damaged snapshots');
  const bytes = snapshotOfBytes(random, BYTES);
  const entries = entriesOfBytes(bytes);
  expect([bytes.length, verifySnapshot(bytes)]).toEqual([BYTES, []]);
  for (let i = 0; i < SAMPLES; i++) {
    const bit = random.below(BYTES * 8);
    expect({ bit, verdict: judgeFlip(bytes, bit, entries) }).not.toEqual({ bit, verdict: 'silent' });
    const length = random.below(BYTES);
    expect({ length, verdict: judge(bytes.subarray(0, length), entries) }).toEqual({ length, verdict: 'found' });
  }
  expect(verifySnapshot(bytes)).toEqual([]);
});
