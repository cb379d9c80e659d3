/**
 * `npm run bench [-- names] [--json] [--quick]`: runs the benches that are named, or all of them, and prints what each
 * measured and, at the end, every figure that has a goal. Nothing is asserted: a figure that is not reached is printed
 * as not reached, and the exit code is 0. A name that there is no bench of ends with code 2.
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
import { memory } from './memory.ts';
import { micro } from './micro/index.ts';
import { mixed } from './mixed.ts';
import { near } from './near.ts';
import { ownerReads } from './owner-reads.ts';
import { policy } from './policy.ts';
import { set } from './set.ts';
import type { Bench, Report } from './support/bench.ts';
import { describeMachine, machineLine } from './support/machine.ts';
import { renderGoals, renderReport } from './support/report.ts';
import { threads } from './threads.ts';

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
  delay,
  memory,
  micro,
} satisfies Record<string, Bench>;

type BenchName = keyof typeof benches;

const NAMES = Object.keys(benches) as BenchName[];
const EXIT_MISUSE = 2;

const USAGE = `Usage: npm run bench -- [names] [--json] [--quick]

  --json   print one JSON object instead of tables
  --quick  small sizes and few rounds: shows that the benches run, in a minute or two
  --help   print this

${NAMES.map((name) => `  ${name.padEnd(15)} ${benches[name].question}`).join('\n')}
`;

interface Command {
  readonly names: readonly BenchName[];
  readonly json: boolean;
  readonly quick: boolean;
}

const command = readCommand(process.argv.slice(2));
if (command !== undefined) {
  await runBenches(command);
}

async function runBenches({ names, json, quick }: Command): Promise<void> {
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
  if (json) {
    console.log(JSON.stringify({ machine, quick, benches: reports }, null, 2));
  } else {
    console.log(`\n${renderGoals(Object.values(reports), quick)}`);
  }
}

/** Undefined when there is nothing to run: help was asked for, or the command line is wrong. */
function readCommand(args: string[]): Command | undefined {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { json: { type: 'boolean' }, quick: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
    if (values.help === true) {
      process.stdout.write(USAGE);
      return undefined;
    }
    const unknown = positionals.filter((name) => !(name in benches));
    if (unknown.length > 0) {
      throw new Error(`Unknown bench \`${unknown.join('`, `')}\`. Known: ${NAMES.join(', ')}`);
    }
    const names = positionals.length === 0 ? NAMES : NAMES.filter((name) => positionals.includes(name));
    return { names, json: values.json === true, quick: values.quick === true };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = EXIT_MISUSE;
    return undefined;
  }
}
