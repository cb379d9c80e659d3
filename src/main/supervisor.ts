/**
 * Keeps one shard owned. Its memory outlives the thread that owns it: when that dies another one adopts the memory, and
 * nothing that was acknowledged is lost.
 *
 *     starting -> serving -> down -> starting -> ...        a death, a pause that grows while owners die young, the next
 *                              \-> failed                   more deaths in a minute than the crash budget forgives
 *
 * A new owner starts only when the old thread has ended, since two would write one memory. Of a shard that has failed the
 * memory is mended one last time, so that readers meet no lock that nobody will open.
 */
import { CacheError } from '../protocol/errors.ts';
import { HEADER_BEAT } from '../protocol/memory.ts';
import type { HitMode } from '../protocol/policy.ts';
import type { SnapshotAnswer, SnapshotTask } from '../protocol/snapshot/tasks.ts';
import { type ShardBody, ShardThread } from './shard-thread.ts';
import { CrashBudget, type Death } from './worker-death.ts';

/** An owner that lives shorter than this died young. */
const YOUNG_MS = 100;
/** The pause before the owner after the first that died young, doubled by each of the next, up to the longest. */
const PAUSE_MS = 10;
const PAUSE_MAX_MS = 5_000;
/** Owners that are given one task, each after the one before has died over it. */
const ASKS_MAX = 5;
/** How long a task waits for an owner, which may have to load a user's policy first: more than the longest pause. */
const OWNER_WAIT_MS = 30_000;
/** A thread that only mends has nothing to wait for. */
const MEND_MAX_MS = 10_000;

export interface SupervisorEvents {
  /** There is an owner that takes clients in: the first, or one that has adopted the memory of another. */
  serving(thread: ShardThread, isFirst: boolean): void;
  /** There is none, for now. `how` completes "Shard 3 ...". */
  down(how: string, death: Death): void;
  /** There will be none any more. */
  failed(how: string): void;
}

export class Supervisor {
  #body: ShardBody;
  readonly #events: SupervisorEvents;
  readonly #header: Int32Array;
  #thread: ShardThread | undefined;
  /** The one that takes clients in, while there is one. */
  #owner: ShardThread | undefined;
  /** Tasks that wait for an owner. */
  readonly #waiting = new Set<{ serve(owner: ShardThread): void; fail(error: CacheError): void }>();
  #closed = false;
  /** Why there will be no owner any more. */
  #failed: string | undefined;
  readonly #budget: CrashBudget;
  #diedYoung = 0;
  #pause: NodeJS.Timeout | undefined;
  /** For how long calls have waited and nothing has moved; what the beat was then. */
  #silentMs = 0;
  #beat = 0;
  #stalled = false;

  constructor(body: ShardBody, events: SupervisorEvents) {
    this.#body = body;
    this.#events = events;
    this.#budget = new CrashBudget(body.config.crashBudget);
    this.#header = new Int32Array(body.regions.header);
  }

