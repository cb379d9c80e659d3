/**
 * What one client (one thread that uses the cache) and one shard share beside the shard's own memory: the client's
 * counters and the ring of its hits. Only the client writes it, but for the head of the ring and the counts that were
 * taken, which are the owner's.
 *
 *   words 0-5    [ tail | head | waiting | known | wanted | batches ]   head, known: owner, the others: client
 *   words 12-23  counters, as float64                                   client
 *   words 24-35  how far they were taken                                owner
 *   words 36-    RING_RECORDS x [ slot | seq low ]                      client
 *
 * Ordered policies (LRU and its kin) need hits in order. A reader appends them here, and the owner drains every ring
 * before each write that it applies, so one client that awaits its writes sees the policy's exact order. A record
 * whose slot has since been given to another write is dropped by its sequence.
 */
const TAIL = 0;
const HEAD = 1;
const WAITING = 2;
const KNOWN = 3;
const WANTED = 4;
const BATCHES = 5;
const WORDS = 12;
const COUNTERS_AT = WORDS / 2;
const COUNTERS = 12;
const RECORDS_AT = WORDS + COUNTERS * 2;
/** 4,096 records, 32 KiB: at 68 ns a record the longest drain holds a write for 0.3 ms. */
export const RING_RECORDS = 4096;
const RING_MASK = RING_RECORDS - 1;
export const RING_FULL = -1;

const HITS = COUNTERS_AT;
const MISSES = COUNTERS_AT + 1;
const DROPPED = COUNTERS_AT + 2;
const NEGATIVES = COUNTERS_AT + 3;
const EVENTS_DROPPED = COUNTERS_AT + 4;
const NEAR = COUNTERS_AT + 5;
const TAKEN = COUNTERS / 2;

export interface ClientCounts {
  hits: number;
  misses: number;
  /** Hits that the policy never heard of, because the ring was full and the reader could not wait. */
  droppedTouches: number;
  /** Events that somebody listened to and was not told of, because he, or his thread, was too slow. */
  droppedEvents: number;
  /** Misses that the filter answered: they are among `misses`. */
  filterNegatives: number;
  /** Hits that a near cache answered: they are among `hits`. */
  nearHits: number;
}

/** Whether a client, by its memory, waits for an answer of its shard. */
export function isWaiting(buffer: SharedArrayBuffer): boolean {
  return Atomics.load(new Int32Array(buffer, 0, WORDS), WAITING) > 0;
}

export class ClientMemory {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #counters: Float64Array;

  constructor(buffer = new SharedArrayBuffer((RECORDS_AT + RING_RECORDS * 2) * 4)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.#counters = new Float64Array(buffer, 0, COUNTERS_AT + COUNTERS);
  }

  /** Frames that the client has sent and not heard back of. */
  set waiting(frames: number) {
    this.#words[WAITING] = frames;
  }

  countHit(): void {
    (this.#counters[HITS] as number)++;
  }

  countMiss(): void {
    (this.#counters[MISSES] as number)++;
  }

  countDropped(): void {
    (this.#counters[DROPPED] as number)++;
  }

  countNegative(): void {
    (this.#counters[NEGATIVES] as number)++;
  }

  countNear(): void {
    (this.#counters[NEAR] as number)++;
  }

  countDroppedEvents(events: number): void {
    (this.#counters[EVENTS_DROPPED] as number) += events;
  }

  /** One bit for each kind of event that the client listens to, see events.ts: it outlives owners, as the memory does. */
  get wanted(): number {
    return Atomics.load(this.#words, WANTED);
  }

  set wanted(kinds: number) {
    Atomics.store(this.#words, WANTED, kinds);
  }

  /** Batches of events that the client has taken out of its port since it was born; wraps. */
  get batches(): number {
    return Atomics.load(this.#words, BATCHES);
  }

  countBatch(): void {
    Atomics.add(this.#words, BATCHES, 1);
  }

  /** The owner's side: whether an owner has known this client before. Asked once, since from then on one has. */
  becomeKnown(): boolean {
    const wasKnown = this.#words[KNOWN] === 1;
    this.#words[KNOWN] = 1;
    return wasKnown;
  }

  /** The client's side. How many records wait for the owner now, or RING_FULL: then this one was not taken. */
  push(slot: number, seqLow: number): number {
    const words = this.#words;
    const tail = words[TAIL] as number;
    const waiting = (tail - Atomics.load(words, HEAD)) | 0;
    if (waiting >= RING_RECORDS) {
      return RING_FULL;
    }
    const at = RECORDS_AT + ((tail & RING_MASK) << 1);
    words[at] = slot;
    words[at + 1] = seqLow;
    Atomics.store(words, TAIL, (tail + 1) | 0);
    return waiting + 1;
  }

  /** The owner's side: hands every record to `visit`, oldest first, and gives the room back. */
  drain(visit: (slot: number, seqLow: number) => void): void {
    const words = this.#words;
    const tail = Atomics.load(words, TAIL);
    let head = words[HEAD] as number;
    if (head === tail) {
      return;
    }
    // A client that died in the middle of nonsense may have left any tail: never more than one ring.
    if ((tail - head) >>> 0 > RING_RECORDS) {
      head = (tail - RING_RECORDS) | 0;
    }
    this.#visit(head, tail, visit);
    Atomics.store(words, HEAD, tail);
  }

  /** The loop stands alone: in `drain` it was optimized in mid-loop again and again, and thrown away at its end. */
  #visit(from: number, to: number, visit: (slot: number, seqLow: number) => void): void {
    const words = this.#words;
    for (let record = from; record !== to; record = (record + 1) | 0) {
      const at = RECORDS_AT + ((record & RING_MASK) << 1);
      visit(words[at] as number, words[at + 1] as number);
    }
  }

  /**
   * The owner's side: adds what was counted since the last time. So nothing is counted twice of a client that has lost its
   * port, and nothing else, and comes back with this memory; and little is lost of one that ends together with the owner.
   */
  takeCounts(into: ClientCounts): void {
    into.hits += this.#take(HITS);
    into.misses += this.#take(MISSES);
    into.filterNegatives += this.#take(NEGATIVES);
    into.droppedTouches += this.#take(DROPPED);
    into.nearHits += this.#take(NEAR);
    into.droppedEvents += this.#take(EVENTS_DROPPED);
  }

  #take(count: number): number {
    const counters = this.#counters;
    const now = counters[count] as number;
    const before = counters[count + TAKEN] as number;
    counters[count + TAKEN] = now;
    return now - before;
  }
}
