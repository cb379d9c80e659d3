/** Arguments that the commands about stores share, and what a store says of them in the words of the command line. */
import { UsageError } from './command.ts';

/** Options of stores that have the same name here. */
const SPOKEN = ['engine', 'serializer', 'compression', 'base64', 'name'];
const SERVER = /^rediss?:\/\//i;

export const PATH_HELP = `PATH is the folder of a store (the one with its manifest.json), a file in it, or redis://HOST:PORT with --name.`;

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

/** What is wrong with the options of a store, in the words of the command line. */
export function asStoreUsage(error: unknown): unknown {
  const { code, option } = error instanceof Error ? (error as Error & { code?: unknown; option?: unknown }) : {};
  const isMisuse = code === 'INVALID_CONFIG' || code === 'UNKNOWN_PLUGIN';
  return isMisuse && SPOKEN.includes(String(option))
    ? new UsageError((error as Error).message.replaceAll(`\`${option}\``, `--${option}`))
    : error;
}
