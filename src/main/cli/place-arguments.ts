/**
 * What the commands about files share: what lies at a place that was named, told by its content, and what is wrong with a place or an
 * option in the words of the command line.
 */
import { accessSync, closeSync, constants, existsSync, openSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { isMemoFile } from '../memo/index.ts';
import { isSnapshot } from '../snapshot/index.ts';
import { UsageError } from './command.ts';
import { excerpt } from './line.ts';

export type Kind = 'store' | 'snapshot' | 'memo';

/** Options of stores and snapshots that have the same name here; those that have another one there. */
const SPOKEN: Readonly<Record<string, string>> = {
  engine: '--engine',
  serializer: '--serializer',
  compression: '--compression',
  base64: '--base64',
  name: '--name',
  to: 'TO',
};
const SERVER = /^rediss?:\/\//i;
/** Of a file that is nothing of ours. */
const SHOWN_BYTES = 16;

export const PATH_HELP = `PATH is the folder of a store (the one with its manifest.json), a file in it, or redis://HOST:PORT with --name; a snapshot of a
cache, binary or JSON; or the file of a memo. What it is its content tells, not its name.`;

/** Exactly so many. `what` names them, as the help does. */
export function placesOf(positionals: readonly string[], what: readonly string[]): readonly string[] {
  if (positionals.length !== what.length || positionals.includes('')) {
    const got = positionals.length === 0 ? 'none' : positionals.map((place) => `'${place}'`).join(' ');
    throw new UsageError(`Expected ${what.join(' and ')}, got ${got}`);
  }
  return positionals;
}

/** A server's store has a name, that of a folder is the folder's. */
export function nameFor(name: string | undefined, places: readonly string[]): string | undefined {
  const server = places.find((place) => SERVER.test(place));
  if (server !== undefined && name === undefined) {
    throw new UsageError(`Expected --name to say which store of ${server}`);
  }
  if (server === undefined && name !== undefined) {
    throw new UsageError('Expected --name with a redis:// place only: a folder is its store');
  }
  return name;
}

/** By how its file begins, whatever it is called; 'store' for what is neither of the others. Throws where nothing is. */
export function kindOf(place: string): Kind {
  if (SERVER.test(place)) {
    return 'store';
  }
  const path = resolve(place);
  if (!existsSync(path)) {
    throw new Error(`There is nothing at ${path}: give the folder of a store, a snapshot or a memo file`);
  }
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    throw new Error(`Cannot read ${path}: ${(error as Error).message}. Give this user the right to read it`);
  }
  if (isMemoFile(path)) {
    return 'memo';
  }
  return isSnapshot(path) && !isOfStore(path) ? 'snapshot' : 'store';
}

/** Of errors of ours, and of misuse. */
interface Told {
  readonly code: unknown;
  readonly option: unknown;
  readonly path: unknown;
}

/** What stopped a command: what is wrong with an option as a mistake of the caller's, and a file that is nothing of ours as that. */
export function asPlaceFault(error: unknown, place: string): unknown {
  const { code, option, path: about } = error instanceof Error ? (error as Partial<Told>) : {};
  const spoken = SPOKEN[String(option)];
  if ((code === 'INVALID_CONFIG' || code === 'UNKNOWN_PLUGIN') && spoken !== undefined) {
    return new UsageError((error as Error).message.replaceAll(`\`${option}\``, spoken));
  }
  const path = resolve(place);
  const isFile = about === path && statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  if (code === 'STORE_FOREIGN' && isFile && !isMemoFile(path)) {
    const begin = beginOf(path);
    const what = begin === '' ? 'it is empty' : `it begins with ${begin}`;
    return new Error(`${path} is no snapshot, no memo file and no part of a store: ${what}`);
  }
  return error;
}

/** Waits for whoever reads: there may be much to tell. */
export function print(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()));
}

/** The entries of the engine 'json' look as those of a snapshot do. */
function isOfStore(path: string): boolean {
  return basename(path) === 'store.json' && existsSync(join(dirname(path), 'manifest.json'));
}

function beginOf(path: string): string {
  const bytes = Buffer.alloc(SHOWN_BYTES);
  const fd = openSync(path, 'r');
  try {
    return excerpt(bytes, 0, readSync(fd, bytes));
  } finally {
    closeSync(fd);
  }
}
