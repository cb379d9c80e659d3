/**
 * npm run long -- log-damage [--bytes 65536] [--seed n]
 *
 * Is every single bit that flips in a log found, and every length that it is cut to found or reported, whether it was closed
 * or its process was killed?
 */
import { parseArgs } from 'node:util';
import { cutAll, type DamageCounts, flipAll, logOf, noDamage } from '../support/log-damage.ts';
import { Random, SEED } from '../support/random.ts';

const STEP = 65_536;

export async function logDamage(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: { bytes: { type: 'string', default: '65536' }, seed: { type: 'string', default: `${SEED}` } },
  });
  const bytes = Number(values.bytes);
  const log = logOf(new Random(Number(values.seed)), bytes);
  console.log(`a log of ${bytes} bytes, seed ${values.seed}`);
  const [flips, closed, killed] = [noDamage(), noDamage(), noDamage()];
  for (let bit = 0; bit < bytes * 8; bit += STEP) {
    flipAll(log, bit, Math.min(bit + STEP, bytes * 8), flips);
    if (process.stdout.isTTY) process.stdout.write(`\r${bit} of ${bytes * 8}`);
  }
  cutAll(log, 0, bytes, closed, killed);
  show('flipped bits', flips);
  show('cut after it was closed', closed);
  show('cut after a kill', killed);
  return flips.found === bytes * 8 && closed.found === bytes && killed.silent === 0;
}

function show(what: string, counts: DamageCounts): void {
  const list = Object.entries(counts).map(([verdict, count]) => `${count.toLocaleString('en')} ${verdict}`);
  console.log(`\r${what.padEnd(24)} ${list.join(', ')}`);
}
