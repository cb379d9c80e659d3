/** `shardstash inspect`: what a store, a snapshot or a memo file is, how many entries, how large, and what of it is seen to be damaged. */
import { parseArguments, wholeNumber } from './arguments.ts';
import { type Command, EXIT_DONE } from './command.ts';
import { lookAtMemo } from './inspect-memo.ts';
import { lookAtSnapshot } from './inspect-snapshot.ts';
import { lookAtStore } from './inspect-store.ts';
import { page, type Style, styleOf } from './layout.ts';
import { printable } from './line.ts';
import type { Look, LookOptions } from './look.ts';
import { asPlaceFault, type Kind, kindOf, nameFor, PATH_HELP, placesOf, print } from './place-arguments.ts';

const OPTIONS = { json: { type: 'boolean' }, keys: { type: 'string' }, name: { type: 'string' } } as const;
const KEYS_MAX = 1_000;
const { NO_COLOR } = process.env;

const HELP = `Usage: shardstash inspect PATH [options]

Tells what lies at PATH: of a store its engine, encoding and who has it open for himself; of a snapshot when it was saved, by what
cache, and how many of its entries have expired since; of a memo file which function's results it has. Of each how many entries it
has, how large it is, and what is seen to be damaged. Nothing is changed.

${PATH_HELP}

  --keys N       shows N entries, keys and values: of a snapshot the hottest, of a memo the latest, with arguments
  --name NAME    of the store on a server
  --json         one JSON object; its "kind" is store, snapshot or memo
`;

const LOOKS: Readonly<Record<Kind, (place: string, options: LookOptions) => Promise<Look>>> = {
  store: lookAtStore,
  snapshot: lookAtSnapshot,
  memo: lookAtMemo,
};

export const inspect: Command = {
  summary: 'tell what a store, a snapshot or a memo file is, how large, and what is in it',
  help: HELP,
  async run(args) {
    const { values, positionals } = parseArguments(args, OPTIONS);
    const [place] = placesOf(positionals, ['PATH']) as [string];
    const entries = wholeNumber('keys', values.keys, 0, KEYS_MAX) ?? 0;
    const name = nameFor(values.name, [place]);
    const kind = kindOf(place);
    let found: Look;
    try {
      found = await LOOKS[kind](place, { entries, name });
    } catch (error) {
      throw asPlaceFault(error, place);
    }
    await print(
      values.json === true
        ? `${JSON.stringify({ kind, ...found.json })}\n`
        : rendered(found, styleOf(process.stdout.isTTY && !NO_COLOR)),
    );
    return EXIT_DONE;
  },
};

function rendered(found: Look, style: Style): string {
  const damage = found.damage.map((finding) => style('red', printable(finding)));
  const sections = [[style('bold', printable(found.path))], found.facts(style), found.sample(style), damage];
  return page(sections.filter((lines) => lines.length > 0));
}
