/** `shardstash convert`: another store of one that is there, with another engine or another encoding. */
import { type Converted, type ConvertOptions, convertStore } from '../stores/index.ts';
import { parseArguments } from './arguments.ts';
import { type Command, EXIT_DONE, UsageError } from './command.ts';
import { count } from './figures.ts';
import { printable } from './line.ts';
import { asStoreUsage, nameFor, placesOf } from './store-arguments.ts';

const OPTIONS = {
  engine: { type: 'string' },
  serializer: { type: 'string' },
  compression: { type: 'string' },
  base64: { type: 'boolean' },
  name: { type: 'string' },
  json: { type: 'boolean' },
} as const;

const HELP = `Usage: shardstash convert FROM TO --engine ENGINE [options]

Copies every entry of a store, with its deadline, into a new one, and counts them at the end. TO is there when all is copied, or
not at all (on a server: without entries). FROM is the folder of a store, TO a place where nothing is; either may be
redis://HOST:PORT with --name.

  --engine ENGINE       file, json, log, disk, lmdb, sqlite or one of your own (not needed for a server)
  --serializer NAME     msgpack, json, v8 or raw (default: as it is)
  --compression NAME    false, zlib, gzip, brotli, deflate-raw, zstd or lz4 (default: as it is)
  --base64              values as text
  --name NAME           of the store on a server
  --json                one JSON object
`;

export const convert: Command = {
  summary: 'copy a store into one of another engine or encoding',
  help: HELP,
  async run(args) {
    const { values, positionals } = parseArguments(args, OPTIONS);
    const [from, to] = placesOf(positionals, ['FROM', 'TO']) as [string, string];
    const name = nameFor(values.name, [from, to]);
    const { engine, serializer, compression, base64 } = values;
    if (engine === undefined && !to.includes('://')) {
      throw new UsageError('Expected --engine to say what keeps the new store');
    }
    const wanted = { engine, serializer, base64, name, compression: compression === 'false' ? false : compression };
    let done: Converted;
    try {
      // Names are checked by the store.
      done = await convertStore(from, to, wanted as ConvertOptions);
    } catch (error) {
      throw asStoreUsage(error);
    }
    const text = values.json === true ? JSON.stringify(done) : told(done, to);
    await new Promise((resolve) => process.stdout.write(`${text}\n`, resolve));
    return EXIT_DONE;
  },
};

function told({ entries, expired, stores, from, to }: Converted, place: string): string {
  const copied = `${count(entries)} ${entries === 1 ? 'entry' : 'entries'}`;
  const lines = [`${copied} copied from ${from.engine} to ${to.engine} at ${printable(place)}.`];
  if (expired > 0) lines.push(`${count(expired)} had expired and were left out.`);
  if (stores.length > 0) {
    lines.push(`The stores within it are not copied: ${stores.map(printable).join(', ')}.`);
  }
  return lines.join('\n');
}
