/** A thread that attaches to a cache with every handle that it is sent, and runs what it is told with the client that it got. */
import { parentPort } from 'node:worker_threads';
import { attachCache } from 'shardstash';

let cache;

parentPort.on('message', async ({ id, handle, body, args }) => {
  try {
    if (handle !== undefined) {
      cache = await attachCache(handle);
    }
    // biome-ignore lint/security/noGlobalEval: the test's own code
    const value = body === undefined ? undefined : await eval(`(${body})`)(cache, ...args);
    parentPort.postMessage({ id, value });
  } catch (error) {
    const { name, message, code, key, outcome } = error ?? {};
    parentPort.postMessage({ id, error: { name, message, code, key, outcome } });
  }
});
