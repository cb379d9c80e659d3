/**
 * A MessagePort as Comlink wants to see one. Our own twenty lines, because Comlink's adapter for Node carries no types
 * and does not load under `nodenext`, and because a shard must not hear anything but `call(frame)`: a plain Comlink
 * endpoint lets whoever holds the port walk and call every property in reach.
 */
import type { MessagePort, TransferListItem } from 'node:worker_threads';

/** The one function a shard exposes. A number back means that all of that many records went well. */
export type Call = (frame: Uint8Array) => number | Uint8Array;

type Listener = ((event: { data: unknown }) => void) | { handleEvent(event: { data: unknown }): void };

export interface ComlinkEndpoint {
  postMessage(message: unknown, transfer?: unknown[]): void;
  addEventListener(type: string, listener: Listener): void;
  removeEventListener(type: string, listener: Listener): void;
  /**
   * Closes the port and lets go of all listeners. Comlink's registry of finalizers holds every endpoint until its proxy is
   * collected; one that still knew its listeners would keep alive who keeps the proxy, for ever.
   */
  close(): void;
}

const NOTHING = (): undefined => undefined;

/** `admits` sees every message first; what it returns is what Comlink hears, `undefined` is nothing. */
export function endpointOf(port: MessagePort, admits: (message: unknown) => unknown = (m) => m): ComlinkEndpoint {
  let admit = admits;
  const attached = new Map<Listener, (message: unknown) => void>();
  return {
    postMessage: (message, transfer) => port.postMessage(message, transfer as TransferListItem[]),
    addEventListener(_type, listener) {
      const hear = typeof listener === 'function' ? listener : listener.handleEvent.bind(listener);
      const onMessage = (message: unknown) => {
        const data = admit(message);
        if (data !== undefined) {
          hear({ data });
        }
      };
      attached.set(listener, onMessage);
      port.on('message', onMessage);
    },
    removeEventListener(_type, listener) {
      const onMessage = attached.get(listener);
      if (onMessage !== undefined) {
        attached.delete(listener);
        port.off('message', onMessage);
      }
    },
    close() {
      for (const onMessage of attached.values()) {
        port.off('message', onMessage);
      }
      attached.clear();
      admit = NOTHING;
      port.close();
    },
  };
}
