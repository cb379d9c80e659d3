/** A key becomes bytes and a hash. The keys of a loop fit the first-level cache: what is measured is the code. */
import type { CacheKey } from '../../src/protocol/cache-key.ts';
import { KeyEncoder } from '../../src/protocol/key.ts';
import { LOOP_OPERATIONS, type MicroTask } from '../support/micro.ts';
import type { Subject } from './subject.ts';

const HASH_SEED = { low: 1, high: 2 };
const DIGITS = 15;
const ID_FROM = 100_000;

export function key(): Subject {
  const ids = Array.from({ length: LOOP_OPERATIONS }, (_, i) => ID_FROM + i * 7);
  const joined = ids.map((id) => `user:${String(id).padStart(DIGITS, '0')}`);
  // Made from bytes, a string is one piece; what `+` or a template makes of more than 12 characters is a tree until it is read.
  const flat = joined.map((text) => Buffer.from(text).toString('latin1'));
  const objects = ids.map((id) => ({ id, kind: 'user' }));
  const tasks = [
    encoding('key: string of 20 characters', flat),
    encoding('key: the same, made by a template', joined),
    encoding('key: number', ids),
    encoding('key: { id, kind }', objects),
  ];
  const lengths = [flat, joined, ids, objects].map(bytesOfFirst);
  const copies = new Map([...new Set(lengths)].map((byteLength) => [byteLength, copying(byteLength)]));
  return {
    tasks: [...tasks, ...copies.values()],
    floors: Object.fromEntries(tasks.map(({ name }, i) => [name, copies.get(lengths[i] as number)?.name as string])),
  };
}

function encoding(name: string, keys: readonly CacheKey[]): MicroTask {
  const encoder = new KeyEncoder(HASH_SEED);
  const expected = sumOfHashes(encoder, keys);
  return {
    name,
    loop() {
      if (sumOfHashes(encoder, keys) !== expected) {
        throw new Error(`${name}: a key has another hash than before`);
      }
    },
  };
}

function sumOfHashes(encoder: KeyEncoder, keys: readonly CacheKey[]): number {
  let sum = 0;
  for (let i = 0; i < LOOP_OPERATIONS; i++) {
    encoder.encode(keys[i]);
    sum = (sum + encoder.hashLow) | 0;
  }
  return sum;
}

function copying(byteLength: number): MicroTask {
  const sources = Array.from({ length: LOOP_OPERATIONS }, (_, i) => new Uint8Array(byteLength).fill(i));
  const target = new Uint8Array(byteLength);
  let sum = 0;
  return {
    name: `floor: set of ${byteLength} bytes`,
    loop() {
      for (let i = 0; i < LOOP_OPERATIONS; i++) {
        target.set(sources[i] as Uint8Array);
        sum = (sum + (target[0] as number)) | 0;
      }
    },
  };
}

function bytesOfFirst(keys: readonly CacheKey[]): number {
  const encoder = new KeyEncoder(HASH_SEED);
  encoder.encode(keys[0]);
  return encoder.byteLength;
}
