/**
 * The order of a call without promises:
 *
 *     memory --> file --> claim --> function --> file --> memory
 *
 * Between threads there is no single flight, since nobody can wait for another's turn; between processes that share a file there is,
 * and who waits for another process holds up its thread. What fails but for the function is told and counted, as in memo.ts.
 */
import type { CacheKey } from '../../protocol/cache-key.ts';
import { misuse } from '../../protocol/errors.ts';
import { ABSENT } from './boxed.ts';
import type { CallKeys } from './call-keys.ts';
import type { MemoFile } from './file/memo-file.ts';
import { closedMemo, expiryIn, heldFor, isSerializationError, serves } from './kept-results.ts';
import { reentrantCall } from './memo.ts';
import type { CallPlan } from './memo-options.ts';
import type { Memory } from './memory.ts';
import type { MemoStatus } from './missed-call.ts';
import { snapshotOf } from './missed-calls.ts';
import type { Claim, MemoRecord } from './tier.ts';
import type { AnyFunction } from './work.ts';

export interface SyncMemoParts {
  readonly name: string;
  readonly work: AnyFunction;
  readonly plan: CallPlan;
  readonly keys: CallKeys;
  readonly memory: Memory;
  readonly file: MemoFile | undefined;
  readonly version: string | undefined;
}

interface SyncOutcome {
  readonly value: unknown;
  readonly status: MemoStatus;
}

export class SyncMemo {
  isClosed = false;
  readonly #parts: SyncMemoParts;
  /** Calls that the function is busy with, each within the one before. */
  readonly #running = new Set<CacheKey>();

  constructor(parts: SyncMemoParts) {
    this.#parts = parts;
  }

  get failures(): number {
    return this.#parts.plan.log.failures;
  }

  call(self: unknown, args: readonly unknown[]): unknown {
    const { keys, plan } = this.#parts;
    if (plan.isDisabled) {
      return this.#work(self, args);
    }
    const keyed = keys.keyed(args);
    const key = keys.inMemory(keyed);
    const value = this.#recall(key, keyed);
    return value === ABSENT ? this.#miss(self, args, keyed, key).value : value;
  }

