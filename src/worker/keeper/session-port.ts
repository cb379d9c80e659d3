/** What a session needs of a MessagePort. */
import type { Transferable } from 'node:worker_threads';

export interface SessionPort {
  on(event: 'message', listener: (message: unknown) => void): unknown;
  on(event: 'close', listener: () => void): unknown;
  /** To a port whose other end is gone: nothing happens. */
  postMessage(message: unknown, transfer: readonly Transferable[]): void;
  close(): void;
}
