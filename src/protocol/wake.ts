/**
 * How a client of a cache with `lane: 'wake'` calls a shard without a message: through memory of its own, while the owner
 * waits for whoever comes. A thread that waits in shared memory is woken in 4-5 us; the shortest way there and back by
 * messages takes 9. But it runs neither timers nor ports, so an owner waits only for a moment after calls that came fast,
 * and whoever posts a message to it summons it to its event loop.
 *
 * Where the owner is, and who calls, is one word of the shard, HEADER_CALLER:
 *
 *     AWAY   on its event loop: calls are to come by the port
 *     SOON   on its event loop, and it will look here before it sleeps
 *     HERE   waits on this word
 *     seat   number of the client that calls, and perhaps SUMMONED: somebody has posted a message meanwhile
 *
 *              a small frame by the port, soon after another              a turn of the event loop
 *        AWAY ------------------------------------------> SOON -----------------------------------> HERE
 *          ^                                                |                                       | ^ |
 *          |                                                +------------> seat <-------------------+ | |
 *          |                                                               | answered, and HERE again | |
 *          |                                                               +--------------------------+ |
 *          +------------------------------ nobody came, or a message was posted -------------------------+
 *
 * Only clients put a seat there, only in the place of SOON or HERE, and only one at a time: so there is one caller, and the
 * owner answers it before anything else that it does. A seat belongs to one connection, is told by a message over it, and is never
 * given again, by whatever owner: a client that has not heard yet that its owner died calls with a seat that the next one
 * does not know. It is not answered, and hears of the death by its port.
 *
 * What they hand each other lies in the client's memory:
 *
 *     word 0      1         2        3                8                       4104
 *       +--------+---------+--------+--------+- - - -+-----------------------+-----------------------+
 *       | state  | request | reply  | reply  |       | request               | reply                 |
 *       |        | bytes   | bytes  | number |       |                       |                       |
 *       +--------+---------+--------+--------+- - - -+-----------------------+-----------------------+
 *        both     client    owner    owner            client                  owner
 *
 *     state = 4 * number of the call + CALLING    the client waits on this word
 *                                      ASLEEP     it has waited for long enough, and is to be told by a message
 *                                      ANSWERED   the reply is there; or comes by a message, as `reply bytes` says
 *
 * Both sides copy what the other one wrote before they look at it: what has been checked cannot be changed any more.
 */

import { HEADER_CALLER, HEADER_SEATS, wordsFor } from './memory.ts';

export const AWAY = 0;
export const SOON = 1;
export const HERE = 2;
/** Seats are numbers above those of the places. */
const FIRST_SEAT = 4;
const SUMMONED = 1 << 30;

/** A longer frame goes by the port, and so does a longer reply: it takes so long anyway that nobody should wait for it. */
export const WAKE_BYTES_MAX = 16 * 1024;

const STATE = 0;
const REQUEST_BYTES = 1;
const REPLY_BYTES = 2;
const REPLY_NUMBER = 3;
const REQUEST_AT_WORD = 8;
const REQUEST_AT = REQUEST_AT_WORD * 4;
const REPLY_AT = REQUEST_AT + WAKE_BYTES_MAX;
const CALLING = 1;
const ASLEEP = 2;
const ANSWERED = 3;
const STATE_MASK = 3;
const STATES = 4;
/** In the place of a reply's length. */
const IS_NUMBER = -1;
const IS_POSTED = -2;

const NOTHING = new Uint8Array(0);

/** What an owner says over a client's port beside answers to what has come by it. */
export type WakeMessage =
  | { readonly is: 'seat'; readonly seat: number }
  /** To a client that sleeps, or where the memory has no room for it. */
  | { readonly is: 'reply'; readonly reply: number | Uint8Array };

/** Tells such a message from those of Comlink. */
export function isWakeMessage(message: unknown): message is WakeMessage {
  return typeof message === 'object' && message !== null && 'is' in message;
}

/** The owner's side: whether this word of the shard is a client's, and not a place of the owner's. */
export function isCaller(word: number): boolean {
  return word >= FIRST_SEAT;
}

/** The owner's side: the seat of a caller, whether or not the owner has been summoned meanwhile. */
export function seatOf(caller: number): number {
  return caller & ~SUMMONED;
}

/** The owner's side: a seat that nobody has had. */
export function nextSeat(header: Int32Array): number {
  return FIRST_SEAT + Atomics.add(header, HEADER_SEATS, 1);
}

/**
 * A client's side: the owner is to look at its messages. Where it is to wait soon it does not: it may have looked at them
 * for the last time before that.
 */
