/**
 * What does a memoized call cost that finds its result in memory, or in its file, or computes and keeps it?
 *
 * One text argument, fresh strings, small objects as results, one call at a time. The function itself does next to nothing. What is stored is
 * acknowledged when the system has it: it survives the process, not the machine.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCache } from 'shardstash';
import { memoize, memoizeSync } from 'shardstash/memo';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { type Figure, pick } from './support/figure.ts';
import { keyOf } from './support/keys.ts';
import { compare } from './support/ratio.ts';
import { measureInRounds, paceOf } from './support/rounds.ts';
import { smallObject } from './support/values.ts';

const FULL_CALLS = 20_000;
const QUICK_CALLS = 2_000;
const NS_PER_MS = 1e6;

interface Task {
  readonly name: string;
  /** Makes the calls of a round, and says how long they took, in ms. */
  run(): Promise<number>;
}

export const memo: Bench = {
  question: 'What does a memoized call cost: a hit in memory, a hit in its file, a miss that is kept?',

  async run(options: RunOptions): Promise<Report> {
    const calls = options.quick ? QUICK_CALLS : FULL_CALLS;
    const folder = mkdtempSync(join(tmpdir(), 'shardstash-bench-'));
    const cache = await openCache({ shards: 1 });
    const fresh = () => Array.from({ length: calls }, (_, id) => keyOf(id));
    const atOnce = memoizeSync((key: string) => smallObject(key.length), { cache, name: 'at once' });
    const awaited = memoize(async (key: string) => smallObject(key.length), { filename: false });
    let files = 0;
    try {
      for (const key of fresh()) {
        atOnce(key);
        await awaited(key);
        await cache.set(key, smallObject(key.length));
      }
      await atOnce.flush();
      /** One that finds all results in its file, or none. */
      const withFile = async (isFilled: boolean) => {
        const make = async (key: string) => smallObject(key.length);
        const filename = join(folder, `${files++}.log`);
        const maker = memoize(make, { filename, name: 'make' });
        if (isFilled) for (const key of fresh()) await maker(key);
        else await maker('opens it');
        if (!isFilled) return maker;
        await maker.close();
        const reader = memoize(make, { filename, name: 'make' });
        await reader('opens it');
        return reader;
      };
      const overFile = async (isFilled: boolean) => {
        const subject = await withFile(isFilled);
        try {
          return await timed(fresh(), subject);
        } finally {
          await subject.close();
        }
      };
      const tasks: Task[] = [
        { name: 'cache.getSync', run: async () => timedAtOnce(fresh(), (key) => cache.getSync(key)) },
        { name: 'memory hit, at once', run: async () => timedAtOnce(fresh(), atOnce) },
        { name: 'awaited cache.get', run: () => timed(fresh(), (key) => cache.get(key)) },
        { name: 'memory hit, awaited', run: () => timed(fresh(), awaited) },
        { name: 'file hit, awaited', run: () => overFile(true) },
        { name: 'miss, computed and kept in a file', run: () => overFile(false) },
      ];
      options.progress(`measuring ${tasks.length} kinds of calls`);
      const figures = await measureInRounds(tasks, paceOf(options).rounds, async (task) => {
        const ms = await task.run();
        return (ms * NS_PER_MS) / calls;
      });
      return { setup: { calls, results: '{ id, name, active }' }, figures, ratios: ratiosOf(figures), notes: NOTES };
    } finally {
      await Promise.all([atOnce.close(), awaited.close()]);
      await cache.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

const NOTES = [
  'A file hit is the first of its key in the process: it is read, checked, decoded, and put into memory as well.',
  'A miss is claimed, computed, written to the file and put into memory; nothing waits for the medium.',
];

function ratiosOf(figures: readonly Figure[]) {
  const against = (ours: string, theirs: string) => compare(pick(figures, ours), pick(figures, theirs), { what: ours });
  return [
    against('memory hit, at once', 'cache.getSync'),
    against('memory hit, awaited', 'awaited cache.get'),
    against('file hit, awaited', 'memory hit, awaited'),
    against('miss, computed and kept in a file', 'memory hit, awaited'),
  ];
}

function timedAtOnce(keys: readonly string[], call: (key: string) => unknown): number {
  const startMs = performance.now();
  for (const key of keys) call(key);
  return performance.now() - startMs;
}

async function timed(keys: readonly string[], call: (key: string) => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  for (const key of keys) await call(key);
  return performance.now() - startMs;
}
