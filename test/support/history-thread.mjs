/** A thread with a client of its own: plays its part of each history of a batch, in step with the other threads. */
import { parentPort, workerData } from 'node:worker_threads';
import { attachCache } from '../../dist/main/index.js';
import { bugs } from './faulty-caches.mjs';
import { HistoryClient } from './history-client.mjs';

const { client, clients, seed, bug, nearCache, arrivals, keys, operations, isOverTier } = workerData;
let met = 0;
let player;

parentPort.on('message', async ({ handle, first, count }) => {
  if (handle !== undefined) {
    const cache = await attachCache(handle, { nearCache });
    player = new HistoryClient(bug === undefined ? cache : bugs[bug](cache), { client, seed, isOverTier });
    parentPort.postMessage('attached');
    return;
  }
  const parts = [];
  for (let history = first; history < first + count; history++) {
    await meet();
    const names = Array.from({ length: keys }, (_, i) => `${history}:${i}`);
    parts.push(await player.play(names, operations / clients));
  }
  // A factory whose caller gave up may run until here; whatever it stores later nobody has read.
  await meet();
  parentPort.postMessage(parts);
});

/** Until all are here. Never blocks: the others may wait for a factory of this thread. */
async function meet() {
  const all = ++met * clients;
  Atomics.add(arrivals, 0, 1);
  Atomics.notify(arrivals, 0);
  for (let here = Atomics.load(arrivals, 0); here < all; here = Atomics.load(arrivals, 0)) {
    await Atomics.waitAsync(arrivals, 0, here).value;
  }
}