  callWithStatus(self: unknown, args: readonly unknown[]): SyncOutcome {
    const { keys, plan } = this.#parts;
    if (plan.isDisabled) {
      return { value: this.#work(self, args), status: 'miss' };
    }
    const keyed = keys.keyed(args);
    const key = keys.inMemory(keyed);
    const value = this.#recall(key, keyed);
    return value === ABSENT ? this.#miss(self, args, keyed, key) : { value, status: 'memory' };
  }

  /** Promotes nothing to memory. */
  has(args: readonly unknown[]): boolean {
    const { keys, plan } = this.#parts;
    if (plan.isDisabled) {
      return false;
    }
    const keyed = keys.keyed(args);
    return this.#recall(keys.inMemory(keyed), keyed) !== ABSENT || this.#look(keys.text(keyed)) !== undefined;
  }

  /** What is kept, or ABSENT. */
  get(args: readonly unknown[]): unknown {
    const { keys, plan } = this.#parts;
    if (plan.isDisabled) {
      return ABSENT;
    }
    const keyed = keys.keyed(args);
    const key = keys.inMemory(keyed);
    const value = this.#recall(key, keyed);
    if (value !== ABSENT) {
      return value;
    }
    const record = this.#look(keys.text(keyed));
    return record === undefined ? ABSENT : this.#promoted(key, record);
  }

  put(result: unknown, args: readonly unknown[]): void {
    const { keys, plan, file } = this.#parts;
    if (plan.isDisabled) {
      return;
    }
    this.#assertOpen();
    const keyed = keys.keyed(args);
    const stored = this.#stored(result);
    file?.set(keys.text(keyed), this.#recordOf(stored, snapshotOf(args)));
    this.#keep(keys.inMemory(keyed), stored, expiryIn(plan));
  }

  forget(args: readonly unknown[]): boolean {
    const { keys, plan, file, memory } = this.#parts;
    if (plan.isDisabled) {
      return false;
    }
    this.#assertOpen();
    const keyed = keys.keyed(args);
    const key = keys.inMemory(keyed);
    const wasInMemory = memory.recall(key) !== ABSENT;
    if (wasInMemory) this.#forgetIn(key);
    const wasInFile = file?.delete(keys.text(keyed)) ?? false;
    return wasInMemory || wasInFile;
  }

  force(self: unknown, args: readonly unknown[]): unknown {
    const { keys, plan } = this.#parts;
    if (plan.isDisabled) {
      return this.#work(self, args);
    }
    this.#assertOpen();
    const keyed = keys.keyed(args);
    return this.#make(self, args, keyed, keys.inMemory(keyed));
  }

  flush(): Promise<void> {
    return this.#parts.memory.flush();
  }

  #recall(key: CacheKey, keyed: readonly unknown[]): unknown {
    const { plan, memory, keys } = this.#parts;
    this.#assertOpen();
    const value = memory.recall(key);
    if (value === ABSENT) {
      return ABSENT;
    }
    if (plan.validate !== undefined && !plan.validate(value)) {
      this.#forgetIn(key);
      return ABSENT;
    }
    plan.log.memoryHit?.(`Cache hit (mem): ${keys.text(keyed)}`);
    return plan.copy === undefined ? value : plan.copy(value);
  }

  #miss(self: unknown, args: readonly unknown[], keyed: readonly unknown[], key: CacheKey): SyncOutcome {
    const { keys, plan, file, name } = this.#parts;
    plan.log.memoryMiss?.(`Cache miss (mem): ${keys.text(keyed)}`);
    if (file === undefined) {
      return { value: this.#make(self, args, keyed, key), status: 'miss' };
    }
    const text = keys.text(keyed);
    const record = this.#look(text);
    if (record !== undefined) {
      plan.log.diskHit?.(`Cache hit (disk: ${file.filename}): ${text}`);
      return { value: this.#promoted(key, record), status: 'disk' };
    }
    if (plan.log.diskMiss !== undefined) plan.log.tellDiskMiss(file.filename, text, name, plan.log.stack());
    if (plan.allowsRace || this.#running.has(key)) {
      return { value: this.#make(self, args, keyed, key), status: 'miss' };
    }
    const taken = this.#take(text);
    if (taken !== undefined && 'result' in taken) {
      return { value: this.#promoted(key, taken), status: 'disk' };
    }
    try {
      return { value: this.#make(self, args, keyed, key), status: 'miss' };
    } finally {
      taken?.release();
    }
  }

  #make(self: unknown, args: readonly unknown[], keyed: readonly unknown[], key: CacheKey): unknown {
    const { plan, file, keys, name } = this.#parts;
    if (this.#running.has(key) && !plan.allowsRace) {
      throw reentrantCall(name);
    }
    // Before the call: the function may change its arguments.
    const text = file === undefined ? undefined : keys.text(keyed);
    const ownArgs = file === undefined ? undefined : snapshotOf(args);
    let value: unknown;
    this.#running.add(key);
    try {
      value = this.#work(self, args);
    } finally {
      this.#running.delete(key);
    }
    if (value instanceof Promise) {
      // Nobody gets it. What it would say is less than what is said here.
      value.catch(() => undefined);
      throw misuse(
        'SERIALIZATION_ERROR',
        `${name} to return its result (\`memoize\` takes functions that promise it)`,
        value,
      );
    }
    const stored = this.#stored(value);
    if (text !== undefined) this.#write(text, stored, ownArgs);
    this.#keep(key, stored, expiryIn(plan));
    return value;
  }

  /** Throws SERIALIZATION_ERROR; what else goes wrong is told. */
  #write(text: string, stored: unknown, ownArgs: readonly unknown[] | undefined): void {
    const { file, plan } = this.#parts;
    try {
      file?.set(text, this.#recordOf(stored, ownArgs));
    } catch (cause) {
      if (isSerializationError(cause) && ownArgs !== undefined) {
        // Perhaps it is the arguments that cannot be stored: the result is what matters.
        this.#write(text, stored, undefined);
        return;
      }
      if (isSerializationError(cause)) {
        throw cause;
      }
      plan.log.tellFailure(`write to ${file?.filename}`, cause);
    }
  }

  /** Throws SERIALIZATION_ERROR where the result is kept nowhere else. */
  #keep(key: CacheKey, stored: unknown, expiresAtMs: number): void {
    const { memory, file, plan } = this.#parts;
    try {
      memory.keep(key, stored, expiresAtMs);
    } catch (cause) {
      if (file === undefined) {
        throw cause;
      }
      plan.log.tellFailure('keep a result in its memory', cause);
    }
  }

  /** The claim, or the result that another process has computed meanwhile; undefined where claims cannot be had. Throws TIMEOUT. */
  #take(text: string): Claim | MemoRecord | undefined {
    const { plan, file, name } = this.#parts;
    const deadlineMs = performance.now() + plan.timeoutMs;
    for (;;) {
      let claim: Claim | undefined;
      try {
        claim = file?.claim(text);
      } catch (cause) {
        plan.log.tellFailure(`claim a call in ${file?.filename}`, cause);
        return undefined;
      }
      if (claim === undefined || claim.isGranted) {
        return claim;
      }
      const isNews = claim.waitSync(Math.max(1, deadlineMs - performance.now()));
      claim.release();
      if (!isNews && performance.now() < deadlineMs) {
        // An async memo of this very thread computes it, and cannot go on while this one waits.
        return undefined;
      }
      const record = this.#look(text);
      if (record !== undefined) {
        return record;
      }
      if (performance.now() >= deadlineMs) {
        throw heldFor(name, plan.timeoutMs, claim.holder);
      }
    }
  }

  #look(text: string): MemoRecord | undefined {
    const { file, plan, version } = this.#parts;
    let record: MemoRecord | undefined;
    try {
      record = file?.get(text);
    } catch (cause) {
      plan.log.tellFailure(`read ${file?.filename}`, cause);
    }
    return record !== undefined && serves(record, plan, version) ? record : undefined;
  }

  #promoted(key: CacheKey, { result, expiresAtMs }: MemoRecord): unknown {
    const { plan } = this.#parts;
    this.#keep(key, result, expiresAtMs);
    return plan.copy === undefined ? result : plan.copy(result);
  }

  #recordOf(result: unknown, args: readonly unknown[] | undefined): MemoRecord {
    const { plan, version } = this.#parts;
    return { result, args, version, createdAtMs: Date.now(), expiresAtMs: expiryIn(plan) };
  }

  #stored(value: unknown): unknown {
    const { copy } = this.#parts.plan;
    return copy === undefined ? value : copy(value);
  }

  #forgetIn(key: CacheKey): void {
    const { memory, plan } = this.#parts;
    memory.forget(key).catch((cause: unknown) => plan.log.tellFailure('remove a result from its memory', cause));
  }

  #work(self: unknown, args: readonly unknown[]): unknown {
    return Reflect.apply(this.#parts.work, self as never, args as never[]);
  }

  #assertOpen(): void {
    if (this.isClosed) {
      throw closedMemo(this.#parts.name);
    }
  }
}
