/**
 * Which timers are due, without looking at the others: a hierarchical timing wheel (Varghese and Lauck, "Hashed and
 * Hierarchical Timing Wheels", 1997). A timer is the number of a slot, and a slot has at most one.
 *
 *     level 0   64 buckets of 1 tick               with ticks of 1 ms this level reaches  64 ms
 *     level 1   64 buckets of 64 ticks                                                    4.1 s
 *     level 2   64 buckets of 4,096 ticks                                                 4.4 min
 *     level 3   ...                                                                       4.7 h
 *     level 4                                                                             12 days
 *     level 5                                                                             2.2 years
 *     overflow  one bucket for whatever lies behind that
 *
 * A level is one bucket of the level above, laid open. A timer lies in the lowest level that is still open at its
 * deadline, so all of a level is due before any of the next, and every bucket lies ahead of the current tick. When time
 * reaches a bucket, its whole list is hung onto `pending`, which costs the same for one timer as for ten million. From
 * there timers are sorted out one by one, as many as the caller allows: to `due`, or into a lower level. So a timer
 * moves at most five times, and once more for every 2.2 years that it waits.
 *
 * On 2 shared cores, 1 M timers: to deschedule one and schedule it again takes 60-100 ns in random order, 20-25 in the
 * order of slots; all the moves of one that expires within the hour take 115-160 when time advances by 100 ms.
 *
 * What it is bad at: a bucket of a high level holds many timers that come due at different times, and all of them are
 * sorted out when the first may be due. With a small budget the due ones among them wait for the others.
 *
 * Ticks are counted from birth and are doubles, for they pass 2^32 after 50 days. Birth and tick are whole milliseconds:
 * then neither the subtraction nor the division rounds a deadline across a tick, up to 2^53.
 */

const BUCKETS = 64;
const LEVELS = 6;
/** Ticks in a bucket of each level; the last is what all levels span together. */
const SPANS = Float64Array.from({ length: LEVELS + 1 }, (_, level) => BUCKETS ** level);

/*
 * Every list is a ring of [ earlier | later ] pairs, closed by a pair that is its end. Here a list is the index of its
 * end's pair; those of the buckets come first, level by level.
 */
const LATER = 1;
const OVERFLOW = LEVELS * BUCKETS * 2;
const PENDING = OVERFLOW + 2;
const DUE = PENDING + 2;
const LISTS = DUE / 2 + 1;

export class TimingWheel {
  /**
   * The pairs of the lists' ends, then one for each slot. In the list of due timers every `earlier` is complemented:
   * that says that a timer is due, and a timer takes 8 bytes and no more.
   */
  readonly #links: Int32Array;
  readonly #deadlineOf: (slot: number) => number;
  readonly #birthMs: number;
  readonly #tickMs: number;
  /** For each level the first tick behind it. */
  readonly #ends = new Float64Array(LEVELS);
  #nowMs: number;
  #tick = 0;
  #size = 0;
  #due = 0;

  /**
   * @param deadlineOf The deadline of a timer as it is now, in milliseconds. While a timer waits its deadline may move
   * later (a sliding TTL) without a word to the wheel, but not earlier.
   * @param tickMs A whole number. A timer is found due at the first tick that is not before its deadline.
   */
  constructor(slots: number, deadlineOf: (slot: number) => number, nowMs: number, tickMs = 1) {
    // Shared only so that pages are handed out when touched, as they are for the shard's own memory.
    this.#links = new Int32Array(new SharedArrayBuffer((LISTS + slots) * 8));
    this.#deadlineOf = deadlineOf;
    this.#birthMs = Math.floor(nowMs);
    this.#tickMs = tickMs;
    this.#nowMs = nowMs;
    for (let level = 0; level < LEVELS; level++) {
      this.#ends[level] = SPANS[level + 1] as number;
    }
    this.clear();
  }

  /** Timers scheduled, due ones among them. */
  get size(): number {
    return this.#size;
  }

  /** Timers found due and not yet descheduled. */
  get due(): number {
    return this.#due;
  }

