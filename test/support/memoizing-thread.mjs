/** A thread that has attached to a cache and memoizes a function in it: it answers each number that it is sent with the result and how often it ran, and 'run' with the thread that a task ran in. */
import { parentPort, workerData } from 'node:worker_threads';
import { attachCache } from '../../dist/main/index.js';
import { memoize } from '../../dist/main/memo/index.js';

const cache = await attachCache(workerData);
let runs = 0;

async function slowly(n) {
  runs++;
  // Long enough for others to ask meanwhile.
  await new Promise((resolve) => setTimeout(resolve, 40));
  if (n < 0) throw Object.assign(new RangeError('negative'), { code: 'NEGATIVE' });
  return n * 2;
}

const f = memoize(slowly, { cache, filename: false });
parentPort.on('message', async (n) => {
  if (n === 'close') {
    await f.close();
    await cache.close();
    parentPort.close();
    return;
  }
  if (n === 'run') {
    parentPort.postMessage(await cache.run({ module: new URL('./tasks.mjs', import.meta.url), export: 'where' }));
    return;
  }
  const before = runs;
  const answer = await f(n).then(
    (value) => ({ value }),
    ({ code }) => ({ code }),
  );
  parentPort.postMessage({ ...answer, ran: runs - before });
});
parentPort.postMessage('ready');
