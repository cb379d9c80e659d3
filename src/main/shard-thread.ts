/**
 * One thread that owns a shard, from its birth to its death, as the thread that opened the cache sees it. The only file
 * that knows where the worker's code lies.
 */
import { type MessagePort, Worker } from 'node:worker_threads';
import { CacheError } from '../protocol/errors.ts';
import type { ShardRegions } from '../protocol/memory.ts';
import type { HitMode } from '../protocol/policy.ts';
import type { SnapshotAnswer, SnapshotReply, SnapshotRequest, SnapshotTask } from '../protocol/snapshot/tasks.ts';
import type {
  ConnectMessage,
  HailMessage,
  ShardBirth,
  ShardMessage,
  ShardSpec,
  TierMessage,
} from '../protocol/spec.ts';
import { errorOf, evictionName, policyRefusal } from './eviction.ts';
import type { ClientBuffers } from './handle.ts';
import type { ManualClock } from './manual-clock.ts';
import type { Notices } from './notices.ts';
import type { CacheConfig } from './options.ts';
import type { Keeper } from './tier/keeper.ts';
import { type Death, deathOf } from './worker-death.ts';

const WORKER = new URL('../worker/index.js', import.meta.url);

/** What a shard needs to live in a thread, again and again. */
export interface ShardBody {
  readonly spec: ShardSpec;
  readonly regions: ShardRegions;
  readonly clock: ManualClock | undefined;
  readonly config: CacheConfig;
  readonly notices: Notices;
  /** Of the tier, where there is one. */
  readonly keeper: Keeper | undefined;
}

/** Who waits for the answer to a task. */
interface Asking {
  resolve(answer: SnapshotAnswer): void;
  reject(error: CacheError): void;
}

export class ShardThread {
  /** Never rejects. */
  readonly death: Promise<Death>;
  /** How its policy hears of hits. Rejects when it ends, or gives up, before it serves. */
  readonly ready: Promise<HitMode>;
  readonly #body: ShardBody;
  readonly #role: ShardBirth['role'];
  readonly #worker: Worker;
  #isDead = false;
  readonly #hailing: (() => void)[] = [];
  #tasks = 0;
  readonly #asking = new Map<number, Asking>();
  #holdsProcess = true;

