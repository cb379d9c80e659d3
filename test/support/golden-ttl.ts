/**
 * The hit ratio of LRU on a clock of its own, with entries that expire: request i comes at i / rate seconds, is a get, and
 * on a miss a set with the ttl that the trace gives.
 *
 * The table's `lazy` rows, where the expired stand among the living until LRU comes to them, are not ours: here they make
 * room before anything that lives, swept or not, so those who live are always those of the `eager` rows.
 */
import { reserveShard, ShardMemory } from '../../src/protocol/memory.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { Shard } from '../../src/worker/shard.ts';
import { Forged } from './forged.ts';
import { HandClock } from './shard.ts';
import type { Requests, TtlCell } from './traces.ts';

const VALUE_BYTES = 100;
/** More than an entry of that size costs, its expiry included. */
const ENTRY_BYTES = 288;
/** Of an unbounded cache: more than any trace has keys. */
const ENTRIES_UNBOUNDED = 400_000;

/** The table has six decimals. A looser bound would not tell `eager` from `lazy`, which differ by 2e-6 and 9e-5. */
export const TTL_DIFFERENCE_MAX = 1e-6;

/** The rows that say what we do. */
export const TTL_EXPIRIES = ['none', 'expireAfterWrite', 'eager'];

/** Our figure for a cell of golden_ttl.csv; with a sweep before each request that finds something due, or with none. */
export function replayTtlCell(cell: TtlCell, { keys, ttls }: Requests, sweeps: boolean): number {
  const entriesMax = Math.min(cell.entries, ENTRIES_UNBOUNDED);
  const limits = { entriesMax, bytesMax: 4096 + entriesMax * ENTRY_BYTES };
  const clock = new HandClock();
  clock.nowMs = 0;
  const shard = new Shard(limits, new ShardMemory(reserveShard(limits)), policies.lru, clock);
  const forged = new Forged(VALUE_BYTES);
  const { record } = forged;
  let hits = 0;
  for (let i = 0; i < keys.length; i++) {
    clock.nowMs = (i * 1_000) / cell.requestsPerSecond;
    if (sweeps && shard.sweepAtMs <= clock.nowMs) {
      shard.sweep(Number.POSITIVE_INFINITY);
    }
    forged.about(keys[i] as number, VALUE_BYTES);
    if (shard.get(record) !== 0) {
      hits++;
    } else {
      record.argument = cell.expiry === 'none' ? 0 : (ttls[i] as number) * 1_000;
      shard.set(record);
    }
  }
  shard.check();
  return hits / keys.length;
}
