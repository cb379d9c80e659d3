/**
 * One thread's way into the shards of a cache: it hashes keys, encodes values where they are made, and decodes them where
 * they are used. What the methods of the facade have in common.
 */

import type { CacheKey } from '../protocol/cache-key.ts';
import type { Clock } from '../protocol/clock.ts';
import { CacheError } from '../protocol/errors.ts';
import { decodeKey, type HashSeed, KeyEncoder, shardOf } from '../protocol/key.ts';
import type { StoredValue } from '../protocol/operations.ts';
import type { Result } from '../protocol/reply.ts';
import { type CallBody, type CallLimits, NO_BODY } from './call.ts';
import { FORGOTTEN, NearCache } from './near-cache.ts';
import type { NearCacheConfig } from './near-options.ts';
import type { ValueCodec } from './serializers/index.ts';
import type { ShardView } from './shard-view.ts';

export class Client {
  readonly views: readonly ShardView[];
  /** The key of the call that is being made. */
  readonly key: KeyEncoder;
  readonly codec: ValueCodec;
  /** The time of the cache. */
  readonly clock: Clock;
  /** What this client keeps of what it reads; undefined where it keeps nothing. */
  near: NearCache | undefined;
  #closed = false;

  constructor(
    hashSeed: HashSeed,
    views: readonly ShardView[],
    codec: ValueCodec,
    clock: Clock,
    near: NearCacheConfig | false,
  ) {
    this.views = views;
    this.codec = codec;
    this.clock = clock;
    this.key = new KeyEncoder(hashSeed);
    this.near = near === false ? undefined : new NearCache(this, near);
  }

  /** From now on every call throws CACHE_CLOSED. */
  close(): void {
    this.#closed = true;
    this.near = undefined;
  }

  assertOpen(): void {
    if (this.#closed) {
      throw new CacheError('CACHE_CLOSED', 'The cache is closed', { outcome: 'not-sent' });
    }
  }

  /** Encodes the key and names its shard. Throws INVALID_KEY or CACHE_CLOSED. */
  aim(key: CacheKey): ShardView {
    this.assertOpen();
    return this.locate(key);
  }

  /** As `aim`, also while the cache is being closed: for what was begun before. */
  locate(key: CacheKey): ShardView {
    this.key.encode(key);
    return this.views[shardOf(this.key.hashHigh, this.views.length)] as ShardView;
  }

  /** Asks the owner of the key that was aimed at. */
  ask(view: ShardView, op: number, key: CacheKey, limits: CallLimits, body: CallBody = NO_BODY): Promise<Result> {
    return view.lane.call(op, this.key, key, limits, body);
  }

  /** Asks one shard about itself. */
  askShard(view: ShardView, op: number, limits: CallLimits, body: CallBody = NO_BODY): Promise<Result> {
    this.assertOpen();
    this.key.encode('');
    return view.lane.call(op, this.key, undefined, limits, body);
  }

  askAll(op: number, limits: CallLimits, body: CallBody = NO_BODY): Promise<Result[]> {
    return Promise.all(this.views.map((view) => this.askShard(view, op, limits, body)));
  }

  /** Asks about the tier, which is one for all shards: any of them will do that has not failed. */
  askTier(op: number, limits: CallLimits, body: CallBody = NO_BODY): Promise<Result> {
    const view = this.views.find(({ lane }) => !lane.hasEnded) ?? (this.views[0] as ShardView);
    return this.askShard(view, op, limits, body);
  }

  /**
   * What a call that stores a value carries. Throws SERIALIZATION_ERROR. Encoding a value may run code of the user's, and
   * that may use this client: so the key is made `steady` before, and aimed at after.
   */
  bodyOf(value: unknown, argument: number, flags: number): CallBody {
    this.codec.encode(value);
    const { tag, bytes, byteLength } = this.codec;
    return { tag, argument, flags, bytes, byteLength };
  }

  /** The key as it is now: what its accessors would say later, and what is changed in it, is left out. */
  steady(key: CacheKey): CacheKey {
    if (typeof key !== 'object' || key === null) {
      return key;
    }
    this.key.encode(key);
    return this.aimed;
  }

  /** The key that was aimed at. */
  get aimed(): CacheKey {
    const { bytes, byteLength, encoding } = this.key;
    return decodeKey(bytes.subarray(0, byteLength), encoding);
  }

  /** As `aim`, for a key that is to hold what a body carries. Throws VALUE_TOO_LARGE, too. */
  aimWith({ byteLength }: CallBody, key: CacheKey, view = this.aim(key)): ShardView {
    if (byteLength > view.limits.bytesMax) {
      throw new CacheError(
        'VALUE_TOO_LARGE',
        `A value of ${byteLength} bytes does not fit a shard of ${view.limits.bytesMax}. Raise \`maxBytes\` or use fewer \`shards\``,
        { key, shard: view.shard, outcome: 'not-sent' },
      );
    }
    return view;
  }

  /** The value that the view's reader has just found. */
  take({ reader }: ShardView): unknown {
    return this.codec.decode(reader.tag, reader.bytes, reader.length);
  }

  /** The value that was kept of a key, as `get` would find it now; or FORGOTTEN. */
  recall(key: CacheKey): unknown {
    return this.near === undefined ? FORGOTTEN : this.near.recall(key);
  }

  /** As `recall`, for `getSync`. */
  recallSync(key: CacheKey): unknown {
    return this.near === undefined ? FORGOTTEN : this.near.recallSync(key);
  }

  /** As `take`, of the key that was aimed at; the value is kept if it is worth it. */
  takeNear(key: CacheKey, view: ShardView): unknown {
    return this.near === undefined ? this.take(view) : this.near.take(key, view);
  }

  valueOf({ tag, bytes }: StoredValue): unknown {
    return this.codec.decode(tag, bytes, bytes.length);
  }
}
