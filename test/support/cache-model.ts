/**
 * What a shard should hold, as plain as it can be said: a Map in the order of arrival, for LRU of use, oldest first. An
 * expired entry keeps its place until somebody writes to its key, a sweep finds it, or room is needed.
 *
 * By itself the model makes room as a shard does that is bounded by entries. Beside a shard it follows the shard, by what
 * a witness has seen, and judges: whoever is named is the one that the policy must name (but for policies that the model does not know), whoever is
 * evicted was named and lives, whoever expires has expired, and nobody leaves but to make room, or because it expired.
 *
 * Operations answer as the shard does: a value, undefined, true or false, a number, or the code of an error.
 */
import type { PolicyName } from '../../src/protocol/spec.ts';
import { MARKS } from '../../src/worker/expired-marks.ts';
import type { Witnessed } from './witness.ts';

/** How long the holders of leases may compute. */
export const LEASE_MS = 30_000;

/** Timers that a shard sorts out before an eviction: with more, some that have expired may be unknown to it. */
const TIMERS_SORTED = 64;

/** Policies that the model knows by heart. Of others it only asks that they name who is there: naive.test.ts knows them. */
const MODELLED: readonly PolicyName[] = ['lru', 'fifo', 'sieve'];

export interface ModelEntry {
  readonly value: string;
  readonly expiresAtMs: number;
  /** Every use lets the entry live on for so long; 0 for one that does not slide. */
  readonly slideMs: number;
}

export class CacheModel {
  readonly entries = new Map<string, ModelEntry>();
  readonly policy: PolicyName;
  readonly entriesMax: number;
  /** Keys that have expired and left, and nobody has been told: the how manieth expiry that was. */
  readonly #marks = new Map<string, number>();
  #expiries = 0;
  /** By key, the last lease on it. */
  readonly #leases = new Map<string, { token: number; sinceMs: number; ttlMs: number; slides: boolean }>();
  /** By key, the how manieth write its last one was. */
  readonly #writes = new Map<string, number>();
  #written = 0;
  /** SIEVE: who was used since the hand came by, and who it comes to next; nobody is the oldest. */
  readonly #used = new Set<string>();
  #hand: string | undefined;
  /** Whoever is newer than the hand. Goes on through what is added and removed, as iterators of a Map do. */
  #newer: MapIterator<string> | undefined;
  /** What the shard did, oldest first. */
  readonly #seen: Witnessed[] | undefined;
  /** What the shard found too much: how many bytes fit is its own to say. */
  refused: 'VALUE_TOO_LARGE' | 'CACHE_FULL' | undefined;

  constructor(policy: PolicyName, entriesMax = Number.POSITIVE_INFINITY, seen?: Witnessed[]) {
    this.policy = policy;
    this.entriesMax = entriesMax;
    this.#seen = seen;
  }

  peek(key: string, nowMs: number): string | undefined {
    return this.#live(key, nowMs)?.value;
  }

  get(key: string, nowMs: number): string | undefined {
    const value = this.peek(key, nowMs);
    if (value !== undefined) {
      this.#use(key, nowMs);
    }
    return value;
  }

  getOrThrow(key: string, nowMs: number): string {
    return this.get(key, nowMs) ?? this.#absent(key, nowMs);
  }

