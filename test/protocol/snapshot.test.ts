import { deepStrictEqual } from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { diskFiles } from '../../src/protocol/files.ts';
import { KeyEncoder } from '../../src/protocol/key.ts';
import { META_ENCODING_SHIFT } from '../../src/protocol/memory.ts';
import { BLOCK_BYTES, BlockWriter } from '../../src/protocol/snapshot/block.ts';
import { coldestFirst, sealIndex } from '../../src/protocol/snapshot/block-index.ts';
import { snapshotHeader } from '../../src/protocol/snapshot/ends.ts';
import { entriesOf } from '../../src/protocol/snapshot/entry.ts';
import { HEADER_BYTES } from '../../src/protocol/snapshot/file.ts';
import { indexIn, readIndex, sourceOf } from '../../src/protocol/snapshot/source.ts';
import type { BlockPlace } from '../../src/protocol/snapshot/tasks.ts';
import { verifySnapshot, verifySnapshotFile } from '../../src/protocol/snapshot/verify.ts';
import { seededRandom } from '../support/random.ts';
import { drawEntry, entriesOfBytes, FACTS, KEYS, snapshotOf } from '../support/snapshots.ts';

const directory = mkdtempSync(join(tmpdir(), 'snapshot-format-'));
const AROUND = 1_700_000_000_000;

afterAll(() => rmSync(directory, { recursive: true }));

function fileOf(bytes: Uint8Array): string {
  const path = join(directory, 'given.snapshot');
  writeFileSync(path, bytes);
  return path;
}

/** A snapshot whose one block has this record, with checksums that are right. */
function forged(
  fill: (block: BlockWriter) => void,
  entries = 1,
  change: (block: Uint8Array) => void = () => {},
): Buffer {
  const id = Buffer.alloc(16, 7);
  const writer = new BlockWriter(id);
  fill(writer);
  const block = Buffer.from(writer.seal().bytes);
  change(block);
  const place = { offset: HEADER_BYTES, bytes: block.length, entries, checksum: crc32(block) };
  const end = sealIndex(id, { ...FACTS, shards: 1, entries }, [[place]], HEADER_BYTES + block.length);
  return Buffer.concat([snapshotHeader(id), block, end]);
}

/** A record of a key that is `words`, and of no value. */
function ofKey(words: number[], keyBytes: number, encoding: number, more = {}): (block: BlockWriter) => void {
  const head = { valueBytes: 0, standing: 0, deadlineMs: 0, slideMs: 0, graceMs: 0 };
  return (block) => {
    const at = block.add({ meta: keyBytes | (encoding << META_ENCODING_SHIFT), ...head, ...more });
    block.words.set(words, at);
  };
}

describe('a snapshot', () => {
  test('gives back every kind of key, value, expiry and standing, in order', () => {
    const random = seededRandom('snapshot entries');
    const entries = KEYS.map((key) => drawEntry(random, key, AROUND));
    for (let i = 0; i < 2_000; i++) {
      entries.push(drawEntry(random, `key:${i}`, AROUND));
    }
    const bytes = snapshotOf(entries);
    deepStrictEqual(entriesOfBytes(bytes), entries);
    const path = fileOf(bytes);
    const index = readIndex(diskFiles, path);
    deepStrictEqual([...entriesOf(index, path)], entries);
    expect(index.facts).toEqual({ ...FACTS, shards: 1, entries: entries.length });
    expect(index.bytes).toBe(bytes.length);
    expect(verifySnapshot(bytes)).toEqual([]);
    expect(verifySnapshotFile(path)).toEqual([]);
  });

  test('may have no entry at all', () => {
    const bytes = snapshotOf([]);
    expect(entriesOfBytes(bytes)).toEqual([]);
    expect(verifySnapshot(bytes)).toEqual([]);
  });

  test('has an entry that is longer than a block in a block of its own', () => {
    const random = seededRandom('long entries');
    const entries = [10, BLOCK_BYTES * 2, 20, BLOCK_BYTES - 5, 30].map((length, i) => ({
      ...drawEntry(random, i, AROUND),
      tag: 4,
      value: random.bytes(length),
    }));
    const bytes = snapshotOf(entries);
    expect(indexIn(sourceOf(bytes, 'given')).shards[0]?.map((place) => place.entries)).toEqual([1, 1, 1, 1, 1]);
    deepStrictEqual(entriesOfBytes(bytes), entries);
  });

  test('takes 8 bytes beyond key and value of an entry that lives for ever, rounded to words', () => {
    const entry = { key: 'four', tag: 4, value: Buffer.alloc(8), slideMs: 0, graceMs: 0, standing: 0 };
    const bytes = [100, 200].map(
      (count) => snapshotOf(Array(count).fill({ ...entry, deadlineMs: Number.POSITIVE_INFINITY })).length,
    );
    expect((bytes[1] as number) - (bytes[0] as number)).toBe(100 * (8 + 4 + 8));
  });

  test('of many shards has the coldest blocks of all before the hotter ones of any', () => {
    const place = (offset: number): BlockPlace => ({ offset, bytes: 4, entries: 1, checksum: 0 });
    const shards = [[1, 2, 3, 4].map(place), [10].map(place), [], [20, 21].map(place)];
    const index = { id: Buffer.alloc(16), facts: { ...FACTS, shards: 4, entries: 7 }, shards, bytes: 0 };
    expect(coldestFirst(index).map(({ offset }) => offset)).toEqual([1, 20, 2, 10, 3, 21, 4]);
  });
});

