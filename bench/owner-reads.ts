/**
 * What does a get gain from reading shared memory, beside one that asks the owner?
 *
 * The same cache twice, once with `reads: 'shared'` and once with `reads: 'owner'`. One get at a time pays for a hop alone;
 * 256 in flight share their frames.
 */
import { Shardstash } from './peers/shardstash.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { pick } from './support/figure.ts';
import { at, keyOf, keysOf, uniformIds } from './support/keys.ts';
import { inFlight, type Load, measureLoads } from './support/load.ts';
import { compare } from './support/ratio.ts';
import { paceOf } from './support/rounds.ts';
import { type SmallObject, smallObject } from './support/values.ts';

const ENTRIES = 100_000;
const CONCURRENCIES = [1, 256];

export const ownerReads: Bench = {
  question: 'What does a get gain from reading shared memory, beside one that asks the owner?',

  async run(options: RunOptions): Promise<Report> {
    const shared = await Shardstash.open<SmallObject>({ reads: 'shared' }, "reads: 'shared'");
    const owner = await Shardstash.open<SmallObject>({ reads: 'owner' }, "reads: 'owner'");
    try {
      const keys = keysOf(ENTRIES);
      await shared.fill(keys, smallObject);
      await owner.fill(keys, smallObject);
      const ids = uniformIds(ENTRIES);
      options.progress('measuring');
      const loads = CONCURRENCIES.flatMap((concurrency) =>
        [shared, owner].map((peer) => getsOf(nameOf(concurrency, peer.name), peer, ids, concurrency)),
      );
      const figures = await measureLoads(loads, paceOf(options));
      return {
        setup: {
          entries: ENTRIES,
          distribution: 'uniform',
          values: '{ id, name, active }',
          shards: shared.cache.config.shards,
        },
        figures,
        ratios: CONCURRENCIES.map((concurrency) =>
          compare(pick(figures, nameOf(concurrency, shared.name)), pick(figures, nameOf(concurrency, owner.name)), {
            what: `awaited get hit, ${concurrency} in flight, ${shared.name}`,
            against: owner.name,
          }),
        ),
        notes: [],
      };
    } finally {
      await shared.close();
      await owner.close();
    }
  },
};

function getsOf(name: string, peer: Shardstash<SmallObject>, ids: Int32Array, concurrency: number): Load {
  let cursor = 0;
  return { name, run: (operations) => inFlight(concurrency, operations, () => peer.get(keyOf(at(ids, cursor++)))) };
}

function nameOf(concurrency: number, peer: string): string {
  return `${concurrency} in flight, ${peer}`;
}
