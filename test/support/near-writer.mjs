/**
 * A thread that writes to its half of the keys, several at once, and tells how far each has come, for whoever reads them:
 * `started` is raised before a write is called, `settled` after it was acknowledged. A version is odd where the key has a
 * value, which says so, and even where it has none. Of a write whose outcome is unknown nothing is told: the next says more.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { attachCache } from '../../dist/main/index.js';

const { handle, first, step, keys, seed, versions } = workerData;
const IN_FLIGHT = 8;
const DELETE_SHARE = 0.2;

const started = new Int32Array(versions, 0, keys);
const settled = new Int32Array(versions, keys * 4, keys);
const cache = await attachCache(handle);
const busy = new Set();
let state = seed;
let writes = 0;
let unknown = 0;
let stopped = false;

parentPort.on('message', () => {
  stopped = true;
});
for (let key = first; key < keys; key += step) await write(key);
parentPort.postMessage('written');
await Promise.all(Array.from({ length: IN_FLIGHT }, work));
parentPort.postMessage({ writes, unknown });
await cache.close();
parentPort.close();

async function work() {
  while (!stopped) {
    // Low keys more often, as the readers do.
    const key = first + step * Math.floor((random() * random() * keys) / step);
    if (busy.has(key)) {
      await new Promise((resolve) => setImmediate(resolve));
      continue;
    }
    busy.add(key);
    await write(key);
    busy.delete(key);
  }
}

async function write(key) {
  const before = Atomics.load(started, key);
  const deletes = before % 2 === 1 && random() < DELETE_SHARE;
  const version = before + (before % 2 === 1 && !deletes ? 2 : 1);
  Atomics.store(started, key, version);
  writes++;
  try {
    if (deletes) await cache.delete(`key ${key}`);
    else await cache.set(`key ${key}`, { key, version, list: [version, { version }] });
    Atomics.store(settled, key, version);
  } catch (error) {
    if (error.code !== 'SHARD_DOWN') throw error;
    unknown++;
  }
}

function random() {
  state = (state + 0x6d2b79f5) | 0;
  let z = state;
  z = Math.imul(z ^ (z >>> 15), z | 1);
  z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
  return ((z ^ (z >>> 14)) >>> 0) / 0x1_0000_0000;
}