  /** True for one that has expired. */
  lookup(key: string, nowMs: number): string | true | undefined {
    return this.get(key, nowMs) ?? (this.#isMarked(key) || this.entries.has(key) ? true : undefined);
  }

  leftMs(key: string, nowMs: number): number | undefined {
    const entry = this.#live(key, nowMs);
    return entry === undefined ? undefined : entry.expiresAtMs - nowMs;
  }

  set(key: string, value: string, ttlMs: number, slides: boolean, nowMs: number): Refusal {
    this.#leases.delete(key);
    return this.#put(key, entryOf(value, ttlMs, slides, nowMs), nowMs);
  }

  add(key: string, value: string, ttlMs: number, nowMs: number): Refusal | 'KEY_EXISTS' {
    if (this.peek(key, nowMs) !== undefined) {
      return 'KEY_EXISTS';
    }
    return this.set(key, value, ttlMs, false, nowMs);
  }

  update(key: string, value: string, ttlMs: number, keepsTtl: boolean, nowMs: number): string | undefined {
    const old = this.#live(key, nowMs);
    if (old === undefined) {
      return this.#absent(key, nowMs);
    }
    // One that lives for ever has no ttl to keep, though it may once have had one.
    const slideMs = old.expiresAtMs === Number.POSITIVE_INFINITY ? 0 : old.slideMs;
    return this.#put(key, keepsTtl ? { ...old, value, slideMs } : entryOf(value, ttlMs, false, nowMs), nowMs);
  }

  increment(key: string, by: number, ttlMs: number, nowMs: number): number | false | Refusal {
    const old = this.#live(key, nowMs);
    if (old === undefined) {
      return this.set(key, `number ${by}`, ttlMs, false, nowMs) ?? by;
    }
    if (!old.value.startsWith('number ')) {
      return false;
    }
    const sum = Number(old.value.slice(7)) + by;
    this.#overwrite(key, { ...old, value: `number ${sum}` });
    return sum;
  }

  expire(key: string, ttlMs: number, nowMs: number): string | undefined {
    const old = this.#live(key, nowMs);
    if (old === undefined) {
      return this.#absent(key, nowMs);
    }
    if (old.expiresAtMs === Number.POSITIVE_INFINITY && !(ttlMs > 0 && ttlMs < Number.POSITIVE_INFINITY)) {
      return undefined;
    }
    const entry = entryOf(old.value, ttlMs, old.slideMs > 0, nowMs);
    // What slides goes on sliding, by its next ttl, also when it lives for ever meanwhile.
    return this.#put(key, { ...entry, slideMs: entry.slideMs || old.slideMs }, nowMs);
  }

  delete(key: string, nowMs: number): boolean {
    this.#leases.delete(key);
    this.#claim(key, nowMs);
    return this.remove(key);
  }

  pop(key: string, nowMs: number): string | undefined {
    const value = this.get(key, nowMs);
    this.delete(key, nowMs);
    return value;
  }

  /** The key that should leave next; undefined where the policy does not say. */
  first(nowMs: number): string | undefined {
    const named = this.#follow(nowMs, false);
    return this.policy === 'none' ? undefined : named;
  }

  /** The token again, that of whoever has the lease times -1, or the value. */
  lease(key: string, token: number, ttlMs: number, slides: boolean, nowMs: number): string | number {
    const value = this.get(key, nowMs);
    if (value !== undefined) {
      return value;
    }
    const held = this.#leases.get(key);
    if (held !== undefined && nowMs - held.sinceMs < LEASE_MS) {
      return -held.token;
    }
    this.#leases.set(key, { token, sinceMs: nowMs, ttlMs, slides });
    return token;
  }

  fill(key: string, value: string, token: number, nowMs: number): boolean | Refusal {
    const lease = this.#leases.get(key);
    if (lease?.token !== token) {
      return false;
    }
    this.#leases.delete(key);
    return this.#put(key, entryOf(value, lease.ttlMs, lease.slides, nowMs), nowMs) ?? true;
  }

  release(key: string, token: number): boolean {
    return this.#leases.get(key)?.token === token && this.#leases.delete(key);
  }

  /** Whatever the cause, and whether it has expired or not. */
  remove(key: string): boolean {
    if (key === this.#hand) {
      this.#hand = this.#newer?.next().value;
    }
    this.#used.delete(key);
    return this.entries.delete(key);
  }

  /** Another owner has taken over: it knows the entries, and when they were written, but little else. */
  adopt(): void {
    const byAge = [...this.entries].sort(
      ([a], [b]) => (this.#writes.get(a) as number) - (this.#writes.get(b) as number),
    );
    this.entries.clear();
    for (const [key, entry] of byAge) {
      this.entries.set(key, entry);
    }
    this.#marks.clear();
    this.#leases.clear();
    this.#hand = undefined;
  }

  clear(): void {
    this.entries.clear();
    this.#marks.clear();
    this.#leases.clear();
    this.#used.clear();
    this.#hand = undefined;
  }

  /** The shard swept, and how many left. */
  sweep(nowMs: number): number {
    const before = this.entries.size;
    this.#follow(nowMs, false);
    return before - this.entries.size;
  }

  /** Keys that have not expired. */
  keys(nowMs: number): string[] {
    return [...this.entries.keys()].filter((key) => this.peek(key, nowMs) !== undefined);
  }

  #live(key: string, nowMs: number): ModelEntry | undefined {
    const entry = this.entries.get(key);
    return entry !== undefined && nowMs < entry.expiresAtMs ? entry : undefined;
  }

  #put(key: string, entry: ModelEntry, nowMs: number): Refusal {
    this.#claim(key, nowMs);
    if (this.refused === 'VALUE_TOO_LARGE') {
      return this.refused;
    }
    if (this.#seen !== undefined) {
      this.#follow(nowMs, true);
    } else if (!this.entries.has(key)) {
      this.#makeRoom(nowMs);
    }
    // Under a bound of entries this is the model's to say, under one of bytes the shard's.
    const isFull = this.entries.size >= this.entriesMax && !this.entries.has(key);
    if (isFull || (this.refused === 'CACHE_FULL' && this.entriesMax === Number.POSITIVE_INFINITY)) {
      assert(this.policy === 'none', 'a shard that evicts says that it is full');
      return 'CACHE_FULL';
    }
    if (this.entries.has(key)) {
      this.#overwrite(key, entry);
    } else {
      this.#marks.delete(key);
      this.entries.set(key, entry);
      this.#writes.set(key, ++this.#written);
    }
    return undefined;
  }

  /** One place, for a new entry; none where nobody may be evicted. */
  #makeRoom(nowMs: number): void {
    if (this.entries.size < this.entriesMax) {
      return;
    }
    const expired = this.#firstExpired(nowMs);
    if (expired !== undefined) {
      this.#claim(expired, nowMs);
    } else if (this.policy !== 'none') {
      this.remove(this.#victim());
    }
  }

