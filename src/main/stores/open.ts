/**
 * Opens stores: finds the engine, takes what the store that is there says of itself or makes a new one, and puts the parts
 * together.
 */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { directoryOf, manifestOf, prepareDirectory } from '../../protocol/engines/directory.ts';
import type { Answer, Engine, EngineKind } from '../../protocol/engines/engine.ts';
import { storeError } from '../../protocol/engines/faults.ts';
import { type Manifest, manifestText, readManifest } from '../../protocol/engines/manifest.ts';
import { misuse } from '../../protocol/errors.ts';
import { diskFiles, type Files } from '../../protocol/files.ts';
import { openRecordCodec } from '../codec/encoding.ts';
import { isSerializerName, type SerializerOption } from '../serializers/index.ts';
import { findEngine } from './engine-registry.ts';
import { checkFlag, checkName, checkRoot, engineOptionsOf, type StoreOptions } from './options.ts';
import { Store, type StoreConfig, type StoreParts } from './store.ts';

const DEFAULT_ENGINE = 'file';

/**
 * Opens a store, which is made if it is not there.
 *
 *     const store = await openStore({ name: 'users', engine: 'log', root: './data' });
 *     await store.set('u1', { name: 'Ann' });
 *     await store.close();
 *
 * Rejects with a TypeError for options that are none (INVALID_CONFIG, UNKNOWN_PLUGIN) or not those that the store was made with,
 * and with a CacheError for what the world does: MISSING_DEPENDENCY, LOCKED, ENGINE_ERROR, STORE_CORRUPT, STORE_FOREIGN.
 */
async function open<V = unknown>(options: StoreOptions = {}): Promise<Store<V>> {
  return (await openWith(options, diskFiles, () => {})) as Store<V>;
}

/** A store in a directory of its own, which is removed when the store is closed. */
async function openTemporary<V = unknown>(options: StoreOptions = {}): Promise<Store<V>> {
  const root = mkdtempSync(join(tmpdir(), 'shardstash-'));
  const remove = () => rm(root, { recursive: true, force: true });
  try {
    return (await openWith({ ...options, root }, diskFiles, remove)) as Store<V>;
  } catch (error) {
    await remove();
    throw error;
  }
}

export const openStore = Object.assign(open, { tmp: openTemporary });

/** Opens the store whose directory this is, with what it says of itself and these options. STORE_FOREIGN for any other directory. */
export async function openStoreAt<V = unknown>(
  directory: string,
  options: Omit<StoreOptions, 'name' | 'root'> = {},
): Promise<Store<V>> {
  const path = checkRoot(directory);
  const manifest = manifestOf(diskFiles, path);
  if (manifest === undefined) {
    throw storeError('STORE_FOREIGN', path, `There is no store at ${path}: give the folder that has its manifest.json`);
  }
  const place = { name: basename(path), root: dirname(path) };
  return (await openWith({ engine: manifest.engine, ...options, ...place }, diskFiles, () => {})) as Store<V>;
}

/** The same over other files: for tests of disks that fail. */
export async function openWith(
  options: StoreOptions,
  files: Files,
  afterClose: () => Answer<void>,
): Promise<Store<unknown>> {
  const parts = await openParts(options, files);
  const openSub = (sub: string) =>
    openWith({ ...options, name: `${parts.config.name}/${checkName(sub)}` }, files, () => {});
  return new Store({ ...parts, openSub, afterClose });
}

/** What a store stands on, for those who copy records as they are. Whoever opens them closes the engine. */
export async function openParts(
  options: StoreOptions,
  files: Files,
): Promise<Pick<StoreParts, 'engine' | 'codec' | 'config'>> {
  const name = checkName(options.name);
  const { name: engineName, kind } = await findEngine(options.engine ?? keptBy(files, options, name) ?? DEFAULT_ENGINE);
  const engineOptions = engineOptionsOf(options, engineName, kind);
  const wanted = await wantedOf(options, engineName, kind);
  const root = kind.keeps === 'directory' ? checkRoot(options.root) : undefined;
  const directory = root === undefined ? '' : directoryOf(root, name);
  const found = root === undefined ? undefined : prepareDirectory(files, root, name, wanted);
  if (found !== undefined) {
    assertSame(found, wanted, options, directory);
  }
  const warn = (message: string) => process.emitWarning(message, { type: 'shardstash' });
  const engine = await kind.open({ name, directory, options: engineOptions, files, warn });
  try {
    const manifest = found ?? (await ownManifest(engine, wanted, options, name));
    const codec = await openRecordCodec({ ...manifest, serializer: serializerOf(manifest, options) });
    const config: StoreConfig = { name, ...(root === undefined ? {} : { root }), ...manifest, ...engineOptions };
    return { engine, codec, config };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** The engine of a store that is there, for those who do not name one. */
function keptBy(files: Files, options: StoreOptions, name: string): string | undefined {
  return manifestOf(files, directoryOf(checkRoot(options.root), name))?.engine;
}

/** What a new store would say of itself. Rejects with what is wrong with the options. */
async function wantedOf(options: StoreOptions, engine: string, kind: EngineKind): Promise<Manifest> {
  const { serializer = kind.text === true ? 'json' : undefined, compression, base64, strict } = options;
  const codec = await openRecordCodec({ serializer, compression, base64, strict });
  return {
    engine,
    serializer: codec.serializerName,
    compression: codec.compressionName,
    base64: codec.base64,
    strict: checkFlag('strict', strict) ?? false,
    appendMode: checkFlag('appendMode', options.appendMode) ?? false,
  };
}

/** Of an engine without a directory. */
async function ownManifest(engine: Engine, wanted: Manifest, options: StoreOptions, name: string): Promise<Manifest> {
  const text = await engine.manifest?.read();
  if (text === undefined) {
    await engine.manifest?.write(manifestText(wanted));
    return wanted;
  }
  const found = readManifest(text, name);
  assertSame(found, wanted, options, name);
  return found;
}

const FIXED = ['engine', 'serializer', 'compression', 'base64', 'strict', 'appendMode'] as const;

/** A store is opened as it was made: what is given and differs is an error, what is not given is taken from it. */
function assertSame(found: Manifest, wanted: Manifest, options: StoreOptions, path: string): void {
  for (const option of FIXED) {
    if (options[option] !== undefined && found[option] !== wanted[option]) {
      const expected = `\`${option}\` to be ${JSON.stringify(found[option])}, as the store ${path} was made (\`shardstash convert\` makes another of it)`;
      throw misuse('INVALID_CONFIG', expected, wanted[option], { option });
    }
  }
}

function serializerOf({ serializer }: Manifest, options: StoreOptions): SerializerOption {
  if (options.serializer === undefined && !isSerializerName(serializer)) {
    const expected = `\`serializer\` to be the serializer '${serializer}' of your own, with which the store was made`;
    throw misuse('INVALID_CONFIG', expected, undefined, { option: 'serializer' });
  }
  return options.serializer ?? (serializer as SerializerOption);
}
