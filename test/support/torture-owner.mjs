/**
 * The owner's thread of a torture. It works in rounds, each over fresh memory, since a table only splits while it grows.
 * After each acknowledged frame it raises the floor of every key it wrote: the least version that may be read from then.
 *
 * Where a deadline is not carried by the value it stands in a table, with a count of changes for each key: odd from before
 * a frame that may change the deadline until it is acknowledged and the table right again.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { ClientMemory } from '../../dist/protocol/client.js';
import { FrameWriter } from '../../dist/protocol/frame.js';
import { KeyEncoder } from '../../dist/protocol/key.js';
import { BUCKETS_MIN, HEADER_BUCKETS, reserveShard, ShardMemory } from '../../dist/protocol/memory.js';
import {
  FLAG_SLIDING,
  OP_CLEAR,
  OP_DELETE,
  OP_EXPIRE,
  OP_GET,
  OP_INCREMENT,
  OP_SET,
} from '../../dist/protocol/operations.js';
import { readReply } from '../../dist/protocol/reply-reader.js';
import { Dispatch } from '../../dist/worker/dispatch.js';
import { policies } from '../../dist/worker/eviction/index.js';
import { Shard } from '../../dist/worker/shard.js';
import {
  ACKS,
  COUNTER,
  HINTS,
  HINTS_AT,
  kindOf,
  MOVING,
  PLAIN,
  ROUND,
  SLIDE_MS,
  SLIDING,
  STEP,
  STOP,
  tagOf,
  textOf,
  VALUE_BYTES_MIN,
  ValueWriter,
} from './torture-values.mjs';

/**
 * `pinned` keys are stored again so often that LRU keeps them: to miss one is a fault. The ring of a reader can push at
 * most its 4,096 other entries before them, so a profile that pins must hold more than twice as many. One that pins all
 * keys stores them one after the other, while the table grows and splits as fast as it can.
 */
const GROWS = { name: 'grows', policy: 'lru', bytesMax: 2 ** 24, keys: 40_000, valueMax: 60, pinned: 40_000 };
const PROFILES = [
  GROWS,
  GROWS,
  GROWS,
  { name: 'splits', policy: 'lru', bytesMax: 2 ** 24, entriesMax: 40_000, keys: 60_000, valueMax: 200, pinned: 32 },
  { name: 'moves', policy: 'lru', bytesMax: 2 ** 24, keys: 30_000, valueMax: 8_192, pinned: 32 },
  { name: 'fifo', policy: 'fifo', bytesMax: 2 ** 22, keys: 10_000, valueMax: 4_096, pinned: 0 },
  { name: 'large', policy: 'lru', bytesMax: 2 ** 25, keys: 4_000, valueMax: 200_000, pinned: 0, clears: true },
  { name: 'one key a stripe', policy: 'lru', bytesMax: 2 ** 18, keys: 64, valueMax: 2_000, pinned: 0 },
  // Two stores next to each other are seldom torn: only where little else happens.
  { name: 'one counter', policy: 'fifo', bytesMax: 2 ** 16, keys: 8, valueMax: 200, pinned: 0, counter: 3 },
];
const OPS_A_ROUND = 200_000;
const ROUND_MS = 1_500;
const BATCH = HINTS;
const SWEEP_SLOTS = 2_000;
/** Deadlines that no round lives to see, for pinned keys. */
const FAR_MS = [0, 3_600_000, 7_200_000];
/** In a profile that grows, how far back the keys lie that are changed in place meanwhile. */
const BACK = 2_000;

const { control, ports, seed } = workerData;
const counts = {
  rounds: 0,
  sets: 0,
  increments: 0,
  expires: 0,
  deletes: 0,
  evictions: 0,
  expirations: 0,
  splits: 0,
  moves: 0,
  dropped: 0,
};
const faults = [];
let state = seed;

while (Atomics.load(control, STOP) === 0 && faults.length === 0) {
  try {
    round(PROFILES[counts.rounds % PROFILES.length]);
  } catch (error) {
    faults.push(`owner: ${error.stack}`);
  }
  counts.rounds++;
}
Atomics.store(control, STOP, 1);
parentPort.postMessage({ counts, faults });

