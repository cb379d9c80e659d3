/**
 * Kills processes while they save, at random moments, and asks the next one what it has found: one generation, whole, not older than
 * the last that was acknowledged, and nothing else in the directory. One process saves several caches, so that one death
 * is one for each.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { packageRoot } from './package-root.ts';
import type { Random } from './random.ts';

const CHILD = fileURLToPath(new URL('test/support/mortal-snapshots.mjs', packageRoot()));
/** Binary ones, and one as text. */
const NAMES = [...Array.from({ length: 8 }, (_, i) => `binary-${i}.snapshot`), 'text-1.json', 'text-2.json'];
/** A process is killed when it has noted so many saves, at most, and so many ms later. */
const SAVES_MAX = 40;
const REST_MS_MAX = 20;
const POLL_MS = 2;
const POLLS_MAX = 10_000;

export interface SnapshotKillsReport {
  /** One for each cache of each process. */
  readonly deaths: number;
  readonly acknowledged: number;
  /** Saves that were whole though nobody had been told. */
  readonly unacknowledged: number;
  readonly faults: readonly string[];
}

export async function runSnapshotKills(
  deaths: number,
  random: Random,
  onDeath: (done: number) => void = () => {},
): Promise<SnapshotKillsReport> {
  const root = mkdtempSync(join(tmpdir(), 'shardstash-snapshot-kills-'));
  const last = new Map(NAMES.map((name) => [name, 0]));
  const faults: string[] = [];
  let acknowledged = 0;
  let unacknowledged = 0;
  try {
    for (const name of NAMES) mkdirSync(join(root, name));
    // The last one only tells what it has found.
    for (let done = 0; done < deaths + NAMES.length; done += NAMES.length) {
      await liveAndDie(root, random);
      for (const name of NAMES) {
        const { found, left, acks } = notesOf(root, name);
        const before = last.get(name) as number;
        // What was under way when the process before was killed may be there, and nothing beyond.
        if (found !== before && found !== before + 1)
          faults.push(`${name}: found ${found}, and ${before} was acknowledged`);
        if (left.length > 0) faults.push(`${name}: left ${left.join(', ')}`);
        if (found === before + 1) unacknowledged++;
        acknowledged += acks.length;
        last.set(name, acks.at(-1) ?? Number(found));
      }
      onDeath(done);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  return { deaths, acknowledged, unacknowledged, faults };
}

async function liveAndDie(root: string, random: Random): Promise<void> {
  const notes = NAMES.map((name) => join(root, `${name}.notes`));
  for (const file of notes) rmSync(file, { force: true });
  const child = spawn(process.execPath, [CHILD, root, JSON.stringify(NAMES)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const end = once(child, 'exit');
  const saves = random.below(SAVES_MAX);
  for (let polls = 0; savesIn(notes) < saves; polls++) {
    if (child.exitCode !== null || polls === POLLS_MAX) {
      throw new Error(`The process that saves has ended by itself: ${child.exitCode}`);
    }
    await sleep(POLL_MS);
  }
  await sleep(random.below(REST_MS_MAX));
  child.kill('SIGKILL');
  await end;
}

/** Those that were noted, of all caches; -1 as long as one is not open. */
function savesIn(notes: readonly string[]): number {
  const lines = notes.map((file) => (existsSync(file) ? readFileSync(file, 'latin1').split('\n').length - 1 : 0));
  return lines.includes(0) ? -1 : lines.reduce((sum, count) => sum + count - 1, 0);
}

/** A line that was cut off was none. */
function notesOf(root: string, name: string): { found: unknown; left: string[]; acks: number[] } {
  const [first = '', ...acks] = readFileSync(join(root, `${name}.notes`), 'utf8')
    .split('\n')
    .slice(0, -1);
  const [, found = '', left = ''] = /^open (.*) (\[.*\])$/.exec(first) ?? [];
  return { found: JSON.parse(found), left: JSON.parse(left) as string[], acks: acks.map(Number) };
}