  /** Starts the first owner. Rejects as `ShardThread.ready` does, and then there is none. */
  async open(): Promise<HitMode> {
    const thread = new ShardThread(this.#body);
    this.#thread = thread;
    this.#body = withUsedTier(this.#body);
    try {
      const hits = await thread.ready;
      this.#serve(thread, true);
      return hits;
    } catch (cause) {
      this.#closed = true;
      await thread.terminate();
      throw cause;
    }
  }

  /**
   * Gives the owner a task of a snapshot, or the next one, where it dies over it. Rejects as `ShardThread.ask` does, with SHARD_DOWN
   * where too many die or none comes, at once with SHARD_FAILED where none will, and with CACHE_CLOSED.
   */
  async ask(task: SnapshotTask): Promise<SnapshotAnswer> {
    for (let asked = 1; ; asked++) {
      const owner = this.#owner ?? (await this.#nextOwner());
      try {
        return await owner.ask(task);
      } catch (error) {
        const isDown = error instanceof CacheError && error.code === 'SHARD_DOWN';
        if (!isDown || asked === ASKS_MAX) {
          throw error;
        }
      }
    }
  }

  /** Resolves when there is an owner. Rejects as `ask` does. */
  async present(): Promise<void> {
    if (this.#owner === undefined) await this.#nextOwner();
  }

  /** The tier has a keeper again: the owner there is, ready or not, gets a port to it. The next gets one at birth. */
  reconnectTier(): void {
    this.#thread?.reconnectTier();
  }

  /** Ends the owner's thread, as a crash would. Resolves when it has ended, and everybody here knows. */
  async crash(): Promise<void> {
    const thread = this.#thread;
    await thread?.terminate();
    await thread?.death;
  }

  /** Ends it for good. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#pause);
    this.#owner = undefined;
    this.#failAll('CACHE_CLOSED', 'is closed: the cache was closed');
    await this.#thread?.terminate();
  }

  /** `ms` have passed in which calls `waited`, or did not. Ends an owner that has not moved for too long. */
  watch(waited: boolean, ms: number): void {
    const beat = Atomics.load(this.#header, HEADER_BEAT);
    const isAwaited = waited || this.#owner?.isAsked === true;
    this.#silentMs = isAwaited && beat === this.#beat && this.#owner !== undefined ? this.#silentMs + ms : 0;
    this.#beat = beat;
    if (this.#silentMs >= this.#body.config.stallTimeout) {
      this.#silentMs = 0;
      this.#stalled = true;
      void this.crash();
    }
  }

  #nextOwner(): Promise<ShardThread> {
    const { shard } = this.#body.spec;
    if (this.#closed || this.#failed !== undefined) {
      const end = this.#closed ? 'is closed: the cache was closed' : (this.#failed as string);
      return Promise.reject(this.#ended(this.#closed ? 'CACHE_CLOSED' : 'SHARD_FAILED', end));
    }
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#waiting.delete(waiting);
        reject(new CacheError('SHARD_DOWN', `Shard ${shard} had no owner for ${OWNER_WAIT_MS} ms`, { shard }));
      }, OWNER_WAIT_MS);
      const waiting = {
        serve: (owner: ShardThread) => {
          clearTimeout(late);
          resolve(owner);
        },
        fail: (error: CacheError) => {
          clearTimeout(late);
          reject(error);
        },
      };
      this.#waiting.add(waiting);
    });
  }

  #failAll(code: 'CACHE_CLOSED' | 'SHARD_FAILED', how: string): void {
    for (const waiting of this.#waiting) waiting.fail(this.#ended(code, how));
    this.#waiting.clear();
  }

  #ended(code: 'CACHE_CLOSED' | 'SHARD_FAILED', how: string): CacheError {
    const { shard } = this.#body.spec;
    return new CacheError(code, `Shard ${shard} ${how}`, { shard, outcome: 'not-sent' });
  }

  #serve(thread: ShardThread, isFirst: boolean): void {
    if (this.#body.config.unref) {
      thread.unref();
    }
    this.#owner = thread;
    const sinceMs = performance.now();
    void thread.death.then((death) => this.#onDeath(death, performance.now() - sinceMs));
    this.#events.serving(thread, isFirst);
    for (const waiting of this.#waiting) waiting.serve(thread);
    this.#waiting.clear();
  }

  #onDeath(death: Death, livedMs: number): void {
    if (this.#closed) {
      return;
    }
    this.#owner = undefined;
    this.#diedYoung = livedMs < YOUNG_MS ? this.#diedYoung + 1 : 0;
    this.#events.down(howOf(death, this.#stalled), death);
    this.#stalled = false;
    if (this.#budget.spend()) {
      void this.#giveUp();
      return;
    }
    const pauseMs = this.#diedYoung <= 1 ? 0 : Math.min(PAUSE_MAX_MS, PAUSE_MS * 2 ** (this.#diedYoung - 2));
    this.#pause = setTimeout(() => void this.#replace(), pauseMs);
    // Whoever waits for a call has a deadline, and that holds the process.
    if (this.#body.config.unref) this.#pause.unref();
  }

  async #replace(): Promise<void> {
    const thread = new ShardThread(this.#body);
    this.#thread = thread;
    if (this.#body.config.unref) {
      thread.unref();
    }
    try {
      await thread.ready;
    } catch (cause) {
      await thread.terminate();
      const { code } = await thread.death;
      this.#onDeath({ code, cause }, 0);
      return;
    }
    if (this.#closed) {
      await thread.terminate();
      return;
    }
    this.#serve(thread, false);
  }

  async #giveUp(): Promise<void> {
    const mender = new ShardThread(this.#body, 'mender');
    this.#thread = mender;
    const late = setTimeout(() => void mender.terminate(), MEND_MAX_MS);
    await mender.death;
    clearTimeout(late);
    if (!this.#closed) {
      const { crashBudget } = this.#body.config;
      this.#failed = `died more than ${crashBudget} times within a minute and is not replaced any more`;
      this.#failAll('SHARD_FAILED', this.#failed);
      this.#events.failed(this.#failed);
    }
  }
}

/** For those who come after the first owner, which may have filled the tier. */
function withUsedTier(body: ShardBody): ShardBody {
  const { spec } = body;
  return spec.tier === false ? body : { ...body, spec: { ...spec, tier: { ...spec.tier, isEmpty: false } } };
}

function howOf({ code, cause }: Death, stalled: boolean): string {
  if (stalled) {
    return 'did not move for longer than `stallTimeout`, and was ended';
  }
  return cause === undefined ? `ended with code ${code}` : 'ended with an error';
}
