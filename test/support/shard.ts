/** A shard's core without threads: the real map, arena and policy over real shared memory, driven call by call. */
import { ClientMemory } from '../../src/protocol/client.ts';
import { CacheError } from '../../src/protocol/errors.ts';
import { FrameWriter } from '../../src/protocol/frame.ts';
import { decodeKey, KeyEncoder } from '../../src/protocol/key.ts';
import { reserveShard, type ShardLimits, ShardMemory } from '../../src/protocol/memory.ts';
import {
  FLAG_KEYS_ONLY,
  OP_CLEAR,
  OP_DELETE,
  OP_GET,
  OP_HAS,
  OP_PEEK,
  OP_SCAN,
  OP_SET,
  OP_SIZE,
  SCAN_END,
  type StoredPage,
  type StoredValue,
} from '../../src/protocol/operations.ts';
import type { PolicyFactory } from '../../src/protocol/policy.ts';
import { MISS, Reader } from '../../src/protocol/reader.ts';
import type { Result } from '../../src/protocol/reply.ts';
import { readReply } from '../../src/protocol/reply-reader.ts';
import type { PolicyName, ShardSpec } from '../../src/protocol/spec.ts';
import { TAG_NUMBER } from '../../src/protocol/value-tags.ts';
import { Dispatch } from '../../src/worker/dispatch.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { FrameClock } from '../../src/worker/frame-clock.ts';
import type { PolicyFault } from '../../src/worker/guarded-policy.ts';
import { Shard } from '../../src/worker/shard.ts';
import { SEED } from './random.ts';

/** A clock whose hands the test turns. */
export class HandClock {
  nowMs = 1_000;
  now(): number {
    return this.nowMs;
  }
}

export interface ShardUnderTest {
  readonly shard: Shard;
  readonly dispatch: Dispatch;
  readonly memory: ShardMemory;
  readonly clock: HandClock;
  readonly reader: Reader;
  readonly client: ClientMemory;
  readonly key: KeyEncoder;
  /** Through a frame, as a client's call would. */
  call(op: number, key?: string, value?: Uint8Array, argument?: number, flags?: number): Result;
  /** As `call`, but with what came back as plain as can be: text, a code, true, a number, undefined. */
  ask(op: number, key?: string, value?: string | Uint8Array, argument?: number, flags?: number): unknown;
  set(key: string, value: string | Uint8Array, ttlMs?: number, flags?: number): Result;
  get(key: string): string | undefined;
  peek(key: string): string | undefined;
  has(key: string): boolean;
  delete(key: string): boolean;
  clear(): number;
  size(): number;
  /** Every key, page by page. */
  scan(pageSize: number): string[];
  /** Through shared memory, as a reader would: touches and counts, too. */
  read(key: string): string | undefined;
  /** The same, but nobody hears of it. */
  look(key: string): string | undefined;
}

/** What is not bounded otherwise. */
export const LIMITS: ShardLimits = { bytesMax: 1024 * 1024, entriesMax: Number.POSITIVE_INFINITY };

export function makeShard(
  limits: Partial<ShardLimits> = {},
  eviction: PolicyName | PolicyFactory = 'lru',
  clock = new HandClock(),
  seed = SEED,
  filter: ShardSpec['filter'] = FILTER,
  onPolicyFault?: (fault: PolicyFault) => void,
): ShardUnderTest {
  const full: ShardLimits = { ...LIMITS, ...limits };
  const memory = new ShardMemory(reserveShard(full, filter));
  return openShard(memory, { limits: full, eviction, clock, seed, filter, onPolicyFault });
}

export interface ShardSetup {
  readonly limits: ShardLimits;
  readonly eviction?: PolicyName | PolicyFactory;
  readonly clock?: HandClock;
  readonly seed?: number;
  readonly filter?: ShardSpec['filter'];
  readonly onPolicyFault?: ((fault: PolicyFault) => void) | undefined;
  /** What readers see, where that is not the owner's own. */
  readonly readers?: ShardMemory;
  readonly client?: ClientMemory;
}

/** An owner over memory as it is, new or left by another one. */
export function openShard(memory: ShardMemory, setup: ShardSetup): ShardUnderTest {
  const { limits, eviction = 'lru', clock = new HandClock(), seed = SEED, filter = FILTER, onPolicyFault } = setup;
  const frameClock = new FrameClock(clock);
  const createPolicy = typeof eviction === 'string' ? policies[eviction] : eviction;
  const shard = new Shard(limits, memory, createPolicy, frameClock, { seed, filter, onPolicyFault });
  const dispatch = new Dispatch(shard, memory, frameClock);
  const client = setup.client ?? new ClientMemory();
  shard.connect(client);
  const reader = new Reader(setup.readers ?? memory, clock);
  const key = new KeyEncoder({ low: 1, high: 2 });
  const writer = new FrameWriter();
  const call: ShardUnderTest['call'] = (op, text = '', value = NOTHING, argument = 0, flags = 0) => {
    key.encode(text);
    writer.add(op, key, 0, argument, value, value.length, flags);
    const results = readReply(dispatch.call(writer.seal()));
    return typeof results === 'number' ? undefined : results[0];
  };
  const ask: ShardUnderTest['ask'] = (op, text, value = NOTHING, argument, flags) =>
    plain(call(op, text, typeof value === 'string' ? Buffer.from(value) : value, argument, flags));
  return {
    shard,
    dispatch,
    memory,
    clock,
    reader,
    client,
    key,
    call,
    ask,
    set: (k, value, ttlMs = 0, flags = 0) =>
      call(OP_SET, k, typeof value === 'string' ? Buffer.from(value) : value, ttlMs, flags),
    get: (k) => ask(OP_GET, k) as string | undefined,
    peek: (k) => ask(OP_PEEK, k) as string | undefined,
    has: (k) => call(OP_HAS, k) as boolean,
    delete: (k) => call(OP_DELETE, k) as boolean,
    clear: () => call(OP_CLEAR) as number,
    size: () => call(OP_SIZE) as number,
    scan(pageSize) {
      const keys: string[] = [];
      for (let next = 0; next < SCAN_END; ) {
        const page = call(OP_SCAN, '', numbers(pageSize), next, FLAG_KEYS_ONLY) as StoredPage;
        keys.push(...page.entries.map((entry) => decodeKey(entry.key, entry.encoding) as string));
        next = page.next;
      }
      return keys;
    },
    look(k) {
      key.encode(k);
      return reader.read(key) === MISS ? undefined : textOf({ tag: reader.tag, bytes: Buffer.from(reader.value) });
    },
    read(k) {
      key.encode(k);
      if (reader.read(key) === MISS) {
        client.countMiss();
        return undefined;
      }
      client.countHit();
      reader.slide();
      if (shard.policy.hits === 'ring') {
        client.push(reader.slot, reader.seqLow);
      } else if (shard.policy.hits === 'byte') {
        reader.touchByte(reader.slot);
      }
      return textOf({ tag: reader.tag, bytes: Buffer.from(reader.value) });
    },
  };
}

/** Float64s as the value of a call. */
export function numbers(...values: number[]): Buffer {
  return Buffer.from(new Float64Array(values).buffer);
}

function plain(result: Result): unknown {
  if (result instanceof CacheError) {
    return result.code;
  }
  return typeof result === 'object' && 'tag' in result ? textOf(result) : result;
}

function textOf({ tag, bytes }: StoredValue): string {
  return tag === TAG_NUMBER ? `number ${bytes.readDoubleLE()}` : bytes.toString();
}

const FILTER = { type: 'blocked-bloom', falsePositiveRate: 0.01 } as const;
const NOTHING = new Uint8Array(0);
