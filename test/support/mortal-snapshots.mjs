/**
 * A process that saves caches until it is killed: `node mortal-snapshots.mjs ROOT NAMES`, NAMES being JSON, a list of files, each
 * in a directory of its own. Every cache begins with what is there, which is noted in ROOT/DIR.notes; then it writes one
 * generation after the other to all of its keys, saves, and notes what was acknowledged, by calls that survive the kill.
 *
 *     open 7 []      generation 7 was loaded, whole, and nothing else lay there
 *     8              8 was acknowledged
 */
import { openSync, readdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openCache } from 'shardstash';

const KEYS = 50;
/** A process that nobody kills ends by itself. */
const SAVES_MAX = 10_000;
const parent = process.ppid;

/** Long ones and short ones, so that a save takes several writes. */
const madeOf = (generation, i) => ({ generation, text: String(generation % 10).repeat(i % 10 === 0 ? 20_000 : i) });

/** The generation that all entries are of, 0 of an empty cache. Anything else is what is wrong. */
async function generationIn(cache) {
  const entries = await cache.toMap();
  const generation = entries.get('k0')?.generation ?? 0;
  if (entries.size !== (generation === 0 ? 0 : KEYS)) return `${entries.size} entries`;
  for (const [key, value] of entries) {
    const expected = madeOf(generation, Number(key.slice(1)));
    if (value.generation !== generation || value.text !== expected.text)
      return `${key} of ${value.generation}, not ${generation}`;
  }
  return generation;
}

async function begin(root, name, cache, notes) {
  const found = await generationIn(cache);
  const left = readdirSync(join(root, name)).filter((file) => file !== name);
  writeSync(notes, `open ${JSON.stringify(found)} ${JSON.stringify(left)}\n`);
  return Number(found);
}

const [root, list] = process.argv.slice(2);
// All are open before anything is written: who writes leaves the others little room.
const open = await Promise.all(
  JSON.parse(list).map(async (name, i) => {
    const storage = { dir: join(root, name), filename: name };
    const cache = await openCache({ shards: i === 0 ? 3 : 1, maxBytes: '8mb', restore: true, storage });
    const notes = openSync(join(root, `${name}.notes`), 'a');
    return { cache, notes, from: await begin(root, name, cache, notes) };
  }),
);
await Promise.all(
  open.map(async ({ cache, notes, from }) => {
    for (let generation = from + 1; generation <= from + SAVES_MAX && process.ppid === parent; generation++) {
      await cache.setMany(Array.from({ length: KEYS }, (_, i) => [`k${i}`, madeOf(generation, i)]));
      await cache.save();
      writeSync(notes, `${generation}\n`);
    }
  }),
);
