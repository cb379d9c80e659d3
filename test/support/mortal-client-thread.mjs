/** A `MortalClient` in a thread of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import { attachCache } from 'shardstash';
import { MortalClient } from './mortal-client.mjs';

const { handle, me, clients } = workerData;
const cache = await attachCache(handle, { nearCache: me === 0 });
const client = new MortalClient(cache, me, clients, Math.random);
client.start();
parentPort.once('message', async () => {
  parentPort.postMessage(await client.stop());
  await cache.close();
  parentPort.close();
});
