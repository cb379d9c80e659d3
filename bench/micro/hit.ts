/**
 * Where the time of a hit goes: each task does all that the one before it does, and one thing more. Small objects under
 * random string keys, made for each get, as a service makes them.
 */

import { createCodec } from '../../src/main/serializers/index.ts';
import { ClientMemory } from '../../src/protocol/client.ts';
import { monotonic } from '../../src/protocol/clock.ts';
import { KeyEncoder } from '../../src/protocol/key.ts';
import { HIT, Reader } from '../../src/protocol/reader.ts';
import { keyOf, shuffled } from '../support/keys.ts';
import { HASH_SEED, LoneShard } from '../support/lone-shard.ts';
import { LOOP_OPERATIONS, type MicroTask } from '../support/micro.ts';
import { formatCount } from '../support/table.ts';
import { smallObject } from '../support/values.ts';
import type { Subject } from './subject.ts';

const ENTRIES = 1_000_000;
const QUICK_ENTRIES = 100_000;
/** Room for an entry: it takes 120, columns included. */
const ENTRY_BYTES = 160;

export function hit(quick: boolean): Subject {
  const entries = quick ? QUICK_ENTRIES : ENTRIES;
  const codec = createCodec('msgpack');
  codec.encode(smallObject(entries));
  const { tag } = codec;
  const lone = new LoneShard({
    entriesMax: Number.POSITIVE_INFINITY,
    bytesMax: entries * ENTRY_BYTES,
    eviction: 'as3-fifo',
    value: codec.bytes.slice(0, codec.byteLength),
    keyOf,
  });
  lone.fill(entries);
  const ids = shuffled(entries);
  const key = new KeyEncoder(HASH_SEED);
  const reader = new Reader(lone.memory, monotonic);
  const client = new ClientMemory();
  const told = () => {
    reader.touchByte(reader.slot);
    client.countHit();
    return HIT;
  };
  const encoded = (id: number) => {
    key.encode(keyOf(id));
    return key;
  };
  const stages: Record<string, (id: number) => unknown> = {
    'makes the key': (id) => keyOf(id).charCodeAt(5),
    'and hashes it': (id) => encoded(id).hashLow,
    'and finds the entry': (id) => reader.probe(encoded(id)),
    'and copies its value': (id) => reader.read(encoded(id)),
    'and tells the policy and the counters': (id) => reader.read(encoded(id)) && told(),
    'and decodes the value': (id) =>
      reader.read(encoded(id)) && told() && codec.decode(tag, reader.bytes, reader.length),
  };
  const at = formatCount(entries);
  return {
    tasks: Object.entries(stages).map(([name, stage]) => stageOf(`hit at ${at}: ${name}`, ids, stage)),
    floors: {},
  };
}

function stageOf(name: string, ids: Int32Array, stage: (id: number) => unknown): MicroTask {
  let cursor = 0;
  const kept: unknown[] = new Array(256).fill(undefined);
  return {
    name,
    loop() {
      for (let i = cursor; i < cursor + LOOP_OPERATIONS; i++) {
        kept[i & 255] = stage(ids[i] as number);
      }
      cursor = (cursor + LOOP_OPERATIONS) % ids.length;
      if (kept.includes(0)) {
        throw new Error(`${name}: missed`);
      }
    },
  };
}
