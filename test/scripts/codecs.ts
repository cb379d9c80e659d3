/**
 * npm run long -- codecs [--count 100000] [--seed n]
 *
 * Does every value come back from every serializer, compression and base64 as it went in, to the last bit, or is refused with
 * SERIALIZATION_ERROR? Arbitrary nested values, the same ones for each; `count` round trips in all.
 */
import { inspect, parseArgs } from 'node:util';
import fc from 'fast-check';
import { arbitraryValue } from '../support/arbitrary-values.ts';
import { type Combination, combinations, judged } from '../support/codec-combinations.ts';
import type { Verdict } from '../support/codec-verdict.ts';
import { SEED } from '../support/random.ts';

/** So many arbitrary values are one: what short ones leave alone, a long list of them makes a compression work at. */
const LISTED = 20;
const SHOWN_MAX = 10;

export async function codecs(args: string[]): Promise<boolean> {
  const { values: given } = parseArgs({
    args,
    options: {
      count: { type: 'string', default: '100000' },
      seed: { type: 'string', default: `${SEED}` },
    },
  });
  const [count, seed] = [Number(given.count), Number(given.seed)];
  const all = combinations();
  const numRuns = Math.ceil(count / all.length);
  console.log(`${numRuns} values through each of ${all.length} codecs; seed ${seed}`);
  const values = fc.sample(arbitraryValue, { numRuns, seed });
  const [{ codec: first }] = all as [Combination];
  // A list with one that is refused would be refused as a whole.
  const taken = values.filter((value) => judged(first, value) === 'equal');
  const counts: Record<Verdict, number> = { equal: 0, refused: 0, different: 0 };
  let shown = 0;
  for (const { name, codec } of all) {
    for (const [i, value] of values.entries()) {
      const whole = i % 2 === 0 ? value : taken.slice(i % taken.length, (i % taken.length) + LISTED);
      const seen = judged(codec, whole);
      counts[seen]++;
      if (seen === 'different' && shown++ < SHOWN_MAX) {
        console.error(`${name}: ${inspect(whole, { depth: null, showHidden: true })}`);
      }
    }
  }
  const list = Object.entries(counts).map(([seen, times]) => `${times.toLocaleString('en')} ${seen}`);
  console.log(list.join(', '));
  return counts.different === 0;
}
