/**
 * A cache that another thread has opened, as a client has it: reads go to the memory of the shards, writes through lanes
 * of its own straight to their owners. The thread that opened the cache hears of the client when it comes and goes, and
 * when an owner has been replaced; it has no part in any call.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { type Clock, monotonic, SharedClock } from '../protocol/clock.ts';
import type { StoredValue } from '../protocol/operations.ts';
import { type ComputeOutcome, copyOf, type ResolvedTask, valueOfOutcome } from './compute.ts';
import type { CacheFacts, ToClient, ToOpener } from './handle.ts';
import type { Notices } from './notices.ts';
import type { ShardView } from './shard-view.ts';
import type { CacheHome } from './shards.ts';
import { RemoteSnapshots } from './snapshot/remote.ts';
import { type ClientViews, createViews } from './views.ts';

export class Attachment implements CacheHome {
  readonly facts: CacheFacts;
  readonly views: readonly ShardView[];
  readonly gone: Promise<void>;
  readonly clock: Clock;
  readonly snapshots: RemoteSnapshots;
  readonly #port: MessagePort;
  readonly #notices: Notices;
  readonly #onLeaving: () => void;
  /** Ports that the opener has sent, by shard. */
  readonly #received: number[];
  /** Shards that have no owner, as far as this client has heard. */
  readonly #down = new Set<number>();
  #tasks = 0;
  readonly #computing = new Map<number, (outcome: ComputeOutcome) => void>();
  #leave: () => void = () => {};

  /** `port` is the handle's. `onLeaving` is told when there are to be no more calls. */
  constructor(facts: CacheFacts, port: MessagePort, notices: Notices, onLeaving: () => void) {
    this.facts = facts;
    this.#port = port;
    this.#notices = notices;
    this.#onLeaving = onLeaving;
    this.gone = new Promise((resolve) => {
      this.#leave = resolve;
    });
    this.snapshots = new RemoteSnapshots(
      port,
      () => ++this.#tasks,
      (message) => this.#tell(message),
    );
    this.clock = facts.time === undefined ? monotonic : new SharedClock(facts.time);
    const made = createViews(facts, this.clock, (shard) => {
      this.#sayDown(shard);
      this.#tell({ is: 'lost', shard, ports: this.#received[shard] as number });
    });
    this.views = made.views;
    this.#received = made.views.map(() => 0);
    port.on('message', (message: ToClient) => this.#hear(message));
    port.on('close', () => this.#end('was closed, or the thread that opened it has ended'));
    port.unref();
    this.#enter(made);
  }

  expect(port: MessagePort): void {
    this.#tell({ is: 'introduce', port }, [port]);
  }

  /** By the opener, whose pool it is. The bound of the queue is kept there. */
  compute(task: ResolvedTask, chain: readonly string[], signal: AbortSignal): Promise<StoredValue> {
    const number = ++this.#tasks;
    const outcome = new Promise<ComputeOutcome>((resolve, reject) => {
      const work = { ...task, args: copyOf(task.args), chain };
      const abort = () => {
        this.#computing.delete(number);
        this.#tell({ is: 'abort', task: number });
        reject(signal.reason);
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#computing.set(number, (computed) => {
        signal.removeEventListener('abort', abort);
        this.#computing.delete(number);
        resolve(computed);
      });
      this.#tell({ is: 'compute', task: number, work });
    });
    return outcome.then(valueOfOutcome);
  }

  beginClose(): void {
    this.#onLeaving();
  }

  async close(): Promise<void> {
    this.#end('was detached from this thread');
  }

  /** Reads need nobody's leave, and frames wait in these channels until the opener has passed their other ends on. */
  #enter({ views, buffers }: ClientViews): void {
    const channels = views.map(() => new MessageChannel());
    const ports = channels.map(({ port2 }) => port2);
    this.#tell({ is: 'attach', ports, buffers }, ports);
    for (const [shard, { port1 }] of channels.entries()) {
      views[shard]?.lane.connect(port1);
    }
  }

  #hear(message: ToClient): void {
    switch (message.is) {
      case 'port':
        (this.#received[message.shard] as number)++;
        // The end of the last connection may not have been heard of yet.
        this.#sayDown(message.shard);
        this.views[message.shard]?.lane.connect(message.port);
        this.#sayUp(message.shard);
        break;
      case 'failed':
        this.views[message.shard]?.lane.fail('SHARD_FAILED', message.how);
        this.#notices.tellOfShard('shard:failed', `Shard ${message.shard} ${message.how}`, message.shard);
        break;
      case 'computed':
        this.#computing.get(message.task)?.(message.outcome);
        break;
      case 'snapshot':
        this.snapshots.settle(message.task, message.outcome);
        break;
      case 'closed':
        this.#end('was closed');
    }
  }

  /** Not of a cache that is being closed: its shards end because they are to. */
  #sayDown(shard: number): void {
    if (!this.#down.has(shard) && Atomics.load(new Int32Array(this.facts.state), 0) === 0) {
      this.#down.add(shard);
      this.#notices.tellOfShard('shard:down', `Shard ${shard} has ended, as far as this thread can see`, shard);
    }
  }

  #sayUp(shard: number): void {
    if (this.#down.delete(shard)) {
      this.#notices.tellOfShard('shard:up', `Shard ${shard} has a new owner`, shard);
    }
  }

  #end(how: string): void {
    for (const { lane } of this.views) {
      lane.fail('CACHE_CLOSED', `is closed: the cache ${how}`);
    }
    this.snapshots.fail(`The cache ${how}`);
    this.#port.close();
    this.#onLeaving();
    this.#leave();
  }

  #tell(message: ToOpener, transfer: MessagePort[] = []): void {
    this.#port.postMessage(message, transfer);
  }
}
