import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openMemoFile } from '../../../src/main/memo/file/memo-file.ts';
import { compact, inspectMemo, isMemoFile, verifyMemo } from '../../../src/main/memo/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'shardstash-looks-'));
const path = join(folder, 'square.log');
const EVER = Number.POSITIVE_INFINITY;

beforeAll(() => {
  const file = openMemoFile({ path, name: 'square' });
  const set = (key: string, result: unknown, args: readonly unknown[] | undefined, expiresAtMs = EVER) =>
    file.set(key, { result, args, version: undefined, createdAtMs: Date.now(), expiresAtMs });
  set('two', 0, [2]);
  set('three', 9, undefined);
  set('gone', 1, [1], Date.now() - 1);
  set('two', 4, [2, { unit: 'm' }]);
  file.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The file with a bit flipped, or cut off. */
function damaged(name: string, damage: (bytes: Buffer) => Buffer): string {
  const copy = join(folder, name);
  writeFileSync(copy, damage(readFileSync(path)));
  return copy;
}

test('a memo file is shown with its latest results first, as they are now, with their arguments', async () => {
  const { sample, ...facts } = await inspectMemo(path, { entries: 5 });
  expect(facts).toMatchObject({ name: 'square', serializer: 'msgpack', entries: 2, results: 4, damaged: 0 });
  expect(sample).toEqual([
    { key: 'two', value: 4, args: [2, { unit: 'm' }], expiresAt: EVER },
    { key: 'three', value: 9, args: undefined, expiresAt: EVER },
  ]);
  expect((await inspectMemo(path, { entries: 1 })).sample).toMatchObject([{ key: 'two' }]);
  expect((await inspectMemo(path)).sample).toEqual([]);
  expect(await verifyMemo(path)).toEqual([]);
});

test('each piece that is no frame is told with where it is, and nothing is changed', async () => {
  const flipped = damaged('flipped.log', (bytes) => {
    const at = bytes.indexOf('three');
    return bytes.fill((bytes[at] as number) ^ 1, at, at + 1);
  });
  const bytes = readFileSync(flipped);
  const [finding, ...others] = await verifyMemo(flipped);
  expect(others).toEqual([]);
  const [, from = 0, to = 0] = /^Bytes (\d+) to (\d+) are no frame/.exec(String(finding)) ?? [];
  expect(Number(from)).toBeLessThan(bytes.indexOf('uhree'));
  expect(Number(to)).toBeGreaterThan(bytes.indexOf('uhree'));
  expect(await inspectMemo(flipped)).toMatchObject({ entries: 1, damaged: 1, damagedBytes: +to - +from + 1 });
  expect(readFileSync(flipped).equals(bytes)).toBe(true);
  await compact(flipped);
  expect(await verifyMemo(flipped)).toEqual([]);

  const torn = damaged('torn.log', (whole) => whole.subarray(0, -1));
  expect(await verifyMemo(torn)).toEqual([expect.stringMatching(/^Bytes \d+ to \d+ are no frame/)]);
  const headless = damaged('headless.log', (whole) => whole.fill(0xff, 20, 24));
  expect(await verifyMemo(headless)).toEqual([expect.stringMatching(/^Bytes 0 to/), expect.stringMatching(/no head/)]);
  expect(await inspectMemo(headless, { entries: 1 })).toMatchObject({ name: undefined, entries: 0, sample: [] });
});

test('a memo file is known by how it begins, whatever it is called', async () => {
  const copy = join(folder, 'square');
  copyFileSync(path, copy);
  expect([isMemoFile(copy), isMemoFile(folder), isMemoFile(join(folder, 'none'))]).toEqual([true, false, false]);
  expect(await inspectMemo(copy)).toMatchObject({ path: copy, entries: 2 });
  expect(await compact(copy)).toMatchObject({ entries: 2, dropped: 2 });
  await expect(inspectMemo(join(folder, 'none'))).rejects.toMatchObject({
    code: 'ENGINE_ERROR',
    cause: { code: 'ENOENT' },
  });
  const foreign = damaged('foreign.log', () => Buffer.from('12:00 started\n'));
  await expect(verifyMemo(foreign)).rejects.toMatchObject({ code: 'STORE_FOREIGN', path: foreign });
});
