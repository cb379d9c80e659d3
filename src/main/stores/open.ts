/**
 * Opens stores: finds the engine, takes what the store that is there says of itself or makes a new one, and puts the parts
 * together.
 */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { directoryOf, manifestOf, type Prepared, prepareDirectory } from '../../protocol/engines/directory.ts';
import type { Answer, Engine, EngineKind, Place } from '../../protocol/engines/engine.ts';
import { attempt, storeError } from '../../protocol/engines/faults.ts';
import { lockDirectory } from '../../protocol/engines/lock.ts';
import type { Manifest } from '../../protocol/engines/manifest.ts';
import { CacheError, misuse } from '../../protocol/errors.ts';
import { diskFiles, type Files } from '../../protocol/files.ts';
import { openRecordCodec } from '../codec/encoding.ts';
import { assertObject } from '../codec/known-options.ts';
import { type FoundEngine, findEngine } from '../engines/engine-registry.ts';
import { assertAsMade, ownManifest, withdrawIfRefused } from '../engines/manifests.ts';
import { checkName, checkRoot, engineOptionsOf, isName, shownOptions } from '../engines/place.ts';
import { isSerializerName, type SerializerOption } from '../serializers/index.ts';
import { COMMON, checkFlag, type StoreAtOptions, type StoreOptions } from './options.ts';
import { type OpenedParts, Store, type StoreConfig } from './store.ts';

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
  return (await openWith(options, diskFiles)) as Store<V>;
}

/**
 * A store of its own, which is removed when it is closed: in a new folder of `root`, by default that for temporary files, and
 * under a name that no other has, of which `name` becomes the end.
 */
async function openTemporary<V = unknown>(options: StoreOptions = {}): Promise<Store<V>> {
  assertObject(options, COMMON);
  const base = options.root === undefined ? tmpdir() : checkRoot(options.root);
  const root = attempt('make a folder for a store', base, () => mkdtempSync(join(base, 'shardstash-')));
  const remove = () => rm(root, { recursive: true, force: true });
  try {
    const name = [basename(root), ...(options.name === undefined ? [] : [checkName(options.name)])].join('/');
    return (await openWith({ ...options, root, name }, diskFiles, remove)) as Store<V>;
  } catch (error) {
    await remove();
    throw error;
  }
}

export const openStore = Object.assign(open, { tmp: openTemporary });

/** Opens the store whose directory this is, with what it says of itself and these options. STORE_FOREIGN for any other directory. */
export async function openStoreAt<V = unknown>(directory: string, options: StoreAtOptions = {}): Promise<Store<V>> {
  assertObject(options, COMMON);
  // The folder of all stores is none, so there is no default.
  const path = checkRoot(directory ?? null);
  const manifest = manifestOf(diskFiles, path);
  if (manifest === undefined) {
    throw storeError('STORE_FOREIGN', path, `There is no store at ${path}: give the folder that has its manifest.json`);
  }
  if (!isName(basename(path))) {
    const message = `The folder ${path} has a name that no store can have: rename it to letters, digits, \`_\`, \`-\` and \`.\``;
    throw storeError('STORE_FOREIGN', path, message);
  }
  const place = { name: basename(path), root: dirname(path) };
  return (await openWith({ ...options, ...place }, diskFiles)) as Store<V>;
}

/** The same over other files: for tests of disks that fail. With `afterClose` it is for a time only: closing removes it. */
export async function openWith(
  options: StoreOptions,
  files: Files,
  afterClose?: () => Answer<void>,
): Promise<Store<unknown>> {
  const parts = await openParts(options, files);
  const { engine, config } = parts;
  const closeEngine = async () => {
    try {
      if (afterClose !== undefined && config.root === undefined) await emptied(engine);
    } finally {
      try {
        await engine.close();
      } finally {
        await afterClose?.();
      }
    }
  };
  const afterSub = afterClose === undefined ? undefined : () => {};
  const openSub = (sub: string) => openWith(within(options, config, sub), files, afterSub);
  return new Store({ ...parts, openSub, closeEngine });
}

