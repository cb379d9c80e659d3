/** `shardstash verify`: reads all of a store, a snapshot or a memo file and says each thing that is wrong with it. */
import { resolve } from 'node:path';
import { verifyMemo } from '../memo/index.ts';
import { verifySnapshot } from '../snapshot/index.ts';
import { verifyStore } from '../stores/index.ts';
import { parseArguments } from './arguments.ts';
import { type Command, EXIT_DONE, EXIT_FAILED } from './command.ts';
import { count } from './figures.ts';
import { printable } from './line.ts';
import { asPlaceFault, type Kind, kindOf, nameFor, PATH_HELP, placesOf, print } from './place-arguments.ts';

const OPTIONS = { json: { type: 'boolean' }, name: { type: 'string' } } as const;
/** A disk that is gone has as many findings as entries. */
const FINDINGS_MAX = 100_000;

const HELP = `Usage: shardstash verify PATH [options]

Reads all of a store, a snapshot or a memo file, and prints a sentence for each thing that is wrong. Nothing is mended.

${PATH_HELP}

  --name NAME    of the store on a server
  --json         one JSON object: { "path", "findings" }

Exit codes: 0 it is whole, 1 it is not, or cannot be read, 2 wrong usage.
`;

type Findings = AsyncIterable<string> | Promise<readonly string[]>;

const VERIFIERS: Readonly<Record<Kind, (place: string, name: string | undefined) => Findings>> = {
  store: (place, name) => verifyStore(place, { name }),
  snapshot: (place) => verifySnapshot(place),
  memo: (place) => verifyMemo(resolve(place)),
};

export const verify: Command = {
  summary: 'read all of a store, a snapshot or a memo file, and tell what is wrong',
  help: HELP,
  async run(args) {
    const { values, positionals } = parseArguments(args, OPTIONS);
    const [place] = placesOf(positionals, ['PATH']) as [string];
    const name = nameFor(values.name, [place]);
    const kind = kindOf(place);
    const findings: string[] = [];
    let told = 0;
    try {
      for await (const finding of await VERIFIERS[kind](place, name)) {
        if (++told > FINDINGS_MAX) break;
        if (values.json === true) findings.push(finding);
        else await print(`${printable(finding)}\n`);
      }
    } catch (error) {
      throw asPlaceFault(error, place);
    }
    if (values.json === true) {
      await print(`${JSON.stringify({ path: place, findings })}\n`);
    } else {
      const more = told > FINDINGS_MAX ? 'more than ' : '';
      const what = told === 1 ? 'thing is' : 'things are';
      await print(told === 0 ? 'It is whole.\n' : `${more}${count(Math.min(told, FINDINGS_MAX))} ${what} wrong.\n`);
    }
    return told === 0 ? EXIT_DONE : EXIT_FAILED;
  },
};