  /** The due timer that waits longest, -1 when none is known. It stays scheduled until it is descheduled. */
  get firstDue(): number {
    const at = this.#links[DUE + LATER] as number;
    return at === DUE ? -1 : (at >> 1) - LISTS;
  }

  /**
   * When `advance` may next find something: never after the first tick at which a timer is due, and Infinity when there
   * is none. Ahead of the time last seen, unless timers wait to be sorted out or descheduled; and as a timer is visited
   * at most once a level, whoever always sleeps until then wakes up a few times a timer.
   */
  get nextAtMs(): number {
    if (this.#due > 0 || !this.#isEmpty(PENDING)) {
      return this.#nowMs;
    }
    for (let level = 0; level < LEVELS; level++) {
      const span = SPANS[level] as number;
      const current = Math.floor(this.#tick / span);
      for (let ahead = 1; ahead < BUCKETS - (current & 63); ahead++) {
        if (!this.#isEmpty(bucketAt(level, current + ahead))) {
          return this.#birthMs + (current + ahead) * span * this.#tickMs;
        }
      }
    }
    return this.#isEmpty(OVERFLOW)
      ? Number.POSITIVE_INFINITY
      : this.#birthMs + (this.#ends[LEVELS - 1] as number) * this.#tickMs;
  }

  /** Gives a slot that has none a timer. One whose deadline is past is found by the next `advance`. */
  schedule(slot: number, deadlineMs: number): void {
    this.#append(deadlineMs <= this.#nowMs ? PENDING : this.#bucketOf(deadlineMs), (LISTS + slot) << 1);
    this.#size++;
  }

  /** Takes the timer of a slot that has one, due or not. */
  deschedule(slot: number): void {
    const links = this.#links;
    const at = (LISTS + slot) << 1;
    const earlier = links[at] as number;
    const later = links[at + LATER] as number;
    links[later] = earlier;
    if (earlier < 0) {
      links[~earlier + LATER] = later;
      this.#due--;
    } else {
      links[earlier + LATER] = later;
    }
    this.#size--;
  }

  /**
   * Finds the timers that are due. Sorts out `budget` timers at most and returns what is left of that: 0 says that there
   * may be more. While the clock is behind a time already seen, nothing happens.
   */
  advance(nowMs: number, budget: number): number {
    if (nowMs < this.#nowMs) {
      return budget;
    }
    this.#nowMs = nowMs;
    this.#turn(Math.floor((nowMs - this.#birthMs) / this.#tickMs));
    return this.#sortOut(budget);
  }

  clear(): void {
    for (let list = 0; list <= DUE; list += 2) {
      this.#empty(list);
    }
    this.#links[DUE] = ~DUE;
    this.#size = 0;
    this.#due = 0;
  }

  /** Throws on the first broken invariant. For tests and fuzzers. */
  check(): void {
    const seen = new Set<number>();
    for (let level = 0; level < LEVELS; level++) {
      const span = SPANS[level] as number;
      const current = Math.floor(this.#tick / span);
      const end = this.#ends[level] as number;
      assert(end === (Math.floor(current / BUCKETS) + 1) * BUCKETS * span, `level ${level} ends at tick ${end}`);
      for (let index = 0; index < BUCKETS; index++) {
        const bucket = bucketAt(level, index);
        assert(index > (current & 63) || this.#isEmpty(bucket), `level ${level} has timers behind the current tick`);
        this.#checkList(bucket, (current - (current & 63) + index) * span, seen);
      }
    }
    this.#checkList(OVERFLOW, this.#ends[LEVELS - 1] as number, seen);
    this.#checkList(PENDING, Number.NEGATIVE_INFINITY, seen);
    const waiting = seen.size;
    this.#checkList(DUE, Number.NEGATIVE_INFINITY, seen);
    assert(seen.size === this.#size, `${seen.size} timers in lists, ${this.#size} counted`);
    assert(seen.size - waiting === this.#due, `${seen.size - waiting} timers in the due list, ${this.#due} counted`);
  }

  /** Makes `tick` the current one, and pending what lies in buckets that begin before its end. */
  #turn(tick: number): void {
    let from = this.#tick;
    let to = tick;
    this.#tick = tick;
    for (let level = 0; level < LEVELS; level++) {
      if (from === to) {
        return;
      }
      // However far time has jumped, a level has no more than these ahead, and empty ones behind.
      const passed = Math.min(to - from, BUCKETS - 1);
      for (let ahead = 1; ahead <= passed; ahead++) {
        this.#makePending(bucketAt(level, from + ahead));
      }
      from = Math.floor(from / BUCKETS);
      to = Math.floor(to / BUCKETS);
      this.#ends[level] = (to + 1) * (SPANS[level + 1] as number);
    }
    if (from !== to) {
      this.#makePending(OVERFLOW);
    }
  }

  /** Moves pending timers to where they belong. Returns what is left of the budget. */
  #sortOut(budget: number): number {
    const links = this.#links;
    let left = budget;
    for (; left > 0 && !this.#isEmpty(PENDING); left--) {
      const at = links[PENDING + LATER] as number;
      // Asked while the timer is still pending, so that it is not lost if this throws.
      const deadlineMs = this.#deadlineOf((at >> 1) - LISTS);
      const later = links[at + LATER] as number;
      links[PENDING + LATER] = later;
      links[later] = PENDING;
      if (deadlineMs <= this.#nowMs) {
        this.#appendDue(at);
      } else {
        this.#append(this.#bucketOf(deadlineMs), at);
      }
    }
    return left;
  }

  /** The bucket for a deadline that lies ahead, in the lowest level that reaches so far. */
  #bucketOf(deadlineMs: number): number {
    const tick = Math.ceil((deadlineMs - this.#birthMs) / this.#tickMs);
    for (let level = 0; level < LEVELS; level++) {
      if (tick < (this.#ends[level] as number)) {
        return bucketAt(level, Math.floor(tick / (SPANS[level] as number)));
      }
    }
    return OVERFLOW;
  }

  #append(list: number, at: number): void {
    const links = this.#links;
    const last = links[list] as number;
    links[at] = last;
    links[at + LATER] = list;
    links[last + LATER] = at;
    links[list] = at;
  }

  #appendDue(at: number): void {
    const links = this.#links;
    const last = ~(links[DUE] as number);
    links[at] = ~last;
    links[at + LATER] = DUE;
    links[last + LATER] = at;
    links[DUE] = ~at;
    this.#due++;
  }

  /** Hangs a whole list onto the pending one. */
  #makePending(list: number): void {
    if (this.#isEmpty(list)) {
      return;
    }
    const links = this.#links;
    const first = links[list + LATER] as number;
    const last = links[list] as number;
    const before = links[PENDING] as number;
    links[before + LATER] = first;
    links[first] = before;
    links[last + LATER] = PENDING;
    links[PENDING] = last;
    this.#empty(list);
  }

  #isEmpty(list: number): boolean {
    return this.#links[list + LATER] === list;
  }

  #empty(list: number): void {
    this.#links[list] = list;
    this.#links[list + LATER] = list;
  }

  /** Walks a list whose timers have no deadline before `firstTick`, and notes them in `seen`. */
  #checkList(list: number, firstTick: number, seen: Set<number>): void {
    const links = this.#links;
    const beforeMs = this.#birthMs + (firstTick - 1) * this.#tickMs;
    let earlier = list;
    for (;;) {
      const at = links[earlier + LATER] as number;
      const named = links[at] as number;
      assert((list === DUE ? ~named : named) === earlier, `pair ${at} comes after ${earlier} and names ${named}`);
      if (at === list) {
        return;
      }
      const slot = (at >> 1) - LISTS;
      assert(slot >= 0 && !seen.has(at), `slot ${slot} is in list ${list} and in another, or is none`);
      seen.add(at);
      assert(this.#deadlineOf(slot) > beforeMs, `slot ${slot} is in list ${list}, which is visited after its deadline`);
      earlier = at;
    }
  }
}

/** The list of a level's bucket; `index` counts the level's buckets since birth. */
function bucketAt(level: number, index: number): number {
  return ((level << 6) | (index & 63)) << 1;
}

function assert(holds: boolean, message: string): void {
  if (!holds) {
    throw new Error(`wheel: ${message}`);
  }
}
