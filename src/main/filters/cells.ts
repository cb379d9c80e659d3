/**
 * How a key of a static filter becomes three cells and a fingerprint, all from the two words of its hash and a salt.
 *
 * The two words are stirred into each other in a way that can be undone, whatever the salt: so two keys of different hashes
 * never agree in both, and hardly ever in their three cells. Another salt is another draw of the cells of all keys, without
 * their being hashed again.
 */
import { GOLDEN } from '../../protocol/hash-spread.ts';

export abstract class Cells {
  salt = 0;
  /** Of the key that was located last. */
  first = 0;
  second = 0;
  third = 0;
  /** 32 bits, the high ones to be used. */
  fingerprint = 0;
  abstract readonly count: number;

  locate(hashLow: number, hashHigh: number): void {
    const x = hashLow ^ stir(hashHigh + this.salt);
    const y = hashHigh ^ stir(x + GOLDEN);
    this.fingerprint = Math.imul(x + ((y << 16) | (y >>> 16)), GOLDEN);
    this.choose(x, y, stir(x ^ Math.imul(y, GOLDEN)));
  }

  /** Three different cells from three random words. */
  protected abstract choose(x: number, y: number, z: number): void;
}

/** Murmur's finalizer for 32 bits. */
function stir(word: number): number {
  let hash = Math.imul(word ^ (word >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return hash ^ (hash >>> 16);
}
