/**
 * The traces that hit ratios are measured on, and what two independent simulators say of them. They are data of others
 * and no part of this repository: SHARDSTASH_TRACES names their folder.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

export const TRACES = process.env['SHARDSTASH_TRACES'] ?? '';
export const NO_TRACES = 'SHARDSTASH_TRACES does not name a folder with golden.csv';

const NEWLINE = 10;
const SPACE = 32;

export function hasTraces(): boolean {
  return TRACES !== '' && existsSync(join(TRACES, 'golden.csv'));
}

export interface Cell {
  readonly trace: string;
  readonly policy: string;
  readonly entries: number;
  readonly hitRatio: number;
}

export function goldenCells(policies: readonly string[]): Cell[] {
  const lines = readFileSync(join(TRACES, 'golden.csv'), 'utf8').trim().split('\n').slice(1);
  return lines
    .map((line) => line.split(',') as [string, string, string, string])
    .map(([trace, policy, entries, ratio]) => ({ trace, policy, entries: Number(entries), hitRatio: Number(ratio) }))
    .filter(({ policy }) => policies.includes(policy));
}

/** Of the same trace on a virtual clock: what an unbounded cache or an LRU hits when entries expire, or do not. */
export interface TtlCell {
  readonly trace: string;
  readonly requestsPerSecond: number;
  readonly policy: string;
  /** Infinity for an unbounded cache. */
  readonly entries: number;
  readonly expiry: string;
  readonly hitRatio: number;
}

export function goldenTtlCells(): TtlCell[] {
  const lines = readFileSync(join(TRACES, 'golden_ttl.csv'), 'utf8').trim().split('\n').slice(1);
  return lines
    .map((line) => line.split(',') as [string, string, string, string, string, string])
    .map(([trace, rate, policy, entries, expiry, ratio]) => ({
      trace,
      requestsPerSecond: Number(rate),
      policy,
      entries: entries === 'inf' ? Number.POSITIVE_INFINITY : Number(entries),
      expiry,
      hitRatio: Number(ratio),
    }));
}

/** Of a cache that is bounded by the sizes of what it holds, charged when it is stored. */
export interface ByteCell {
  readonly trace: string;
  readonly policy: string;
  readonly bytes: number;
  readonly hitRatio: number;
  readonly byteHitRatio: number;
}

export function goldenByteCells(): ByteCell[] {
  const lines = readFileSync(join(TRACES, 'golden_bytes.csv'), 'utf8').trim().split('\n').slice(1);
  return lines
    .map((line) => line.split(',') as [string, string, string, string, string])
    .map(([trace, policy, bytes, hitRatio, byteHitRatio]) => ({
      ...{ trace, policy, bytes: Number(bytes) },
      ...{ hitRatio: Number(hitRatio), byteHitRatio: Number(byteHitRatio) },
    }));
}

/** Which traces and sizes golden_shards.csv speaks of, as `trace,entries`. */
export function goldenShardSizes(): Set<string> {
  const lines = readFileSync(join(TRACES, 'golden_shards.csv'), 'utf8').trim().split('\n').slice(1);
  return new Set(lines.map((line) => line.split(',')).map(([trace, , , entries]) => `${trace},${entries}`));
}

/** The keys of a trace, as numbers in the order in which they first appear. */
export function keysOf(trace: string): Int32Array {
  return requestsOf(trace).keys;
}

export interface Requests {
  /** As numbers in the order in which they first appear. */
  readonly keys: Int32Array;
  /** Bytes of each request; NaN where the trace has none. */
  readonly sizes: Float64Array;
  /** Seconds to live of each request; NaN where the trace has none. */
  readonly ttls: Float64Array;
}

export function requestsOf(trace: string): Requests {
  const text = gunzipSync(readFileSync(join(TRACES, `${trace}.txt.gz`)));
  const numbers = new Map<string, number>();
  const keys: number[] = [];
  const sizes: number[] = [];
  const ttls: number[] = [];
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf(NEWLINE, at);
    const end = newline === -1 ? text.length : newline;
    let keyEnd = at;
    while (keyEnd < end && text[keyEnd] !== SPACE) {
      keyEnd++;
    }
    const key = text.toString('latin1', at, keyEnd);
    let number = numbers.get(key);
    if (number === undefined) {
      number = numbers.size;
      numbers.set(key, number);
    }
    keys.push(number);
    const [size, ttl] = text.toString('latin1', keyEnd + 1, end).split(' ');
    sizes.push(size === undefined || size === '' ? Number.NaN : Number(size));
    ttls.push(Number(ttl));
    at = end + 1;
  }
  return { keys: Int32Array.from(keys), sizes: Float64Array.from(sizes), ttls: Float64Array.from(ttls) };
}