  constructor(body: ShardBody, role: ShardBirth['role'] = 'owner') {
    const { spec, regions, clock } = body;
    this.#body = body;
    this.#role = role;
    const port = role === 'owner' ? body.keeper?.connect(spec.shard) : undefined;
    const birth: ShardBirth = {
      role,
      spec,
      regions,
      ...(clock === undefined ? {} : { time: clock.buffer }),
      ...(port === undefined ? {} : { tier: { port } }),
    };
    // The application's own flags (loaders, inspectors, test runners) are none of the shard's business.
    this.#worker = new Worker(WORKER, {
      workerData: birth,
      name: `shardstash ${spec.shard}`,
      execArgv: [],
      transferList: port === undefined ? [] : [port],
    });
    this.death = deathOf(this.#worker);
    this.#worker.once('exit', () => {
      this.#isDead = true;
    });
    this.ready = this.#whenReady();
    this.ready.catch(() => {});
    void this.death.then(({ code, cause }) => {
      const message = `Shard ${spec.shard} ended with code ${code} before it had answered`;
      const error = new CacheError('SHARD_DOWN', message, { shard: spec.shard, cause });
      for (const asking of this.#asking.values()) asking.reject(error);
      this.#asking.clear();
    });
  }

  /** Whether it has been asked what it has not answered. */
  get isAsked(): boolean {
    return this.#asking.size > 0;
  }

  /** Lets a client in: it calls through the other end of this port, and this is its memory. */
  connect(port: MessagePort, { client, samples, wake }: ClientBuffers): void {
    const message: ConnectMessage = { connect: port, client, samples, wake };
    this.#worker.postMessage(message, [port]);
  }

  /** The tier has a keeper again. */
  reconnectTier(): void {
    const { keeper, spec } = this.#body;
    // A thread that has ended would never end the port either, and the keeper would wait for that before the next owner's.
    if (keeper !== undefined && this.#role === 'owner' && !this.#isDead) {
      const port = keeper.connect(spec.shard);
      const message: TierMessage = { tier: port };
      this.#worker.postMessage(message, [port]);
    }
  }

  /** Resolves when the thread has answered; never, when it is about to end. */
  hail(): Promise<void> {
    const message: HailMessage = { hail: true };
    this.#worker.postMessage(message);
    return new Promise((resolve) => this.#hailing.push(resolve));
  }

  /**
   * Gives it a task of a snapshot; the process lives until it has answered. Rejects with SHARD_DOWN when it ends before, and with
   * CACHE_SAVE_ERROR or CACHE_LOAD_ERROR when it says that the file is in the way.
   */
  ask(snapshot: SnapshotTask): Promise<SnapshotAnswer> {
    const { shard } = this.#body.spec;
    if (this.#isDead) {
      return Promise.reject(new CacheError('SHARD_DOWN', `Shard ${shard} has ended`, { shard, outcome: 'not-sent' }));
    }
    const message: SnapshotRequest = { task: ++this.#tasks, snapshot };
    this.#worker.ref();
    this.#worker.postMessage(message);
    return new Promise((resolve, reject) => this.#asking.set(message.task, { resolve, reject }));
  }

  /** From now on it does not keep the process alive, but for what it is asked. */
  unref(): void {
    this.#holdsProcess = false;
    if (!this.isAsked) this.#worker.unref();
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #settle(reply: SnapshotReply): void {
    const asking = this.#asking.get(reply.task);
    this.#asking.delete(reply.task);
    if (!this.#holdsProcess && !this.isAsked) this.#worker.unref();
    if (asking === undefined) {
      return;
    }
    if ('done' in reply) {
      asking.resolve(reply.done);
    } else {
      const { code, message, cause } = reply.failed;
      asking.reject(new CacheError(code, message, { shard: this.#body.spec.shard, cause: errorOf(cause) }));
    }
  }

  /**
   * Rejects with CacheError SHARD_DOWN when the thread ends before it has said that it is ready, with TIMEOUT when it takes
   * too long over a user's code, and with what it says when it refuses that.
   */
  async #whenReady(): Promise<HitMode> {
    const { spec, config, notices } = this.#body;
    const { shard } = spec;
    let deadline: NodeJS.Timeout | undefined;
    const ready = new Promise<HitMode>((resolve, reject) => {
      this.#worker.on('message', (message: ShardMessage | undefined | null) => {
        // A policy's module has this port, too, and may post what it likes.
        switch (message?.is) {
          case 'loading':
            deadline = setTimeout(() => reject(notLoaded(shard, config)), config.timeout);
            break;
          case 'ready':
            resolve(message.hits);
            break;
          case 'here':
            for (const resolve of this.#hailing.splice(0)) resolve();
            break;
          case 'task':
            this.#settle(message);
            break;
          case 'refusal':
            reject(policyRefusal(message, shard));
            break;
          case 'fault':
            notices.tell('policy:fault', `Shard ${shard}: ${message.message}`, {
              shard,
              cause: errorOf(message.cause),
            });
        }
      });
    });
    const stillborn = this.death.then(({ code, cause }) => {
      throw new CacheError('SHARD_DOWN', `Shard ${shard} ended with code ${code} before it was ready`, {
        shard,
        cause,
      });
    });
    try {
      return await Promise.race([ready, stillborn]);
    } finally {
      clearTimeout(deadline);
    }
  }
}

function notLoaded(shard: number, { eviction, timeout }: CacheConfig): CacheError {
  const message =
    `The eviction policy ${evictionName(eviction)} was not there after ${timeout} ms: its module, or its factory, waits ` +
    'for what does not come, or never ends. Give it a longer `timeout`, or less to do';
  return new CacheError('TIMEOUT', message, { shard });
}
