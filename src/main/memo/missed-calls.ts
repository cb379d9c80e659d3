/**
 * The way of a call that memory has not answered, and that nobody in this thread is on already: through what outlives the process to
 * the function, and back. See memo.ts for the drawing.
 */
import type { CacheKey } from '../../protocol/cache-key.ts';
import { computing } from '../computing.ts';
import { EVER } from '../units.ts';
import { type Copier, copierOf } from './copier.ts';
import type { MemoFlight } from './flights.ts';
import { expiryIn, isSerializationError } from './kept-results.ts';
import type { MemoParts } from './memo-parts.ts';
import type { Found, MissedCall } from './missed-call.ts';
import type { MemoRecord } from './tier.ts';

/** What a cache says when it is the cache that fails, and not what another thread has computed. */
const MEMORY_FAULTS = ['CACHE_CLOSED', 'OVERLOADED', 'SHARD_DOWN', 'SHARD_FAILED', 'BUSY', 'TIMEOUT', 'PROTOCOL_ERROR'];

/** So many calls may be within each other in one turn: the stack takes several hundred. */
const NESTED_MAX = 50;

export class MissedCalls {
  readonly #parts: MemoParts;
  readonly #signal: AbortSignal;

  /** `signal` ends all waiting. */
  constructor(parts: MemoParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
  }

  async fly(call: MissedCall, flight: MemoFlight): Promise<Found> {
    const { memory, plan } = this.#parts;
    if (memory.isShared && !plan.allowsRace) {
      return await this.#share(call, flight);
    }
    // Where nothing else is waited for, calls within calls would soon fill the stack.
    if (call.chain.length % NESTED_MAX === NESTED_MAX - 1) await undefined;
    const opening = memory.isOpen ? undefined : memory.open();
    // Its failure is told below, if the call comes so far.
    opening?.catch(ignore);
    const found = await this.#find(call, flight);
    await opening;
    if (flight.isWanted) await this.keep(call.key, found);
    return found;
  }

  /** Calls the function whatever is kept. */
  async force(call: MissedCall, flight: MemoFlight): Promise<Found> {
    const found = await this.#make(call, flight);
    if (flight.isWanted) await this.keep(call.key, found);
    return found;
  }

  /** Keeps a result in memory. Rejects with SERIALIZATION_ERROR where it is kept nowhere else; all other failures are told. */
  async keep(key: CacheKey, { stored, expiresAtMs }: Pick<Found, 'stored' | 'expiresAtMs'>): Promise<void> {
    const { memory, kept, plan } = this.#parts;
    try {
      memory.keep(key, stored, expiresAtMs);
      await memory.room();
    } catch (cause) {
      if (kept === undefined && isSerializationError(cause)) {
        throw cause;
      }
      plan.log.tellFailure('keep a result in its memory', cause);
    }
  }

  /** One of all threads goes on; the others wait for what it brings. */
  async #share(call: MissedCall, flight: MemoFlight): Promise<Found> {
    const { memory, kept, plan } = this.#parts;
    let own: Promise<Found> | undefined;
    const make = async () => {
      own = this.#find(call, flight);
      return (await own).stored;
    };
    let stored: unknown;
    try {
      stored = await memory.share(call.key, make, plan.timeoutMs);
    } catch (cause) {
      if (own === undefined && !isMemoryFault(cause)) {
        throw cause;
      }
      const found = await (own ?? this.#find(call, flight));
      if (kept === undefined && isSerializationError(cause)) {
        throw cause;
      }
      plan.log.tellFailure('keep a result in its memory', cause);
      return found;
    }
    if (own === undefined) {
      return { value: this.#given(stored), status: 'memory', stored, expiresAtMs: EVER };
    }
    const found = await (own as Promise<Found>);
    if (found.status === 'disk' && found.expiresAtMs !== EVER) {
      memory.shorten(call.key, found.expiresAtMs).catch((cause: unknown) => {
        plan.log.tellFailure('let a result end in its memory', cause);
      });
    }
    return found;
  }

  async #find(call: MissedCall, flight: MemoFlight): Promise<Found> {
    const { kept, plan, name, filename } = this.#parts;
    if (kept !== undefined) {
      const there = await kept.look(call.text);
      if (there !== undefined) {
        return this.#ofRecord(call, there);
      }
      if (plan.log.diskMiss !== undefined) plan.log.tellDiskMiss(filename ?? '', call.text, name, call.stack);
      const theirs = plan.allowsRace ? undefined : await kept.take(call.text, flight, this.#signal);
      if (theirs !== undefined) {
        return this.#ofRecord(call, theirs);
      }
    }
    return await this.#make(call, flight);
  }

  async #make(call: MissedCall, flight: MemoFlight): Promise<Found> {
    const { kept } = this.#parts;
    try {
      const value = await this.#run(call);
      const stored = this.stored(value);
      if (flight.isWanted) await kept?.write(call.text, call.ownArgs, stored);
      return { value, status: 'miss', stored, expiresAtMs: this.expiryOfNew };
    } finally {
      flight.claim?.release();
      flight.claim = undefined;
    }
  }

  async #run({ self, args, chain, id }: MissedCall): Promise<unknown> {
    const { work, plan } = this.#parts;
    return plan.allowsRace ? await work(self, args) : await computing.run([...chain, id], () => work(self, args));
  }

  #ofRecord({ text }: MissedCall, { result, expiresAtMs }: MemoRecord): Found {
    const { plan, filename } = this.#parts;
    plan.log.diskHit?.(`Cache hit (disk: ${filename}): ${text}`);
    return { value: this.#given(result), status: 'disk', stored: result, expiresAtMs };
  }

  /** When a result ends that is made now. */
  get expiryOfNew(): number {
    return expiryIn(this.#parts.plan);
  }

  /** What is kept of a result. */
  stored(value: unknown): unknown {
    const { copy } = this.#parts.plan;
    return copy === undefined ? value : copy(value);
  }

  /** What a caller gets of what is kept, which nobody else has. */
  #given(stored: unknown): unknown {
    const { copy } = this.#parts.plan;
    return copy === undefined ? stored : copy(stored);
  }
}

let copier: Copier | undefined;

/** A copy as if it had been decoded. Throws SERIALIZATION_ERROR. */
function copyOf(value: unknown): unknown {
  copier ??= copierOf('msgpack') as Copier;
  return copier(value);
}

/** What another caller gets of a result that the first has already got: a copy of his own. */
export function shareOf(value: unknown): unknown {
  try {
    return copyOf(value);
  } catch {
    // Only a serializer of the user's can copy it, which the file has: rather the same one than none.
    return value;
  }
}

/** Arguments as they are now: their owner, or the function, may go on to change them. Undefined for those that cannot be copied. */
export function snapshotOf(args: readonly unknown[]): readonly unknown[] | undefined {
  try {
    return args.map(copyOf);
  } catch {
    // They are for `upgrade` alone: a result without arguments is as good for everything else.
    return undefined;
  }
}

function isMemoryFault(error: unknown): boolean {
  return MEMORY_FAULTS.includes(String((error as { code?: unknown } | null)?.code));
}

function ignore(): void {}
