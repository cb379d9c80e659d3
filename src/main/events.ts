/**
 * What a client can listen to beside its own calls: entries that leave, and threads of shards that come and go.
 *
 *     on('evict')  ->  a bit in this client's memory, and every shard is told to look  ->  owners collect, and send batches
 *     a batch      ->  taken apart by kinds  ->  each listener has a queue of its own: see subscription.ts
 *
 * A kind that nobody here listens to is not sent, and costs nobody anything. Subscribers of a `diagnostics_channel` listen like
 * anybody else, but Node tells nobody that they have come: they are looked for when the client is made, at each `on` and
 * `off`, with each batch, and in each turn in which the client asks a shard anything.
 *
 *     shardstash:evict, shardstash:expire, shardstash:delete   { cache, event, shard, keys, dropped }
 *     shardstash:clear                                         { cache, event, shard, entries, dropped }
 */
import { type Channel, channel } from 'node:diagnostics_channel';
import { type EventKind, KINDS } from '../protocol/events.ts';
import { HEADER_WISHES } from '../protocol/memory.ts';
import { batchesIn, type EventBatch, hollowOf, OwnerChange } from './event-batch.ts';
import type { CacheFacts } from './handle.ts';
import type { Notices } from './notices.ts';
import { optionError } from './option-errors.ts';
import type { ShardView } from './shard-view.ts';
import { Subscription } from './subscription.ts';

/** Entries of one shard that left for one reason, in the order in which they did. */
export interface RemovalEvent<E extends 'evict' | 'expire' | 'delete', K> {
  readonly event: E;
  readonly shard: number;
  readonly keys: readonly K[];
  /** Keys that came before these and that this listener was not told of, because it or its thread was too slow. */
  readonly dropped: number;
}

/** Of each event of a cache, what its listeners are handed. */
export interface CacheEvents<K = unknown> {
  /** Entries that had to go for others, and values that the policy refused. */
  readonly evict: RemovalEvent<'evict', K>;
  /** Entries whose time was over, when they were found: by a sweep, or by a write. */
  readonly expire: RemovalEvent<'expire', K>;
  /** Entries that `delete`, `deleteMany`, `pop` or `popItem` removed. */
  readonly delete: RemovalEvent<'delete', K>;
  /** So many entries that `clear` removed from a shard; 0 where all there is to tell is that others were dropped. */
  readonly clear: {
    readonly event: 'clear';
    readonly shard: number;
    readonly entries: number;
    readonly dropped: number;
  };
  /** The thread of a shard has ended. */
  readonly 'shard:down': { readonly event: 'shard:down'; readonly shard: number; readonly cause?: unknown };
  /** Another one has taken its place. */
  readonly 'shard:up': { readonly event: 'shard:up'; readonly shard: number };
  /** None will any more. */
  readonly 'shard:failed': { readonly event: 'shard:failed'; readonly shard: number };
}

export type CacheEventName = keyof CacheEvents;

/** Hears of one event. Where it returns a promise, the next batch waits until that settles. */
export type CacheListener<E extends CacheEventName, K = unknown> = (event: CacheEvents<K>[E]) => unknown;

const KIND_NAMES = Object.keys(KINDS) as EventKind[];
const NAMES: readonly CacheEventName[] = [...KIND_NAMES, 'shard:down', 'shard:up', 'shard:failed'];
/** By kind. */
const channels: readonly Channel[] = KIND_NAMES.map((name) => channel(`shardstash:${name}`));

export class Events {
  readonly #views: readonly ShardView[];
  /** By shard: where clients say that they listen to other events than before. */
  readonly #headers: readonly Int32Array[];
  /** How the cache calls itself. */
  readonly #cache: string;
  /** By kind: none where another client of this thread tells them. */
  readonly #channels: readonly Channel[];
  readonly #listeners = new Map<string, Map<unknown, Subscription>>(NAMES.map((name) => [name, new Map()]));
  /** The bits of kinds that have listeners; and those that the shards know of, subscribers of channels counted in. */
  #listened = 0;
  #wanted = 0;
  #closed = false;

