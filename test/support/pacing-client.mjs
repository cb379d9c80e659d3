/** Reads for half of the time that it is told, writes for the other half, and says how often it has. */
import { workerData } from 'node:worker_threads';
import { attachCache } from 'shardstash';

const { handle, port } = workerData;
const cache = await attachCache(handle);

port.on('message', async (ms) => {
  port.postMessage({
    reads: await count(ms / 2, (i) => cache.get(i % 10_000)),
    writes: await count(ms / 2, (i) => cache.set(i % 100, i)),
  });
});

async function count(ms, act) {
  let done = 0;
  for (const endMs = performance.now() + ms; performance.now() < endMs; ) {
    for (let i = 0; i < 50; i++) await act(done++);
  }
  return done * 2;
}
