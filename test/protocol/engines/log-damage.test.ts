import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Engine } from '../../../src/protocol/engines/engine.ts';
import { logEngine } from '../../../src/protocol/engines/log/index.ts';
import { segmentName } from '../../../src/protocol/engines/log/segment.ts';
import { verifyLog } from '../../../src/protocol/engines/log/verify.ts';
import { diskFiles } from '../../../src/protocol/files.ts';
import { boundariesOf, cutAll, flipAll, logOf, noDamage } from '../../support/log-damage.ts';
import { Random, seededRandom } from '../../support/random.ts';
import { VolatileDisk } from '../../support/volatile-disk.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'shardstash-damage-'));
  folders.push(directory);
  return directory;
}

async function open(directory: string, options: object = {}): Promise<Engine> {
  const warn = () => {};
  return await logEngine.open({
    name: 'damaged',
    directory,
    options: { segmentBytes: 4_096, ...options },
    files: diskFiles,
    warn,
  });
}

/** A closed log of some segments, and what is in it. */
async function filled(): Promise<{ directory: string; entries: Map<string, string>; segments: string[] }> {
  const directory = folder();
  const engine = await open(directory);
  const entries = new Map<string, string>();
  for (let i = 0; i < 120; i++) {
    const [key, text] = [`key ${i % 70}`, `value ${i} ${'x'.repeat((i * 37) % 150)}`];
    await engine.set(key, Buffer.from(text));
    entries.set(key, text);
  }
  await engine.close();
  const segments = readdirSync(directory)
    .filter((name) => name.endsWith('.log'))
    .sort();
  return { directory, entries, segments };
}

async function findings(directory: string): Promise<string[]> {
  const found: string[] = [];
  for await (const finding of verifyLog(diskFiles, directory)) found.push(finding);
  return found;
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] as number) ^ 0x10;
  writeFileSync(path, bytes);
}

describe('the bytes of a segment', () => {
  test('no flipped bit and no cut goes unseen', () => {
    const random = seededRandom('damage');
    const bytes = 2_048;
    const log = logOf(random, bytes);
    const [flips, closed, killed] = [noDamage(), noDamage(), noDamage()];
    flipAll(log, 0, bytes * 8, flips);
    cutAll(log, 0, bytes, closed, killed);
    expect(flips).toEqual({ ...noDamage(), found: bytes * 8 });
    expect(closed).toEqual({ ...noDamage(), found: bytes });
    expect(killed.silent).toBe(0);
  });
});

