/**
 * Lets the owner of a shard wait for its clients in shared memory, as protocol/wake.ts describes: after frames that came
 * fast it lingers for a moment, and answers whoever calls, before it goes back to its event loop.
 *
 * What the event loop does comes later for that by the time that CALLS_MAX calls take, or by STAY_MS and one more WAIT_MS
 * where calls are few; messages of clients mostly sooner. An owner that nobody calls lingers once, and then sleeps on its
 * event loop as any other; and while a reply waits for the tier nobody lingers, since what the tier says comes to the event loop.
 */
import type { MessagePort } from 'node:worker_threads';
import { HEADER_CALLER, type ShardMemory } from '../protocol/memory.ts';
import {
  AWAY,
  HERE,
  isCaller,
  nextSeat,
  SOON,
  seatOf,
  WAKE_BYTES_MAX,
  type WakeMemory,
  type WakeMessage,
} from '../protocol/wake.ts';

/** Calls that come faster than this make it worth waiting for the next. */
const CLOSE_MS = 1;
/** So many calls are answered before the event loop has a turn, which costs as much as two of them: about 1 ms. */
const CALLS_MAX = 128;
/** Nor is any waited for after this: calls may come so slowly that as many as those take a second. */
const STAY_MS = 5;
/**
 * So long it waits for a call. Not less: a system that wakes 250 times a second has to set a timer for any wait that ends
 * before its next beat, and in a virtual machine that alone took 15 us, three times what the call takes.
 */
const WAIT_MS = 5;

/** A promise where the reply has to wait for a tier. */
export type Answer = (frame: unknown) => number | Uint8Array | Promise<number | Uint8Array>;

interface Client {
  readonly memory: WakeMemory;
  readonly answer: Answer;
  readonly port: MessagePort;
}

export class Linger {
  readonly #header: Int32Array;
  readonly #clients = new Map<number, Client>();
  /** Where the frame lies that is being answered. One for all: 0.3 us less than a buffer for each. */
  readonly #scratch = new Int32Array(WAKE_BYTES_MAX / 4);
  #calledMs = Number.NEGATIVE_INFINITY;
  /** Whether `#stay` runs in the next turn of the event loop. */
  #isDue = false;
  /** Replies that are not there yet. */
  #late = 0;

  constructor({ header }: ShardMemory) {
    this.#header = header;
    // Whatever the owner before this one has left there.
    Atomics.store(header, HEADER_CALLER, AWAY);
  }

  /** Gives a client a seat, and says which, also to the client. `answer` answers its frames, and `port` leads to it. */
  admit(memory: WakeMemory, answer: Answer, port: MessagePort): number {
    const seat = nextSeat(this.#header);
    this.#clients.set(seat, { memory, answer, port });
    tell(port, { is: 'seat', seat });
    return seat;
  }

  dismiss(seat: number): void {
    this.#clients.delete(seat);
  }

  /** Answers a frame that has come by the port of a client that may call. */
  answer(frame: unknown, answer: Answer): ReturnType<Answer> {
    // A client that calls waits in place, and a frame by a port may take long.
    const caller = Atomics.load(this.#header, HEADER_CALLER);
    if (isCaller(caller)) {
      this.#serve(caller, this.#isDue ? SOON : AWAY);
    }
    const reply = this.#noted(answer(frame));
    const nowMs = performance.now();
    if (nowMs - this.#calledMs < CLOSE_MS && frame instanceof Uint8Array && frame.length <= WAKE_BYTES_MAX) {
      this.#stayNext();
    }
    this.#calledMs = nowMs;
    return reply;
  }

  /** Answers whoever calls, until nobody does. */
  readonly #stay = (): void => {
    this.#isDue = false;
    const header = this.#header;
    if (this.#late > 0) {
      const caller = Atomics.compareExchange(header, HEADER_CALLER, SOON, AWAY);
      if (isCaller(caller)) this.#serve(caller, AWAY);
      return;
    }
    Atomics.compareExchange(header, HEADER_CALLER, SOON, HERE);
    const untilMs = performance.now() + STAY_MS;
    for (let calls = 1, isLast = false; !isLast; calls++) {
      Atomics.wait(header, HEADER_CALLER, HERE, WAIT_MS);
      const caller = Atomics.compareExchange(header, HEADER_CALLER, HERE, AWAY);
      if (!isCaller(caller)) {
        // Nobody came, or somebody has summoned it.
        return;
      }
      isLast = calls === CALLS_MAX || performance.now() >= untilMs;
      this.#serve(caller, isLast ? SOON : HERE);
      if (this.#late > 0) {
        return;
      }
    }
    this.#stayNext();
  };

  /**
   * The client calls the next time as soon as it has its answer, so it has to find the owner at `place` by then. Who was
   * summoned before it took the call goes there all the same: were it to go to its event loop, two clients that call at
   * once would send half of their calls by the port. The message waits no longer than `#stay` does.
   */
  #serve(caller: number, place: number): void {
    const client = this.#clients.get(seatOf(caller));
    const frame = client?.memory.takeFrame(this.#scratch);
    const reply = frame === undefined ? undefined : client && this.#noted(client.answer(frame));
    if (Atomics.compareExchange(this.#header, HEADER_CALLER, caller, this.#late > 0 ? AWAY : place) !== caller) {
      // Summoned meanwhile.
      Atomics.store(this.#header, HEADER_CALLER, AWAY);
    }
    if (client === undefined || reply === undefined) {
      return;
    }
    if (reply instanceof Promise) {
      client.memory.promiseReply();
      void reply.then((late) => tell(client.port, { is: 'reply', reply: late }));
    } else if (!client.memory.giveReply(reply)) {
      tell(client.port, { is: 'reply', reply });
    }
  }

  #noted(reply: ReturnType<Answer>): ReturnType<Answer> {
    if (reply instanceof Promise) {
      this.#late++;
      const come = () => void this.#late--;
      reply.then(come, come);
    }
    return reply;
  }

  #stayNext(): void {
    if (this.#late > 0) {
      return;
    }
    if (!this.#isDue) {
      this.#isDue = true;
      setImmediate(this.#stay);
    }
    // Not where somebody calls already.
    Atomics.compareExchange(this.#header, HEADER_CALLER, AWAY, SOON);
  }
}

function tell(port: MessagePort, message: WakeMessage): void {
  port.postMessage(message);
}