  constructor({ regions }: CacheFacts, views: readonly ShardView[], notices: Notices) {
    this.#views = views;
    this.#headers = regions.map(({ header }) => new Int32Array(header));
    this.#cache = notices.cache;
    this.#channels = notices.isEcho ? [] : channels;
    for (const view of views) {
      view.lane.audience = { told: (batch) => this.#take(view, batch), turnBegins: () => this.#look() };
    }
    notices.onShard = (event, shard, cause) => this.#tell(new OwnerChange(event, shard, cause));
    this.#look();
  }

  /** Adds a listener; one that is there already stays as it is. Throws INVALID_CONFIG. */
  on(event: string, listener: unknown): void {
    const listeners = this.#listenersOf(event, listener);
    if (!listeners.has(listener)) {
      const hollow = (shard: number, missed: number) => hollowOf(event, shard, missed);
      listeners.set(listener, new Subscription(listener as (events: object) => unknown, hollow));
      this.#count();
    }
  }

  /** Takes a listener away, with all that waits for it. Throws INVALID_CONFIG. */
  off(event: string, listener: unknown): void {
    const listeners = this.#listenersOf(event, listener);
    listeners.get(listener)?.end();
    listeners.delete(listener);
    this.#count();
  }

  /** Tells nobody anything any more. */
  close(): void {
    this.#closed = true;
    for (const listeners of this.#listeners.values()) {
      for (const subscription of listeners.values()) subscription.end();
      listeners.clear();
    }
    this.#look();
  }

  #listenersOf(event: string, listener: unknown): Map<unknown, Subscription> {
    const listeners = this.#listeners.get(event);
    if (listeners === undefined) {
      throw optionError('event', `one of ${NAMES.join(', ')}`, event);
    }
    if (typeof listener !== 'function') {
      throw optionError('listener', 'a function', listener);
    }
    return listeners;
  }

  #count(): void {
    this.#listened = 0;
    for (const name of KIND_NAMES) {
      if (this.#listeners.get(name)?.size !== 0) this.#listened |= 1 << KINDS[name];
    }
    this.#look();
  }

  /** Looks who listens, and tells the shards when that has changed. */
  #look(): void {
    const wanted = this.#closed ? 0 : this.#listened | this.#subscribed();
    if (wanted === this.#wanted) {
      return;
    }
    this.#wanted = wanted;
    for (const [shard, { client }] of this.#views.entries()) {
      client.wanted = wanted;
      // After: whoever sees this must see that.
      Atomics.add(this.#headers[shard] as Int32Array, HEADER_WISHES, 1);
    }
  }

  /** The bits of kinds whose channel has subscribers in this thread. */
  #subscribed(): number {
    let kinds = 0;
    for (let kind = 0; kind < this.#channels.length; kind++) {
      if (this.#channels[kind]?.hasSubscribers === true) kinds |= 1 << kind;
    }
    return kinds;
  }

  /** Takes a batch out of the port, and hands on what is in it. */
  #take({ shard, client }: ShardView, bytes: Uint8Array): void {
    client.countBatch();
    this.#look();
    for (const batch of batchesIn(shard, bytes)) {
      this.#tell(batch);
      this.#publish(batch);
    }
  }

  #tell(batch: EventBatch): void {
    // A copy: a listener may add others, or take some away.
    for (const subscription of [...(this.#listeners.get(batch.event)?.values() ?? [])]) {
      if (!subscription.tell(batch)) {
        this.#views[batch.shard]?.client.countDroppedEvents(batch.count);
      }
    }
  }

  #publish(batch: EventBatch): void {
    const to = this.#channels[KINDS[batch.event as EventKind]];
    if (to?.hasSubscribers === true && !this.#closed) {
      to.publish({ cache: this.#cache, ...batch.open(0) });
    }
  }
}
