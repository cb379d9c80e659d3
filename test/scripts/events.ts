/**
 * npm run long -- events [--evictions 1000000] [--sleep 50]
 *
 * A million evictions with a listener in another thread that sleeps whenever it has been told of some: is a request lost or
 * kept waiting, do told and dropped come to what was evicted, and how much memory does what it does not take cost? The same
 * without a listener, and with one that does not sleep, for comparison.
 */
import { parseArgs } from 'node:util';
import { eventStorm } from '../support/event-storm.ts';

/** What waits for one listener: 6 MiB in the ports of two shards, 4 MiB in its queue. The rest is what the runtime leaves about. */
const GROWTH_MAX_MIB = 64;

export async function events(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: { evictions: { type: 'string', default: '1000000' }, sleep: { type: 'string', default: '50' } },
  });
  const evictions = Number(values.evictions);
  let isWell = true;
  // The first storm of a process grows it, whoever listens: none of the others is to be charged for that.
  await eventStorm(evictions, undefined);
  const sleepMs = Number(values.sleep);
  for (const [what, ms] of [
    ['no listener', undefined],
    ['a listener that is awake', 0],
    [`a listener that sleeps ${sleepMs} ms after each batch`, sleepMs],
  ] as const) {
    const { evicted, told, dropped, droppedEvents, failed, slowestMs, rss } = await eventStorm(evictions, ms);
    console.log(what);
    console.log(`  evicted ${evicted}, told ${told}, dropped ${dropped}, by the metrics ${droppedEvents}`);
    console.log(`  requests failed ${failed}, the slowest thousand took ${slowestMs.toFixed(0)} ms`);
    console.log(`  RSS before ${mib(rss.before)}, peak ${mib(rss.peak)}, after ${mib(rss.after)}`);
    isWell &&= (ms === undefined ? 0 : evicted) === told + dropped && dropped === droppedEvents && failed === 0;
    isWell &&= (rss.peak - rss.before) / 2 ** 20 < GROWTH_MAX_MIB;
  }
  return isWell;
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
