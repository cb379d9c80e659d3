/** A shard with a tier under it, without threads: the real owner and the real keeper, over an engine that the test holds. */
import { MessageChannel } from 'node:worker_threads';
import { ClientMemory } from '../../src/protocol/client.ts';
import { CacheError } from '../../src/protocol/errors.ts';
import { FilterReader } from '../../src/protocol/filter.ts';
import { FrameWriter } from '../../src/protocol/frame.ts';
import { KeyEncoder } from '../../src/protocol/key.ts';
import { reserveShard, type ShardLimits, ShardMemory } from '../../src/protocol/memory.ts';
import type { StoredValue } from '../../src/protocol/operations.ts';
import { HIT, Reader } from '../../src/protocol/reader.ts';
import type { Result } from '../../src/protocol/reply.ts';
import { readReply } from '../../src/protocol/reply-reader.ts';
import type { PolicyName } from '../../src/protocol/spec.ts';
import type { KeeperBirth } from '../../src/protocol/tier.ts';
import { TAG_BUFFER } from '../../src/protocol/value-tags.ts';
import { Dispatch } from '../../src/worker/dispatch.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { FrameClock } from '../../src/worker/frame-clock.ts';
import { Shard } from '../../src/worker/shard.ts';
import { Tier } from '../../src/worker/tier/tier.ts';
import { WallClock } from '../../src/worker/tier/wall-clock.ts';
import { HandClock, LIMITS } from './shard.ts';
import { type OpenKeeper, openKeeper } from './tier-keeper.ts';

/** What the wall's clock says when the hands are at 0. */
const ORIGIN_MS = 1_700_000_000_000;
const SEED = { low: 1, high: 2 };
const FILTER = { type: 'blocked-bloom', falsePositiveRate: 0.01 } as const;
const NOTHING = Buffer.alloc(0);

export interface TieredShard extends OpenKeeper {
  readonly shard: Shard;
  readonly clock: HandClock;
  readonly beats: { count: number };
  /** One call in a frame of its own. Values are text; errors are their codes. */
  ask(op: number, key?: string, value?: string | Buffer, argument?: number, flags?: number): Promise<unknown>;
  /** A turn of the event loop, in which messages come. */
  turn(): Promise<void>;
  /** What a reader finds in memory. */
  look(key: string): string | undefined;
  /** Whether a reader is told by the filter that the key is nowhere. */
  isRuledOut(key: string): boolean;
  /** It asks no more. */
  leave(): void;
  /** Another owner of the same memory, which asks by a port of its own. */
  next(): TieredShard;
  /** As many calls in one frame: what they answer. */
  askAll(calls: readonly (readonly [op: number, key: string, value?: string])[]): Promise<unknown[]>;
}

export interface TieredSetup extends Partial<Omit<KeeperBirth, 'shards'>> {
  readonly limits?: Partial<ShardLimits>;
  readonly eviction?: PolicyName;
  readonly isEmpty?: boolean;
  readonly filter?: false;
  /** What the tier has before anybody opens it. */
  readonly before?: OpenKeeper;
}

export async function tieredShard(setup: TieredSetup = {}): Promise<TieredShard> {
  const { limits, eviction = 'lru', isEmpty = true, filter, before, ...birth } = setup;
  const keeper = before ?? (await openKeeper({ seed: SEED, ...birth }));
  const full = { ...LIMITS, ...limits };
  const memory = new ShardMemory(reserveShard(full, filter ?? FILTER, 1));
  return over(memory, keeper, full, { eviction, isEmpty, isShared: birth.isShared ?? false, filter: filter ?? FILTER });
}

interface Manner {
  readonly eviction: PolicyName;
  readonly isEmpty: boolean;
  readonly isShared: boolean;
  readonly filter: typeof FILTER | false;
}

function over(memory: ShardMemory, keeper: OpenKeeper, limits: ShardLimits, manner: Manner): TieredShard {
  const clock = new HandClock();
  const frameClock = new FrameClock(clock);
  const shard = new Shard(limits, memory, policies[manner.eviction], frameClock);
  const beats = { count: 0 };
  const { isShared, isEmpty } = manner;
  const tier = new Tier({
    shard,
    wall: new WallClock(frameClock, ORIGIN_MS),
    spec: { isShared, isEmpty, wallOriginMs: ORIGIN_MS, hashSeed: SEED, shards: 1 },
    filter: manner.filter === false || isShared ? undefined : { words: memory.filter, spec: manner.filter },
    beat: () => beats.count++,
  });
  const { port1, port2 } = new MessageChannel();
  keeper.keeper.connect(0, port2);
  tier.connect(port1);
  shard.connect(new ClientMemory());
  const dispatch = new Dispatch(shard, memory, frameClock, tier);
  const key = new KeyEncoder(SEED);
  const reader = new Reader(memory, clock);
  const filter = new FilterReader(memory.filter);
  const writer = new FrameWriter();
  const add = (op: number, text: string, value: string | Buffer = NOTHING, argument = 0, flags = 0) => {
    key.encode(text);
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    writer.add(op, key, TAG_BUFFER, argument, bytes, bytes.length, flags);
  };
  const send = async (count: number) => {
    const results = readReply(await dispatch.call(writer.seal()));
    return typeof results === 'number' ? Array.from({ length: count }, () => undefined) : results.map(plain);
  };
  return {
    ...keeper,
    shard,
    clock,
    beats,
    ask: async (op, text = '', value = NOTHING, argument = 0, flags = 0) => {
      add(op, text, value, argument, flags);
      return (await send(1))[0];
    },
    askAll: (calls) => {
      for (const [op, text, value] of calls) add(op, text, value);
      return send(calls.length);
    },
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    look: (text) => {
      key.encode(text);
      return reader.read(key) === HIT ? Buffer.from(reader.value).toString() : undefined;
    },
    isRuledOut: (text) => {
      key.encode(text);
      return filter.rulesOut(key.hashLow, key.hashHigh);
    },
    leave: () => port1.close(),
    next: () => {
      port1.close();
      return over(memory, keeper, limits, { ...manner, isEmpty: false });
    },
  };
}

function plain(result: Result): unknown {
  if (result instanceof CacheError) {
    return result.code;
  }
  if (typeof result !== 'object') {
    return result;
  }
  const { bytes, leftMs, isFromTier } = result as StoredValue;
  if (bytes === undefined) {
    return result;
  }
  const text = bytes.toString();
  return leftMs === undefined ? text : { text, leftMs, from: isFromTier === true ? 'tier' : 'memory' };
}
