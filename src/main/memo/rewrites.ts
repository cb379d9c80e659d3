/** Files of memos as people name them: `compact` and `upgrade` find a file where `filename` would. */
import { openRecordCodec } from '../codec/encoding.ts';
import { assertOptions } from '../codec/known-options.ts';
import type { SerializerOption } from '../serializers/index.ts';
import { type Hash, hashedBy } from './call-keys.ts';
import { compact as compactFile } from './file/compact.ts';
import type { Rewritten } from './file/rewriting.ts';
import { upgrade as upgradeFile } from './file/upgrade.ts';
import { memoFileAt } from './looks.ts';

export type { Rewritten };

export interface CompactOptions {
  /** Whether the old file is there as FILE.bak until the new one is. One that is there already becomes FILE.bak.bak. Default true. */
  readonly backup?: boolean | undefined;
}

export interface UpgradeOptions extends CompactOptions {
  /** What a call with these arguments is kept under from now on. */
  readonly hash: (args: readonly unknown[]) => string;
  /** Where the file was made with one of your own. */
  readonly serializer?: SerializerOption | undefined;
  /** Whether the backup is removed where the upgrade fails, too. Default false. */
  readonly removeBackupOnFailure?: boolean | undefined;
}

/**
 * Gives back what replaced, removed and expired results take in the file of a memo, and what is damaged in it, while others use it.
 * Rejects with ENGINE_ERROR (its cause has ENOENT where there is no such file), STORE_FOREIGN or LOCKED; then the file is as it was.
 *
 * @example
 * const { entries, dropped, bytesBefore, bytesAfter } = await compact('./results.log');
 */
export async function compact(filename: string, options: CompactOptions = {}): Promise<Rewritten> {
  assertOptions(options, ['backup']);
  return await compactFile(memoFileAt(filename), options);
}

/**
 * Puts every result in the file of a memo under another key, made of the arguments that are kept with it. Results whose arguments could
 * not be stored are dropped, and counted. Rejects as `compact` does, and with what `hash` throws.
 *
 * @example
 * await upgrade('./results.log', { hash: ([user]) => String(user.id) });
 */
export async function upgrade(filename: string, options: UpgradeOptions): Promise<Rewritten> {
  assertOptions(options, ['hash', 'backup', 'serializer', 'removeBackupOnFailure']);
  const { serializer, hash, ...rest } = options;
  const codec = serializer === undefined ? undefined : await openRecordCodec({ serializer });
  // As a memo with that hash has it. What is no function is refused elsewhere.
  const keyOf: Hash = typeof hash === 'function' ? (args) => hashedBy(hash, '`upgrade`', args) : hash;
  return await upgradeFile(memoFileAt(filename), { ...rest, hash: keyOf, codec });
}