  /** Does what the shard did of its own accord, and says whom its policy named last. */
  #follow(nowMs: number, mayEvict: boolean): string | undefined {
    let named: string | undefined;
    for (let seen = this.#seen?.shift(); seen !== undefined; seen = this.#seen?.shift()) {
      const { what, key } = seen;
      if (what === 'named') {
        named = key;
        this.#judgeNamed(key);
        continue;
      }
      const entry = this.entries.get(key as string);
      assert(entry !== undefined, `${what} of ${key}, which was not there`);
      if (what === 'expire') {
        assert(entry.expiresAtMs <= nowMs, `${key} expires at ${entry.expiresAtMs} and left at ${nowMs}`);
        this.#mark(key as string);
      } else {
        assert(mayEvict && key === named, `${key} was evicted, ${named} was named`);
        assert(entry.expiresAtMs > nowMs, `${key} was evicted, but had expired`);
        if (this.entries.size <= TIMERS_SORTED) {
          const expired = this.#firstExpired(nowMs);
          assert(expired === undefined, `${key} was evicted, though ${expired} had expired`);
        }
      }
      this.remove(key as string);
    }
    return named;
  }

  #judgeNamed(key: string | undefined): void {
    if (this.policy === 'none' || this.entries.size === 0) {
      assert(key === undefined, `${key} was named`);
    } else if (!MODELLED.includes(this.policy)) {
      assert(this.entries.has(key as string), `${key} was named, which was not there`);
    } else {
      const victim = this.#victim();
      assert(key === victim, `${key} was named, ${victim} is the victim`);
    }
  }

  #firstExpired(nowMs: number): string | undefined {
    for (const [key, { expiresAtMs }] of this.entries) {
      if (expiresAtMs <= nowMs) {
        return key;
      }
    }
    return undefined;
  }

  #overwrite(key: string, entry: ModelEntry): void {
    this.entries.set(key, entry);
    this.#writes.set(key, ++this.#written);
    this.#renew(key);
  }

  #use(key: string, nowMs: number): void {
    const entry = this.entries.get(key) as ModelEntry;
    if (entry.slideMs > 0) {
      this.entries.set(key, { ...entry, expiresAtMs: Math.max(entry.expiresAtMs, nowMs + entry.slideMs) });
    }
    this.#renew(key);
  }

  #renew(key: string): void {
    if (this.policy === 'lru') {
      const entry = this.entries.get(key) as ModelEntry;
      this.entries.delete(key);
      this.entries.set(key, entry);
    } else if (this.policy === 'sieve') {
      this.#used.add(key);
    }
  }

  #victim(): string {
    const oldest = this.entries.keys().next().value as string;
    if (this.policy !== 'sieve') {
      return oldest;
    }
    if (this.#hand === undefined) {
      this.#fromOldest();
    }
    while (this.#used.delete(this.#hand as string)) {
      this.#hand = this.#newer?.next().value;
      if (this.#hand === undefined) {
        this.#fromOldest();
      }
    }
    return this.#hand as string;
  }

  #fromOldest(): void {
    this.#newer = this.entries.keys();
    this.#hand = this.#newer.next().value;
  }

  #absent(key: string, nowMs: number): 'KEY_EXPIRED' | 'KEY_NOT_FOUND' {
    this.#claim(key, nowMs);
    const wasMarked = this.#isMarked(key);
    this.#marks.delete(key);
    return wasMarked ? 'KEY_EXPIRED' : 'KEY_NOT_FOUND';
  }

  #mark(key: string): void {
    this.#marks.set(key, ++this.#expiries);
  }

  /** Only so many are remembered, taken ones counted in. */
  #isMarked(key: string): boolean {
    return (this.#marks.get(key) ?? Number.NEGATIVE_INFINITY) > this.#expiries - MARKS;
  }

  /** Somebody is about to write to the key: if it has expired, it leaves. */
  #claim(key: string, nowMs: number): void {
    const entry = this.entries.get(key);
    if (entry !== undefined && entry.expiresAtMs <= nowMs) {
      this.remove(key);
      this.#mark(key);
      if (this.#seen !== undefined) {
        const seen = this.#seen.shift();
        assert(
          seen?.what === 'expire' && seen.key === key,
          `${key} has expired and did not leave when it was written to`,
        );
      }
    }
  }
}

type Refusal = undefined | 'VALUE_TOO_LARGE' | 'CACHE_FULL';

function assert(holds: boolean, message: string): asserts holds {
  if (!holds) {
    throw new Error(`model: ${message}`);
  }
}

function entryOf(value: string, ttlMs: number, slides: boolean, nowMs: number): ModelEntry {
  return ttlMs > 0 && ttlMs < Number.POSITIVE_INFINITY
    ? { value, expiresAtMs: nowMs + ttlMs, slideMs: slides ? ttlMs : 0 }
    : { value, expiresAtMs: Number.POSITIVE_INFINITY, slideMs: 0 };
}
