/** Listens to evictions, and is blocked for a while after each batch, unless it is awake; until it is asked what it was told. */
import { parentPort, workerData } from 'node:worker_threads';
import { attachCache } from 'shardstash';

const { handle, sleepMs, awake } = workerData;
const cache = await attachCache(handle);
let told = 0;
let dropped = 0;

cache.on('evict', (batch) => {
  told += batch.keys.length;
  dropped += batch.dropped;
  Atomics.wait(awake, 0, 0, sleepMs);
});
parentPort.on('message', async (count) => {
  while (told + dropped < count) await new Promise((resolve) => setTimeout(resolve, 5));
  parentPort.postMessage({ told, dropped });
});
parentPort.postMessage('listening');
