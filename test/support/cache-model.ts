/**
 * What a shard should hold, as plain as it can be said: a Map in the order of eviction, oldest first. An expired entry
 * keeps its place until somebody writes to its key, or a sweep finds it.
 */
import type { PolicyName } from '../../src/protocol/spec.ts';

export interface ModelEntry {
  readonly value: string;
  readonly expiresAtMs: number;
}

export class CacheModel {
  readonly entries = new Map<string, ModelEntry>();
  readonly #policy: PolicyName;
  readonly #entriesMax: number;

  constructor(policy: PolicyName, entriesMax = Number.POSITIVE_INFINITY) {
    this.#policy = policy;
    this.#entriesMax = entriesMax;
  }

  peek(key: string, nowMs: number): string | undefined {
    const entry = this.entries.get(key);
    return entry !== undefined && nowMs < entry.expiresAtMs ? entry.value : undefined;
  }

  get(key: string, nowMs: number): string | undefined {
    const value = this.peek(key, nowMs);
    if (value !== undefined && this.#policy === 'lru') {
      this.#renew(key, this.entries.get(key) as ModelEntry);
    }
    return value;
  }

  set(key: string, value: string, expiresAtMs: number, nowMs: number): void {
    this.#dropExpired(key, nowMs);
    const entry = { value, expiresAtMs };
    if (this.entries.has(key)) {
      if (this.#policy === 'lru') {
        this.#renew(key, entry);
      } else {
        this.entries.set(key, entry);
      }
      return;
    }
    while (this.entries.size >= this.#entriesMax) {
      this.entries.delete(this.entries.keys().next().value as string);
    }
    this.entries.set(key, entry);
  }

  delete(key: string, nowMs: number): boolean {
    this.#dropExpired(key, nowMs);
    return this.entries.delete(key);
  }

  sweep(nowMs: number): void {
    for (const key of [...this.entries.keys()]) {
      this.#dropExpired(key, nowMs);
    }
  }

  #dropExpired(key: string, nowMs: number): void {
    const entry = this.entries.get(key);
    if (entry !== undefined && entry.expiresAtMs <= nowMs) {
      this.entries.delete(key);
    }
  }

  #renew(key: string, entry: ModelEntry): void {
    this.entries.delete(key);
    this.entries.set(key, entry);
  }
}
