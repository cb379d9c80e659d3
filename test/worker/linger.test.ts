import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { afterEach, expect, test, vi } from 'vitest';
import { HEADER_CALLER, reserveShard, ShardMemory } from '../../src/protocol/memory.ts';
import { AWAY, HERE, SOON, summon, WAKE_BYTES_MAX, WakeMemory, type WakeMessage } from '../../src/protocol/wake.ts';
import { Linger } from '../../src/worker/linger.ts';

const FRAME = Uint8Array.of(1, 2, 3, 4, 5);

/** An owner and one client of it in one thread: the owner has its turn when the event loop does. */
class Pair {
  readonly header = new ShardMemory(reserveShard({ bytesMax: 4_096, entriesMax: 8 })).header;
  readonly linger: Linger;
  readonly client = new WakeMemory();
  readonly port: MessagePort;
  readonly seat: number;
  /** What the owner was asked, as it was when it answered. */
  readonly asked: number[][] = [];
  reply: number | Uint8Array = 1;
  whileAsked = (): void => {};
  readonly #far: MessagePort;

  constructor() {
    this.linger = new Linger({ header: this.header } as ShardMemory);
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    this.#far = port2;
    this.linger.admit(new WakeMemory(this.client.buffer), this.answer, port2);
    this.seat = (this.heard() as { seat: number }).seat;
  }

  readonly answer = (frame: unknown): number | Uint8Array => {
    expect((frame as Uint8Array).buffer).toBeInstanceOf(ArrayBuffer);
    this.asked.push([...(frame as Uint8Array)]);
    this.whileAsked();
    return this.reply;
  };

  get place(): number {
    return this.header[HEADER_CALLER] as number;
  }

  heard(): WakeMessage | undefined {
    return (receiveMessageOnPort(this.port) as { message: WakeMessage } | undefined)?.message;
  }

  call(frame = FRAME, seat = this.seat): boolean {
    return this.client.call(this.header, seat, frame);
  }

  /** Frames by the port, until the owner expects more. */
  hurry(): void {
    while (this.place !== SOON) this.linger.answer(FRAME, () => 1);
  }

  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  end(): void {
    this.port.close();
    this.#far.close();
  }
}

let pair = new Pair();
afterEach(() => {
  pair.end();
  pair = new Pair();
});

test('one frame alone keeps nobody waiting', () => {
  pair.linger.answer(FRAME, () => 1);
  expect(pair.place).toBe(AWAY);
  expect(pair.call()).toBe(false);
});

test('frames that are long, or none, keep nobody waiting', () => {
  for (const frame of [new Uint8Array(WAKE_BYTES_MAX + 1), undefined, 'frame']) {
    for (let i = 0; i < 100; i++) pair.linger.answer(frame, () => 1);
    expect(pair.place).toBe(AWAY);
  }
});

test('a call is answered without a message when frames came fast', async () => {
  pair.hurry();
  expect(pair.call()).toBe(true);
  await pair.turn();
  expect(pair.client.waitForAnswer(0)).toBe(true);
  expect(pair.client.takeReply()).toBe(1);
  expect(pair.asked).toEqual([[...FRAME]]);
  expect(pair.heard()).toBeUndefined();
});

test('an answer of bytes is a copy', async () => {
  pair.hurry();
  pair.reply = Uint8Array.of(7, 8, 9);
  pair.call();
  await pair.turn();
  const reply = pair.client.takeReply() as Uint8Array;
  new Uint8Array(pair.client.buffer).fill(0);
  expect([...reply]).toEqual([7, 8, 9]);
  expect(reply.buffer).toBeInstanceOf(ArrayBuffer);
});

test('an answer for which there is no room comes by a message', async () => {
  pair.hurry();
  pair.reply = new Uint8Array(WAKE_BYTES_MAX + 1);
  pair.call();
  await pair.turn();
  expect(pair.client.waitForAnswer(0)).toBe(true);
  expect(pair.client.takeReply()).toBeUndefined();
  expect(pair.heard()).toEqual({ is: 'reply', reply: pair.reply });
});

test('a client that sleeps hears the answer by a message, once', async () => {
  pair.hurry();
  pair.call();
  expect(pair.client.waitForAnswer(0)).toBe(false);
  expect(pair.client.fallAsleep()).toBe(true);
  await pair.turn();
  expect(pair.heard()).toEqual({ is: 'reply', reply: 1 });
  expect(pair.heard()).toBeUndefined();
});

test('a client that has its answer does not fall asleep', async () => {
  pair.hurry();
  pair.call();
  await pair.turn();
  expect(pair.client.fallAsleep()).toBe(false);
});

