/**
 * Watches what others change on a Redis, or on all masters of a Cluster: one tracking for each (tracking.ts), trusted when all of them
 * are. A Cluster is not trusted while one of its masters is away, since a replica may take its place, nor while a node
 * joins, leaves or changes its role, until all that are masters now are tracked. A master that has become a replica without a connection
 * being lost goes on telling, since what it copies are changes, too; ioredis learns of it when it next asks for the slots.
 */
import type { Watcher } from '../engine.ts';
import { type RedisClient, type RedisCommands, within } from './client.ts';
import { Tracking } from './tracking.ts';

const START_MS_MAX = 5_000;
/** How often a Cluster is asked who its nodes are while it is not trusted. */
const REFRESH_MS = 100;

export class Watch {
  readonly #client: RedisClient;
  readonly #prefix: string;
  readonly #watcher: Watcher;
  readonly #warn: (message: string) => void;
  readonly #trackings = new Map<RedisCommands, Tracking>();
  readonly #ending = new Set<Promise<void>>();
  /** Until everything is tracked for the first time. */
  #starting: { readonly done: () => void; readonly fail: (cause: unknown) => void } | undefined;
  #isTrusted = false;
  #isStopped = false;
  #hasWarned = false;
  #refreshing: NodeJS.Timeout | undefined;
  readonly #update = () => this.#compare();

  constructor(client: RedisClient, prefix: string, watcher: Watcher, warn: (message: string) => void) {
    this.#client = client;
    this.#prefix = prefix;
    this.#watcher = watcher;
    this.#warn = warn;
  }

  /** When everything is tracked; rejects with what an attempt met first. */
  async start(): Promise<void> {
    const { commands, isCluster } = this.#client;
    const whole = new Promise<void>((done, fail) => {
      this.#starting = { done, fail };
    });
    if (isCluster) {
      for (const event of CHANGES) commands.on(event, this.#update);
    }
    this.#compare();
    try {
      await within(START_MS_MAX, whole);
    } catch (cause) {
      await this.stop();
      throw cause;
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#refreshing);
    if (this.#client.isCluster) {
      for (const event of CHANGES) this.#client.commands.off(event, this.#update);
    }
    for (const commands of [...this.#trackings.keys()]) this.#forget(commands);
    await Promise.all(this.#ending);
  }

  /** A tracking for each master there is now, and for nobody else. */
  #compare(): void {
    if (this.#isStopped) {
      return;
    }
    const { commands, isCluster } = this.#client;
    const masters = new Set(commands.nodes?.('master') ?? [commands]);
    for (const known of [...this.#trackings.keys()]) if (!masters.has(known)) this.#forget(known);
    for (const master of masters) {
      if (!this.#trackings.has(master)) {
        const ears = {
          changed: (keys: readonly string[] | undefined) => this.#watcher.changed(keys),
          trusted: () => this.#judge(),
          failed: (cause: unknown) => this.#failed(cause),
        };
        this.#trackings.set(master, new Tracking(master, this.#prefix, !isCluster, ears));
      }
    }
    this.#judge();
  }

  #forget(commands: RedisCommands): void {
    const ended = this.#trackings.get(commands)?.stop();
    this.#trackings.delete(commands);
    if (ended !== undefined) {
      this.#ending.add(ended);
      void ended.then(() => this.#ending.delete(ended));
    }
  }

  #judge(): void {
    const isTrusted = this.#isWhole() && [...this.#trackings.values()].every((tracking) => tracking.isTrusted);
    if (this.#isStopped || isTrusted === this.#isTrusted) {
      return;
    }
    this.#isTrusted = isTrusted;
    if (!isTrusted) {
      this.#refreshUntilTrusted();
      this.#watcher.lost();
    } else if (this.#starting !== undefined) {
      this.#starting.done();
      this.#starting = undefined;
    } else {
      this.#watcher.regained();
    }
  }

  /** Whether every slot's master is connected. */
  #isWhole(): boolean {
    try {
      return this.#client.nodes().length > 0;
    } catch {
      // It says which one is away. Who reads or writes there is told.
      return false;
    }
  }

  /** A Cluster learns of its nodes when somebody asks it for a key, and perhaps nobody does. */
  #refreshUntilTrusted(): void {
    const { commands, isCluster } = this.#client;
    clearInterval(this.#refreshing);
    if (isCluster) {
      this.#refreshing = setInterval(() => {
        if (this.#isTrusted) {
          clearInterval(this.#refreshing);
        } else {
          commands.refreshSlotsCache?.(() => {
            // Whether it could or not: it is asked again until everything is tracked.
          });
        }
      }, REFRESH_MS);
    }
  }

  #failed(cause: unknown): void {
    if (this.#starting !== undefined) {
      this.#starting.fail(cause);
    } else if ((cause as Error | null)?.name === 'ReplyError' && !this.#hasWarned) {
      // Not that it is away, which whoever asks it is told, but that it refuses: then nothing is kept in memory.
      this.#hasWarned = true;
      this.#warn(
        `The Redis at ${this.#client.address} does not tell what others change: ${(cause as Error).message}. Next: let this user run CLIENT, SUBSCRIBE and PING there (ACL)`,
      );
    }
  }
}

const CHANGES = ['+node', '-node', 'refresh'] as const;
