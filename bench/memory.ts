/**
 * How much memory does an entry take, all told?
 *
 * Two million small objects in one contender in a process of its own: its resident set after collecting, less that of a
 * process that has loaded the same modules and stored nothing, over the entries. So everything counts: keys, values, tables,
 * unused room, and for ours the threads of the shards with heaps of their own.
 */
import type { MemoryAnswer, MemoryJob } from './children/memory.ts';
import type { ContenderName } from './peers/open.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { figure, pick } from './support/figure.ts';
import { inFreshProcess } from './support/fresh-process.ts';
import { compare } from './support/ratio.ts';

const CHILD = new URL('./children/memory.js', import.meta.url);
const ENTRIES = 2_000_000;
const QUICK_ENTRIES = 500_000;
const ROUNDS = 3;
const QUICK_ROUNDS = 1;
const CONTENDERS: readonly ContenderName[] = ['shardstash', 'lru-cache', 'Map'];

export const memory: Bench = {
  question: 'How much memory does an entry take, all told?',

  async run({ quick, progress }: RunOptions): Promise<Report> {
    const entries = quick ? QUICK_ENTRIES : ENTRIES;
    const bytes = CONTENDERS.map((): number[] => []);
    for (let round = 0; round < (quick ? QUICK_ROUNDS : ROUNDS); round++) {
      const idleBytes = await rssOf({ contender: 'nothing', entries: 0 });
      for (const [i, contender] of CONTENDERS.entries()) {
        progress(`filling ${contender}`);
        const rssBytes = await rssOf({ contender, entries });
        (bytes[i] as number[]).push((rssBytes - idleBytes) / entries);
      }
    }
    const figures = CONTENDERS.map((contender, i) => figure(contender, 'bytes an entry', bytes[i] as number[]));
    const ours = pick(figures, 'shardstash');
    const what = 'resident memory of an entry';
    return {
      setup: { entries, values: '{ id, name, active }', keys: 'user:0 up' },
      figures,
      ratios: [
        compare(ours, pick(figures, 'lru-cache'), { what, reach: 1 / 2, andThen: 1 / 3 }),
        compare(ours, pick(figures, 'Map'), { what }),
      ],
      notes: [],
    };
  },
};

async function rssOf(job: MemoryJob): Promise<number> {
  const { rssBytes } = await inFreshProcess<MemoryJob, MemoryAnswer>(CHILD, job, ['--expose-gc']);
  return rssBytes;
}
