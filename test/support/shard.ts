/** A shard's core without threads: the real map, arena and policy over real shared memory, driven call by call. */
import { ClientMemory } from '../../src/protocol/client.ts';
import { FrameWriter } from '../../src/protocol/frame.ts';
import { KeyEncoder } from '../../src/protocol/key.ts';
import { reserveShard, type ShardLimits, ShardMemory } from '../../src/protocol/memory.ts';
import { OP_CLEAR, OP_DELETE, OP_GET, OP_HAS, OP_PEEK, OP_SET, OP_SIZE } from '../../src/protocol/operations.ts';
import { MISS, Reader } from '../../src/protocol/reader.ts';
import { type Result, readReply } from '../../src/protocol/reply.ts';
import type { PolicyName } from '../../src/protocol/spec.ts';
import { Dispatch } from '../../src/worker/dispatch.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { Shard } from '../../src/worker/shard.ts';
import { SEED } from './random.ts';

/** A clock whose hands the test turns. */
export class ManualClock {
  nowMs = 1_000;
  now(): number {
    return this.nowMs;
  }
}

export interface ShardUnderTest {
  readonly shard: Shard;
  readonly dispatch: Dispatch;
  readonly memory: ShardMemory;
  readonly clock: ManualClock;
  readonly reader: Reader;
  readonly client: ClientMemory;
  readonly key: KeyEncoder;
  /** Through a frame, as a client's call would. */
  call(op: number, key?: string, value?: Uint8Array, ttlMs?: number): Result;
  set(key: string, value: string | Uint8Array, ttlMs?: number): Result;
  get(key: string): string | undefined;
  peek(key: string): string | undefined;
  has(key: string): boolean;
  delete(key: string): boolean;
  clear(): number;
  size(): number;
  /** Through shared memory, as a reader would: touches and counts, too. */
  read(key: string): string | undefined;
}

export function makeShard(
  limits: Partial<ShardLimits> = {},
  eviction: PolicyName = 'lru',
  clock = new ManualClock(),
  seed = SEED,
): ShardUnderTest {
  const full: ShardLimits = { bytesMax: 1024 * 1024, entriesMax: Number.POSITIVE_INFINITY, ...limits };
  const memory = new ShardMemory(reserveShard(full));
  const shard = new Shard(full, memory, policies[eviction], clock, seed);
  const dispatch = new Dispatch(shard, memory);
  const client = new ClientMemory();
  shard.connect(client);
  const reader = new Reader(memory, clock);
  const key = new KeyEncoder({ low: 1, high: 2 });
  const writer = new FrameWriter();
  const call = (op: number, text = '', value: Uint8Array = new Uint8Array(0), ttlMs = 0): Result => {
    key.encode(text);
    writer.add(op, key, 0, ttlMs, value, value.length);
    const results = readReply(dispatch.call(writer.seal()));
    return typeof results === 'number' ? undefined : results[0];
  };
  const text = (result: Result) => (result === undefined ? undefined : (result as { bytes: Buffer }).bytes.toString());
  return {
    shard,
    dispatch,
    memory,
    clock,
    reader,
    client,
    key,
    call,
    set: (k, value, ttlMs = 0) => call(OP_SET, k, typeof value === 'string' ? Buffer.from(value) : value, ttlMs),
    get: (k) => text(call(OP_GET, k)),
    peek: (k) => text(call(OP_PEEK, k)),
    has: (k) => call(OP_HAS, k) as boolean,
    delete: (k) => call(OP_DELETE, k) as boolean,
    clear: () => call(OP_CLEAR) as number,
    size: () => call(OP_SIZE) as number,
    read(k) {
      key.encode(k);
      if (reader.read(key) === MISS) {
        client.countMiss();
        return undefined;
      }
      client.countHit();
      if (shard.policy.hits === 'ring') {
        client.push(reader.slot, reader.seqLow);
      } else if (shard.policy.hits === 'byte') {
        reader.touchByte();
      }
      return reader.value.toString();
    },
  };
}