function round(profile) {
  const limits = { bytesMax: profile.bytesMax, entriesMax: profile.entriesMax ?? Number.POSITIVE_INFINITY };
  const regions = reserveShard(limits);
  const memory = new ShardMemory(regions);
  // Time stands still within a frame, so that a value can carry the deadline that the shard will give it.
  const clock = { nowMs: performance.now(), now: () => clock.nowMs, hold() {}, release() {} };
  const shard = new Shard(limits, memory, policies[profile.policy], clock);
  const dispatch = new Dispatch(shard, memory, clock);
  const floors = new Int32Array(new SharedArrayBuffer(profile.keys * 4));
  const changes = new Int32Array(new SharedArrayBuffer(profile.keys * 4));
  const deadlines = new Float64Array(new SharedArrayBuffer(profile.keys * 8)).fill(Number.POSITIVE_INFINITY);
  /** By reader and key: when it last read the key. */
  const uses = new Float64Array(new SharedArrayBuffer(profile.keys * ports.length * 8));
  const versions = new Int32Array(profile.keys);
  Atomics.store(control, ACKS, 0);
  ports.forEach((port, me) => {
    const client = new ClientMemory();
    shard.connect(client);
    port.postMessage({
      regions,
      client: client.buffer,
      floors,
      changes,
      deadlines,
      uses,
      me,
      pinned: profile.pinned,
      ring: shard.policy.hits === 'ring',
    });
  });
  Atomics.store(control, ROUND, counts.rounds + 1);
  awaitReaders();

  const key = new KeyEncoder({ low: 1, high: 2 });
  const writer = new FrameWriter();
  const value = new ValueWriter();
  const addends = new Float64Array(2);
  const addendBytes = new Uint8Array(addends.buffer);
  const raised = [];
  /** Places in the frame and what must be answered there. */
  const sums = [];
  /** Keys whose deadline this frame may change, and what it is then. */
  const moved = new Map();
  const until = performance.now() + ROUND_MS;
  const grows = profile.pinned === profile.keys;
  const ops = grows ? profile.keys : OPS_A_ROUND;
  for (let op = 0; op < ops && performance.now() < until && Atomics.load(control, STOP) === 0; op += BATCH) {
    clock.nowMs = performance.now();
    raised.length = 0;
    sums.length = 0;
    moved.clear();
    for (let i = 0; i < BATCH; i++) {
      const isPin = grows || (profile.pinned > 0 && i < 2);
      const id = grows
        ? op + i
        : isPin
          ? ((op / BATCH) * 2 + i) % profile.pinned
          : (profile.counter ?? profile.pinned + below(profile.keys - profile.pinned));
      control[HINTS_AT + i] = id;
      add(id, isPin);
      if (grows && op > BACK) {
        changeInPlace(op - below(BACK));
      }
    }
    if (profile.clears && below(300) === 0) {
      writer.add(OP_CLEAR, key, 0, 0, value.bytes, 0);
      for (let id = 0; id < profile.keys; id++) {
        raised.push(id, versions[id] + 1);
      }
    }
    judge(readReply(dispatch.call(writer.seal())), sums);
    for (let i = 0; i < raised.length; i += 2) {
      Atomics.store(floors, raised[i], raised[i + 1]);
    }
    const ackedMs = performance.now();
    for (const [id, deadlineMs] of moved) {
      // A read that began before the last write to a slot may slide what was written: not past this.
      deadlines[id] = kindOf(id) === SLIDING && deadlineMs < Number.POSITIVE_INFINITY ? ackedMs + SLIDE_MS : deadlineMs;
      Atomics.add(changes, id, 1);
    }
    if (below(8) === 0) {
      shard.sweep(SWEEP_SLOTS);
    }
  }

  shard.check();
  const { sets, deletes, evictions, expirations, droppedTouches } = shard.counts();
  counts.sets += sets;
  counts.deletes += deletes;
  counts.evictions += evictions;
  counts.expirations += expirations;
  counts.dropped += droppedTouches;
  counts.splits += memory.header[HEADER_BUCKETS] - BUCKETS_MIN;
  counts.moves += shard.contents.moved.blocks;

  /** Adds a call on the key to the frame; one that lets it be, if it is pinned. */
  function add(id, isPin) {
    const kind = isPin && kindOf(id) === SLIDING ? PLAIN : kindOf(id);
    key.encode(textOf(id));
    const dice = isPin ? 100 : below(100);
    if (dice < 8) {
      writer.add(OP_DELETE, key, 0, 0, value.bytes, 0);
      raised.push(id, versions[id] + 1);
    } else if (dice < 12) {
      writer.add(OP_GET, key, 0, 0, value.bytes, 0);
      if (kind === SLIDING) {
        move(id, clock.nowMs + SLIDE_MS);
      }
    } else if (kind === COUNTER) {
      increment(id);
    } else if (kind === MOVING && below(2) === 0) {
      expire(id, isPin);
    } else {
      set(id, isPin, kind, dice < 40);
    }
  }

  function changeInPlace(id) {
    key.encode(textOf(id));
    if (kindOf(id) === COUNTER) {
      increment(id);
    } else if (kindOf(id) === MOVING) {
      expire(id, true);
    }
  }

  function set(id, isPin, kind, isBrief) {
    const version = ++versions[id];
    const ttlMs = kind === SLIDING ? SLIDE_MS : !isPin && isBrief ? 0.2 + below(20) : 0;
    const deadlineMs = ttlMs === 0 ? Number.POSITIVE_INFINITY : clock.nowMs + ttlMs;
    const bytes = logUniform(VALUE_BYTES_MIN, isPin ? 200 : profile.valueMax);
    value.write(id, version, kind === PLAIN ? deadlineMs : Number.POSITIVE_INFINITY, bytes);
    writer.add(OP_SET, key, tagOf(version), ttlMs, value.bytes, bytes, kind === SLIDING ? FLAG_SLIDING : 0);
    raised.push(id, version);
    if (kind !== PLAIN) {
      move(id, deadlineMs);
    }
  }

  /** Whether the counter is there or not, afterwards it is one step above the last. */
  function increment(id) {
    const version = ++versions[id];
    addends[0] = STEP;
    addends[1] = (version - 1) * STEP;
    sums.push(writer.count, version * STEP);
    writer.add(OP_INCREMENT, key, 0, 0, addendBytes, 16);
    raised.push(id, version);
    counts.increments++;
  }

  function expire(id, isPin) {
    const ttlMs = isPin ? FAR_MS[below(FAR_MS.length)] : below(4) === 0 ? 0 : 0.2 + below(20);
    writer.add(OP_EXPIRE, key, 0, ttlMs, value.bytes, 0);
    move(id, ttlMs === 0 ? Number.POSITIVE_INFINITY : clock.nowMs + ttlMs);
    counts.expires++;
  }

  function move(id, deadlineMs) {
    if (!moved.has(id)) {
      Atomics.add(changes, id, 1);
    }
    moved.set(id, deadlineMs);
  }
}

