/**
 * A store by its place alone, as people at a command line name it: its directory, a file somewhere in it, or a server's URL with the
 * store's name. What the store says of itself tells the rest. Nothing is ever made here.
 */
import { basename, dirname, join, resolve } from 'node:path';
import { manifestOf } from '../../protocol/engines/directory.ts';
import { attempt, storeError } from '../../protocol/engines/faults.ts';
import { type Manifest, readManifest } from '../../protocol/engines/manifest.ts';
import { misuse } from '../../protocol/errors.ts';
import type { Files } from '../../protocol/files.ts';
import { openRecordCodec } from '../codec/encoding.ts';
import type { RecordCodec } from '../codec/record-codec.ts';
import { findEngine } from '../engines/engine-registry.ts';
import { checkName } from '../engines/place.ts';
import { isSerializerName, type SerializerOption } from '../serializers/index.ts';
import { openParts } from './open.ts';
import type { OpenedParts } from './store.ts';

/** A store's files are at most so deep in its directory. */
const UP_MAX = 4;
/** Names that a message has of what it has found. */
const SHOWN_MAX = 5;
const SERVER = /^rediss?:\/\//i;

export interface PlaceOptions {
  /** Of a store on a server. */
  readonly name?: string | undefined;
  /** Where the store was made with one of your own. */
  readonly serializer?: SerializerOption | undefined;
}

export interface FoundStore {
  readonly directory: string;
  readonly manifest: Manifest;
}

export function isServer(place: string): boolean {
  return SERVER.test(place);
}

/** A place as messages name it: without a password. */
export function shownPlace(place: string): string {
  return isServer(place) ? place.replace(/\/\/[^/]*@/, '//') : place;
}

/** The store in whose directory a path is. Throws STORE_FOREIGN, STORE_CORRUPT, ENGINE_ERROR. */
export function findStoreAt(files: Files, place: string): FoundStore {
  const path = resolve(place);
  const stat = attempt('look for a store', path, () => files.statSync(path, { throwIfNoEntry: false }));
  if (stat === undefined) {
    throw storeError('STORE_FOREIGN', path, `There is nothing at ${path}: give the folder of a store`);
  }
  let directory = stat.isDirectory() ? path : dirname(path);
  for (let up = 0; up <= (stat.isDirectory() ? 0 : UP_MAX); up++) {
    const manifest = manifestOf(files, directory);
    if (manifest !== undefined) {
      return { directory, manifest };
    }
    directory = dirname(directory);
  }
  throw storeError('STORE_FOREIGN', path, `There is no store at ${path}: ${foundAt(files, path, stat.isDirectory())}`);
}

/** What a store stands on, opened. Rejects like `openStore`, and with STORE_FOREIGN where there is none. */
export async function openPartsAt(files: Files, place: string, options: PlaceOptions): Promise<OpenedParts> {
  if (isServer(place)) {
    return openOnServer(files, place, options);
  }
  const { directory, manifest } = findStoreAt(files, place);
  const { serializer } = options;
  const where = { name: basename(directory), root: dirname(directory), engine: manifest.engine };
  return await openParts(serializer === undefined ? where : { ...where, serializer }, files);
}

/**
 * What reads the values of a store. Undefined for a serializer of somebody's own that was not given: its records can be checked, and
 * their sizes told, all the same.
 */
export async function codecAt(
  manifest: Manifest,
  { serializer = manifest.serializer as SerializerOption }: PlaceOptions,
): Promise<RecordCodec | undefined> {
  const isUnknown = typeof serializer === 'string' && !isSerializerName(serializer);
  return isUnknown ? undefined : await openRecordCodec({ ...manifest, serializer });
}

/** Unlike `openStore` it leaves a server without that store as it is. */
async function openOnServer(files: Files, url: string, { name, serializer }: PlaceOptions): Promise<OpenedParts> {
  if (name === undefined) {
    throw misuse('INVALID_CONFIG', `\`name\` to say which store of ${shownPlace(url)}`, name, { option: 'name' });
  }
  const { kind } = await findEngine('redis');
  const place = { name: checkName(name), directory: '', options: { url }, files };
  const warn = (message: string) => process.emitWarning(message, { type: 'shardstash' });
  const engine = await kind.open({ ...place, warn });
  const shown = shownPlace(url);
  try {
    const text = await engine.manifest?.read();
    if (text === undefined) {
      throw storeError('STORE_FOREIGN', shown, `There is no store '${name}' at ${shown}: look at its name`);
    }
    const manifest = readManifest(text, `${shown} ${name}`);
    const codec = await openRecordCodec({ ...manifest, serializer: serializer ?? manifest.serializer });
    return { engine, codec, config: { name, ...manifest, url } };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

function foundAt(files: Files, path: string, isDirectory: boolean): string {
  if (!isDirectory) {
    return 'it is a file, and no folder above it has a manifest.json. Give the folder of a store';
  }
  const entries = attempt('look for a store', path, () => files.readdirSync(path, { withFileTypes: true }));
  const names = entries.map(({ name }) => name);
  const isStore = (name: string) =>
    files.statSync(join(path, name, 'manifest.json'), { throwIfNoEntry: false }) !== undefined;
  const stores = entries.filter((entry) => entry.isDirectory() && isStore(entry.name)).map(({ name }) => name);
  if (stores.length > 0) {
    return `but in it there are ${listed(stores)}. Give one of them`;
  }
  return names.length === 0
    ? 'it is an empty folder. Give the folder that has the manifest.json of a store'
    : `found ${listed(names)}. Give the folder that has the manifest.json of a store`;
}

function listed(names: readonly string[]): string {
  return `${names.slice(0, SHOWN_MAX).join(', ')}${names.length > SHOWN_MAX ? ', ...' : ''}`;
}
