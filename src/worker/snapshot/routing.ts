/**
 * What is in a block of a snapshot, and which shard of this cache each entry is for. This changes nothing and needs no shard: the
 * owner that has time does it, twice for every block, once to know that all of it is whole and once when it is wanted.
 */
import type { Files } from '../../protocol/files.ts';
import { KeyEncoder, shardOf } from '../../protocol/key.ts';
import { columnBytes, headWords, KEY_BYTES_MAX, wordsFor } from '../../protocol/memory.ts';
import { type BlockReader, type RecordReader, wordsOf } from '../../protocol/snapshot/block.ts';
import { diskError } from '../../protocol/snapshot/faults.ts';
import { encodeChecked } from '../../protocol/snapshot/record-key.ts';
import { blockIn, idIn, withSource } from '../../protocol/snapshot/source.ts';
import type { CheckedBlock, CheckTask, RoutedBlock, RoutedSection, RouteTask } from '../../protocol/snapshot/tasks.ts';
import { Arena } from '../arena.ts';
import { HASH_WORDS } from './section.ts';

/** An int32 loop copies faster than `set(subarray)` up to here. */
const LOOP_WORDS_MAX = 40;
/** Keys are encoded here, one at a time. */
const scratch = new Int32Array(wordsFor(KEY_BYTES_MAX));

/** Throws CACHE_LOAD_ERROR. */
export function check(files: Files, task: CheckTask): CheckedBlock {
  const block = open(files, task);
  const { record } = block;
  const encoder = new KeyEncoder(task.hashSeed, scratch);
  const entries = new Array<number>(task.shards).fill(0);
  const bytes = new Array<number>(task.shards).fill(0);
  let expired = 0;
  let bytesMax = 0;
  while (block.advance()) {
    if (!encodeChecked(encoder, record)) {
      block.refuse();
    }
    if (record.diesAtMs <= task.nowWallMs) {
      expired++;
      continue;
    }
    const shard = shardOf(encoder.hashHigh, task.shards);
    const weight = weightOf(record);
    (entries[shard] as number)++;
    (bytes[shard] as number) += weight;
    bytesMax = Math.max(bytesMax, weight);
  }
  return { expired, entries, bytes, bytesMax };
}

/** Throws CACHE_LOAD_ERROR. */
export function route(files: Files, task: RouteTask): RoutedBlock {
  const block = open(files, task);
  const { record } = block;
  const encoder = new KeyEncoder(task.hashSeed, scratch);
  // Of each entry that is alive: shard, hash low and high, and where its record begins and ends.
  const found = new Int32Array(task.block.entries * FOUND);
  const words = new Array<number>(task.shards).fill(0);
  const entries = new Array<number>(task.shards).fill(0);
  let count = 0;
  while (block.advance()) {
    if (record.diesAtMs <= task.nowWallMs) {
      continue;
    }
    encoder.adopt(record.words, record.keyAt, record.keyBytes, record.encoding);
    const shard = shardOf(encoder.hashHigh, task.shards);
    found[count] = shard;
    found[count + 1] = encoder.hashLow;
    found[count + 2] = encoder.hashHigh;
    found[count + 3] = block.at;
    found[count + 4] = block.next;
    count += FOUND;
    (words[shard] as number) += HASH_WORDS + block.next - block.at;
    (entries[shard] as number)++;
  }
  const sections: RoutedSection[] = [];
  const places: number[] = [];
  let end = 0;
  for (let shard = 0; shard < task.shards; shard++) {
    const length = words[shard] as number;
    sections.push({ offset: end * 4, bytes: length * 4, entries: entries[shard] as number });
    places.push(end);
    end += length;
  }
  const memory = memoryOf(end * 4, task.path);
  fill(new Int32Array(memory), places, found.subarray(0, count), record.words);
  return { memory, sections };
}

function memoryOf(bytes: number, path: string): SharedArrayBuffer {
  try {
    return new SharedArrayBuffer(bytes);
  } catch (cause) {
    throw diskError('CACHE_LOAD_ERROR', `get ${bytes} bytes of memory for the snapshot`, path, cause);
  }
}

/** Numbers by which an entry is found again. */
const FOUND = 5;

/** Copies every entry to where its shard's next one goes. */
function fill(to: Int32Array, places: number[], found: Int32Array, records: Int32Array): void {
  for (let i = 0; i < found.length; i += FOUND) {
    const shard = found[i] as number;
    const [from, end] = [found[i + 3] as number, found[i + 4] as number];
    let at = places[shard] as number;
    to[at++] = found[i + 1] as number;
    to[at++] = found[i + 2] as number;
    if (end - from <= LOOP_WORDS_MAX) {
      for (let word = from; word < end; word++) {
        to[at++] = records[word] as number;
      }
    } else {
      to.set(records.subarray(from, end), at);
      at += end - from;
    }
    places[shard] = at;
  }
}

/** The block, checked to be the one that the index names, and of the snapshot that lies there now. */
function open(files: Files, { path, block }: CheckTask | RouteTask): BlockReader {
  return withSource(files, path, (source) => blockIn(source, block, idIn(source)));
}

/** Bytes that the entry will take of `bytesMax`. */
function weightOf({ meta, valueBytes }: RecordReader): number {
  return Arena.bytesAtLeast(headWords(meta) + wordsFor(meta & 0xffff) + wordsOf(valueBytes)) + columnBytes(meta);
}