test('an owner that nobody calls goes back to its event loop, and is not called there', async () => {
  pair.hurry();
  await pair.turn();
  expect(pair.place).toBe(AWAY);
  expect(pair.call()).toBe(false);
  await pair.turn();
  expect(pair.asked).toEqual([]);
});

test('who calls is answered before a frame that has come by a port', () => {
  pair.hurry();
  pair.call();
  pair.linger.answer(Uint8Array.of(9), pair.answer);
  expect(pair.asked).toEqual([[...FRAME], [9]]);
});

test('an owner whose reply waits for the tier goes to its event loop, and answers who has called before that', async () => {
  const late = () => new Promise<number>(() => {});
  pair.hurry();
  expect(pair.call()).toBe(true);
  // The call is answered first, and then nobody is waited for.
  pair.linger.answer(FRAME, late);
  expect(pair.client.waitForAnswer(0)).toBe(true);
  await pair.turn();
  expect(pair.place).toBe(AWAY);
  for (let i = 0; i < 100; i++) pair.linger.answer(FRAME, () => 1);
  expect(pair.place).toBe(AWAY);
});

test('a call that comes while a reply waits for the tier is answered', async () => {
  pair.hurry();
  pair.linger.answer(FRAME, () => new Promise<number>(() => {}));
  expect(pair.place).toBe(SOON);
  expect(pair.call()).toBe(true);
  await pair.turn();
  expect([pair.client.waitForAnswer(0), pair.client.takeReply(), pair.place]).toEqual([true, 1, AWAY]);
});

test('an owner that has been summoned answers who called, and goes to its event loop', async () => {
  const wait = vi.spyOn(Atomics, 'wait');
  for (const summons of [() => {}, () => summon(pair.header)]) {
    pair.hurry();
    pair.call();
    pair.whileAsked = summons;
    wait.mockClear();
    await pair.turn();
    expect(pair.place).toBe(AWAY);
  }
  // The second time it did not wait for another call.
  expect(wait.mock.results.map(({ value }) => value)).not.toContain('timed-out');
  wait.mockRestore();
  expect(pair.asked).toHaveLength(2);
});

test('an owner whose calls come slowly has a turn of its event loop all the same', async () => {
  const now = vi.spyOn(performance, 'now');
  let nowMs = 1_000;
  now.mockImplementation(() => nowMs);
  const wait = vi.spyOn(Atomics, 'wait').mockImplementation(() => {
    nowMs += 4;
    pair.call();
    return 'ok';
  });
  pair.hurry();
  await pair.turn();
  wait.mockRestore();
  now.mockRestore();
  expect(pair.asked).toHaveLength(2);
  expect(pair.place).toBe(SOON);
});

test('an owner that waits, or is to wait soon, is summoned; one that is on its event loop need not be', () => {
  for (const [before, after] of [
    [HERE, AWAY],
    [SOON, AWAY],
    [AWAY, AWAY],
  ] as const) {
    pair.header[HEADER_CALLER] = before;
    summon(pair.header);
    expect(pair.place).toBe(after);
  }
});

test('a seat that is unknown, or was given back, is not answered, and the next caller is', async () => {
  pair.hurry();
  pair.call(FRAME, pair.seat + 1);
  await pair.turn();
  pair.linger.dismiss(pair.seat);
  pair.hurry();
  pair.call();
  await pair.turn();
  expect(pair.asked).toEqual([]);
  pair.linger.admit(new WakeMemory(pair.client.buffer), pair.answer, pair.port);
  pair.hurry();
  pair.call(FRAME, pair.seat + 1);
  await pair.turn();
  expect(pair.asked).toHaveLength(1);
});

test('a caller that has nothing to ask, or asks for nonsense, harms nobody', async () => {
  pair.hurry();
  pair.header[HEADER_CALLER] = pair.seat;
  await pair.turn();
  expect(pair.asked).toEqual([]);
  for (const length of [-1, WAKE_BYTES_MAX + 1, 2 ** 31 - 1]) {
    pair.hurry();
    pair.call();
    new Int32Array(pair.client.buffer)[1] = length;
    await pair.turn();
    expect(pair.asked.pop()).toEqual([]);
  }
});

test('the next owner believes nothing that the last one left, and gives no seat again', () => {
  pair.header[HEADER_CALLER] = pair.seat;
  const next = new Linger({ header: pair.header } as ShardMemory);
  expect(pair.place).toBe(AWAY);
  expect(next.admit(pair.client, pair.answer, pair.port)).not.toBe(pair.seat);
});
