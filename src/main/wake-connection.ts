/**
 * A way to the owner of a shard that needs no message where the owner waits to be called: see protocol/wake.ts. The caller
 * waits in place, since it has its answer sooner than it could turn to something else and back: 5 us. It does so for a
 * moment, and only so many times before its event loop has a turn; from then on the answer comes by a message.
 *
 * Frames that are long, that others are out before, or that come while the owner is on its event loop go by the port.
 */
import type { MessagePort } from 'node:worker_threads';
import { FramePool } from '../protocol/frame-pool.ts';
import { summon, WAKE_BYTES_MAX, type WakeMemory, type WakeMessage } from '../protocol/wake.ts';
import { type Connection, type ConnectionEvents, PortConnection, type Way } from './connection.ts';

/** So long the thread waits at most. Mostly 5 us; for less than this a system may have to set a timer (worker/linger.ts). */
const WAIT_MS = 5;
/** So often it waits in one turn of its event loop: 0.3 ms. */
const WAITS_MAX = 64;
/** Until the owner has given one. */
const NO_SEAT = 0;

/** Waits of this thread in this turn: for all shards together, as it is one event loop that they keep from its turn. */
let waits = 0;

function beginTurn(): void {
  waits = 0;
}

/** The way of a client to the shard whose header this is. */
export function byWake(memory: WakeMemory, header: Int32Array): Way {
  return {
    pool: new FramePool(),
    connect: (port, events) => new WakeConnection(port, events, memory, header),
  };
}

class WakeConnection implements Connection {
  readonly #port: PortConnection;
  readonly #memory: WakeMemory;
  readonly #header: Int32Array;
  #seat = NO_SEAT;
  #replied: (reply: number | Uint8Array) => void = () => {};

  constructor(port: MessagePort, events: ConnectionEvents, memory: WakeMemory, header: Int32Array) {
    this.#port = new PortConnection(port, { ...events, heardOfWake: (message) => this.#hear(message) });
    this.#memory = memory;
    this.#header = header;
  }

  send(frame: Uint8Array, isAlone: boolean): Promise<unknown> | number | Uint8Array {
    if (isAlone && this.#calls(frame)) {
      return this.#answer();
    }
    // Of a part of the pool a message would take all.
    const reply = this.#port.send(frame.length === frame.buffer.byteLength ? frame : frame.slice());
    summon(this.#header);
    return reply;
  }

  hold(holds: boolean): void {
    this.#port.hold(holds);
  }

  close(): void {
    this.#port.close();
  }

  #calls(frame: Uint8Array): boolean {
    const seat = this.#seat;
    return seat !== NO_SEAT && frame.length <= WAKE_BYTES_MAX && this.#memory.call(this.#header, seat, frame);
  }

  #answer(): Promise<unknown> | number | Uint8Array {
    const reply = this.#isAnswered() ? this.#memory.takeReply() : undefined;
    return (
      reply ??
      new Promise((resolve) => {
        this.#replied = resolve;
      })
    );
  }

  #isAnswered(): boolean {
    if (waits < WAITS_MAX) {
      if (waits++ === 0) setImmediate(beginTurn);
      if (this.#memory.waitForAnswer(WAIT_MS)) {
        return true;
      }
      // The machine is busy: what is left of the turn is for others.
      waits = WAITS_MAX;
    }
    return !this.#memory.fallAsleep();
  }

  #hear(message: WakeMessage): void {
    if (message.is === 'seat') this.#seat = message.seat;
    else this.#replied(message.reply);
  }
}
