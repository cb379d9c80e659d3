/** The owner's thread of a race: churns the keys of a filter as fast as it can, but for those that stay. */
import { workerData } from 'node:worker_threads';
import { filters } from '../../dist/worker/filter/index.js';

const { type, words, slots, falsePositiveRate, control, hashes, staying } = workerData;
const [stop, rounds, rebuilds] = [0, 1, 2];
const ids = new Int32Array(slots).fill(-1);
let used = 0;

const source = {
  get used() {
    return used;
  },
  hashesOf(from, to, into) {
    let found = 0;
    for (let slot = from; slot < to; slot++) {
      if (ids[slot] >= 0) {
        into.set(hashOf(ids[slot]), 2 * found);
        found++;
      }
    }
    return found;
  },
};

const filter = filters[type]({ words, slots, falsePositiveRate, source });

function hashOf(id) {
  return hashes.subarray(2 * id, 2 * id + 2);
}

function insert(id, slot) {
  filter.add(...hashOf(id));
  ids[slot] = id;
}

for (let id = 0; id < staying; id++) {
  insert(id, used++);
}
Atomics.store(control, rounds, 1);
let id = staying;
let slot = staying;
while (Atomics.load(control, stop) === 0) {
  for (let i = 0; i < 1_000; i++) {
    if (slot === used && used < slots - 1) {
      used++;
    } else if (ids[slot] >= 0) {
      filter.removed(...hashOf(ids[slot]));
      ids[slot] = -1;
    }
    insert(id, slot);
    // Long after its first turn is over.
    id = 2 * (id + 1) < hashes.length ? id + 1 : staying;
    slot = slot + 1 < slots - 1 ? slot + 1 : staying;
  }
  filter.check();
  Atomics.add(control, rounds, 1);
  Atomics.store(control, rebuilds, filter.counts().rebuilds);
}
