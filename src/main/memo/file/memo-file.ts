/**
 * The results of one function in a file that any number of threads and processes share: a MemoTier whose answers all come at
 * once. The file is a log (frame.ts) that is read when it is opened; from then on every call first reads what others have added
 * since, which is one look at the file's size (1 us), so what one has stored the others see in their next call.
 *
 *     get    look - find the place - read the frame - decode       a hit 3 us and the decoding
 *     set    encode - append                                       3 us and the encoding
 *     claim  append who asks - the first in the file has it        (claims.ts)
 *
 * A result is acknowledged when the system has it, where it survives the end of the process; with `sync: true` when the medium
 * has it, which holds up the thread for as long as that takes. What is damaged is passed over and told once: it is computed
 * again, or is what it was before the damaged piece replaced or deleted it.
 *
 * What it is bad at: every opener has all keys in memory (90 bytes for a key of 32), and reads the whole file first, and again when it
 * was compacted: 2 us a result, in which its thread does nothing else.
 * What was replaced takes room until the file is compacted (compact.ts).
 */
import { storeError } from '../../../protocol/engines/faults.ts';
import { diskFiles, type Files } from '../../../protocol/files.ts';
import { checkKey } from '../../../protocol/key.ts';
import { RecordCodec } from '../../codec/record-codec.ts';
import type { Claim, MemoRecord, MemoTier } from '../tier.ts';
import { FileClaims } from './claims.ts';
import { CLEAR, DELETE, type FrameView, frameOf, RESULT } from './frame.ts';
import { type Ledger, MemoLog } from './memo-log.ts';
import { replay } from './replay.ts';
import { decodeResult, encodeResult } from './result-record.ts';
import { MemoResults } from './results.ts';

export interface MemoFileOptions {
  readonly path: string;
  /** Of the function, for a file that is not there yet. Default ''. */
  readonly name?: string | undefined;
  /** Default: msgpack, not compressed. */
  readonly codec?: RecordCodec | undefined;
  /** Whether a result is acknowledged when it survives the machine's end, not only the process's. Default false. */
  readonly sync?: boolean | undefined;
  /** Told once, when something in the file was found damaged. */
  readonly onDamage?: ((message: string) => void) | undefined;
  readonly files?: Files | undefined;
}

export interface MemoFileFacts {
  readonly path: string;
  /** Of the function, as the file has it. */
  readonly name: string;
  readonly serializer: string;
  readonly entries: number;
  readonly bytes: number;
  /** How many pieces of the file, or results that were asked for, were found damaged since it was opened. */
  readonly damaged: number;
}

/** Throws ENGINE_ERROR or STORE_FOREIGN. */
export function openMemoFile(options: MemoFileOptions): MemoFile {
  return new MemoFile(options);
}

export class MemoFile implements MemoTier {
  readonly filename: string;
  readonly #codec: RecordCodec;
  readonly #sync: boolean;
  readonly #onDamage: ((message: string) => void) | undefined;
  readonly #results = new MemoResults();
  readonly #claims: FileClaims;
  readonly #log: MemoLog;
  #damagedResults = 0;
  #hasTold = false;
  #isClosed = false;

