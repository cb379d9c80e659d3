/**
 * What a store says of itself, beside its entries: which engine keeps them and how their values are encoded. It is written
 * before the first entry and never changed, so that a store is always opened as it was made, and a directory without one is
 * somebody else's.
 */
import { CacheError } from '../errors.ts';

export interface Manifest {
  readonly engine: string;
  readonly serializer: string;
  readonly compression: string | false;
  readonly base64: boolean;
  /** Whether each set is kept beside those before it. */
  readonly appendMode: boolean;
  /** Of the JSON serializer. */
  readonly strict: boolean;
  /** Of a store that is the tier of caches. */
  readonly tier?: TierNote;
}

export interface TierNote {
  /** The key of the hash that all caches with this tier use: 16 hex digits, the high word first. */
  readonly seed: string;
}

const KIND = 'store';
const VERSION = 1;
const SEED = /^[0-9a-f]{16}$/;

export function manifestText(manifest: Manifest): string {
  return `${JSON.stringify({ shardstash: KIND, version: VERSION, ...manifest }, null, 2)}\n`;
}

/** Throws STORE_CORRUPT or STORE_FOREIGN. */
export function readManifest(text: string, path: string): Manifest {
  const parsed = parse(text, path);
  if (parsed['shardstash'] !== KIND) {
    throw new CacheError(
      'STORE_FOREIGN',
      `${path} is not the manifest of a store: choose another \`root\` or \`name\``,
      {
        path,
      },
    );
  }
  if (parsed['version'] !== VERSION) {
    const message = `The store of ${path} has the format ${String(parsed['version'])}, this version knows ${VERSION}: open it with the version of shardstash that made it`;
    throw new CacheError('STORE_FOREIGN', message, { path });
  }
  const { engine, serializer, compression, base64, appendMode, strict, tier } = parsed;
  if (
    typeof engine !== 'string' ||
    typeof serializer !== 'string' ||
    !(compression === false || typeof compression === 'string') ||
    typeof base64 !== 'boolean' ||
    typeof appendMode !== 'boolean' ||
    typeof strict !== 'boolean' ||
    !(tier === undefined || isTierNote(tier))
  ) {
    throw damaged(path);
  }
  const manifest: Manifest = { engine, serializer, compression, base64, appendMode, strict };
  return tier === undefined ? manifest : { ...manifest, tier: { seed: tier.seed } };
}

function isTierNote(tier: unknown): tier is TierNote {
  const { seed } = (tier ?? {}) as Partial<TierNote>;
  return typeof seed === 'string' && SEED.test(seed);
}

function parse(text: string, path: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw damaged(path, cause);
  }
  if (typeof parsed !== 'object' || parsed === null) {
    throw damaged(path);
  }
  return parsed as Record<string, unknown>;
}

function damaged(path: string, cause?: unknown): CacheError {
  const next =
    'write it anew by hand (engine, serializer, compression, base64, appendMode, strict, and of a tier its seed), or move the store away';
  return new CacheError(
    'STORE_CORRUPT',
    `${path} is damaged, so nobody knows how to read the entries beside it: ${next}`,
    {
      path,
      cause,
    },
  );
}
