/**
 * A process that calls a memoized function with 0 ... COUNT - 1, in an order of its own, and says what came of it. Each run of the function
 * is a line in RUNS. Run as `node memoizing-process.mjs FILE RUNS COUNT SEED`.
 */
import { appendFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { memoize } from '../../dist/main/memo/index.js';

const [file, runs, count, seed] = process.argv.slice(2);

async function work(n) {
  appendFileSync(runs, `${n}\n`);
  await pause(1);
  return { n, text: 'x'.repeat(n) };
}

const f = memoize(work, { filename: file });
const order = Array.from({ length: Number(count) }, (_, i) => (i * 7 + Number(seed) * 31) % Number(count));
const statuses = { memory: 0, disk: 0, miss: 0 };
let sound = true;
for (const n of order) {
  const { value, status } = await f.callWithStatus(n);
  statuses[status]++;
  sound &&= value.n === n && value.text.length === n;
}
await f.close();
console.log(JSON.stringify({ sound, ...statuses }));
