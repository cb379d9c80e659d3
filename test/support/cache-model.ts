/**
 * What a shard should hold, as plain as it can be said: a Map in the order of arrival, for LRU of use, oldest first. An
 * expired entry keeps its place until somebody writes to its key, or a sweep finds it. The victims of `random` are not the
 * model's to name: whoever tests it gives no bound and removes those that are gone.
 */
import type { PolicyName } from '../../src/protocol/spec.ts';

export interface ModelEntry {
  readonly value: string;
  readonly expiresAtMs: number;
}

export class CacheModel {
  readonly entries = new Map<string, ModelEntry>();
  readonly policy: PolicyName;
  readonly entriesMax: number;
  /** SIEVE: who was used since the hand came by, and who it comes to next; nobody is the oldest. */
  readonly #used = new Set<string>();
  #hand: string | undefined;

  constructor(policy: PolicyName, entriesMax = Number.POSITIVE_INFINITY) {
    this.policy = policy;
    this.entriesMax = entriesMax;
  }

  peek(key: string, nowMs: number): string | undefined {
    const entry = this.entries.get(key);
    return entry !== undefined && nowMs < entry.expiresAtMs ? entry.value : undefined;
  }

  get(key: string, nowMs: number): string | undefined {
    const value = this.peek(key, nowMs);
    if (value !== undefined) {
      this.#use(key);
    }
    return value;
  }

  /** False when the cache is full and its policy gives no entry up. */
  set(key: string, value: string, expiresAtMs: number, nowMs: number): boolean {
    this.#dropExpired(key, nowMs);
    if (this.entries.has(key)) {
      this.entries.set(key, { value, expiresAtMs });
      this.#use(key);
      return true;
    }
    while (this.entries.size >= this.entriesMax) {
      if (this.policy === 'none') {
        return false;
      }
      this.remove(this.#victim());
    }
    this.entries.set(key, { value, expiresAtMs });
    return true;
  }

  delete(key: string, nowMs: number): boolean {
    this.#dropExpired(key, nowMs);
    return this.remove(key);
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
    this.#used.clear();
    this.#hand = undefined;
  }

  sweep(nowMs: number): void {
    for (const key of [...this.entries.keys()]) {
      this.#dropExpired(key, nowMs);
    }
  }

  #use(key: string): void {
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

  #dropExpired(key: string, nowMs: number): void {
    const entry = this.entries.get(key);
    if (entry !== undefined && entry.expiresAtMs <= nowMs) {
      this.remove(key);
    }
  }
}
