/**
 * A way to the owner of a shard, for as long as both ends live: by messages over a port, unless told otherwise. Comlink never settles a call whose other side has died, so
 * whoever sends here must keep account of what is out, and is told once when nothing more will come.
 */
import type { MessagePort } from 'node:worker_threads';
import { type Endpoint, wrap } from 'comlink';
import { type ComlinkEndpoint, endpointOf } from '../protocol/endpoint.ts';
import { isEventMessage } from '../protocol/events.ts';
import type { FramePool } from '../protocol/frame-pool.ts';
import { isLeaseEnd, type LeaseEnd } from '../protocol/lease-end.ts';
import { isWakeMessage, type WakeMessage } from '../protocol/wake.ts';

export interface Connection {
  /**
   * The owner's reply, where it is there already, or a promise of it, which rejects when the owner failed over the frame and
   * settles never when the connection is lost. `isAlone`: nothing else of this lane is out.
   */
  send(frame: Uint8Array, isAlone: boolean): Promise<unknown> | number | Uint8Array;
  /** Whether the process is to wait for what is out. */
  hold(holds: boolean): void;
  close(): void;
}

/** How a lane makes connections of ports. */
export interface Way {
  /** Where short frames are written to, if they need no buffer of their own. */
  readonly pool?: FramePool;
  connect(port: MessagePort, events: ConnectionEvents): Connection;
}

export interface ConnectionEvents {
  /** The other end is gone, or speaks nonsense. Not after `close`. */
  lost(how: string, cause: unknown): void;
  /** A computation that somebody here waits for has ended. */
  leaseEnded(end: LeaseEnd): void;
  /** Entries have left: see protocol/events.ts. */
  told(batch: Uint8Array): void;
  /** The owner has said what only the lane 'wake' has use for. */
  heardOfWake?(message: WakeMessage): void;
}

export class PortConnection implements Connection {
  readonly #port: MessagePort;
  readonly #endpoint: ComlinkEndpoint;
  readonly #events: ConnectionEvents;
  /** Comlink's proxy of the shard's one function, in a field: one that is collected drops the replies it waits for. */
  readonly #send: (frame: Uint8Array) => Promise<unknown>;

  constructor(port: MessagePort, events: ConnectionEvents) {
    this.#port = port;
    this.#events = events;
    this.#endpoint = endpointOf(port, (message) => this.#admit(message));
    this.#send = wrap<{ call(frame: Uint8Array): unknown }>(this.#endpoint as Endpoint).call;
    port.on('messageerror', this.#onUnreadable);
    port.on('close', this.#onClose);
    port.unref();
  }

  send(frame: Uint8Array): Promise<unknown> {
    return this.#send(frame);
  }

  hold(holds: boolean): void {
    if (holds) {
      this.#port.ref();
    } else {
      this.#port.unref();
    }
  }

  close(): void {
    this.#port.off('messageerror', this.#onUnreadable);
    this.#port.off('close', this.#onClose);
    this.#endpoint.close();
  }

  /** What is for Comlink goes there. */
  #admit(message: unknown): unknown {
    if (isLeaseEnd(message)) {
      this.#events.leaseEnded(message);
      return undefined;
    }
    if (isEventMessage(message)) {
      this.#events.told(message.events);
      return undefined;
    }
    if (isWakeMessage(message)) {
      this.#events.heardOfWake?.(message);
      return undefined;
    }
    return message;
  }

  readonly #onClose = (): void => {
    this.#events.lost('ended', undefined);
  };

  readonly #onUnreadable = (cause: unknown): void => {
    this.#events.lost('sent a message that cannot be read', cause);
  };
}

/** Every frame is a message. */
export const byPort: Way = { connect: (port, events) => new PortConnection(port, events) };
