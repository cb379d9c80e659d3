/**
 * Keeps a tier kept. Built-in engines do not end their thread, but one of the user's may throw where nobody catches. Then a new
 * thread opens the engine again, and every owner of a shard gets a new port to it: calls that were on their way fail in the
 * owners, whose ports have ended, and what waited to be written is lost, which is told.
 *
 *     starting -> keeping -> down -> starting -> ...     a death, a pause that doubles, the next
 *                                \-> given up            more deaths in a minute than the crash budget forgives
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { CacheError } from '../../protocol/errors.ts';
import { type KeeperBirth, TIER_DOWN, TIER_QUEUED_BYTES, TIER_QUEUED_ENTRIES } from '../../protocol/tier.ts';
import type { Notices } from '../notices.ts';
import { CrashBudget, type Death } from '../worker-death.ts';
import { KeeperThread, pathOf } from './keeper-thread.ts';

/** The pause before the first new thread, doubled with each death of the last minute, up to the longest. */
const PAUSE_MS = 10;
const PAUSE_MAX_MS = 5_000;

/** What of the cache's options concerns it. */
export interface KeeperLimits {
  readonly timeout: number;
  readonly crashBudget: number;
  readonly unref: boolean;
}

export class Keeper {
  readonly #birth: KeeperBirth;
  readonly #limits: KeeperLimits;
  readonly #notices: Notices;
  readonly #counts: Float64Array;
  readonly #path: string;
  #thread: KeeperThread | undefined;
  #closed = false;
  readonly #budget: CrashBudget;
  #pause: NodeJS.Timeout | undefined;
  /** The thread that is to follow one that died. Never rejects. */
  #next: Promise<void> | undefined;
  /** Acknowledged entries that went with threads that died. */
  #lost = 0;
  /** Told when there is another thread: every owner needs a new port. */
  onReplaced: () => void = () => {};

  constructor(birth: KeeperBirth, limits: KeeperLimits, notices: Notices) {
    this.#birth = birth;
    this.#limits = limits;
    this.#budget = new CrashBudget(limits.crashBudget);
    this.#notices = notices;
    this.#counts = new Float64Array(birth.counts);
    this.#path = pathOf(birth);
  }

  /** Whether the tier is empty. Rejects as `KeeperThread.ready` does, and then there is no thread. */
  async open(): Promise<boolean> {
    const thread = this.#start();
    try {
      const isEmpty = await thread.ready;
      this.#keep(thread);
      return isEmpty;
    } catch (error) {
      this.#closed = true;
      await thread.terminate();
      throw error;
    }
  }

  /** For a new owner of a shard: one that has ended already while there is no thread. */
  connect(shard: number): MessagePort {
    const { port1, port2 } = new MessageChannel();
    if (this.#thread === undefined) {
      port2.close();
    } else {
      this.#thread.connect(shard, port2);
    }
    return port1;
  }

  /**
   * When no owner asks any more. Rejects with ENGINE_ERROR where entries that were acknowledged could not be written, ever since
   * the cache was opened.
   */
  async close(timeoutMs: number): Promise<void> {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    clearTimeout(this.#pause);
    await this.#next;
    const thread = this.#thread;
    this.#thread = undefined;
    const end = await thread?.close(timeoutMs);
    if (thread !== undefined && end === undefined) {
      this.#notices.tell(
        'warning',
        `The thread of the tier ${this.#path} has ended without closing its engine in time`,
      );
    }
    const lost = this.#lost + (end?.lost ?? this.#queued);
    if (lost > 0) {
      const message = `The tier ${this.#path} was closed without ${counted(lost)} that had been acknowledged and could not be written: see the cause, and set them again from where they came`;
      throw new CacheError('ENGINE_ERROR', message, { path: this.#path, cause: end?.cause });
    }
  }

  get #queued(): number {
    return this.#counts[TIER_QUEUED_ENTRIES] as number;
  }

  #start(): KeeperThread {
    const events = {
      warned: (message: string) => this.#notices.tell('warning', message),
      down: (message: string) => this.#notices.tell('tier:down', message),
      up: () => this.#notices.tell('tier:up', `The tier ${this.#path} works again`),
    };
    return new KeeperThread(this.#birth, events, this.#limits.timeout);
  }

  #keep(thread: KeeperThread): void {
    if (this.#limits.unref) {
      thread.unref();
    }
    this.#thread = thread;
    void thread.death.then((death) => this.#onDeath(death));
  }

  #onDeath({ code, cause }: Death): void {
    if (this.#closed) {
      return;
    }
    this.#thread = undefined;
    const lost = this.#queued;
    this.#lost += lost;
    this.#counts[TIER_QUEUED_ENTRIES] = 0;
    this.#counts[TIER_QUEUED_BYTES] = 0;
    this.#counts[TIER_DOWN] = 1;
    const isLast = this.#budget.spend();
    const next = isLast ? 'It has died too often lately and is not started again' : 'It is started again';
    const what = lost === 0 ? '' : `, and with it ${counted(lost)} that waited to be written`;
    const message = `The thread of the tier ${this.#path} ended with code ${code}${what}. ${next}`;
    this.#notices.tell('tier:down', message, { code, cause, lost });
    if (isLast) {
      return;
    }
    const pauseMs = Math.min(PAUSE_MAX_MS, PAUSE_MS * 2 ** (this.#budget.deaths - 1));
    this.#pause = setTimeout(() => {
      this.#next = this.#replace();
    }, pauseMs);
    // Whoever waits for a call has a deadline, and that holds the process.
    if (this.#limits.unref) this.#pause.unref();
  }

  async #replace(): Promise<void> {
    const thread = this.#start();
    if (this.#limits.unref) {
      thread.unref();
    }
    try {
      await thread.ready;
    } catch (cause) {
      await thread.terminate();
      const { code } = await thread.death;
      this.#onDeath({ code, cause });
      return;
    }
    if (this.#closed) {
      await thread.close(0);
      return;
    }
    this.#counts[TIER_DOWN] = 0;
    this.#keep(thread);
    this.#notices.tell('tier:up', `The tier ${this.#path} has a new thread`);
    this.onReplaced();
  }
}

function counted(entries: number): string {
  return entries === 1 ? '1 entry' : `${entries} entries`;
}
