/**
 * npm run long -- snapshot-flips [--bytes 65536]: a snapshot of so many bytes with every single bit flipped, and cut off at every
 * byte. Each has to be found, or to be harmless: nothing is found, and every entry is what it was.
 */
import { parseArgs } from 'node:util';
import { Random, SEED } from '../support/random.ts';
import { judge, judgeFlip, snapshotOfBytes, type VerdictCounts } from '../support/snapshot-damage.ts';
import { entriesOfBytes } from '../support/snapshots.ts';

export async function snapshotFlips(args: string[]): Promise<boolean> {
  const { values } = parseArgs({ args, options: { bytes: { type: 'string', default: '65536' } } });
  const bytes = snapshotOfBytes(new Random(SEED), Number(values.bytes));
  const entries = entriesOfBytes(bytes);
  console.log(`SEED=${SEED}: ${bytes.length} bytes, ${entries.length} entries`);
  const flips: VerdictCounts = { found: 0, harmless: 0, silent: 0 };
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    flips[judgeFlip(bytes, bit, entries)]++;
  }
  console.log('flips', flips);
  const cuts: VerdictCounts = { found: 0, harmless: 0, silent: 0 };
  for (let length = 0; length < bytes.length; length++) {
    cuts[judge(bytes.subarray(0, length), entries)]++;
  }
  console.log('cuts', cuts);
  return flips.silent === 0 && cuts.silent === 0 && cuts.harmless === 0;
}
