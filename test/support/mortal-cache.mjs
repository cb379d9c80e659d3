/**
 * A process with caches over tiers: `node mortal-cache.mjs FOLDER CACHES WRITES`, where CACHES is JSON, a list of `{ name, tier }`. Each
 * cache goes through the known sequence of mortal-store.mjs, and every write that was acknowledged is noted with its time in
 * FOLDER/NAME.acks, by a call that survives a kill. After WRITES writes it closes its caches, and ends.
 */
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openCache } from '../../dist/main/index.js';
import { writeNumber } from './mortal-store.mjs';

const parent = process.ppid;
const [folder, list, writes] = process.argv.slice(2);

async function write({ name, cache }) {
  const acks = openSync(join(folder, `${name}.acks`), 'a');
  for (let i = 1; i <= Number(writes) && process.ppid === parent; i++) {
    const { key, value } = writeNumber(i);
    await (value === undefined ? cache.delete(key) : cache.set(key, value));
    writeSync(acks, `${i} ${performance.now()}\n`);
  }
  await cache.close();
}

const caches = [];
for (const { name, tier } of JSON.parse(list)) {
  caches.push({ name, cache: await openCache({ shards: 1, maxEntries: 20, unref: false, tier }) });
}
await Promise.all(caches.map(write));