/** Refuses errors, but those of an expire that found nothing, and sums that are not as expected. */
function judge(results, sums) {
  if (typeof results === 'number') {
    return;
  }
  for (const result of results) {
    if (result instanceof Error && result.code !== 'KEY_NOT_FOUND' && result.code !== 'KEY_EXPIRED') {
      throw result;
    }
  }
  for (let i = 0; i < sums.length; i += 2) {
    if (results[sums[i]] !== sums[i + 1]) {
      throw new Error(`an increment answers ${results[sums[i]]}, not ${sums[i + 1]}`);
    }
  }
}

/** Waits until every reader looks at the memory of this round, or the torture is over. */
function awaitReaders() {
  for (;;) {
    const acks = Atomics.load(control, ACKS);
    if (acks >= ports.length || Atomics.load(control, STOP) !== 0) {
      return;
    }
    Atomics.wait(control, ACKS, acks, 100);
  }
}

/** Mulberry32, as in random.ts. */
function fraction() {
  state = (state + 0x6d2b79f5) | 0;
  let z = state;
  z = Math.imul(z ^ (z >>> 15), z | 1);
  z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
  return ((z ^ (z >>> 14)) >>> 0) / 0x1_0000_0000;
}

function below(limit) {
  return Math.floor(fraction() * limit);
}

function logUniform(least, most) {
  return Math.floor(least * (most / least) ** fraction());
}
