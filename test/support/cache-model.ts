/**
 * What a shard should hold, as plain as it can be said: a Map in the order of arrival, for LRU of use, oldest first. An
 * expired entry keeps its place until somebody writes to its key, a sweep finds it, or room is needed. The victims of
 * `random` are not the model's to name: whoever tests it gives no bound and removes those that are gone.
 *
 * Operations answer as the shard does: a value, undefined, true or false, a number, or the code of an error.
 */
import type { PolicyName } from '../../src/protocol/spec.ts';

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
  /** Keys that have expired and left, and nobody has been told. */
  readonly #marked = new Set<string>();
  /** By key, the last lease on it. */
  readonly #leases = new Map<string, { token: number; ttlMs: number; slides: boolean }>();
  /** SIEVE: who was used since the hand came by, and who it comes to next; nobody is the oldest. */
  readonly #used = new Set<string>();
  #hand: string | undefined;

  constructor(policy: PolicyName, entriesMax = Number.POSITIVE_INFINITY) {
    this.policy = policy;
    this.entriesMax = entriesMax;
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
    return this.get(key, nowMs) ?? (this.#marked.has(key) || this.entries.has(key) ? true : undefined);
  }

  leftMs(key: string, nowMs: number): number | undefined {
    const entry = this.#live(key, nowMs);
    return entry === undefined ? undefined : entry.expiresAtMs - nowMs;
  }

  set(key: string, value: string, ttlMs: number, slides: boolean, nowMs: number): undefined | 'CACHE_FULL' {
    this.#leases.delete(key);
    return this.#put(key, entryOf(value, ttlMs, slides, nowMs), nowMs);
  }

  add(key: string, value: string, ttlMs: number, nowMs: number): undefined | 'KEY_EXISTS' | 'CACHE_FULL' {
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
    return this.#put(key, keepsTtl ? { ...old, value } : entryOf(value, ttlMs, false, nowMs), nowMs);
  }

  increment(key: string, by: number, ttlMs: number, nowMs: number): number | false | 'CACHE_FULL' {
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
    this.#overwrite(key, entryOf(old.value, ttlMs, old.slideMs > 0, nowMs));
    return undefined;
  }

  delete(key: string, nowMs: number): boolean {
    this.#leases.delete(key);
    this.#dropExpired(key, nowMs);
    return this.remove(key);
  }

  pop(key: string, nowMs: number): string | undefined {
    const value = this.get(key, nowMs);
    this.delete(key, nowMs);
    return value;
  }

  /** The key that should leave next, of entries that all live; undefined where the policy does not say. */
  first(): string | undefined {
    return this.policy === 'none' || this.policy === 'random' || this.entries.size === 0 ? undefined : this.#victim();
  }

  lease(key: string, token: number, ttlMs: number, slides: boolean, nowMs: number): string | number | false {
    const value = this.get(key, nowMs);
    if (value !== undefined) {
      return value;
    }
    if (this.#leases.has(key)) {
      return false;
    }
    this.#leases.set(key, { token, ttlMs, slides });
    return token;
  }

  fill(key: string, value: string, token: number, nowMs: number): boolean | 'CACHE_FULL' {
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
      this.#hand = this.#newerThan(key);
    }
    this.#used.delete(key);
    return this.entries.delete(key);
  }

  clear(): void {
    this.entries.clear();
    this.#marked.clear();
    this.#leases.clear();
    this.#used.clear();
    this.#hand = undefined;
  }

  sweep(nowMs: number): number {
    const before = this.entries.size;
    for (const key of [...this.entries.keys()]) {
      this.#dropExpired(key, nowMs);
    }
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

  #put(key: string, entry: ModelEntry, nowMs: number): undefined | 'CACHE_FULL' {
    this.#dropExpired(key, nowMs);
    if (this.entries.has(key)) {
      this.#overwrite(key, entry);
      return undefined;
    }
    while (this.entries.size >= this.entriesMax) {
      const expired = [...this.entries.keys()].find((each) => this.peek(each, nowMs) === undefined);
      if (expired !== undefined) {
        this.#dropExpired(expired, nowMs);
      } else if (this.policy === 'none') {
        return 'CACHE_FULL';
      } else {
        this.remove(this.#victim());
      }
    }
    this.#marked.delete(key);
    this.entries.set(key, entry);
    return undefined;
  }

  #overwrite(key: string, entry: ModelEntry): void {
    this.entries.set(key, entry);
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
    let victim = this.#hand ?? oldest;
    while (this.#used.delete(victim)) {
      victim = this.#newerThan(victim) ?? oldest;
    }
    this.#hand = victim;
    return victim;
  }

  #newerThan(key: string): string | undefined {
    const keys = [...this.entries.keys()];
    return keys[keys.indexOf(key) + 1];
  }

  #absent(key: string, nowMs: number): 'KEY_EXPIRED' | 'KEY_NOT_FOUND' {
    this.#dropExpired(key, nowMs);
    return this.#marked.delete(key) ? 'KEY_EXPIRED' : 'KEY_NOT_FOUND';
  }

  #dropExpired(key: string, nowMs: number): void {
    const entry = this.entries.get(key);
    if (entry !== undefined && entry.expiresAtMs <= nowMs) {
      this.remove(key);
      this.#marked.add(key);
    }
  }
}

function entryOf(value: string, ttlMs: number, slides: boolean, nowMs: number): ModelEntry {
  return ttlMs > 0 && ttlMs < Number.POSITIVE_INFINITY
    ? { value, expiresAtMs: nowMs + ttlMs, slideMs: slides ? ttlMs : 0 }
    : { value, expiresAtMs: Number.POSITIVE_INFINITY, slideMs: 0 };
}
