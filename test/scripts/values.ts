/**
 * npm run long -- values [--count 1000000] [--seed n]
 *
 * Does every value come back from every built-in serializer as it went in, to the last bit, or is refused with
 * SERIALIZATION_ERROR? Arbitrary nested values, the same ones for each.
 */
import { inspect, parseArgs } from 'node:util';
import fc from 'fast-check';
import { serializers } from '../../src/main/serializers/index.ts';
import { arbitraryValue } from '../support/arbitrary-values.ts';
import { type Verdict, verdict } from '../support/codec-verdict.ts';
import { SEED } from '../support/random.ts';

const BATCH = 10_000;
const SHOWN_MAX = 10;

type Counts = Record<Verdict, number>;

export async function values(args: string[]): Promise<boolean> {
  const { values: given } = parseArgs({
    args,
    options: {
      count: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: `${SEED}` },
    },
  });
  const [count, seed] = [Number(given.count), Number(given.seed)];
  console.log(
    `${count.toLocaleString('en')} values through each of ${Object.keys(serializers).join(', ')}; seed ${seed}`,
  );
  const contenders = Object.values(serializers).map((create) => ({
    codec: create(),
    counts: { equal: 0, refused: 0, different: 0 } satisfies Counts as Counts,
  }));
  let shown = 0;
  for (let done = 0; done < count; done += BATCH) {
    // A seed of its own for each batch, so that one can be run again alone.
    const batch = fc.sample(arbitraryValue, { numRuns: Math.min(BATCH, count - done), seed: seed + done / BATCH });
    for (const { codec, counts } of contenders) {
      for (const value of batch) {
        const seen = verdict(codec, value);
        counts[seen]++;
        if (seen === 'different' && shown++ < SHOWN_MAX) {
          console.error(`${codec.name}: ${inspect(value, { depth: null, showHidden: true })}`);
        }
      }
    }
  }
  for (const { codec, counts } of contenders) {
    const list = Object.entries(counts).map(([seen, times]) => `${times.toLocaleString('en')} ${seen}`);
    console.log(`${codec.name.padEnd(8)} ${list.join(', ')}`);
  }
  return contenders.every(({ counts }) => counts.different === 0);
}
