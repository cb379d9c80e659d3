/**
 * The index of a snapshot: what the whole is, and which of its bytes are blocks that count.
 *
 *     0     4               8   24     28     32                       from the next multiple of 8 on
 *     SIDX  bytes of facts  id  count  zero   facts, JSON in UTF-8,    for each block 32 bytes:
 *                               of            padded with spaces       offset and bytes (float64), entries, checksum,
 *                               blocks                                 shard, zero (uint32)
 *
 * Blocks stand by shard, and those of a shard as its owner has written them: coldest entries first. The index lies where the
 * last block ends, and the footer behind it.
 */
import { crc32 } from 'node:zlib';
import { type IndexPlace, isLength, snapshotFooter } from './ends.ts';
import { damaged } from './faults.ts';
import { FOOTER_BYTES, HEADER_BYTES, ID_BYTES, type SnapshotFacts } from './file.ts';
import type { BlockPlace } from './tasks.ts';

const MAGIC = 'SIDX';
const FACTS_BYTES_AT = 4;
const ID_AT = 8;
const BLOCKS_AT = 24;
const FACTS_AT = 32;
const ROW_BYTES = 32;
/** No cache has more shards, nor a snapshot: a damaged count would ask for an array of 4 G lists. */
const SHARDS_MAX = 65_536;

export interface SnapshotIndex {
  readonly id: Buffer;
  readonly facts: SnapshotFacts;
  /** Of each shard that saved: its blocks, coldest first. */
  readonly shards: readonly (readonly BlockPlace[])[];
  /** Of the whole file. */
  readonly bytes: number;
}

/**
 * Index and footer, which are written at `offset`: where the cursor stands when all owners are done. `shards` is what they
 * answered, as many as `facts` say.
 */
export function sealIndex(
  id: Uint8Array,
  facts: SnapshotFacts,
  shards: readonly (readonly BlockPlace[])[],
  offset: number,
): Buffer {
  const text = Buffer.from(JSON.stringify(facts));
  const rowsAt = rowsAfter(text.length);
  const blocks = shards.flat().length;
  const index = Buffer.alloc(rowsAt + blocks * ROW_BYTES, ' ');
  index.write(MAGIC, 'latin1');
  index.writeUInt32LE(text.length, FACTS_BYTES_AT);
  index.set(id.subarray(0, ID_BYTES), ID_AT);
  index.writeUInt32LE(blocks, BLOCKS_AT);
  index.writeUInt32LE(0, BLOCKS_AT + 4);
  index.set(text, FACTS_AT);
  let at = rowsAt;
  for (const [shard, places] of shards.entries()) {
    for (const place of places) {
      index.writeDoubleLE(place.offset, at);
      index.writeDoubleLE(place.bytes, at + 8);
      index.writeUInt32LE(place.entries, at + 16);
      index.writeUInt32LE(place.checksum, at + 20);
      index.writeUInt32LE(shard, at + 24);
      index.writeUInt32LE(0, at + 28);
      at += ROW_BYTES;
    }
  }
  return Buffer.concat([index, snapshotFooter(id, { offset, bytes: index.length, checksum: crc32(index) })]);
}

/** Throws CACHE_LOAD_ERROR. */
export function parseIndex(index: Buffer, place: IndexPlace, id: Buffer, path: string): SnapshotIndex {
  if (index.length !== place.bytes || crc32(index) !== place.checksum) {
    throw damaged(path, 'its index has changed');
  }
  const isIndex = index.length >= FACTS_AT && index.toString('latin1', 0, FACTS_BYTES_AT) === MAGIC;
  if (!isIndex || !index.subarray(ID_AT, ID_AT + ID_BYTES).equals(id)) {
    throw damaged(path, 'its index is that of another one');
  }
  const factsBytes = index.readUInt32LE(FACTS_BYTES_AT);
  const rowsAt = rowsAfter(factsBytes);
  if (rowsAt + index.readUInt32LE(BLOCKS_AT) * ROW_BYTES !== index.length) {
    throw damaged(path, 'its index has not the length of what is in it');
  }
  const facts = parseFacts(index.toString('utf8', FACTS_AT, FACTS_AT + factsBytes));
  if (facts === undefined) {
    throw damaged(path, 'its index does not say what it is of');
  }
  const shards: BlockPlace[][] = Array.from({ length: facts.shards }, () => []);
  for (let at = rowsAt; at < index.length; at += ROW_BYTES) {
    const shard = shards[index.readUInt32LE(at + 24)];
    if (shard === undefined) {
      throw damaged(path, `its index names a shard beyond the ${facts.shards} there were`);
    }
    shard.push({
      offset: index.readDoubleLE(at),
      bytes: index.readDoubleLE(at + 8),
      entries: index.readUInt32LE(at + 16),
      checksum: index.readUInt32LE(at + 20),
    });
  }
  checkPlaces(shards.flat(), facts, place.offset, path);
  return { id, facts, shards, bytes: place.offset + place.bytes + FOOTER_BYTES };
}

/**
 * The blocks of all shards, from those with the coldest entries to those with the hottest: each by the share of its shard's
 * blocks that come before it.
 */
export function coldestFirst({ shards }: SnapshotIndex): BlockPlace[] {
  return shards
    .flatMap((places) => places.map((place, i) => ({ place, age: (i + 0.5) / places.length })))
    .sort((a, b) => a.age - b.age)
    .map(({ place }) => place);
}

/** Blocks lie between header and index, none over another, and have as many entries as the whole. */
function checkPlaces(places: BlockPlace[], facts: SnapshotFacts, end: number, path: string): void {
  let free = HEADER_BYTES;
  let entries = 0;
  for (const { offset, bytes, entries: held } of places.toSorted((a, b) => a.offset - b.offset)) {
    if (!isLength(offset) || !isLength(bytes) || offset < free || offset + bytes > end) {
      throw damaged(path, 'its index names bytes that are no block');
    }
    free = offset + bytes;
    entries += held;
  }
  if (entries !== facts.entries) {
    throw damaged(path, `its blocks have ${entries} entries, and the whole has ${facts.entries}`);
  }
}

function parseFacts(text: string): SnapshotFacts | undefined {
  let facts: Partial<Record<keyof SnapshotFacts, unknown>> | null;
  try {
    facts = JSON.parse(text) as typeof facts;
  } catch {
    return undefined;
  }
  if (typeof facts !== 'object' || facts === null) {
    return undefined;
  }
  const { serializer, v8, eviction, shards, savedAtMs, entries } = facts;
  const isText = typeof serializer === 'string' && typeof eviction === 'string';
  if (!isText || (v8 !== undefined && typeof v8 !== 'string') || !Number.isFinite(savedAtMs)) {
    return undefined;
  }
  if (!isCount(shards) || shards < 1 || shards > SHARDS_MAX || !isCount(entries)) {
    return undefined;
  }
  return { serializer, ...(v8 !== undefined && { v8 }), eviction, shards, savedAtMs: savedAtMs as number, entries };
}

function isCount(candidate: unknown): candidate is number {
  return Number.isSafeInteger(candidate) && (candidate as number) >= 0;
}

function rowsAfter(factsBytes: number): number {
  return Math.ceil((FACTS_AT + factsBytes) / 8) * 8;
}
