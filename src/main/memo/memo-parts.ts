/** What a memo stands on. */
import type { CallKeys } from './call-keys.ts';
import type { KeptResults } from './kept-results.ts';
import type { CallPlan } from './memo-options.ts';
import type { Memory } from './memory.ts';

export interface MemoParts {
  readonly name: string;
  readonly plan: CallPlan;
  readonly keys: CallKeys;
  readonly memory: Memory;
  /** Undefined: nothing outlives the process. */
  readonly kept: KeptResults | undefined;
  /** Of what is kept: for messages. */
  readonly filename: string | undefined;
  /** Calls the function. */
  work(self: unknown, args: readonly unknown[]): unknown;
  /** Called when it is closed. */
  onClose(): void;
}
