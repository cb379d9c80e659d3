/**
 * The tier of a memo that outlives the process: what each of its results is kept with, and who computes one that is missing. A memo
 * file (memo-file.ts) is the usual one; any store can be one.
 */
import type { Answer } from '../../protocol/engines/engine.ts';

/** A result as it is kept. */
export interface MemoRecord {
  readonly result: unknown;
  /** Those the function was called with; what cannot be stored of them is left out, and then there are none. */
  readonly args: readonly unknown[] | undefined;
  /** Of the function's source, where the memo asks for it. */
  readonly version: string | undefined;
  /** Milliseconds since 1970. */
  readonly createdAtMs: number;
  /** Milliseconds since 1970; Infinity for ever. */
  readonly expiresAtMs: number;
}

/**
 * Keys are texts, the hashes of calls. Methods throw or reject with ENGINE_ERROR, STORE_CORRUPT, STORE_FOREIGN, STORE_CLOSED, and,
 * what is to be stored, SERIALIZATION_ERROR or VALUE_TOO_LARGE. What has expired is not there. Every record is a copy.
 */
export interface MemoTier {
  /** The path of its file, or the name of its store: for messages. */
  readonly filename: string;
  get(key: string): Answer<MemoRecord | undefined>;
  has(key: string): Answer<boolean>;
  set(key: string, record: MemoRecord): Answer<void>;
  /** Whether there was one. */
  delete(key: string): Answer<boolean>;
  /** In no order that means anything. */
  keys(): Answer<readonly string[]>;
  size(): Answer<number>;
  clear(): Answer<number>;
  /**
   * Asks to be the one who computes a key. Of all who ask, in whatever process, one is granted at a time; the others wait. Of a
   * tier that cannot tell there is no such method.
   */
  claim?(key: string): Claim;
  close(): Answer<void>;
}

/** The leave to compute a key, or the wait for it. */
export interface Claim {
  /**
   * Whether this is the one who computes: then `set` of the key, or `release`, ends it. What follows from a claim that is not granted:
   * wait, look whether the key is there now, and claim again.
   */
  readonly isGranted: boolean;
  /** Who has it, as errors say it: 'process 4711'. Undefined where it is granted. */
  readonly holder?: string | undefined;
  /** Gives the claim back without a result; one that was not granted, too. */
  release(): void;
  /**
   * Resolves when something has changed for the key: there is a result, or its holder has given it back or has ended; or when `timeoutMs` have passed,
   * or `signal` aborts. False for the last two.
   */
  wait(timeoutMs: number, signal?: AbortSignal): Promise<boolean>;
  /** The same for a caller that cannot wait otherwise: the thread sleeps in between. */
  waitSync(timeoutMs: number): boolean;
}
