/** FIFO, until an entry leaves whose key says in which of the ways in which threads end its thread is to end. */
import { parentPort } from 'node:worker_threads';

/** The ports of the clients, the youngest last. */
const ports = [];
parentPort.on('message', ({ connect }) => ports.push(connect));

const WAYS = {
  throw: () =>
    setImmediate(() => {
      throw new Error('thrown by a policy');
    }),
  reject: () => void Promise.reject(new Error('rejected by a policy')),
  exit: () => process.exit(3),
  'exit 0': () => process.exit(0),
  stall: () => {
    for (;;);
  },
  pause: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400),
  'close a port': () => ports.pop()?.close(),
  /** The shard itself fails, in the middle of a change, and after a while: so there are messages that wait. */
  break: () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    const { store } = Atomics;
    Atomics.store = () => {
      Atomics.store = store;
      throw new Error('broken by a policy');
    };
  },
  wait: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
};

export default function createHostile({ keyOf }) {
  const order = new Set();
  return {
    hits: 'none',
    add(slot) {
      order.add(slot);
      return true;
    },
    hit() {},
    update(slot, previous) {
      order.delete(previous);
      order.add(slot);
    },
    remove(slot) {
      const key = keyOf(slot);
      if (typeof key === 'string' && key.startsWith('!')) WAYS[key.slice(1).split(':')[0]]();
      order.delete(slot);
    },
    clear: () => order.clear(),
    victim: () => order.values().next().value ?? -1,
  };
}
