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

/** The keys of a trace, as numbers in the order in which they first appear. */
export function keysOf(trace: string): Int32Array {
  const text = gunzipSync(readFileSync(join(TRACES, `${trace}.txt.gz`)));
  const numbers = new Map<string, number>();
  const keys: number[] = [];
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
    at = end + 1;
  }
  return Int32Array.from(keys);
}
