/**
 * A disk that fails as it is told: Node's file system with a fault in front. What a fault stops has not happened, but for a
 * short write, of which a part has; what `crashAfter` stops has not happened either, and nothing happens after it, as for
 * a process that was killed: the files are as they were, and another `diskFiles` can look at them.
 */
import { diskFiles, type Files } from '../../src/protocol/files.ts';

export type FaultCode = 'EIO' | 'ENOSPC' | 'EMFILE' | 'EROFS' | 'EACCES';

export interface Fault {
  readonly code: FaultCode;
  /** Which calls it meets. */
  readonly calls: readonly (keyof Files)[];
  /** Whether the next of them fails: called once for each. */
  readonly strikes: () => boolean;
  /** A write that fails writes this many bytes first. Default 0. */
  readonly partOf?: number;
}

/** What writes, as a full or broken disk meets it. */
export const WRITES: readonly (keyof Files)[] = ['writeSync', 'renameSync', 'linkSync', 'ftruncateSync'];
export const SYNCS: readonly (keyof Files)[] = ['fsyncSync', 'fsync', 'fdatasync'];
export const OPENS: readonly (keyof Files)[] = ['openSync'];
export const READS: readonly (keyof Files)[] = ['readSync', 'read'];

/** What a call meets after a crash: no error that anybody should handle. */
export class Crash extends Error {
  override readonly name = 'Crash';
}

export class FaultyFiles {
  /** In force: change it at any time. */
  fault: Fault | undefined;
  /** How long each call takes longer, by blocking as a slow disk would. */
  slowMs = 0;
  /** Calls until the process is gone; Infinity for never. */
  callsLeft = Number.POSITIVE_INFINITY;
  /** Faults that have struck. */
  struck = 0;
  /** Calls that were made. */
  calls = 0;
  readonly files: Files;

  constructor() {
    const wrapped = Object.entries(diskFiles).map(([name, call]) => [name, this.#behind(name as keyof Files, call)]);
    this.files = Object.fromEntries(wrapped) as Files;
  }

  /** Runs `body` with a fault in force. */
  async during<T>(fault: Fault, body: () => Promise<T>): Promise<T> {
    this.fault = fault;
    try {
      return await body();
    } finally {
      this.fault = undefined;
    }
  }

  #behind(name: keyof Files, call: (...args: never[]) => unknown): (...args: never[]) => unknown {
    return (...args) => {
      this.calls++;
      if (this.callsLeft-- <= 0) {
        throw new Crash(`The process is gone before ${name}`);
      }
      if (this.slowMs > 0) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, this.slowMs);
      }
      const { fault } = this;
      if (fault === undefined || !fault.calls.includes(name) || !fault.strikes()) {
        return call(...args);
      }
      this.struck++;
      return this.#fail(fault, name, args);
    };
  }

  #fail(fault: Fault, name: keyof Files, args: unknown[]): unknown {
    if (name === 'writeSync' && (fault.partOf ?? 0) > 0) {
      const [fd, bytes, offset, length, position] = args as [number, Uint8Array, number, number, number | null];
      diskFiles.writeSync(fd, bytes, offset, Math.min(fault.partOf as number, length), position);
    }
    const error = Object.assign(new Error(`${fault.code}: a fault of the test, ${name}`), {
      code: fault.code,
      syscall: name,
    });
    if (name === 'read' || name === 'fsync' || name === 'fdatasync') {
      return Promise.reject(error);
    }
    throw error;
  }
}

/** Every call strikes. */
export const always = () => true;

/** The call number `n` strikes, counted from 1, and no other. */
export function onlyThe(n: number): () => boolean {
  let calls = 0;
  return () => ++calls === n;
}
