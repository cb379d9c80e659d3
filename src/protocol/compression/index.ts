/** The compressions there are. A new one is one file that keeps the contract of compression.ts, and one line here. */
import { CacheError, misuse } from '../errors.ts';
import type { Compression, CompressionKind } from './compression.ts';
import { lz4Kind } from './lz4.ts';
import { brotliKind, deflateRawKind, gzipKind, zlibKind } from './node-zlib.ts';
import { zstdKind } from './zstd.ts';

export {
  COMPRESS_BYTES_MIN,
  COMPRESSED_BYTES_MAX,
  type Compression,
  framed,
  isCompressible,
  lengthOf,
  unframe,
  unframeSync,
} from './compression.ts';

export const compressions = {
  zlib: zlibKind,
  gzip: gzipKind,
  brotli: brotliKind,
  'deflate-raw': deflateRawKind,
  zstd: zstdKind,
  lz4: lz4Kind,
} satisfies Record<string, CompressionKind>;

export type CompressionName = keyof typeof compressions;
/** What the option `compression` takes; `true` is 'zlib'. */
export type CompressionOption = boolean | CompressionName;

const NAMES = Object.keys(compressions) as CompressionName[];
/** What other programs of this kind have, and no package that Node can use has well. */
const NOT_OFFERED: readonly string[] = ['bz2', 'blosc'];
const loaded = new Map<number, Compression>();

/** Throws INVALID_CONFIG, or UNKNOWN_PLUGIN with the names there are. */
export function resolveCompression(option: unknown = false): CompressionName | false {
  if (typeof option === 'boolean') {
    return option && 'zlib';
  }
  const details = { option: 'compression', available: NAMES };
  if (typeof option !== 'string') {
    throw misuse('INVALID_CONFIG', `\`compression\` to be true, false or one of ${NAMES.join(', ')}`, option, details);
  }
  const name = NAMES.find((candidate) => candidate === option.toLowerCase());
  if (name === undefined) {
    const aside = NOT_OFFERED.includes(option.toLowerCase()) ? ` (${NOT_OFFERED.join(' and ')} are not offered)` : '';
    throw misuse('UNKNOWN_PLUGIN', `\`compression\` to be one of ${NAMES.join(', ')}${aside}`, option, details);
  }
  return name;
}

/** Throws MISSING_DEPENDENCY, which says what to do. */
export function loadCompression(name: CompressionName): Compression {
  const kind: CompressionKind = compressions[name];
  const known = loaded.get(kind.id);
  if (known !== undefined) {
    return known;
  }
  const compression = kind.load();
  loaded.set(kind.id, compression);
  return compression;
}

/** The one that a record names. Throws STORE_FOREIGN for an id that this version does not know, or MISSING_DEPENDENCY. */
export function compressionOfId(id: number): Compression {
  const known = loaded.get(id);
  if (known !== undefined) {
    return known;
  }
  const name = NAMES.find((candidate) => compressions[candidate].id === id);
  if (name === undefined) {
    const message = `A stored value has the compression ${id}, which this version does not know. Next: read it with the version that wrote it`;
    throw new CacheError('STORE_FOREIGN', message);
  }
  return loadCompression(name);
}