/** What a store stands on, for those who copy records as they are. Whoever opens them closes the engine. */
export async function openParts(options: StoreOptions, files: Files): Promise<OpenedParts> {
  assertObject(options, COMMON);
  const name = checkName(options.name);
  const kept = options.engine === undefined ? keptIn(files, options, name) : undefined;
  const found =
    kept === undefined
      ? await findEngine(options.engine ?? DEFAULT_ENGINE)
      : await findKept(kept, directoryOf(checkRoot(options.root), name));
  const { kind } = found;
  const engineOptions = engineOptionsOf(options, found, COMMON, 'a store');
  const root = kind.keeps === 'directory' ? checkRoot(options.root) : undefined;
  const directory = root === undefined ? '' : directoryOf(root, name);
  const wanted = await wantedOf(options, found.name, kind, kept ?? manifestAt(files, directory));
  const prepared = root === undefined ? undefined : prepareDirectory(files, root, name, wanted);
  if (prepared !== undefined) {
    assertSame(prepared.manifest, wanted, options, directory);
  }
  const warn = (message: string) => process.emitWarning(message, { type: 'shardstash' });
  const engine = await openEngine(kind, { name, directory, options: engineOptions, files, warn }, prepared);
  try {
    const { tier: _, ...manifest } = prepared?.manifest ?? (await ownManifest(engine, wanted, name));
    if (prepared === undefined) {
      assertSame(manifest, wanted, options, name);
    }
    const serializerOption = serializerOf(manifest, options);
    const codec = await ofManifest(root === undefined ? name : directory, () =>
      openRecordCodec({ ...manifest, serializer: serializerOption }),
    );
    const shown = { ...manifest, ...shownOptions(engineOptions) };
    const config: StoreConfig = Object.freeze({ name, ...(root === undefined ? {} : { root }), ...shown });
    return { engine, codec, config };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** The options of a store within one: those of the store, but for its name. */
function within(options: StoreOptions, config: StoreConfig, sub: string): StoreOptions {
  const { serializer, compression, base64, strict, appendMode } = config;
  const made = {
    engine: config.engine,
    serializer: serializer as SerializerOption,
    compression,
    base64,
    strict,
    appendMode,
  };
  const { engine = made.engine, serializer: given = made.serializer } = options;
  return { ...options, ...made, engine, serializer: given, name: `${config.name}/${checkName(sub)}` };
}

/** The manifest of a store that is there, for those who do not name an engine. */
function keptIn(files: Files, options: StoreOptions, name: string): Manifest | undefined {
  return manifestOf(files, directoryOf(checkRoot(options.root), name));
}

/** The engine of a store that is there. */
async function findKept(kept: Manifest, directory: string): Promise<FoundEngine> {
  const found = await ofManifest(directory, () => findEngine(kept.engine));
  if (found.kind.keeps !== 'directory') {
    const message = `The manifest of the store ${directory} has the engine '${kept.engine}', which keeps no directory: give it the one that it was made with`;
    throw storeError('STORE_CORRUPT', directory, message);
  }
  return found;
}

/** What a manifest says and nobody here knows is no mistake in the options. */
async function ofManifest<T>(path: string, find: () => Promise<T>): Promise<T> {
  try {
    return await find();
  } catch (cause) {
    if (!(cause instanceof TypeError)) {
      throw cause;
    }
    const message = `The store ${path} was made with what is not known here: ${cause.message}. Next: give the engine or serializer with which it was made, or open it with the version of shardstash that made it`;
    throw new CacheError('STORE_FOREIGN', message, { path, cause });
  }
}

function manifestAt(files: Files, directory: string): Manifest | undefined {
  return directory === '' ? undefined : manifestOf(files, directory);
}

async function openEngine(kind: EngineKind, place: Place, prepared: Prepared | undefined): Promise<Engine> {
  if (prepared?.manifest.tier !== undefined) {
    return openAlone(kind, place);
  }
  try {
    return await kind.open(place);
  } catch (error) {
    if (prepared?.isNew === true) withdrawIfRefused(error, place);
    throw error;
  }
}

/**
 * That of a tier. Caches know all keys of a tier that they have open, so nobody else may write to it, whatever engine it
 * has: its directory is locked for as long as the engine is open.
 */
async function openAlone(kind: EngineKind, place: Place): Promise<Engine> {
  const unlock = await lockDirectory(place.files, place.directory);
  try {
    const engine = await kind.open({ ...place, isLocked: true });
    const close = engine.close.bind(engine);
    // Of its own, so that whoever closes the engine need not know that there is a lock.
    engine.close = async () => {
      try {
        await close();
      } finally {
        unlock();
      }
    };
    return engine;
  } catch (error) {
    unlock();
    throw error;
  }
}

/** Of a store that is for a time only, where no directory goes with it. */
async function emptied(engine: Engine): Promise<void> {
  await engine.clear();
  await engine.manifest?.remove();
}

/** What a new store would say of itself. Rejects with what is wrong with the options. */
async function wantedOf(
  options: StoreOptions,
  engine: string,
  kind: EngineKind,
  kept: Manifest | undefined,
): Promise<Manifest> {
  const byDefault = kind.text === true ? 'json' : undefined;
  const keeps = kept !== undefined && isSerializerName(kept.serializer) ? kept.serializer : byDefault;
  const { serializer = keeps, compression, base64, strict } = options;
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

const FIXED = ['engine', 'serializer', 'compression', 'base64', 'strict', 'appendMode'] as const;

function assertSame(found: Manifest, wanted: Manifest, options: StoreOptions, path: string): void {
  const given = FIXED.filter((option) => options[option] !== undefined);
  assertAsMade(found, wanted, given, `the store ${path} was made (\`shardstash convert\` makes another of it)`);
}

function serializerOf({ serializer }: Manifest, options: StoreOptions): SerializerOption {
  if (options.serializer === undefined && !isSerializerName(serializer)) {
    const expected = `\`serializer\` to be the serializer '${serializer}' of your own, with which the store was made`;
    throw misuse('INVALID_CONFIG', expected, undefined, { option: 'serializer' });
  }
  // A name that is none has been refused with the options.
  return (options.serializer ?? serializer) as SerializerOption;
}
