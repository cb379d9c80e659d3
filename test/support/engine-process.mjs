/**
 * A process, or a thread, that has an engine of the built package open:
 *
 *     node engine-process.mjs ENGINE DIRECTORY write PREFIX COUNT    says "open"; when there is an entry `go` it writes COUNT
 *                                                                    entries, adds as often to `count`, and closes
 *     node engine-process.mjs ENGINE DIRECTORY endless               writes, and says each number once it is acknowledged
 *     node engine-process.mjs ENGINE DIRECTORY fill                  writes until it fails, says what it met, and goes on
 *
 * It says all of it as lines of JSON.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { engines } from '../../dist/protocol/engines/index.js';
import { diskFiles } from '../../dist/protocol/files.js';

const [name, directory, what, prefix, count] = isMainThread ? process.argv.slice(2) : workerData;
const say = (word) => (isMainThread ? process.stdout.write(`${JSON.stringify(word)}\n`) : parentPort.postMessage(word));
const engine = await engines[name].open({ name: 'test', directory, options: {}, files: diskFiles, warn() {} });
const WRITES_MAX = 100_000;
/** Whoever waits for so long to be told has been forgotten. */
const GO_TURNS_MAX = 10_000;
const GO_TURN_MS = 1;

if (what === 'write') {
  say('open');
  for (let turns = 0; turns < GO_TURNS_MAX && (await engine.get('go')) === undefined; turns++) {
    await new Promise((resolve) => setTimeout(resolve, GO_TURN_MS));
  }
  for (let i = 0; i < Number(count); i++) {
    await engine.set(`${prefix} ${i}`, Buffer.from(`${prefix} ${i}`));
    await engine.update('count', (before) => Buffer.from(String(Number(Buffer.from(before ?? '0').toString()) + 1)));
  }
  if (!isMainThread) process.exit();
  await engine.close();
} else if (what === 'endless') {
  for (let i = 0; i < WRITES_MAX; i++) {
    await engine.set(`key ${i}`, Buffer.alloc(300, i));
    say(i);
  }
} else {
  // Without a listener the signal that comes with the limit of a file's size would end it.
  process.on('SIGXFSZ', () => {});
  let stored = 0;
  try {
    for (; stored < WRITES_MAX; stored++) await engine.set(`key ${stored}`, Buffer.alloc(50_000, stored));
  } catch ({ code, message }) {
    const size = await engine.size();
    const first = await engine.get('key 0');
    for (let i = 0; i < 10; i++) await engine.delete(`key ${i}`);
    await engine.set('again', Buffer.from('x'));
    say({ code, message, stored, size, first: first?.length, again: (await engine.get('again')) !== undefined });
  }
  await engine.close();
}
