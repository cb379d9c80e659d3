/**
 * What becomes of a snapshot whose bytes have changed. A flipped bit, or an end that is missing, has to be found, or mean nothing:
 * bytes between the blocks are none that anybody reads.
 */
import { isDeepStrictEqual } from 'node:util';
import { KeyEncoder } from '../../src/protocol/key.ts';
import { META_ENCODING_SHIFT, META_TAG_SHIFT, wordsFor } from '../../src/protocol/memory.ts';
import { BlockWriter, expiryFlags } from '../../src/protocol/snapshot/block.ts';
import { sealIndex } from '../../src/protocol/snapshot/block-index.ts';
import { snapshotHeader } from '../../src/protocol/snapshot/ends.ts';
import type { SnapshotEntry } from '../../src/protocol/snapshot/entry.ts';
import type { BlockPlace } from '../../src/protocol/snapshot/tasks.ts';
import { verifySnapshot } from '../../src/protocol/snapshot/verify.ts';
import type { Random } from './random.ts';
import { drawEntry, entriesOfBytes, FACTS, KEYS } from './snapshots.ts';

/** `silent`: nothing was found, and something is different. There must be none. */
export type SnapshotVerdict = 'found' | 'harmless' | 'silent';
export type VerdictCounts = Record<SnapshotVerdict, number>;

/** Entries of every kind in four blocks of two shards, and before the last one what an owner left that died: so many bytes. */
export function snapshotOfBytes(random: Random, total: number): Buffer {
  const id = random.bytes(16);
  const blocks = Array.from({ length: 4 }, (_, i) => blockOf(random, id, i, (total - 2_000) / 4));
  const facts = { ...FACTS, shards: 2, entries: blocks.reduce((sum, block) => sum + block.entries, 0) };
  const gap = random.bytes(total - sizeOf(blocks, facts, id));
  const parts: Buffer[] = [snapshotHeader(id)];
  const places: BlockPlace[] = [];
  let offset = 64;
  for (const [i, { bytes, entries, checksum }] of blocks.entries()) {
    if (i === 3) {
      parts.push(gap);
      offset += gap.length;
    }
    places.push({ offset, bytes: bytes.length, entries, checksum });
    parts.push(bytes);
    offset += bytes.length;
  }
  parts.push(sealIndex(id, facts, [places.slice(0, 2), places.slice(2)], offset));
  return Buffer.concat(parts);
}

export function judge(bytes: Buffer, entries: readonly SnapshotEntry[]): SnapshotVerdict {
  if (verifySnapshot(bytes).length > 0) {
    return 'found';
  }
  return isDeepStrictEqual(entriesOfBytes(bytes), entries) ? 'harmless' : 'silent';
}

/** Flips one bit, judges, and flips it back. */
export function judgeFlip(bytes: Buffer, bit: number, entries: readonly SnapshotEntry[]): SnapshotVerdict {
  const at = bit >> 3;
  bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
  const verdict = judge(bytes, entries);
  bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
  return verdict;
}

interface Sealed {
  readonly bytes: Buffer;
  readonly entries: number;
  readonly checksum: number;
}

function blockOf(random: Random, id: Buffer, number: number, bytes: number): Sealed {
  const writer = new BlockWriter(id);
  const encoder = new KeyEncoder({ low: 0, high: 0 });
  // The long key alone would make the last block too long.
  const keys = KEYS.slice(0, -1).map((key) => [number, key]);
  for (let i = 0; writer.bytes < bytes - 500; i++) {
    const entry = drawEntry(random, keys[i] ?? `key ${number} ${i}`, FACTS.savedAtMs);
    encoder.encode(entry.key);
    const { deadlineMs, slideMs, graceMs } = entry;
    const flags = expiryFlags(deadlineMs, slideMs, graceMs) | (entry.tag << META_TAG_SHIFT);
    const meta = encoder.byteLength | (encoder.encoding << META_ENCODING_SHIFT) | flags;
    const at = writer.add({ ...entry, meta, valueBytes: entry.value.length });
    const keyWords = wordsFor(encoder.byteLength);
    writer.words.set(encoder.words.subarray(0, keyWords), at);
    new Uint8Array(writer.words.buffer).set(entry.value, (at + keyWords) * 4);
  }
  const sealed = writer.seal();
  return { ...sealed, bytes: Buffer.from(sealed.bytes) };
}

function sizeOf(blocks: readonly Sealed[], facts: Parameters<typeof sealIndex>[1], id: Buffer): number {
  const places = blocks.map(({ bytes, entries }) => ({ offset: 0, bytes: bytes.length, entries, checksum: 0 }));
  return 64 + blocks.reduce((sum, { bytes }) => sum + bytes.length, 0) + sealIndex(id, facts, [places, []], 0).length;
}
