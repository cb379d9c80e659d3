/** `shardstash compact`: gives back what removed and replaced entries of a store or a memo file take. */
import { resolve } from 'node:path';
import { compact as compactMemo } from '../memo/index.ts';
import { type Compacted, compactStore } from '../stores/index.ts';
import { parseArguments } from './arguments.ts';
import { type Command, EXIT_DONE } from './command.ts';
import { bytes } from './figures.ts';
import { asPlaceFault, type Kind, kindOf, nameFor, PATH_HELP, placesOf, print } from './place-arguments.ts';
import { entriesText } from './shown-entry.ts';

const OPTIONS = { json: { type: 'boolean' }, name: { type: 'string' } } as const;

const HELP = `Usage: shardstash compact PATH [options]

Gives back what removed, replaced and expired entries take on the disk, and in a memo file what is damaged. Who has a store open for
himself must close it first; a memo file may be in use. A snapshot has nothing to give back.

${PATH_HELP}

  --name NAME    of the store on a server, which has nothing to give back
  --json         one JSON object: { "path", "entries", "bytesBefore", "bytesAfter" }; of a memo file with "dropped"
`;

const COMPACTORS: Readonly<Record<Kind, (place: string, name: string | undefined) => Promise<Compacted>>> = {
  store: (place, name) => compactStore(place, { name }),
  memo: (place) => compactMemo(resolve(place)),
  snapshot: (place) =>
    Promise.reject(new Error(`${resolve(place)} is a snapshot: it has its entries and nothing else to give back`)),
};

export const compact: Command = {
  summary: 'give back what replaced and removed entries of a store or a memo take',
  help: HELP,
  async run(args) {
    const { values, positionals } = parseArguments(args, OPTIONS);
    const [place] = placesOf(positionals, ['PATH']) as [string];
    const name = nameFor(values.name, [place]);
    let done: Compacted;
    try {
      done = await COMPACTORS[kindOf(place)](place, name);
    } catch (error) {
      throw asPlaceFault(error, place);
    }
    await print(`${values.json === true ? JSON.stringify({ path: place, ...done }) : told(done)}\n`);
    return EXIT_DONE;
  },
};

function told({ entries, bytesBefore, bytesAfter }: Compacted): string {
  return bytesBefore === undefined || bytesAfter === undefined
    ? `${entriesText(entries)}; a server has nothing to give back.`
    : `${entriesText(entries)}: ${bytes(bytesBefore)} before, ${bytes(bytesAfter)} now.`;
}
