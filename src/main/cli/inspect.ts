/** `shardstash inspect`: what a store is, how many entries, how large, and who has it open. */
import { inspect as shown } from 'node:util';
import { type InspectedEntry, type Inspection, inspectStore } from '../stores/index.ts';
import { parseArguments, wholeNumber } from './arguments.ts';
import { type Command, EXIT_DONE } from './command.ts';
import { bytes, count } from './figures.ts';
import { label, page, row, type Style, styleOf } from './layout.ts';
import { printable } from './line.ts';
import { asStoreUsage, nameFor, PATH_HELP, placesOf } from './store-arguments.ts';

const OPTIONS = { json: { type: 'boolean' }, keys: { type: 'string' }, name: { type: 'string' } } as const;
const KEYS_MAX = 1_000;
/** Of an entry on one line. */
const KEY_WIDTH = 40;
const VALUE_WIDTH = 80;

const HELP = `Usage: shardstash inspect PATH [options]

Tells what a store is: its engine and the encoding of its values, how many entries it has and how large it is, which process has
it open for itself, and what is seen to be damaged. Nothing is changed. ${PATH_HELP}

  --keys N       shows N entries, keys and values
  --name NAME    of the store on a server
  --json         one JSON object
`;

export const inspect: Command = {
  summary: 'tell what a store is, how large, and who has it open',
  help: HELP,
  async run(args) {
    const { values, positionals } = parseArguments(args, OPTIONS);
    const [place] = placesOf(positionals, ['PATH']) as [string];
    const entries = wholeNumber('keys', values.keys, 0, KEYS_MAX) ?? 0;
    const name = nameFor(values.name, [place]);
    let found: Inspection;
    try {
      found = await inspectStore(place, { entries, name });
    } catch (error) {
      throw asStoreUsage(error);
    }
    const text = values.json === true ? `${JSON.stringify(plain(found))}\n` : rendered(found, process.stdout.isTTY);
    await new Promise((resolve) => process.stdout.write(text, resolve));
    return EXIT_DONE;
  },
};

/** As JSON has it: null for what is not known, times as text. */
function plain({ sample, entries, bytes: size, holder, ...rest }: Inspection): object {
  return {
    ...rest,
    entries: entries ?? null,
    bytes: size ?? null,
    holder: holder ?? null,
    sample: sample.map(({ key, value, expiresAt }) => ({
      key: plainValue(key),
      value: plainValue(value),
      expiresAt: timeOf(expiresAt),
    })),
  };
}

/** What JSON has no words for is shown as Node shows it. */
function plainValue(value: unknown): unknown {
  try {
    return JSON.stringify(value) === undefined ? shown(value) : value;
  } catch {
    // A bigint, somewhere: the text for people says it.
    return shown(value);
  }
}

function timeOf(ms: number): string | null {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : null;
}

function rendered(found: Inspection, colours: boolean): string {
  const style = styleOf(colours);
  const { engine, serializer, compression, base64, strict, appendMode, entries, holder } = found;
  const encoding = [
    serializer,
    ...(compression === false ? [] : [compression]),
    ...(base64 ? ['base64'] : []),
    ...(strict ? ['strict'] : []),
    ...(appendMode ? ['append mode'] : []),
  ].join(', ');
  const user =
    holder === undefined
      ? 'by nobody who keeps others out'
      : `by process ${holder.pid}${holder.isHere ? '' : ' of another machine'}`;
  const facts = [
    row(style, 'engine', engine, encoding),
    row(style, 'entries', entries === undefined ? '?' : count(entries), found.notes.join(' ')),
    ...(found.bytes === undefined ? [] : [row(style, 'size', bytes(found.bytes), 'all files of it')]),
    label(style, 'in use') + user,
    ...(found.stores.length === 0 ? [] : [label(style, 'within it') + found.stores.map(printable).join(', ')]),
  ];
  const sections = [[style('bold', printable(found.path))], facts];
  if (found.sample.length > 0) sections.push(found.sample.map((entry) => entryLine(entry, style)));
  if (found.damage.length > 0) sections.push(found.damage.map((finding) => style('red', printable(finding))));
  return page(sections);
}

function entryLine({ key, value, expiresAt }: InspectedEntry, style: Style): string {
  const until = timeOf(expiresAt);
  const told = oneLine(value, VALUE_WIDTH) + (until === null ? '' : style('dim', `  until ${until}`));
  return `${oneLine(key, KEY_WIDTH).padEnd(KEY_WIDTH)}  ${told}`;
}

function oneLine(value: unknown, width: number): string {
  const text = printable(shown(value, { breakLength: Number.POSITIVE_INFINITY, maxStringLength: width }));
  return text.length > width ? `${text.slice(0, width - 3)}...` : text;
}