  constructor({ path, name = '', codec, sync = false, onDamage, files = diskFiles }: MemoFileOptions) {
    this.filename = path;
    this.#codec = codec ?? new RecordCodec({ serializer: 'msgpack', compression: undefined, base64: false });
    this.#sync = sync;
    this.#onDamage = onDamage;
    this.#claims = new FileClaims({
      append: (frame) => this.#log.append(frame),
      refresh: () => this.#refresh(),
    });
    const head = { name, serializer: this.#codec.serializerName };
    this.#log = new MemoLog({ files, path, head }, this.#ledger());
    this.#tellDamage();
  }

  get(key: string): MemoRecord | undefined {
    this.#refresh();
    const frame = this.#frameOf(key);
    if (frame === undefined) {
      this.#claims.missed(key);
      return undefined;
    }
    this.#claims.seen(key);
    const { createdAtMs, expiresAtMs } = frame;
    return decodeResult(this.#codec, frame.payload, { createdAtMs, expiresAtMs });
  }

  has(key: string): boolean {
    this.#refresh();
    return this.#results.placeOf(key) !== undefined;
  }

  set(key: string, record: MemoRecord): void {
    this.#assertOpen();
    checkKey(key);
    const payload = encodeResult(this.#codec, record);
    const { createdAtMs, expiresAtMs } = record;
    this.#log.append(frameOf({ kind: RESULT, key, payload, createdAtMs, expiresAtMs }));
    this.#claims.done(key);
    if (this.#sync) {
      this.#log.sync();
    }
  }

  delete(key: string): boolean {
    this.#refresh();
    if (this.#results.placeOf(key) === undefined) {
      return false;
    }
    this.#log.append(frameOf({ kind: DELETE, key, createdAtMs: Date.now() }));
    return true;
  }

  keys(): string[] {
    this.#refresh();
    return this.#results.keys;
  }

  size(): number {
    this.#refresh();
    return this.#results.size;
  }

  clear(): number {
    const count = this.size();
    if (count > 0) {
      this.#log.append(frameOf({ kind: CLEAR, createdAtMs: Date.now() }));
    }
    return count;
  }

  /**
   * It is also refused, with a wait that is over at once, where a result has come since `get` found none: so whoever looks, claims
   * and computes what both leave to it computes nothing that is there.
   */
  claim(key: string): Claim {
    this.#assertOpen();
    checkKey(key);
    return this.#claims.claim(key);
  }

  /** All that is there, decoded. What is damaged is left out. */
  rawEntries(): [key: string, record: MemoRecord][] {
    return this.keys().flatMap((key) => {
      const frame = this.#frameOf(key);
      if (frame === undefined) {
        return [];
      }
      const { createdAtMs, expiresAtMs } = frame;
      return [[key, decodeResult(this.#codec, frame.payload, { createdAtMs, expiresAtMs })]];
    });
  }

  facts(): MemoFileFacts {
    const entries = this.size();
    const { head, bytes, holes } = this.#log;
    return {
      path: this.filename,
      name: head.name,
      serializer: head.serializer,
      entries,
      bytes,
      damaged: holes + this.#damagedResults,
    };
  }

  /** Gives back what it has claimed. */
  close(): void {
    if (this.#isClosed) {
      return;
    }
    this.#claims.close();
    this.#isClosed = true;
    this.#log.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #refresh(): void {
    this.#assertOpen();
    this.#log.refresh();
  }

  #assertOpen(): void {
    if (this.#isClosed) {
      throw storeError('STORE_CLOSED', this.filename, `The memo file ${this.filename} is closed: open it again`);
    }
  }

  #frameOf(key: string): FrameView | undefined {
    const place = this.#results.placeOf(key);
    if (place === undefined) {
      return undefined;
    }
    const frame = this.#log.frameAt(place);
    if (frame?.kind === RESULT && frame.key === key) {
      return frame;
    }
    // It was whole when it was read first.
    this.#results.remove(key);
    this.#damagedResults++;
    this.#tellDamage();
    return undefined;
  }

  #ledger(): Ledger {
    const results = this.#results;
    const claims = this.#claims;
    return {
      reset: () => {
        results.clear();
        claims.reset();
      },
      visit: (frame, offset) => replay(frame, offset, results, claims),
      damaged: () => this.#tellDamage(),
    };
  }

  /** Not before there is a log that counts: what is found at the opening is told then. */
  #tellDamage(): void {
    const { holes } = this.#log ?? { holes: 0 };
    if (this.#hasTold || holes + this.#damagedResults === 0) {
      return;
    }
    this.#hasTold = true;
    this.#onDamage?.(
      `Parts of the memo file ${this.filename} are damaged, or were not written to their end: what was in them is computed again. Next: \`compact\` drops them`,
    );
  }
}
