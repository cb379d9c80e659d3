/**
 * The key of one call to a log: its UTF-8 and a 64-bit hash of that. Two lanes of multiply and rotate, begun with numbers that
 * each process draws, so that nobody can prepare keys that all meet in one place. It never leaves the process, and a
 * collision costs one more look at the disk.
 */
import { randomBytes } from 'node:crypto';

const SEEDS = new Int32Array(randomBytes(8).buffer.slice(0, 8));
const PRIME_LOW = 0x85eb_ca6b;
const PRIME_HIGH = 0xc2b2_ae35;

export class LogKey {
  hashLow = 0;
  hashHigh = 0;

  /** Hashes `length` bytes from `at` on. */
  hash(bytes: Uint8Array, at: number, length: number): void {
    let low = (SEEDS[0] as number) ^ length;
    let high = SEEDS[1] as number;
    const end = at + length;
    for (let i = at; i < end; i++) {
      low = Math.imul(low ^ (bytes[i] as number), PRIME_LOW);
      low = (low << 13) | (low >>> 19);
      high = Math.imul(high + (bytes[i] as number), PRIME_HIGH) ^ low;
    }
    low ^= high >>> 15;
    low = Math.imul(low ^ (low >>> 16), PRIME_HIGH);
    high = Math.imul(high ^ (high >>> 16), PRIME_LOW);
    this.hashLow = (low ^ (low >>> 13)) >>> 0;
    this.hashHigh = (high ^ (high >>> 13)) >>> 0;
  }
}