describe('what is not loaded', () => {
  const whole = snapshotOf([drawEntry(seededRandom('damage'), 'a', AROUND)]);
  const verdict = (bytes: Uint8Array) => verifySnapshot(bytes).join();
  const changed = (at: number) => {
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] as number) ^ 1;
    return bytes;
  };

  test('is another file', () => {
    expect(verdict(Buffer.from('hello'))).toMatch(/is no snapshot of shardstash\. Next: /);
    expect(verdict(Buffer.alloc(0))).toMatch(/is no snapshot/);
    expect(() => readIndex(diskFiles, directory)).toThrow(/is no file|EISDIR/);
    expect(() => readIndex(diskFiles, join(directory, 'none'))).toThrow(/no such file.*Next: /s);
  });

  test('is one whose end is missing', () => {
    for (const length of [20, 64, 130, whole.length - 64, whole.length - 1]) {
      expect(verdict(whole.subarray(0, length))).toMatch(/without its end/);
    }
  });

  test('is one of a newer version, which is named', () => {
    const newer = Buffer.from(whole);
    newer.writeUInt32LE(2, 8);
    newer.writeUInt32LE(crc32(newer.subarray(0, 60)), 60);
    expect(verdict(newer)).toMatch(/version 2, where 1 is known: a newer shardstash wrote it\. Next: /);
  });

  test('is one that has changed, and what has changed is said', () => {
    expect(verdict(changed(30))).toMatch(/its header has changed/);
    expect(verdict(changed(HEADER_BYTES + 40))).toMatch(/the block at 64 has changed/);
    expect(verdict(changed(whole.length - 70))).toMatch(/its index has changed/);
    expect(verdict(changed(whole.length - 20))).toMatch(/its footer has changed/);
    expect(verdict(Buffer.concat([whole, whole.subarray(-64)]))).toMatch(/bytes, and had/);
  });

  test('is one that was put together of two', () => {
    const other = snapshotOf(entriesOfBytes(whole));
    expect(other.length).toBe(whole.length);
    const mixed = (from: number, to: number) => {
      const bytes = Buffer.from(whole);
      other.copy(bytes, from, from, to);
      return bytes;
    };
    expect(verdict(mixed(0, 64))).toMatch(/of another/);
    expect(verdict(mixed(64, whole.length - 64))).not.toBe('');
    expect(verdict(forged(ofKey([0x61], 1, 0), 1, (block) => block.fill(9, 8, 24)))).toMatch(/is that of another one/);
  });

  test('has records that nobody writes, be their checksums right', () => {
    const number = new Int32Array(new Float64Array([-0]).buffer);
    const fine = forged(ofKey([0x61], 1, 0));
    expect(entriesOfBytes(fine).map(({ key }) => key)).toEqual(['a']);
    const wrong: Record<string, Buffer> = {
      'a key that is padded with something': forged(ofKey([0x6261], 1, 0)),
      'an unknown encoding': forged(ofKey([0x61], 1, 5)),
      'UTF-16 of what Latin-1 has': forged(ofKey([0x61], 2, 1)),
      'half a surrogate pair': forged(ofKey([0xd800], 2, 1)),
      'minus zero': forged(ofKey([...number], 8, 2)),
      'no structured key': forged(ofKey([0xffff], 2, 3)),
      'an unknown tag': forged(ofKey([0x61], 1, 0, { meta: 1 | (99 << 16) })),
      'a number of three bytes': forged(ofKey([0x61], 1, 0, { meta: 1 | (6 << 16), valueBytes: 3 })),
      'a grace of what never expires': forged(ofKey([0x61], 1, 0, { meta: 1 | (1 << 29), graceMs: 5 })),
      'a deadline that is no number': forged(ofKey([0x61], 1, 0, { meta: 1 | (1 << 27), deadlineMs: Number.NaN })),
      'a flag without meaning': forged(ofKey([0x61], 1, 0, { meta: 1 | (1 << 31) })),
      'more entries than it has': forged(ofKey([0x61], 1, 0), 2),
      'a value beyond its end': forged(ofKey([0x61], 1, 0), 1, (block) => block.fill(0xff, 28, 32)),
      'more than it has entries': forged(
        (block) => {
          ofKey([0x61], 1, 0)(block);
          ofKey([0x62], 1, 0)(block);
        },
        2,
        (block) => block.fill(1, 4, 5),
      ),
    };
    for (const [name, bytes] of Object.entries(wrong)) {
      expect({ name, findings: verifySnapshot(bytes).length }).toEqual({ name, findings: 1 });
    }
  });

  test('has places that are no blocks, be their checksums right', () => {
    const id = Buffer.alloc(16, 7);
    const place = { offset: 64, bytes: 40, entries: 1, checksum: 0 };
    const body = Buffer.alloc(100);
    const cases: [BlockPlace[][], number][] = [
      [[[{ ...place, offset: 0 }]], 1],
      [[[{ ...place, offset: 1e300 }]], 1],
      [[[{ ...place, bytes: Number.NaN }]], 1],
      [[[{ ...place, bytes: 104 }]], 1],
      [[[place, { ...place, offset: 100 }]], 2],
      [[[place]], 2],
      [[[], [place]], 1],
    ];
    for (const [shards, entries] of cases) {
      const end = sealIndex(id, { ...FACTS, shards: 1, entries }, shards, 164);
      expect(verdict(Buffer.concat([snapshotHeader(id), body, end]))).toMatch(/its index|its blocks/);
    }
  });
});

test('a key that is encoded already is hashed as the same key is', () => {
  const seed = { low: 3, high: -4 };
  const [encoder, other] = [new KeyEncoder(seed), new KeyEncoder(seed)];
  for (const key of KEYS) {
    encoder.encode(key);
    other.adopt(Int32Array.from([9, ...encoder.words.subarray(0, 1_000)]), 1, encoder.byteLength, encoder.encoding);
    expect([other.hashLow, other.hashHigh, other.id]).toEqual([encoder.hashLow, encoder.hashHigh, encoder.id]);
  }
});
