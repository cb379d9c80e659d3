/**
 * A process that computes what is missing in memo files, as often as it is told, until it is killed. Each message is a round:
 *
 *     { path, seed, mode, process }     mode has 'claims' or 'race', 'compact' for who rewrites the file meanwhile, and
 *                                       'threads' for a thread beside each process that does the same
 *
 * What it computes it notes in PATH.computed, and what was acknowledged in PATH.acknowledged, by calls that survive a kill as the
 * file itself has to. It answers with what it has seen of every key.
 */
import { once } from 'node:events';
import { closeSync, openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { compact } from '../../dist/main/memo/file/compact.js';
import { openMemoFile } from '../../dist/main/memo/file/memo-file.js';

export const KEYS = 100;
/** Calls under way at a time in one process. */
const LANES = 3;
/** Who waits longer has been forgotten. */
const WAIT_MS = 20_000;
const COMPACTIONS_MAX = 1_000;

/** Between 0 and 1, the same for the same seed. */
function randomOf(seed) {
  let state = seed | 1;
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d);
    state = Math.imul(state ^ (state >>> 12), 0x297a_2d39);
    state ^= state >>> 15;
    return (state >>> 0) / 2 ** 32;
  };
}

function shuffled(random) {
  const keys = Array.from({ length: KEYS }, (_, i) => `key ${i}`);
  for (let i = KEYS - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    [keys[i], keys[other]] = [keys[other], keys[i]];
  }
  return keys;
}

async function round({ path, seed, mode, process: number }) {
  const random = randomOf(seed * 31 + number * 7919);
  const computed = openSync(`${path}.computed`, 'a');
  const acknowledged = openSync(`${path}.acknowledged`, 'a');
  const damage = [];
  const file = openMemoFile({ path, name: 'round', onDamage: (message) => damage.push(message) });
  const seen = {};

  let computing = 0;
  const compute = async (key) => {
    computing++;
    writeSync(computed, `${key} by ${number}\n`);
    if (random() < 0.3) await sleep(random() * 2);
    const times = Math.floor(random() ** 4 * 1_000);
    const result = { key, by: number, times, text: `${key} `.repeat(times) };
    file.set(key, {
      result,
      args: [key],
      version: undefined,
      createdAtMs: Date.now(),
      expiresAtMs: Number.POSITIVE_INFINITY,
    });
    writeSync(acknowledged, `${key} by ${number}\n`);
    computing--;
    return result;
  };

  const resultOf = async (key) => {
    for (;;) {
      const found = file.get(key);
      if (found !== undefined) return found.result;
      if (mode.includes('race')) return compute(key);
      const claim = file.claim(key);
      if (claim.isGranted) return compute(key);
      // Two threads that slept with keys of their own under way would wait for each other.
      const sleeps = mode.includes('sync') && random() < 0.5 && computing === 0;
      if (!(sleeps && claim.waitSync(WAIT_MS)) && !(await claim.wait(WAIT_MS))) {
        throw new Error(`${key} never came from ${claim.holder}`);
      }
    }
  };

  let isDone = false;
  const compacts = async () => {
    for (let i = 0; i < COMPACTIONS_MAX && !isDone; i++) {
      await compact(path);
      await sleep(random() * 4);
    }
  };

  const keys = shuffled(random);
  const lane = async () => {
    for (let key = keys.pop(); key !== undefined; key = keys.pop()) {
      const { key: of, by, times, text } = await resultOf(key);
      if (of !== key || text !== `${key} `.repeat(times)) throw new Error(`${key} is the result of ${of}`);
      seen[key] = by;
      await new Promise(setImmediate);
    }
  };
  const compacting = mode.includes('compact') && number === 0 ? compacts() : undefined;
  try {
    await Promise.all(Array.from({ length: LANES }, lane));
  } finally {
    isDone = true;
    await compacting;
    closeSync(computed);
    closeSync(acknowledged);
  }
  const { entries, damaged } = file.facts();
  file.close();
  return { seen, entries, damaged, damage };
}

/** The same round in a thread of this process. */
async function besides(task) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { ...task, process: task.process + 10 } });
  const [done] = await once(worker, 'message');
  return done;
}

async function rounds(task) {
  if (!task.mode.includes('threads')) return round(task);
  const [own, other] = await Promise.all([round(task), besides(task)]);
  for (const [key, by] of Object.entries(other.seen)) {
    if (own.seen[key] !== by)
      throw new Error(`${key} is that of ${by} in one thread, that of ${own.seen[key]} in the other`);
  }
  return own;
}

if (isMainThread) {
  process.on('message', (task) => {
    rounds(task).then(
      (done) => process.send({ done }),
      (error) => process.send({ failed: String(error?.stack ?? error) }),
    );
  });
  process.on('disconnect', () => process.exit());
  process.send({ ready: true });
} else {
  parentPort.postMessage(await round(workerData));
}
