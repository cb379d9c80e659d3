/** A digest of bytes, in hex: `hashBytes('test data')` is what md5sum says of them. */
import { createHash, getHashes } from 'node:crypto';
import { misuse } from '../../protocol/errors.ts';

/** Those that people mean; Node has some fifty more. */
const USUAL = ['md5', 'sha1', 'sha256', 'sha512', 'sha3-256', 'blake2b512'];

/**
 * The digest in hex. Text is hashed as UTF-8. MD5 tells bytes apart that nobody has made to be confused; choose 'sha256'
 * for those of strangers. Throws INVALID_CONFIG, or UNKNOWN_PLUGIN for an algorithm that this Node has not got.
 */
export function hashBytes(bytes: Uint8Array | string, algorithm = 'md5'): string {
  if (typeof bytes !== 'string' && !(bytes instanceof Uint8Array)) {
    const expected = '`bytes` to be a Uint8Array or a string (`hashValue` hashes other values)';
    throw misuse('INVALID_CONFIG', expected, bytes, { option: 'bytes' });
  }
  return hasherOf(algorithm).update(bytes).digest('hex');
}

/** Throws UNKNOWN_PLUGIN. */
export function hasherOf(algorithm: string): ReturnType<typeof createHash> {
  try {
    return createHash(algorithm);
  } catch (cause) {
    const expected = `\`algorithm\` to be ${USUAL.join(', ')} or another of this Node's ${getHashes().length} (crypto.getHashes())`;
    throw misuse('UNKNOWN_PLUGIN', expected, algorithm, { option: 'algorithm', available: USUAL, cause });
  }
}
