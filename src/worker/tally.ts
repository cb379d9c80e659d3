/**
 * What a shard counts: how often things happened, and the peaks of its gauges. Counts never fall, but for `reset`, which
 * takes them as they stand for the new zero: clients go on writing theirs into their own memory.
 *
 * All of it lies in the shard's memory, so that a new owner goes on counting where a dead one stopped:
 *
 *     cells 0-16    how often things happened; among them what clients have counted, as far as that was taken
 *     cells 17-18   peaks
 *     cells 19-34   the zero of each count, in the order of COUNTS
 */
import type { ClientCounts, ClientMemory } from '../protocol/client.ts';
import type { ShardCounts } from '../protocol/operations.ts';
import type { RemovalCause } from '../protocol/policy.ts';

/** What only the shard itself knows. */
export type Gauges = Pick<ShardCounts, 'entries' | 'validEntries' | 'bytes' | 'payloadBytes' | 'clients'>;

type Counts = Omit<ShardCounts, keyof Gauges | 'entriesPeak' | 'validPeak'>;

const SETS = 0;
const FAILURES = 1;
const POLICY_FAULTS = 2;
const FRAMES = 3;
const CALLS = 4;
const REMOVED = { evict: 5, expire: 6, delete: 7, clear: 8 } as const satisfies Record<RemovalCause, number>;
const HITS = 9;
const MISSES = 10;
const DROPPED_TOUCHES = 11;
const FILTER_NEGATIVES = 12;
const FALSE_POSITIVES = 13;
const RESTARTS = 14;
const DROPPED_EVENTS = 15;
const NEAR_HITS = 16;
const ENTRIES_PEAK = 17;
const VALID_PEAK = 18;
const ZERO = 19;
const COUNTS = [
  'hits',
  'misses',
  'sets',
  'deletes',
  'evictions',
  'expirations',
  'failures',
  'policyFaults',
  'frames',
  'calls',
  'droppedTouches',
  'droppedEvents',
  'filterNegatives',
  'filterFalsePositives',
  'restarts',
  'nearHits',
] as const satisfies readonly (keyof Counts)[];

/** Counts that were taken from clients, of reads that came by frame, and of events that no client had room for. */
class Reads implements ClientCounts {
  readonly #cells: Float64Array;

  constructor(cells: Float64Array) {
    this.#cells = cells;
  }

  get hits(): number {
    return this.#cells[HITS] as number;
  }

  set hits(count: number) {
    this.#cells[HITS] = count;
  }

  get misses(): number {
    return this.#cells[MISSES] as number;
  }

  set misses(count: number) {
    this.#cells[MISSES] = count;
  }

  get droppedTouches(): number {
    return this.#cells[DROPPED_TOUCHES] as number;
  }

  set droppedTouches(count: number) {
    this.#cells[DROPPED_TOUCHES] = count;
  }

  get droppedEvents(): number {
    return this.#cells[DROPPED_EVENTS] as number;
  }

  set droppedEvents(count: number) {
    this.#cells[DROPPED_EVENTS] = count;
  }

  get filterNegatives(): number {
    return this.#cells[FILTER_NEGATIVES] as number;
  }

  set filterNegatives(count: number) {
    this.#cells[FILTER_NEGATIVES] = count;
  }

  get nearHits(): number {
    return this.#cells[NEAR_HITS] as number;
  }

  set nearHits(count: number) {
    this.#cells[NEAR_HITS] = count;
  }
}

export class Tally {
  readonly read: ClientCounts;
  readonly #cells: Float64Array;

  /** `cells`: zero, or as another tally has left them. */
  constructor(cells: Float64Array) {
    this.#cells = cells;
    this.read = new Reads(cells);
  }

  get evicted(): number {
    return this.#cells[REMOVED.evict] as number;
  }

  countSet(): void {
    (this.#cells[SETS] as number)++;
  }

  countFailure(): void {
    (this.#cells[FAILURES] as number)++;
  }

  countPolicyFault(): void {
    (this.#cells[POLICY_FAULTS] as number)++;
  }

  countFrame(calls: number): void {
    (this.#cells[FRAMES] as number)++;
    (this.#cells[CALLS] as number) += calls;
  }

  countRemoved(cause: RemovalCause, entries = 1): void {
    (this.#cells[REMOVED[cause]] as number) += entries;
  }

  countFalsePositive(): void {
    (this.#cells[FALSE_POSITIVES] as number)++;
  }

  /** A new owner has taken over. */
  countRestart(): void {
    (this.#cells[RESTARTS] as number)++;
  }

  /** An entry was added. */
  rise(entries: number, validEntries: number): void {
    const cells = this.#cells;
    if (entries > (cells[ENTRIES_PEAK] as number)) {
      cells[ENTRIES_PEAK] = entries;
    }
    if (validEntries > (cells[VALID_PEAK] as number)) {
      cells[VALID_PEAK] = validEntries;
    }
  }

  counts(clients: Iterable<ClientMemory>, gauges: Gauges): ShardCounts {
    const counts = this.#counts(clients);
    for (const [i, name] of COUNTS.entries()) {
      counts[name] -= this.#cells[ZERO + i] as number;
    }
    const [entriesPeak, validPeak] = [this.#cells[ENTRIES_PEAK] as number, this.#cells[VALID_PEAK] as number];
    return { ...counts, ...gauges, entriesPeak, validPeak };
  }

  /** Gets of all clients since birth, whatever was reset. */
  gets(clients: Iterable<ClientMemory>): number {
    const { hits, misses } = this.#counts(clients);
    return hits + misses;
  }

  /** Counts begin at zero again, peaks at what there is now. */
  reset(clients: Iterable<ClientMemory>, { entries, validEntries }: Gauges): void {
    const counts = this.#counts(clients);
    for (const [i, name] of COUNTS.entries()) {
      this.#cells[ZERO + i] = counts[name];
    }
    this.#cells[ENTRIES_PEAK] = entries;
    this.#cells[VALID_PEAK] = validEntries;
  }

  #counts(clients: Iterable<ClientMemory>): Counts {
    const cells = this.#cells;
    for (const client of clients) {
      client.takeCounts(this.read);
    }
    const { hits, misses, droppedTouches, droppedEvents, filterNegatives, nearHits } = this.read;
    return {
      ...{ hits, misses, droppedTouches, droppedEvents, filterNegatives, nearHits },
      sets: cells[SETS] as number,
      failures: cells[FAILURES] as number,
      policyFaults: cells[POLICY_FAULTS] as number,
      frames: cells[FRAMES] as number,
      calls: cells[CALLS] as number,
      filterFalsePositives: cells[FALSE_POSITIVES] as number,
      deletes: (cells[REMOVED.delete] as number) + (cells[REMOVED.clear] as number),
      evictions: cells[REMOVED.evict] as number,
      expirations: cells[REMOVED.expire] as number,
      restarts: cells[RESTARTS] as number,
    };
  }
}
