/** Listens to evictions, and is blocked for a while after each batch, until it is asked what it has heard of so many. */
import { parentPort, workerData } from 'node:worker_threads';
import { attachCache } from 'shardstash';

const { handle, sleepMs } = workerData;
const nobody = new Int32Array(new SharedArrayBuffer(4));
const cache = await attachCache(handle);
let asleepMs = sleepMs;
let told = 0;
let dropped = 0;

cache.on('evict', (batch) => {
  told += batch.keys.length;
  dropped += batch.dropped;
  if (asleepMs > 0) Atomics.wait(nobody, 0, 0, asleepMs);
});
parentPort.on('message', async (count) => {
  asleepMs = 0;
  while (told + dropped < count) await new Promise((resolve) => setTimeout(resolve, 5));
  parentPort.postMessage({ told, dropped });
});
parentPort.postMessage('listening');