export function summon(header: Int32Array): void {
  let word = Atomics.load(header, HEADER_CALLER);
  while (word !== AWAY && !isSummoned(word)) {
    const found = Atomics.compareExchange(header, HEADER_CALLER, word, isCaller(word) ? word | SUMMONED : AWAY);
    if (found === word) {
      if (word === HERE) Atomics.notify(header, HEADER_CALLER);
      return;
    }
    word = found;
  }
}

/** Whether somebody has posted a message while this caller was not answered yet. */
function isSummoned(caller: number): boolean {
  return (caller & SUMMONED) !== 0;
}

/** What one client and one shard hand each other. Each side has views of its own over the same buffer. */
export class WakeMemory {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  /** The state of the present call, as its side knows it: CALLING, with its number. */
  #call = 0;

  constructor(buffer = new SharedArrayBuffer(REPLY_AT + WAKE_BYTES_MAX)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
  }

  /** The client's side: puts the frame there and calls from its seat. False when the owner is not there to be called. */
  call(header: Int32Array, seat: number, frame: Uint8Array): boolean {
    const place = Atomics.load(header, HEADER_CALLER);
    const words = this.#words;
    if (place !== HERE && place !== SOON) {
      return false;
    }
    this.#bytes.set(frame, REQUEST_AT);
    words[REQUEST_BYTES] = frame.length;
    this.#call = ((Atomics.load(words, STATE) & ~STATE_MASK) + STATES + CALLING) | 0;
    Atomics.store(words, STATE, this.#call);
    if (Atomics.compareExchange(header, HEADER_CALLER, place, seat) !== place) {
      return false;
    }
    if (place === HERE) Atomics.notify(header, HEADER_CALLER);
    return true;
  }

  /** The client's side: waits in place. False when there is no answer after so many milliseconds. */
  waitForAnswer(ms: number): boolean {
    Atomics.wait(this.#words, STATE, this.#call, ms);
    return Atomics.load(this.#words, STATE) !== this.#call;
  }

  /** The client's side: it is to be told by a message. False when the answer has come before that. */
  fallAsleep(): boolean {
    const call = this.#call;
    return Atomics.compareExchange(this.#words, STATE, call, call - CALLING + ASLEEP) === call;
  }

  /** The client's side: a copy of the answer; undefined when it comes by a message. */
  takeReply(): number | Uint8Array | undefined {
    const byteLength = this.#words[REPLY_BYTES] as number;
    if (byteLength === IS_POSTED) {
      return undefined;
    }
    if (byteLength === IS_NUMBER) {
      return this.#words[REPLY_NUMBER] as number;
    }
    return isLength(byteLength) ? this.#bytes.slice(REPLY_AT, REPLY_AT + byteLength) : NOTHING;
  }

  /**
   * The owner's side: a copy, in `into`, of the frame of a client that calls; of nonsense, an empty one. Undefined when it
   * does not call.
   */
  takeFrame(into: Int32Array): Uint8Array | undefined {
    const state = Atomics.load(this.#words, STATE);
    const kind = state & STATE_MASK;
    if (kind !== CALLING && kind !== ASLEEP) {
      return undefined;
    }
    this.#call = state - kind + CALLING;
    const byteLength = this.#words[REQUEST_BYTES] as number;
    if (!isLength(byteLength)) {
      return NOTHING;
    }
    const words = this.#words;
    const count = wordsFor(byteLength);
    for (let i = 0; i < count; i++) {
      into[i] = words[REQUEST_AT_WORD + i] as number;
    }
    return new Uint8Array(into.buffer, 0, byteLength);
  }

  /** The owner's side: answers the call whose frame was taken. False when the reply is to go by a message. */
  giveReply(reply: number | Uint8Array): boolean {
    const words = this.#words;
    const fits = typeof reply === 'number' || reply.length <= WAKE_BYTES_MAX;
    if (typeof reply === 'number') {
      words[REPLY_NUMBER] = reply;
      words[REPLY_BYTES] = IS_NUMBER;
    } else if (fits) {
      this.#bytes.set(reply, REPLY_AT);
      words[REPLY_BYTES] = reply.length;
    } else {
      words[REPLY_BYTES] = IS_POSTED;
    }
    return this.#answered() && fits;
  }

  /** The owner's side: the reply to the call whose frame was taken will come by a message, later. */
  promiseReply(): void {
    this.#words[REPLY_BYTES] = IS_POSTED;
    this.#answered();
  }

  /** False when the client sleeps. */
  #answered(): boolean {
    const words = this.#words;
    const call = this.#call;
    const isAwake = Atomics.compareExchange(words, STATE, call, call - CALLING + ANSWERED) === call;
    if (isAwake) Atomics.notify(words, STATE);
    return isAwake;
  }
}

/** Whoever wrote it may be dying, or worse. */
function isLength(byteLength: number): boolean {
  return byteLength >= 0 && byteLength <= WAKE_BYTES_MAX;
}
