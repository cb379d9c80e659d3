/**
 * What one thread hands another so that it can join a cache: a port, in which everything that the other needs to know
 * already waits. It leads to the thread that opened the cache, which learns through it of a client that attaches, and
 * sends the client new ports when the owner of a shard has been replaced. Reads and writes take other ways.
 */
import { MessageChannel, MessagePort } from 'node:worker_threads';
import type { HashSeed } from '../protocol/key.ts';
import type { ShardLimits, ShardRegions } from '../protocol/memory.ts';
import type { HitMode } from '../protocol/policy.ts';
import type { ComputeOutcome, ComputeTask } from './compute.ts';
import type { CacheConfig } from './options.ts';
import type { SnapshotCall, SnapshotOutcome } from './snapshot/requests.ts';

/** All that is the same for every client of a cache. */
export interface CacheFacts {
  /** Tells caches of a process apart. */
  readonly id: string;
  readonly config: CacheConfig;
  readonly hashSeed: HashSeed;
  readonly limits: readonly ShardLimits[];
  readonly regions: readonly ShardRegions[];
  readonly hits: HitMode;
  /** The hands of a clock that is turned by hand. */
  readonly time: SharedArrayBuffer | undefined;
  /** One word: 1 when the cache has been closed. */
  readonly state: SharedArrayBuffer;
  /** What the keeper of the tier counts, where there is one. */
  readonly tierCounts: SharedArrayBuffer | undefined;
  /** What is counted of snapshots. */
  readonly snapshotCounts: SharedArrayBuffer;
}

/** The memory that a client brings for one shard. */
export interface ClientBuffers {
  readonly client: SharedArrayBuffer;
  /** Where the cache gives advice. */
  readonly samples: SharedArrayBuffer | undefined;
  /** Where the lane is 'wake'. */
  readonly wake: SharedArrayBuffer | undefined;
}

/** To a client. The facts come first, written before the handle left. */
export type ToClient =
  | { readonly is: 'facts'; readonly facts: CacheFacts }
  /** The shard has an owner, and this leads to it. */
  | { readonly is: 'port'; readonly shard: number; readonly port: MessagePort }
  | { readonly is: 'failed'; readonly shard: number; readonly how: string }
  /** The end of a task that this client has sent. */
  | { readonly is: 'computed'; readonly task: number; readonly outcome: ComputeOutcome }
  /** The end of a save or a load that this client has asked for. */
  | { readonly is: 'snapshot'; readonly task: number; readonly outcome: SnapshotOutcome }
  | { readonly is: 'closed' };

/** To the thread that opened the cache. */
export type ToOpener =
  /** A client attaches: by shard, the port that its owner is to have, and the client's memory. */
  | { readonly is: 'attach'; readonly ports: readonly MessagePort[]; readonly buffers: readonly ClientBuffers[] }
  /** The port to a shard's owner has ended, and it may be that the owner has not. So many had come by a 'port' before. */
  | { readonly is: 'lost'; readonly shard: number; readonly ports: number }
  /** A client has made a handle: this is the port that its user will speak to. */
  | { readonly is: 'introduce'; readonly port: MessagePort }
  /** A task for the cache's threads, by a number of the client's own. */
  | { readonly is: 'compute'; readonly task: number; readonly work: ComputeTask }
  /** A save or a load, by a number of the same kind. */
  | { readonly is: 'snapshot'; readonly task: number; readonly call: SnapshotCall }
  /** Nobody wants it any more. */
  | { readonly is: 'abort'; readonly task: number };

/** Good for one client in one thread. Goes by `postMessage({ handle }, handle.transfer)`. */
export class CacheHandle {
  readonly cacheId: string;
  readonly port: MessagePort;

  /** Use `cache.handle()`. */
  constructor(cacheId: string, port: MessagePort) {
    this.cacheId = cacheId;
    this.port = port;
  }

  /** What belongs into the transfer list of whatever the handle is sent with. A copy that has been sent has none. */
  get transfer(): MessagePort[] {
    return [this.port];
  }
}

/** A handle, and the end of its port that is for the opener. */
export function createHandle(facts: CacheFacts): { handle: CacheHandle; opener: MessagePort } {
  const { port1, port2 } = new MessageChannel();
  const welcome: ToClient = { is: 'facts', facts };
  port2.postMessage(welcome);
  // Listened to or not, it is nobody's reason to live.
  port1.unref();
  port2.unref();
  return { handle: new CacheHandle(facts.id, port1), opener: port2 };
}

/** Whether it is a handle, or what became of one on its way to another thread. */
export function isHandle(candidate: unknown): candidate is CacheHandle {
  const { cacheId, port } = (candidate ?? {}) as Partial<CacheHandle>;
  return typeof cacheId === 'string' && port instanceof MessagePort;
}
