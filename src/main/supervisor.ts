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
import { HEADER_BEAT } from '../protocol/memory.ts';
import type { HitMode } from '../protocol/policy.ts';
import { type ShardBody, ShardThread } from './shard-thread.ts';
import { CrashBudget, type Death } from './worker-death.ts';

/** An owner that lives shorter than this died young. */
const YOUNG_MS = 100;
/** The pause before the owner after the first that died young, doubled by each of the next, up to the longest. */
const PAUSE_MS = 10;
const PAUSE_MAX_MS = 5_000;
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
  #closed = false;
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
    await this.#thread?.terminate();
  }

  /** `ms` have passed in which calls `waited`, or did not. Ends an owner that has not moved for too long. */
  watch(waited: boolean, ms: number): void {
    const beat = Atomics.load(this.#header, HEADER_BEAT);
    this.#silentMs = waited && beat === this.#beat && this.#owner !== undefined ? this.#silentMs + ms : 0;
    this.#beat = beat;
    if (this.#silentMs >= this.#body.config.stallTimeout) {
      this.#silentMs = 0;
      this.#stalled = true;
      void this.crash();
    }
  }

  #serve(thread: ShardThread, isFirst: boolean): void {
    if (this.#body.config.unref) {
      thread.unref();
    }
    this.#owner = thread;
    const sinceMs = performance.now();
    void thread.death.then((death) => this.#onDeath(death, performance.now() - sinceMs));
    this.#events.serving(thread, isFirst);
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
      this.#events.failed(`died more than ${crashBudget} times within a minute and is not replaced any more`);
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
