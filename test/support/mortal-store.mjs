/**
 * A process that writes to stores until it is killed: `node mortal-store.mjs ROOT STORES`, where STORES is JSON, a list of
 * `{ name, options, from }`. Each store goes through the same known sequence, and every write that was acknowledged is
 * noted in ROOT/NAME.acks, by a call that survives the kill as the write itself has to.
 */
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openStore } from 'shardstash/store';

/** Every key comes once in so many writes. */
export const KEYS = 60;
/** A process that nobody kills ends by itself. */
const WRITES_MAX = 100_000;
/** Writes between two compactions. */
const COMPACT_EVERY = 80;

/** What the write number `i` does: the value of a key, undefined to delete it. */
export function writeNumber(i) {
  const key = `key ${(i * 7919) % KEYS}`;
  if (i % 9 === 0) return { key, value: undefined };
  // Now and then one that is a blob of its own for the disk engine, or more than a page.
  const length = i % 31 === 0 ? 50_000 : (i * 37) % 1_500;
  return { key, value: { i, text: String.fromCharCode(97 + (i % 26)).repeat(length) } };
}

const parent = process.ppid;

async function write(root, { name, from, store }) {
  const acks = openSync(join(root, `${name}.acks`), 'a');
  writeSync(acks, 'open\n');
  for (let i = from; i < from + WRITES_MAX && process.ppid === parent; i++) {
    const { key, value } = writeNumber(i);
    await (value === undefined ? store.delete(key) : store.set(key, value));
    writeSync(acks, `${i}\n`);
    if (i % COMPACT_EVERY === 0) {
      // It goes on while others write. What it fails with would be found when the store is opened again.
      store.compact().catch(() => {});
    }
    // An engine that is done at once would never let the others have their turn.
    if (i % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

if (process.argv[1]?.endsWith('mortal-store.mjs')) {
  const [root, stores] = process.argv.slice(2);
  const open = [];
  // One after the other, before anything is written: who writes leaves the others no turn.
  for (const { name, options, from } of JSON.parse(stores)) {
    open.push({ name, from, store: await openStore({ name, root, ...options }) });
  }
  await Promise.all(open.map((store) => write(root, store)));
}