describe('a damaged log', () => {
  test('is not opened, and says which file, where, and what to do', async () => {
    const { directory, segments } = await filled();
    const path = join(directory, segments[1] as string);
    flip(path, 700);
    await expect(open(directory)).rejects.toMatchObject({ code: 'STORE_CORRUPT', path });
    await expect(open(directory)).rejects.toThrow(/at byte \d+: .*shardstash verify .*repair: true/);
    expect(await findings(directory)).toEqual([expect.stringContaining(path)]);
  });

  test('keeps every entry that is whole when it is repaired, and every byte that is not', async () => {
    const { directory, entries, segments } = await filled();
    const path = join(directory, segments[1] as string);
    flip(path, 700);
    const damaged = readFileSync(path);
    const engine = await open(directory, { repair: true });
    const wrong = [];
    for (const [key, text] of entries) {
      const got = await engine.get(key);
      if (got === undefined || Buffer.from(got).toString() !== text) wrong.push(key);
    }
    expect(wrong.length).toBeLessThanOrEqual(1);
    await engine.close();
    expect(readFileSync(`${path}.damaged-0`)).toEqual(damaged);
    expect(await findings(directory)).toEqual([]);
    const again = await open(directory);
    expect(await again.size()).toBeGreaterThanOrEqual(entries.size - 1);
    await again.close();
  });

  test('is found wherever a bit has flipped in any file, and repaired to what is whole', async () => {
    const random = seededRandom('flips');
    const { directory, entries, segments } = await filled();
    const names = [...segments, 'closed'];
    for (let turn = 0; turn < 45; turn++) {
      const name = names[turn % names.length] as string;
      const path = join(directory, name);
      const whole = readFileSync(path);
      const bytes = Buffer.from(whole);
      const at = random.below(bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
      writeFileSync(path, bytes);
      // Half of them as a process leaves it that was killed: the last frame must not pass for one that was cut off.
      const note = readFileSync(join(directory, 'closed'));
      const isKilled = turn % 2 === 1 && name !== 'closed';
      if (isKilled) unlinkSync(join(directory, 'closed'));
      await expect(open(directory)).rejects.toMatchObject({ code: expect.stringMatching(/^STORE_(CORRUPT|FOREIGN)$/) });
      expect(await findings(directory)).not.toEqual([]);
      if (isKilled) writeFileSync(join(directory, 'closed'), note);
      writeFileSync(path, whole);
    }
    expect(await findings(directory)).toEqual([]);
    const engine = await open(directory);
    expect(await engine.size()).toBe(entries.size);
    await engine.close();
  });

  test('is found when a closed log was cut anywhere, or lacks a segment', async () => {
    const random = seededRandom('cuts');
    const { directory, entries, segments } = await filled();
    for (let turn = 0; turn < 40; turn++) {
      const path = join(directory, segments[turn % segments.length] as string);
      const whole = readFileSync(path);
      if (turn < segments.length) unlinkSync(path);
      else truncateSync(path, random.below(whole.length));
      await expect(open(directory)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
      expect(await findings(directory)).not.toEqual([]);
      writeFileSync(path, whole);
    }
    const engine = await open(directory);
    expect(await engine.size()).toBe(entries.size);
    await engine.close();
  });

  test('is found when a segment was cut between two entries', async () => {
    const { directory, segments } = await filled();
    const path = join(directory, segments[0] as string);
    const whole = readFileSync(path);
    truncateSync(path, boundariesOf(whole, Number.parseInt(segments[0] as string, 10)).at(-3));
    await expect(open(directory)).rejects.toMatchObject({ code: 'STORE_CORRUPT', path });
    expect(await findings(directory)).toEqual([expect.stringMatching(/the next segment says that it has/)]);
  });

  test('that is open gives an error for what has changed, and everything else', async () => {
    const directory = folder();
    const engine = await open(directory, { segmentBytes: 2 ** 20 });
    for (const [key, length] of [
      ['small', 100],
      ['large', 200_000],
      ['whole', 100],
    ] as const) {
      await engine.set(key, Buffer.alloc(length, 1));
    }
    const path = join(directory, '0000000001.log');
    const bytes = readFileSync(path);
    for (const at of [32 + 16 + 50, 100_000]) bytes[at] = 7;
    writeFileSync(path, bytes);
    expect(() => engine.get('small')).toThrow(expect.objectContaining({ code: 'STORE_CORRUPT', path }));
    await expect(engine.get('large')).rejects.toMatchObject({ code: 'STORE_CORRUPT', path });
    expect((await engine.get('whole'))?.length).toBe(100);
    await engine.close();
  });

  test('gives no entry that lies within a damaged value', async () => {
    const other = folder();
    const inner = await open(other);
    await inner.set('from within', Buffer.from('a value of another log'));
    await inner.close();
    const directory = folder();
    const engine = await open(directory);
    const frames = readFileSync(join(other, '0000000001.log')).subarray(32);
    await engine.set('outer', Buffer.concat([Buffer.alloc(100, 1), frames, Buffer.alloc(100, 1)]));
    await engine.set('after', Buffer.from('whole'));
    await engine.close();
    // The length of the outer record.
    flip(join(directory, '0000000001.log'), 32 + 8);
    const repaired = await open(directory, { repair: true });
    expect([
      (await repaired.get('from within')) !== undefined,
      (await repaired.get('outer')) !== undefined,
      (await repaired.get('after')) !== undefined,
    ]).toEqual([false, false, true]);
    await repaired.close();
  });

  test('that lacks segments is repaired to the entries that are left', async () => {
    for (const missing of [0, 1, -1]) {
      const { directory, segments } = await filled();
      unlinkSync(join(directory, segments.at(missing) as string));
      await expect(open(directory)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
      const engine = await open(directory, { repair: true });
      expect(await engine.size()).toBeGreaterThan(20);
      await engine.set('after', Buffer.from('it goes on'));
      await engine.close();
      expect(await findings(directory)).toEqual([]);
      const again = await open(directory);
      expect((await again.get('after')) !== undefined).toBe(true);
      await again.close();
    }
  });

  test('of a newer version, or of somebody else, is never touched', async () => {
    const { directory, segments } = await filled();
    const path = join(directory, segments[0] as string);
    writeFileSync(path, 'a log of somebody else, which has nothing to do with this one\n');
    for (const repair of [false, true]) {
      await expect(open(directory, { repair })).rejects.toMatchObject({ code: 'STORE_FOREIGN', path });
    }
    expect(readFileSync(path, 'utf8')).toMatch(/^a log of somebody else/);
  });

  test('whose end was not written is cut off and says so, and nothing else is missing', async () => {
    const random = new Random(7);
    const { directory, entries, segments } = await filled();
    unlinkSync(join(directory, 'closed'));
    const path = join(directory, segments.at(-1) as string);
    const whole = readFileSync(path);
    writeFileSync(path, Buffer.concat([whole, Buffer.alloc(random.below(500) + 16)]));
    const blank = await open(directory);
    expect(((await blank.facts()) as Record<string, unknown>)['tornBytes']).toBeGreaterThan(15);
    expect(await blank.size()).toBe(entries.size);
    await blank.set('last', Buffer.from('y'.repeat(100)));
    await blank.close();
    unlinkSync(join(directory, 'closed'));
    truncateSync(path, readFileSync(path).length - 5);
    const torn = await open(directory);
    expect(await torn.size()).toBe(entries.size);
    expect(((await torn.facts()) as Record<string, unknown>)['tornBytes']).toBeGreaterThan(100);
    await torn.close();
  });

  test('whose end was not written is cut off, too, where the next segments were just being begun', async () => {
    const { directory, entries, segments } = await filled();
    unlinkSync(join(directory, 'closed'));
    appendFileSync(join(directory, segments.at(-1) as string), 'a part');
    const last = Number.parseInt(segments.at(-1) as string, 10);
    // The name of the one between has not reached the medium.
    for (const [id, head] of [
      [last + 1, 32],
      [last + 3, 0],
    ] as const) {
      writeFileSync(join(directory, segmentName(id)), Buffer.alloc(head));
    }
    const engine = await open(directory);
    expect(await engine.size()).toBe(entries.size);
    await engine.close();
    expect(await findings(directory)).toEqual([]);
  });

  test.skipIf(process.platform === 'win32')('with a pipe in place of a file says so, and does not wait', async () => {
    const { directory, segments } = await filled();
    for (const name of [segments.at(-1) as string, 'closed']) {
      const path = join(directory, name);
      unlinkSync(path);
      execFileSync('mkfifo', [path]);
      await expect(open(directory)).rejects.toMatchObject({ path });
    }
  });

  test('with a segment of which nothing is left is repaired', async () => {
    const { directory, segments } = await filled();
    writeFileSync(join(directory, segments[1] as string), '');
    await (await open(directory, { repair: true })).close();
    expect(await findings(directory)).toEqual([]);
  });

  test('that was closed is opened whatever the disk forgets then', async () => {
    const random = new Random(7);
    const disk = new VolatileDisk();
    disk.files.mkdirSync('/log');
    disk.files.fsyncSync(disk.files.openSync('/', 'r'));
    const place = { name: 'log', directory: '/log', options: {}, warn: () => {} };
    const engine = await logEngine.open({ ...place, files: disk.files });
    await engine.set('key', Buffer.from('value'));
    await engine.close();
    for (let crash = 0; crash < 16; crash++) {
      const { files } = disk.afterCrash(random, { isHarsh: true });
      const after = await logEngine.open({ ...place, files });
      expect((await after.get('key')) !== undefined).toBe(true);
    }
  });
});
