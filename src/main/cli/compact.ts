/** `shardstash compact`: gives back what removed and replaced entries of a store take. */
import { type Compacted, compactStore } from '../stores/index.ts';
import { parseArguments } from './arguments.ts';
import { type Command, EXIT_DONE } from './command.ts';
import { bytes, count } from './figures.ts';
import { asStoreUsage, nameFor, PATH_HELP, placesOf } from './store-arguments.ts';

const OPTIONS = { json: { type: 'boolean' }, name: { type: 'string' } } as const;

const HELP = `Usage: shardstash compact PATH [options]

Gives back what removed and replaced entries of a store take on the disk. Who has the store open for himself must close it first.
${PATH_HELP}

  --name NAME    of the store on a server, which has nothing to give back
  --json         one JSON object: { "path", "entries", "bytesBefore", "bytesAfter" }
`;

export const compact: Command = {
  summary: 'give back what replaced and removed entries of a store take',
  help: HELP,
  async run(args) {
    const { values, positionals } = parseArguments(args, OPTIONS);
    const [place] = placesOf(positionals, ['PATH']) as [string];
    const name = nameFor(values.name, [place]);
    let done: Compacted;
    try {
      done = await compactStore(place, { name });
    } catch (error) {
      throw asStoreUsage(error);
    }
    const text = values.json === true ? JSON.stringify({ path: place, ...done }) : told(done);
    await new Promise((resolve) => process.stdout.write(`${text}\n`, resolve));
    return EXIT_DONE;
  },
};

function told({ entries, bytesBefore, bytesAfter }: Compacted): string {
  const kept = `${count(entries)} ${entries === 1 ? 'entry' : 'entries'}`;
  return bytesBefore === undefined || bytesAfter === undefined
    ? `${kept}; a server has nothing to give back.`
    : `${kept}: ${bytes(bytesBefore)} before, ${bytes(bytesAfter)} now.`;
}
