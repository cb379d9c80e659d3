/**
 * Opens the tier of a cache: what is there is found or made, as a store is, and locked, by the thread that opens the cache; then
 * the keeper's thread opens the engine (protocol/tier.ts).
 *
 *     directory    manifest made or read -> lock taken ........ until the cache is closed, whatever the engine
 *     server       engine opened, manifest made or read, engine closed: of several processes the first is right
 *     nothing      there is nothing to find
 *
 * The manifest has the key of the hash. Whoever opens the tier later hashes as it did, so that what belongs to which shard
 * never has to be worked out anew.
 */
import type { CompressionName } from '../../protocol/compression/index.ts';
import { directoryOf, prepareDirectory } from '../../protocol/engines/directory.ts';
import { lockDirectory } from '../../protocol/engines/lock.ts';
import type { Manifest } from '../../protocol/engines/manifest.ts';
import { misuse } from '../../protocol/errors.ts';
import type { Files } from '../../protocol/files.ts';
import type { HashSeed } from '../../protocol/key.ts';
import { assertAsMade, ownManifest, withdrawIfRefused } from '../engines/manifests.ts';
import type { Notices } from '../notices.ts';
import { Keeper, type KeeperLimits } from './keeper.ts';
import { createTierCounts } from './metrics.ts';
import { asTierError, type ResolvedTier, type TierConfig, tierConfigOf } from './options.ts';

/** What the cache brings. */
export interface TierPurpose {
  readonly shards: number;
  /** The name of what encodes its values. */
  readonly serializer: string;
  /** The key of its hash, should the tier be new. */
  readonly seed: HashSeed;
}

/** What was found or made, before there is a keeper. */
export interface PreparedTier {
  readonly directory: string;
  readonly seed: HashSeed;
  readonly compression: CompressionName | false;
  readonly isNew: boolean;
  /** Gives the directory back. */
  release(): void;
}

export class OpenedTier {
  readonly config: TierConfig;
  /** Of the hash of keys. */
  readonly seed: HashSeed;
  readonly counts: SharedArrayBuffer;
  /** Whether others write to it, too. */
  readonly isShared: boolean;
  /** Whether it was when it was opened. */
  readonly isEmpty: boolean;
  readonly keeper: Keeper;
  readonly #release: () => void;

  constructor(
    config: TierConfig,
    { seed, release }: PreparedTier,
    keeper: Keeper,
    facts: Pick<OpenedTier, 'counts' | 'isShared' | 'isEmpty'>,
  ) {
    this.config = config;
    this.seed = seed;
    this.counts = facts.counts;
    this.isShared = facts.isShared;
    this.isEmpty = facts.isEmpty;
    this.keeper = keeper;
    this.#release = release;
  }

  /** When no owner asks any more. Rejects as `Keeper.close` does; the directory is given back all the same. */
  async close(timeoutMs: number): Promise<void> {
    const [end] = await Promise.allSettled([this.keeper.close(timeoutMs)]);
    try {
      this.#release();
    } catch (error) {
      // What is lost is the worse news of the two.
      throw end.status === 'rejected' ? end.reason : error;
    }
    if (end.status === 'rejected') throw end.reason;
  }
}

/**
 * Rejects with a TypeError for options that are none, or not those that the tier was made with, and with a CacheError for what the
 * world does: LOCKED, ENGINE_ERROR, STORE_CORRUPT, STORE_FOREIGN, MISSING_DEPENDENCY, TIMEOUT. Then nothing is left open.
 */
export async function openTier(
  tier: ResolvedTier,
  purpose: TierPurpose,
  limits: KeeperLimits,
  files: Files,
  notices: Notices,
): Promise<OpenedTier> {
  const prepared = await prepareTier(tier, purpose, files, notices);
  const { directory, seed, compression, isNew, release } = prepared;
  const counts = createTierCounts();
  const isShared = tier.found.kind.keeps === 'server';
  const birth = {
    engine: tier.found.source,
    place: { name: tier.name, directory, options: tier.engineOptions },
    compression,
    seed,
    shards: purpose.shards,
    behind: tier.behind,
    isShared,
    counts,
  };
  try {
    const keeper = new Keeper(birth, limits, notices);
    const isEmpty = await keeper.open();
    return new OpenedTier(tierConfigOf(tier, compression), prepared, keeper, { counts, isShared, isEmpty });
  } catch (error) {
    release();
    if (isNew) withdrawIfRefused(error, { files, directory });
    throw error;
  }
}

/** All of it that needs no thread. Rejects as `openTier` does. */
export async function prepareTier(
  tier: ResolvedTier,
  { serializer, seed }: Omit<TierPurpose, 'shards'>,
  files: Files,
  notices: Notices,
): Promise<PreparedTier> {
  const { found, name, root, compression } = tier;
  const { kind } = found;
  const wanted: Manifest = {
    engine: found.name,
    serializer,
    compression: compression ?? false,
    base64: false,
    strict: false,
    appendMode: false,
    tier: { seed: seedText(seed) },
  };
  if (root === undefined) {
    const manifest = kind.keeps === 'server' ? await onServer(tier, wanted, files, notices) : wanted;
    return { ...factsOf(manifest, wanted, tier, `'${name}'`), directory: '', isNew: false, release: () => {} };
  }
  const { manifest, isNew } = prepareDirectory(files, root, name, wanted);
  const directory = directoryOf(root, name);
  const facts = factsOf(manifest, wanted, tier, directory);
  return { ...facts, directory, isNew, release: await lockDirectory(files, directory) };
}

/** The manifest of a tier that lies with its engine. */
async function onServer(
  { found, name, engineOptions }: ResolvedTier,
  wanted: Manifest,
  files: Files,
  notices: Notices,
): Promise<Manifest> {
  const warn = (message: string) => notices.tell('warning', message);
  try {
    const engine = await found.kind.open({ name, directory: '', options: engineOptions, files, warn });
    try {
      return await ownManifest(engine, wanted, name);
    } finally {
      await engine.close();
    }
  } catch (error) {
    throw asTierError(error);
  }
}

/** Throws for a store that is no tier, or not such a one. */
function factsOf(
  manifest: Manifest,
  wanted: Manifest,
  { compression }: ResolvedTier,
  path: string,
): Pick<PreparedTier, 'seed' | 'compression'> {
  if (manifest.tier === undefined) {
    const expected = `\`tier.name\` to be the name of a tier, or a new one: ${path} was made by openStore, and a store is no tier, since its manifest has no seed. Choose another name`;
    throw misuse('INVALID_CONFIG', expected, 'that of a store', { option: 'tier' });
  }
  const made = `the tier ${path} was made (or choose another \`tier.name\`)`;
  assertAsMade(manifest, wanted, ['serializer'], made);
  try {
    assertAsMade(manifest, wanted, ['engine', ...(compression === undefined ? [] : (['compression'] as const))], made);
  } catch (error) {
    throw asTierError(error);
  }
  // What it is made with was a name of one.
  return { seed: seedOf(manifest.tier.seed), compression: manifest.compression as CompressionName | false };
}

/** The high word first. */
function seedText({ low, high }: HashSeed): string {
  return [high, low].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}

function seedOf(text: string): HashSeed {
  return { low: Number.parseInt(text.slice(8), 16) | 0, high: Number.parseInt(text.slice(0, 8), 16) | 0 };
}
