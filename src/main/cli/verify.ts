/** `shardstash verify`: reads all of a store and says each thing that is wrong with it. */
import { verifyStore } from '../stores/index.ts';
import { parseArguments } from './arguments.ts';
import { type Command, EXIT_DONE, EXIT_FAILED } from './command.ts';
import { count } from './figures.ts';
import { printable } from './line.ts';
import { asStoreUsage, nameFor, PATH_HELP, placesOf } from './store-arguments.ts';

const OPTIONS = { json: { type: 'boolean' }, name: { type: 'string' } } as const;
/** A disk that is gone has as many findings as entries. */
const FINDINGS_MAX = 100_000;

const HELP = `Usage: shardstash verify PATH [options]

Reads all of a store, and prints a sentence for each thing that is wrong. Nothing is mended. ${PATH_HELP}

  --name NAME    of the store on a server
  --json         one JSON object: { "path", "findings" }

Exit codes: 0 it is whole, 1 it is not, or cannot be read, 2 wrong usage.
`;

export const verify: Command = {
  summary: 'read all of a store, and tell each thing that is wrong',
  help: HELP,
  async run(args) {
    const { values, positionals } = parseArguments(args, OPTIONS);
    const [place] = placesOf(positionals, ['PATH']) as [string];
    const name = nameFor(values.name, [place]);
    const findings: string[] = [];
    let told = 0;
    try {
      for await (const finding of verifyStore(place, { name })) {
        if (++told > FINDINGS_MAX) break;
        if (values.json === true) findings.push(finding);
        else await write(`${printable(finding)}\n`);
      }
    } catch (error) {
      throw asStoreUsage(error);
    }
    if (values.json === true) {
      await write(`${JSON.stringify({ path: place, findings })}\n`);
    } else {
      const more = told > FINDINGS_MAX ? 'more than ' : '';
      const what = told === 1 ? 'thing is' : 'things are';
      await write(told === 0 ? 'It is whole.\n' : `${more}${count(Math.min(told, FINDINGS_MAX))} ${what} wrong.\n`);
    }
    return told === 0 ? EXIT_DONE : EXIT_FAILED;
  },
};

/** Waits for whoever reads: a store may have many findings. */
function write(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()));
}
