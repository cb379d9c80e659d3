/**
 * New keys for all results of a memo file, made of the arguments that are stored with them: for a memo whose hash has changed. Those
 * without arguments are left out. Of two that become one key the later counts.
 */
import { misuse } from '../../../protocol/errors.ts';
import { diskFiles, type Files } from '../../../protocol/files.ts';
import { checkKey } from '../../../protocol/key.ts';
import { recordCodecOf, resolveEncoding } from '../../codec/encoding.ts';
import type { RecordCodec } from '../../codec/record-codec.ts';
import type { SerializerName } from '../../serializers/index.ts';
import { CLEAR, DELETE, type FileHead, type FrameView, frameOf, RESULT, sealFrame } from './frame.ts';
import { decodeResult } from './result-record.ts';
import { type Rewriter, type Rewritten, rewriteMemoFile } from './rewriting.ts';

export interface UpgradeOptions {
  /** The new key of a call. */
  readonly hash: (args: readonly unknown[]) => string;
  /** Whether the old file is there as PATH.bak until the new one is. Default true. */
  readonly backup?: boolean | undefined;
  /** Whether it is removed where the upgrade fails, too. Default false. */
  readonly removeBackupOnFailure?: boolean | undefined;
  /** For a file whose serializer is one of your own. Default: the one that the file names. */
  readonly codec?: RecordCodec | undefined;
  readonly files?: Files | undefined;
}

/**
 * Others may have the file open; what they store meanwhile gets its new key, too. Rejects with ENGINE_ERROR, STORE_FOREIGN, LOCKED,
 * UNKNOWN_PLUGIN, or what `hash` throws: then the file is as it was.
 */
export async function upgrade(path: string, options: UpgradeOptions): Promise<Rewritten> {
  const { hash, backup = true, removeBackupOnFailure = false, files = diskFiles } = options;
  if (typeof hash !== 'function') {
    throw misuse('INVALID_CONFIG', '`hash` to be a function from arguments to a text', hash, { option: 'hash' });
  }
  let rehash: Rehash | undefined;
  const rewriterOf = ({ serializer }: FileHead) => {
    rehash = new Rehash(hash, options.codec ?? codecOf(serializer));
    return rehash;
  };
  try {
    return await rewriteMemoFile({ files, path, backup, removeBackupOnFailure, rewriterOf });
  } catch (error) {
    throw rehash?.thrown === undefined ? error : rehash.thrown.error;
  }
}

/** Of a serializer that is built in. */
export function codecOf(serializer: string): RecordCodec {
  return recordCodecOf(resolveEncoding({ serializer }), serializer as SerializerName);
}

class Rehash implements Rewriter {
  /** What `hash` has thrown. */
  thrown: { readonly error: unknown } | undefined;
  readonly #hash: UpgradeOptions['hash'];
  readonly #codec: RecordCodec;
  /** The new keys of old ones, for those that are deleted while it runs. */
  readonly #keys = new Map<string, string>();

  constructor(hash: UpgradeOptions['hash'], codec: RecordCodec) {
    this.#hash = hash;
    this.#codec = codec;
  }

  rewrite(frame: FrameView, { seed }: FileHead): Buffer | undefined {
    switch (frame.kind) {
      case RESULT:
        return this.#result(frame, seed);
      case CLEAR:
        return frame.whole;
      case DELETE: {
        const { kind, createdAtMs } = frame;
        const key = this.#keys.get(frame.key);
        return key === undefined ? undefined : sealed({ kind, key, createdAtMs }, seed);
      }
      default:
        // Whoever computes a key by the old hash stores it by that, and it is no new key's claim.
        return undefined;
    }
  }

  #result(frame: FrameView, seed: number): Buffer | undefined {
    const { kind, payload, createdAtMs, expiresAtMs } = frame;
    const { args } = decodeResult(this.#codec, payload, { createdAtMs, expiresAtMs });
    if (args === undefined) {
      return undefined;
    }
    const key = this.#keyOf(args);
    this.#keys.set(frame.key, key);
    return sealed({ kind, key, payload, createdAtMs, expiresAtMs }, seed);
  }

  #keyOf(args: readonly unknown[]): string {
    try {
      const key: unknown = this.#hash(args);
      if (typeof key !== 'string') {
        throw misuse('INVALID_KEY', '`hash` to return a text', key);
      }
      checkKey(key);
      return key;
    } catch (error) {
      this.thrown = { error };
      throw error;
    }
  }
}

function sealed(parts: Parameters<typeof frameOf>[0], seed: number): Buffer {
  const frame = frameOf(parts);
  sealFrame(frame, seed);
  return frame;
}
