/** A reader's thread of a torture: reads as fast as it can and judges every value that it gets. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { ClientMemory } from '../../dist/protocol/client.js';
import { KeyEncoder } from '../../dist/protocol/key.js';
import { HEADER_BUCKETS, ShardMemory, STRIPE_MASK, STRIPES_AT } from '../../dist/protocol/memory.js';
import { BUSY, MISS, Reader } from '../../dist/protocol/reader.js';
import {
  ACKS,
  COUNTER,
  faultOf,
  faultOfCount,
  HINTS,
  HINTS_AT,
  kindOf,
  PLAIN,
  ROUND,
  SLIDE_MS,
  SLIDING,
  STOP,
  textOf,
} from './torture-values.mjs';

const BATCH = 256;
const FAULTS_SHOWN = 20;
/** Reads of a pinned key: one in so many. */
const PINNED_ONE_IN = 8;
const HASHES = 32_768;

const { control, port, seed } = workerData;
const counts = {
  reads: 0,
  hits: 0,
  misses: 0,
  busy: 0,
  contended: 0,
  pinned: 0,
  bytes: 0,
  counters: 0,
  settled: 0,
  slid: 0,
};
const violations = { torn: 0, foreign: 0, stale: 0, backwards: 0, expired: 0, falseMiss: 0 };
const faults = [];
const key = new KeyEncoder({ low: 1, high: 2 });
const seen = { version: 0, deadlineMs: 0 };
let state = seed;
let round = 0;
let target;

while (Atomics.load(control, STOP) === 0) {
  if (Atomics.load(control, ROUND) !== round) {
    round = Atomics.load(control, ROUND);
    target = adopt();
    Atomics.add(control, ACKS, 1);
    Atomics.notify(control, ACKS);
  } else if (target === undefined) {
    Atomics.wait(control, ROUND, round, 10);
  }
  for (let i = 0; i < BATCH && target !== undefined; i++) {
    read(target);
  }
}
parentPort.postMessage({ counts, violations, faults });

function adopt() {
  const { regions, client, floors, changes, deadlines, uses, me, pinned, ring } = receiveMessageOnPort(port).message;
  const memory = new ShardMemory(regions);
  const texts = Array.from(floors, (_, id) => textOf(id));
  return {
    reader: new Reader(memory, performance),
    header: memory.header,
    client: new ClientMemory(client),
    texts,
    byHash: indexByHash(texts),
    lastSeen: new Int32Array(floors.length),
    floors,
    changes,
    deadlines,
    uses,
    me,
    pinned,
    ring,
    words: undefined,
  };
}

function read(target) {
  const { reader, header, floors, client, lastSeen } = target;
  const isPinned = target.pinned === floors.length || (target.pinned > 0 && below(PINNED_ONE_IN) === 0);
  const id = isPinned ? pinned(target) : below(2) === 0 ? hint() % floors.length : below(floors.length);
  key.encode(target.texts[id]);
  const stripe = STRIPES_AT + (key.hashLow & STRIPE_MASK);
  const floor = Atomics.load(floors, id);
  const change = Atomics.load(target.changes, id);
  const before = Atomics.load(header, stripe);
  const startMs = performance.now();
  const outcome = reader.read(key);
  counts.reads++;
  if ((before & 1) !== 0 || Atomics.load(header, stripe) !== before) {
    counts.contended++;
  }
  if (outcome === BUSY) {
    counts.busy++;
    return;
  }
  if (outcome === MISS) {
    counts.misses++;
    client.countMiss();
    if (id < target.pinned && floor > 0) {
      blame('falseMiss', `key ${id} was stored up to version ${floor} and never left`);
    }
    return;
  }
  counts.hits++;
  counts.bytes += reader.length;
  client.countHit();
  if (id < target.pinned) {
    counts.pinned++;
  }
  const { bytes, length } = reader;
  if (target.words?.buffer !== bytes.buffer) {
    target.words = new Int32Array(bytes.buffer, 0, bytes.buffer.byteLength >> 2);
  }
  const kind = kindOf(id);
  const fault =
    kind === COUNTER
      ? faultOfCount(target.words, length, reader.tag, seen)
      : faultOf(id, target.words, bytes, length, reader.tag, seen);
  if (fault !== '') {
    return blame(fault, `key ${id}, ${length} bytes, tag ${reader.tag}, head ${target.words.slice(0, 6)}`);
  }
  if (seen.version < floor) {
    blame('stale', `key ${id} version ${seen.version}, but ${floor} was acknowledged before the read`);
  }
  if (seen.version < lastSeen[id]) {
    blame('backwards', `key ${id} version ${seen.version} after ${lastSeen[id]}`);
  }
  if (startMs >= seen.deadlineMs) {
    blame('expired', `key ${id} read at ${startMs}, its deadline was ${seen.deadlineMs}`);
  }
  if (kind === COUNTER) {
    counts.counters++;
  } else if (kind !== PLAIN) {
    judgeDeadline(target, id, kind, change, startMs);
  }
  lastSeen[id] = seen.version;
  if (target.ring && client.push(reader.slot, reader.seqLow) < 0) {
    client.countDropped();
  }
}

/** Of a key whose deadline the owner has not touched since before the read: was it read in time? */
function judgeDeadline({ reader, changes, deadlines, uses, floors, me }, id, kind, change, startMs) {
  let deadlineMs = deadlines[id];
  if (kind === SLIDING) {
    for (let at = id; at < uses.length; at += floors.length) {
      deadlineMs = Math.max(deadlineMs, uses[at] + SLIDE_MS);
    }
    // Before anybody can live on by it.
    uses[me * floors.length + id] = performance.now();
    reader.slide();
    counts.slid++;
  }
  if ((change & 1) === 0 && Atomics.load(changes, id) === change) {
    counts.settled++;
    if (startMs >= deadlineMs) {
      blame('expired', `key ${id} of kind ${kind} read at ${startMs}, its deadline was ${deadlineMs}`);
    }
  }
}

/** A pinned key. Where all keys are, one of the bucket that splits next, most of the time. */
function pinned({ header, floors, pinned, byHash }) {
  if (pinned < floors.length || below(4) === 0) {
    return below(pinned);
  }
  const buckets = header[HEADER_BUCKETS];
  const level = 1 << (31 - Math.clz32(buckets));
  const bucket = (buckets - level + below(3)) % level;
  return byHash[(bucket + level * below(byHash.length / level)) % byHash.length];
}

/** Keys by the low bits of their hash: the one with the least number, or any. */
function indexByHash(texts) {
  const byHash = new Int32Array(HASHES);
  for (let id = texts.length - 1; id >= 0; id--) {
    key.encode(texts[id]);
    byHash[key.hashLow & (HASHES - 1)] = id;
  }
  return byHash;
}

/** A key that the owner writes to now, or did just before. */
function hint() {
  return control[HINTS_AT + below(HINTS)];
}

function blame(violation, details) {
  violations[violation]++;
  if (faults.length < FAULTS_SHOWN) {
    faults.push(`${violation}: ${details} (round ${round})`);
  }
}

/** Xorshift: a reader that computes more than it reads would meet the owner less often. */
function below(limit) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return Math.floor(((state >>> 0) / 0x1_0000_0000) * limit);
}
