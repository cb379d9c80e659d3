/**
 * How long does the event loop of a thread keep others waiting while it uses a large cache?
 *
 * Two million small objects, and every millisecond so many sets of new keys, each of which evicts an entry, and as many
 * gets. Each contender churns in a process of its own, so that none collects another's garbage. Noted is how late the calls
 * of each millisecond were made, and reported what one in a thousand milliseconds exceeds. That is what a request sees
 * that comes at any time; `monitorEventLoopDelay` would count a pause of 100 ms once, as it does a millisecond in which
 * all was well. The same stream without a cache says what timers, which are a millisecond coarse, make of it.
 *
 * The clock stands still while the thread is ready to run and gets no core: what else runs on the machine would else be
 * most of what is measured.
 */
import type { DelayAnswer, DelayJob } from './children/delay.ts';
import type { ContenderName } from './peers/open.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { type Figure, figure, median, pick } from './support/figure.ts';
import { inFreshProcess } from './support/fresh-process.ts';
import { compare } from './support/ratio.ts';

const CHILD = new URL('./children/delay.js', import.meta.url);
const CONTENDERS: readonly ContenderName[] = ['shardstash', 'lru-cache', 'nothing'];
const NS_PER_MS = 1e6;

const FULL = { rounds: 5, entries: 2_000_000, setsPerMs: 100, warmUpMs: 3_000, measuredMs: 15_000 };
const QUICK = { rounds: 3, entries: 200_000, setsPerMs: 50, warmUpMs: 300, measuredMs: 1_000 };

export const delay: Bench = {
  question: 'How long does the event loop of a thread keep others waiting while it uses a large cache?',

  async run({ quick, progress }: RunOptions): Promise<Report> {
    const { rounds, ...load } = quick ? QUICK : FULL;
    const answers = CONTENDERS.map((): DelayAnswer[] => []);
    for (let round = 0; round < rounds; round++) {
      for (const [i, contender] of CONTENDERS.entries()) {
        progress(`round ${round + 1} of ${rounds}: ${contender}`);
        const job = { contender, ...load };
        (answers[i] as DelayAnswer[]).push(await inFreshProcess<DelayJob, DelayAnswer>(CHILD, job));
      }
    }
    const figures = [
      ...CONTENDERS.map((name, i) => figureOf(`p99.9: ${name}`, answers[i], ({ p999Ms }) => p999Ms)),
      ...CONTENDERS.map((name, i) => figureOf(`longest: ${name}`, answers[i], ({ longestMs }) => longestMs)),
    ];
    return {
      setup: {
        entries: load.entries,
        'a millisecond': `${load.setsPerMs} sets of new keys, ${load.setsPerMs} gets`,
        values: '{ id, name, active }',
        'for ms': load.measuredMs,
      },
      figures,
      ratios: ['p99.9', 'longest'].flatMap((which) =>
        ['lru-cache', 'nothing'].map((peer) =>
          compare(pick(figures, `${which}: shardstash`), pick(figures, `${which}: ${peer}`), {
            what: `event-loop delay under churn, ${which}`,
            against: peer,
            ...(which === 'p99.9' && peer === 'lru-cache' ? { reach: 1 / 10 } : {}),
          }),
        ),
      ),
      notes: CONTENDERS.map((name, i) => noteOf(name, answers[i])),
    };
  },
};

function figureOf(name: string, answers: readonly DelayAnswer[] = [], msOf: (answer: DelayAnswer) => number): Figure {
  return figure(
    name,
    'ns',
    answers.map((answer) => msOf(answer) * NS_PER_MS),
  );
}

function noteOf(name: string, answers: readonly DelayAnswer[] = []): string {
  const hits = percent(median(answers.map(({ hitRatio }) => hitRatio)));
  const waited = answers.map(({ waitedShare }) => percent(waitedShare)).join(', ');
  return `${name}: ${hits} of the gets hit; its thread waited for a core for ${waited} of the time.`;
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(1)} %`;
}
