/**
 * npm run long -- torture [--seconds 300] [--readers 1] [--seed n]
 *
 * Does a reader ever get a torn, foreign, stale or expired value, or miss a key that is there, while the owner does
 * everything it can do to the memory?
 */
import { parseArgs } from 'node:util';
import { SEED } from '../support/random.ts';
import { torture as run } from '../support/torture.ts';

export async function torture(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: 'string', default: '300' },
      readers: { type: 'string', default: '1' },
      seed: { type: 'string', default: `${SEED}` },
    },
  });
  const options = { seconds: Number(values.seconds), readers: Number(values.readers), seed: Number(values.seed) };
  console.log(`${options.seconds} s, 1 owner, ${options.readers} reader(s), seed ${options.seed}`);
  const { owner, readers, violations, faults } = await run(options);
  console.log(`owner:      ${list(owner)}`);
  console.log(`readers:    ${list(readers)}`);
  console.log(`            ${((readers.contended / readers.reads) * 100).toFixed(3)} % of reads met a change`);
  console.log(`violations: ${list(violations)}`);
  for (const fault of faults) {
    console.error(fault);
  }
  return faults.length === 0;
}

function list(counts: object): string {
  return Object.entries(counts)
    .map(([name, count]) => `${(count as number).toLocaleString('en')} ${name}`)
    .join(', ');
}
