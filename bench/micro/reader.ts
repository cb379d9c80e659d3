/**
 * A reader looks a key up in a shard's memory. Keys are numbers, so that what it takes to make and encode one is little,
 * and known: it is measured beside.
 */
import { monotonic } from '../../src/protocol/clock.ts';
import { KeyEncoder } from '../../src/protocol/key.ts';
import { HIT, MISS, Reader } from '../../src/protocol/reader.ts';
import { shuffled } from '../support/keys.ts';
import { HASH_SEED, LoneShard } from '../support/lone-shard.ts';
import { LOOP_OPERATIONS, type MicroTask } from '../support/micro.ts';
import { formatCount } from '../support/table.ts';
import { Walk } from '../support/walk.ts';
import type { Subject } from './subject.ts';

const ENTRIES = 1_000_000;
const QUICK_ENTRIES = 100_000;
const VALUE = Buffer.alloc(32, 'v');
/** Room for an entry: it takes 96, columns included. */
const ENTRY_BYTES = 128;
const BLOCK_BYTES = 72;
const BUCKET_BYTES = 8;

export function reader(quick: boolean): Subject {
  const entries = quick ? QUICK_ENTRIES : ENTRIES;
  const lone = new LoneShard({
    entriesMax: Number.POSITIVE_INFINITY,
    bytesMax: entries * ENTRY_BYTES,
    eviction: 'none',
    value: VALUE,
    keyOf: (id) => id,
  });
  lone.fill(entries);
  const ids = shuffled(entries);
  const at = `at ${formatCount(entries)} entries`;
  const hit = reading(`reader: hit ${at}`, lone, ids, HIT);
  const miss = reading(
    `reader: miss ${at}`,
    lone,
    ids.map((id) => -1 - id),
    MISS,
  );
  const encode = encoding('reader: encoding the key alone', ids);
  const blocks = new Walk(`floor: walk, ${formatCount(entries)} blocks of ${BLOCK_BYTES} B`, entries, BLOCK_BYTES);
  const buckets = new Walk(`floor: walk, ${formatCount(entries)} buckets of ${BUCKET_BYTES} B`, entries, BUCKET_BYTES);
  return {
    tasks: [hit, miss, encode, blocks, buckets],
    floors: { [hit.name]: blocks.name, [miss.name]: buckets.name },
  };
}

function reading(name: string, { memory }: LoneShard, ids: Int32Array, expected: number): MicroTask {
  const reader = new Reader(memory, monotonic);
  const key = new KeyEncoder(HASH_SEED);
  let cursor = 0;
  return {
    name,
    loop() {
      let found = 0;
      for (let i = cursor; i < cursor + LOOP_OPERATIONS; i++) {
        key.encode(ids[i]);
        found += reader.read(key) === expected ? 1 : 0;
      }
      cursor = (cursor + LOOP_OPERATIONS) % ids.length;
      if (found !== LOOP_OPERATIONS) {
        throw new Error(`${name}: only ${found} of ${LOOP_OPERATIONS} reads were what is measured`);
      }
    },
  };
}

function encoding(name: string, ids: Int32Array): MicroTask {
  const key = new KeyEncoder(HASH_SEED);
  let cursor = 0;
  let sum = 0;
  return {
    name,
    loop() {
      for (let i = cursor; i < cursor + LOOP_OPERATIONS; i++) {
        key.encode(ids[i]);
        sum = (sum + key.hashLow) | 0;
      }
      cursor = (cursor + LOOP_OPERATIONS) % ids.length;
    },
  };
}
