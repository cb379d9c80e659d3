import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Connection, Way } from '../../src/main/connection.ts';
import { byWake } from '../../src/main/wake-connection.ts';
import { FrameWriter } from '../../src/protocol/frame.ts';
import { KeyEncoder } from '../../src/protocol/key.ts';
import { HEADER_CALLER, reserveShard, ShardMemory } from '../../src/protocol/memory.ts';
import { OP_SET } from '../../src/protocol/operations.ts';
import { AWAY, HERE, SOON, seatOf, WAKE_BYTES_MAX, WakeMemory } from '../../src/protocol/wake.ts';

const SEAT = 77;

/** A client's memory; with `prompt` there is an owner who answers as soon as somebody waits. */
class Memory extends WakeMemory {
  prompt = false;

  override waitForAnswer(): boolean {
    if (this.prompt) {
      owner.takeFrame(scratch);
      owner.giveReply(1);
      header[HEADER_CALLER] = SOON;
    }
    return super.waitForAnswer(0);
  }
}

const scratch = new Int32Array(WAKE_BYTES_MAX / 4);

/** The owner is the test: it answers when it likes. */
let port: MessagePort;
let header: Int32Array;
let owner: WakeMemory;
let memory: Memory;
let way: Way;
let connection: Connection;
let posted: Uint8Array[];

beforeEach(async () => {
  // A thread has only so many waits in a turn of its event loop.
  await new Promise((resolve) => setImmediate(resolve));
  const channel = new MessageChannel();
  port = channel.port2;
  posted = [];
  port.on('message', ({ id, argumentList }) => {
    posted.push(argumentList[0].value);
    port.postMessage({ id, type: 'RAW', value: 1 });
  });
  header = new ShardMemory(reserveShard({ bytesMax: 4_096, entriesMax: 8 })).header;
  memory = new Memory();
  owner = new WakeMemory(memory.buffer);
  way = byWake(memory, header);
  connection = way.connect(channel.port1, { lost: () => {}, leaseEnded: () => {}, told: () => {} });
  header[HEADER_CALLER] = SOON;
});

afterEach(() => {
  connection.close();
  port.close();
});

function frame(valueBytes = 8): Uint8Array {
  const key = new KeyEncoder({ low: 1, high: 2 });
  key.encode('k');
  const writer = new FrameWriter(way.pool);
  writer.add(OP_SET, key, 0, 0, Buffer.alloc(valueBytes), valueBytes);
  return writer.seal();
}

/** A round trip by the port, after which whatever was posted before has come. */
async function takeSeat(): Promise<void> {
  port.postMessage({ is: 'seat', seat: SEAT });
  await connection.send(frame(), false);
  posted = [];
  header[HEADER_CALLER] = SOON;
}

test('without a seat every frame goes by the port', async () => {
  expect(await connection.send(frame(), true)).toBe(1);
  expect(posted).toHaveLength(1);
  expect(header[HEADER_CALLER]).toBe(AWAY);
});

test('a frame by the port takes nothing else of its pool along', async () => {
  await connection.send(frame(), true);
  expect(posted[0]).toEqual(frame());
  expect(posted[0]?.buffer.byteLength).toBe(frame().length);
});

test('a frame that is alone calls the owner, and the answer comes by a message when that takes its time', async () => {
  await takeSeat();
  const reply = connection.send(frame(), true);
  expect(seatOf(header[HEADER_CALLER] as number)).toBe(SEAT);
  expect(owner.takeFrame(scratch)).toEqual(frame());
  expect(owner.giveReply(5)).toBe(false);
  port.postMessage({ is: 'reply', reply: 5 });
  expect(await reply).toBe(5);
  expect(posted).toHaveLength(0);
});

test('frames that are not alone, too long, or for an owner on its event loop go by the port', async () => {
  await takeSeat();
  await connection.send(frame(), false);
  await connection.send(frame(WAKE_BYTES_MAX), true);
  header[HEADER_CALLER] = AWAY;
  await connection.send(frame(), true);
  expect(posted).toHaveLength(3);
});

test('a frame by the port summons an owner that waits', async () => {
  await takeSeat();
  header[HEADER_CALLER] = HERE;
  await connection.send(frame(), false);
  expect(header[HEADER_CALLER]).toBe(AWAY);
});

test('a client that is answered in place gets an answer by a message now and then, so that its event loop has a turn', async () => {
  await takeSeat();
  memory.prompt = true;
  const inPlace = () => {
    let count = 0;
    while (connection.send(frame(), true) === 1) count++;
    owner.takeFrame(scratch);
    owner.giveReply(1);
    header[HEADER_CALLER] = SOON;
    return count;
  };
  const counts = [inPlace(), inPlace()];
  await new Promise((resolve) => setImmediate(resolve));
  expect([...counts, inPlace()]).toEqual([64, 0, 64]);
});

test('a thread that calls many shards waits no more often than one that calls one', async () => {
  await takeSeat();
  memory.prompt = true;
  const other = new MessageChannel();
  const events = { lost: () => {}, leaseEnded: () => {}, told: () => {} };
  const second = way.connect(other.port1, events);
  other.port2.postMessage({ is: 'seat', seat: SEAT + 1 });
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  for (let i = 0; i < 64; i++) expect(connection.send(frame(), true)).toBe(1);
  expect(second.send(frame(), true)).toBeInstanceOf(Promise);
  second.close();
  other.port2.close();
});

test('a client that has waited in vain does not wait again in that turn of its event loop', async () => {
  await takeSeat();
  connection.send(frame(), true);
  memory.prompt = true;
  header[HEADER_CALLER] = SOON;
  expect(connection.send(frame(), true)).toBeInstanceOf(Promise);
});
