/**
 * `shardstash convert`: another store or snapshot of one that is there.
 *
 *     FROM \ TO    a store         a snapshot
 *     store        convertStore    storeToSnapshot
 *     snapshot     snapshotToStore convertSnapshot
 */
import { resolve } from 'node:path';
import { convertSnapshot, type SnapshotFormat } from '../snapshot/index.ts';
import { type ConvertOptions, convertStore, snapshotToStore, storeToSnapshot } from '../stores/index.ts';
import { parseArguments } from './arguments.ts';
import { type Command, EXIT_DONE, UsageError } from './command.ts';
import { count } from './figures.ts';
import { printable } from './line.ts';
import { asPlaceFault, kindOf, nameFor, placesOf, print } from './place-arguments.ts';
import { entriesText } from './shown-entry.ts';

const OPTIONS = {
  engine: { type: 'string' },
  serializer: { type: 'string' },
  compression: { type: 'string' },
  base64: { type: 'boolean' },
  name: { type: 'string' },
  json: { type: 'boolean' },
} as const;
/** What TO is called where it is to be a snapshot. */
const SNAPSHOT = /\.(snapshot|json)$/;

const HELP = `Usage: shardstash convert FROM TO [options]

Copies every entry of a store or a snapshot, with its deadline, and counts them at the end. What has expired is left out. TO is a
place where nothing is. It is there when all is copied, or not at all (on a server: without entries). FROM is the folder of a
store, or a snapshot; either may be a store at redis://HOST:PORT with --name.

TO becomes a store with --engine, a snapshot where it ends in .snapshot, and a snapshot as text where it ends in .json. Only
between snapshots the order of eviction comes over, and with it slides and graces.

  --engine ENGINE       file, json, log, disk, lmdb, sqlite or one of your own (not needed for a server)
  --serializer NAME     msgpack, json, v8 or raw (default: as it is)
  --compression NAME    of a store: false, zlib, gzip, brotli, deflate-raw, zstd or lz4 (default: as it is)
  --base64              of a store: values as text
  --name NAME           of the store on a server
  --json                one JSON object
`;

/** What any of the four conversions says. */
interface Done {
  readonly entries: number;
  readonly expired: number;
  readonly stores?: readonly string[];
  readonly from: Side;
  readonly to?: Side;
  /** Of a snapshot that was made. */
  readonly format?: SnapshotFormat;
}

type Side = { readonly engine?: string; readonly format?: SnapshotFormat };

export const convert: Command = {
  summary: 'copy a store or a snapshot into one of another kind, engine or encoding',
  help: HELP,
  async run(args) {
    const { values, positionals } = parseArguments(args, OPTIONS);
    const [from, to] = placesOf(positionals, ['FROM', 'TO']) as [string, string];
    const name = nameFor(values.name, [from, to]);
    const { engine, serializer, compression, base64 } = values;
    const toStore = engine !== undefined || to.includes('://');
    if (!toStore && !SNAPSHOT.test(to)) {
      throw new UsageError('Expected --engine to say what keeps the new store, or TO to end in .snapshot or .json');
    }
    if (!toStore && (compression !== undefined || base64 === true)) {
      throw new UsageError(
        `Expected --${base64 === true ? 'base64' : 'compression'} with a store as TO: a snapshot has none`,
      );
    }
    const kind = kindOf(from);
    if (kind === 'memo') {
      const next = 'shardstash compact rewrites it, and `upgrade` of shardstash/memo gives its results new keys';
      throw new Error(`${resolve(from)} is a memo file, whose keys mean nothing without its function: ${next}`);
    }
    const wanted = { engine, serializer, base64, name, compression: compression === 'false' ? false : compression };
    // Names are checked by the store, or the snapshot.
    const options = wanted as ConvertOptions;
    const convertTo =
      kind === 'store' ? (toStore ? convertStore : storeToSnapshot) : toStore ? snapshotToStore : convertSnapshot;
    let done: Done;
    try {
      done = await convertTo(from, to, options);
    } catch (error) {
      throw asPlaceFault(error, from);
    }
    await print(`${values.json === true ? JSON.stringify(done) : told(done, to)}\n`);
    return EXIT_DONE;
  },
};

function told({ entries, expired, stores = [], from, to, format }: Done, place: string): string {
  const target = sideText(to ?? { ...(format !== undefined && { format }) });
  const lines = [`${entriesText(entries)} copied from ${sideText(from)} to ${target} at ${printable(place)}.`];
  if (expired > 0) lines.push(`${count(expired)} had expired and ${expired === 1 ? 'was' : 'were'} left out.`);
  if (stores.length > 0) {
    lines.push(`The stores within it are not copied: ${stores.map(printable).join(', ')}.`);
  }
  return lines.join('\n');
}

/** A store is told by its engine, a snapshot by its format. */
function sideText({ engine, format }: Side): string {
  return engine ?? `a ${format} snapshot`;
}
