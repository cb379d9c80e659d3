/**
 * A port to the owner of a shard, for as long as both ends live. Comlink never settles a call whose other side has died, so
 * whoever sends here must keep account of what is out, and is told once when nothing more will come.
 */
import type { MessagePort } from 'node:worker_threads';
import { type Endpoint, wrap } from 'comlink';
import { type ComlinkEndpoint, endpointOf } from '../protocol/endpoint.ts';
import { isEventMessage } from '../protocol/events.ts';
import { isLeaseEnd, type LeaseEnd } from '../protocol/lease-end.ts';

export interface ConnectionEvents {
  /** The other end is gone, or speaks nonsense. Not after `close`. */
  lost(how: string, cause: unknown): void;
  /** A computation that somebody here waits for has ended. */
  leaseEnded(end: LeaseEnd): void;
  /** Entries have left: see protocol/events.ts. */
  told(batch: Uint8Array): void;
}

export class Connection {
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

  /** The owner's reply. Rejects when it failed over the frame; settles never when the connection is lost. */
  send(frame: Uint8Array): Promise<unknown> {
    return this.#send(frame);
  }

  /** Whether the process is to wait for what is out. */
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
    return message;
  }

  readonly #onClose = (): void => {
    this.#events.lost('ended', undefined);
  };

  readonly #onUnreadable = (cause: unknown): void => {
    this.#events.lost('sent a message that cannot be read', cause);
  };
}
