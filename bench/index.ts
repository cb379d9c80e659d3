/**
 * `npm run bench [-- names] [--json] [--quick] [--baseline FILE]`: runs the benches that are named, or all of them, and
 * prints what each measured and, at the end, every figure that has a goal; beside an earlier run, what has changed since.
 * Nothing is asserted: a figure that is not reached, or was better before, is printed as such, and the exit code is 0. A name
 * that there is no bench of ends with code 2, and so does a baseline that is none.
 */
import { parseArgs } from 'node:util';
import { advise } from './advise.ts';
import { awaitedSet } from './awaited-set.ts';
import { delay } from './delay.ts';
import { evicting } from './evicting.ts';
import { evictingOwner } from './evicting-owner.ts';
import { filter } from './filter.ts';
import { get } from './get.ts';
import { growth } from './growth.ts';
import { hitRatio } from './hit-ratio.ts';
import { memo } from './memo.ts';
import { memory } from './memory.ts';
import { micro } from './micro/index.ts';
import { mixed } from './mixed.ts';
import { near } from './near.ts';
import { ownerReads } from './owner-reads.ts';
import { policy } from './policy.ts';
import { set } from './set.ts';
import { stores } from './stores.ts';
import { compareRuns, type Run, readBaseline, renderComparison } from './support/baseline.ts';
import type { Bench, Report } from './support/bench.ts';
import { describeMachine, machineLine } from './support/machine.ts';
import { renderGoals, renderReport } from './support/report.ts';
import { threads } from './threads.ts';
import { tier } from './tier.ts';

const benches = {
  get,
  near,
  advise,
  growth,
  set,
  'awaited-set': awaitedSet,
  evicting,
  'evicting-owner': evictingOwner,
  mixed,
  'owner-reads': ownerReads,
  threads,
  filter,
  policy,
  'hit-ratio': hitRatio,
  delay,
  memory,
  memo,
  stores,
  tier,
  micro,
} satisfies Record<string, Bench>;

type BenchName = keyof typeof benches;

const NAMES = Object.keys(benches) as BenchName[];
const EXIT_MISUSE = 2;

const USAGE = `Usage: npm run bench -- [names] [--json] [--quick] [--baseline FILE]

  --json           print one JSON object instead of tables
  --quick          small sizes and few rounds: shows that the benches run, in a minute or two
  --baseline FILE  say what has changed since a run that --json has printed
  --help           print this

${NAMES.map((name) => `  ${name.padEnd(15)} ${benches[name].question}`).join('\n')}
`;

interface Command {
  readonly names: readonly BenchName[];
  readonly json: boolean;
  readonly quick: boolean;
  readonly baseline: Run | undefined;
}

const command = readCommand(process.argv.slice(2));
if (command !== undefined) {
  await runBenches(command);
}

async function runBenches({ names, json, quick, baseline }: Command): Promise<void> {
  const machine = describeMachine();
  const reports = {} as Record<BenchName, Report>;
  if (!json) {
    console.log(machineLine(machine));
  }
  for (const name of names) {
    const progress = (text: string) => process.stderr.write(`${name}: ${text}\n`);
    const report = await benches[name].run({ quick, progress });
    reports[name] = report;
    if (!json) {
      console.log(`\n${renderReport(name, benches[name].question, report)}`);
    }
  }
  const run: Run = { machine, quick, benches: reports };
  const comparison = baseline && compareRuns(baseline, run);
  if (json) {
    console.log(JSON.stringify({ ...run, comparison }, null, 2));
    return;
  }
  console.log(`\n${renderGoals(Object.values(reports), quick)}`);
  if (comparison !== undefined) {
    console.log(`\n${renderComparison(comparison)}`);
  }
}

/** Undefined when there is nothing to run: help was asked for, or the command line is wrong. */
function readCommand(args: string[]): Command | undefined {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        json: { type: 'boolean' },
        quick: { type: 'boolean' },
        baseline: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help === true) {
      process.stdout.write(USAGE);
      return undefined;
    }
    const unknown = positionals.filter((name) => !Object.hasOwn(benches, name));
    if (unknown.length > 0) {
      throw new Error(`Unknown bench \`${unknown.join('`, `')}\`. Known: ${NAMES.join(', ')}`);
    }
    const names = positionals.length === 0 ? NAMES : NAMES.filter((name) => positionals.includes(name));
    // Before anything is measured: a name that is mistyped should not cost half an hour.
    const baseline = values.baseline === undefined ? undefined : readBaseline(values.baseline);
    return { names, json: values.json === true, quick: values.quick === true, baseline };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = EXIT_MISUSE;
    return undefined;
  }
}
