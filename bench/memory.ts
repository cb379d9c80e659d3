/**
 * How much memory does an entry take, all told?
 *
 * Two million small objects in one contender in a process of its own: its resident set, less that of a process that has
 * loaded the same modules and stored nothing, over the entries. So everything counts: keys, values, tables, unused room, and
 * for ours the threads of the shards with heaps of their own. Weighed when it has been filled and all garbage is collected,
 * and again when new entries have taken the place of all, twice: then what waits to be collected counts, as it does in a
 * service. Map evicts nothing, and is weighed once.
 */
import type { MemoryAnswer, MemoryJob } from './children/memory.ts';
import type { ContenderName } from './peers/open.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { figure, pick } from './support/figure.ts';
import { inFreshProcess } from './support/fresh-process.ts';
import { compare, type Goals } from './support/ratio.ts';

const CHILD = new URL('./children/memory.js', import.meta.url);
const ENTRIES = 2_000_000;
const QUICK_ENTRIES = 500_000;
const ROUNDS = 3;
const QUICK_ROUNDS = 1;
const CONTENDERS: readonly ContenderName[] = ['shardstash', 'lru-cache', 'Map'];
const EVICTING: readonly ContenderName[] = ['shardstash', 'lru-cache'];
const FILLED = 'filled and collected';
const CHURNED = 'after churn';
/** For a cache in use, where entries come and go. */
const GOALS: Goals = { reach: 1 / 2, andThen: 1 / 3 };

export const memory: Bench = {
  question: 'How much memory does an entry take, all told?',

  async run({ quick, progress }: RunOptions): Promise<Report> {
    const entries = quick ? QUICK_ENTRIES : ENTRIES;
    const answers = CONTENDERS.map((): MemoryAnswer[] => []);
    const idle: number[] = [];
    for (let round = 0; round < (quick ? QUICK_ROUNDS : ROUNDS); round++) {
      idle.push((await weigh({ contender: 'nothing', entries: 0 })).filledBytes);
      for (const [i, contender] of CONTENDERS.entries()) {
        progress(`filling ${contender}`);
        (answers[i] as MemoryAnswer[]).push(await weigh({ contender, entries }));
      }
    }
    const figureOf = (when: string, contender: ContenderName, bytesOf: (answer: MemoryAnswer) => number) => {
      const weighed = answers[CONTENDERS.indexOf(contender)] as MemoryAnswer[];
      const rounds = weighed.map((answer, round) => (bytesOf(answer) - (idle[round] as number)) / entries);
      return figure(`${when}: ${contender}`, 'bytes an entry', rounds);
    };
    const figures = [
      ...CONTENDERS.map((contender) => figureOf(FILLED, contender, ({ filledBytes }) => filledBytes)),
      ...EVICTING.map((contender) => figureOf(CHURNED, contender, ({ churnedBytes }) => churnedBytes)),
    ];
    const against = (when: string, peer: ContenderName, goals: Goals) =>
      compare(pick(figures, `${when}: shardstash`), pick(figures, `${when}: ${peer}`), {
        what: `resident memory of an entry, ${when}`,
        against: peer,
        ...goals,
      });
    return {
      setup: { entries, values: '{ id, name, active }', keys: 'user:0 up' },
      figures,
      ratios: [against(CHURNED, 'lru-cache', GOALS), against(FILLED, 'lru-cache', {}), against(FILLED, 'Map', {})],
      notes: [],
    };
  },
};

function weigh(job: MemoryJob): Promise<MemoryAnswer> {
  return inFreshProcess<MemoryJob, MemoryAnswer>(CHILD, job, ['--expose-gc']);
}
