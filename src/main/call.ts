/** One call to a shard, from the options that its caller gave to the moment it settles, which happens once. */
import { setMaxListeners } from 'node:events';
import type { CacheKey } from '../protocol/cache-key.ts';
import { misuse } from '../protocol/errors.ts';
import type { Result } from '../protocol/reply.ts';
import { unknownOption } from './option-errors.ts';
import { resolveTimeout } from './options.ts';

export interface CallOptions {
  /** Rejects the call with `signal.reason`. A write that was sent before may still be applied. */
  signal?: AbortSignal;
  /** Milliseconds or '30s': a shorter limit than the cache's `timeout`; for the factory of getOrSet a longer one, too. */
  timeout?: number | string;
}

/** Of calls on all entries: which of them. */
export interface ExtentOptions extends CallOptions {
  /** 'memory', or 'tier': all that the tier has, for all who use it. INVALID_CONFIG for a cache without one. */
  from?: 'memory' | 'tier';
}

/** What a caller gave, checked. */
export interface CallLimits {
  readonly signal: AbortSignal | undefined;
  /** 0: the lane's own. */
  readonly timeoutMs: number;
}

export const UNLIMITED: CallLimits = { signal: undefined, timeoutMs: 0 };

/** What a call carries beside its key, as `operations.ts` says for each: `bytes` may be longer than the value. */
export interface CallBody {
  readonly tag: number;
  readonly argument: number;
  readonly flags: number;
  readonly bytes: Uint8Array;
  readonly byteLength: number;
}

const NOTHING = new Uint8Array(0);

export const NO_BODY: CallBody = { tag: 0, argument: 0, flags: 0, bytes: NOTHING, byteLength: 0 };

/** A body of what the operation alone understands: no serializer's value. */
export function bodyOf(argument: number, flags = 0, bytes: Uint8Array = NOTHING): CallBody {
  return { tag: 0, argument, flags, bytes, byteLength: bytes.length };
}

/** Where the outcomes of one or many calls go, by the index of the call. */
export interface Waiter {
  resolve(result: Result, index: number): void;
  reject(error: unknown, index: number): void;
}

/** The options of all calls: whoever mistypes one should hear of it, not wonder why his entries live for ever. */
const KNOWN = [
  'signal',
  'timeout',
  'ttl',
  'sliding',
  'keepTtl',
  'initial',
  'pageSize',
  'grace',
  'jitter',
  'leaseTimeout',
  'task',
  'from',
];

/** Throws INVALID_CONFIG for what is no option, and `signal.reason` for a signal that has been aborted. */
export function callLimits(options: CallOptions | undefined): CallLimits {
  if (options === undefined) {
    return UNLIMITED;
  }
  if (typeof options !== 'object' || options === null) {
    throw misuse('INVALID_CONFIG', 'an object of options', options, { option: 'options' });
  }
  for (const name in options) {
    if (!KNOWN.includes(name)) {
      throw unknownOption(name, KNOWN);
    }
  }
  const { signal, timeout } = options;
  if (signal === undefined && timeout === undefined) {
    return UNLIMITED;
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw misuse('INVALID_CONFIG', '`signal` to be an AbortSignal', signal, { option: 'signal' });
  }
  signal?.throwIfAborted();
  return { signal, timeoutMs: resolveTimeout(timeout, 0) };
}

export class Call {
  /** As its caller gave it, for error messages. */
  readonly key: CacheKey | undefined;
  readonly #waiter: Waiter;
  readonly #index: number;
  #settled = false;
  #release: (() => void) | undefined;

  constructor(key: CacheKey | undefined, waiter: Waiter, index: number) {
    this.key = key;
    this.#waiter = waiter;
    this.#index = index;
  }

  get isSettled(): boolean {
    return this.#settled;
  }

  resolve(result: Result): void {
    if (this.#settle()) {
      this.#waiter.resolve(result, this.#index);
    }
  }

  reject(error: unknown): void {
    if (this.#settle()) {
      this.#waiter.reject(error, this.#index);
    }
  }

  /** Lets the limits end the call: `onAbort` and `onTimeout` run at most once in all, and not after it has settled. */
  watch({ signal, timeoutMs }: CallLimits, onAbort: () => void, onTimeout: () => void): void {
    const timer = timeoutMs === 0 ? undefined : setTimeout(onTimeout, timeoutMs);
    if (signal?.aborted === true) {
      // It would never say so again.
      clearTimeout(timer);
      return onAbort();
    }
    if (signal !== undefined) {
      // One signal may well guard a thousand calls: that is no leak.
      setMaxListeners(0, signal);
      signal.addEventListener('abort', onAbort, { once: true });
    }
    this.#release = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
  }

  #settle(): boolean {
    if (this.#settled) {
      return false;
    }
    this.#settled = true;
    this.#release?.();
    return true;
  }
}
