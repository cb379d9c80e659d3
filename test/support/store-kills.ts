/**
 * Kills processes that write to stores, at random moments, and looks at what they have left: every write that was
 * acknowledged is there or was overtaken, the one that was under way may be, and the store is whole. One process writes to
 * several stores, so that one death is one for each; the next process goes on where it ended.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openStore } from 'shardstash/store';
import { packageRoot } from './package-root.ts';
import type { Random } from './random.ts';

const CHILD = fileURLToPath(new URL('test/support/mortal-store.mjs', packageRoot()));
/** How long a process writes before it is killed, at most, once its last store is open. */
const LIFE_MS_MAX = 60;
const OPEN_POLL_MS = 2;
const OPEN_POLLS_MAX = 10_000;

export interface MortalStore {
  readonly options: Readonly<Record<string, unknown>>;
  /** Entries may be evicted. */
  readonly isBounded?: boolean;
}

export const MORTAL_STORES: Readonly<Record<string, MortalStore>> = {
  log: { options: { engine: 'log', segmentBytes: '64kb' } },
  'log-small': { options: { engine: 'log', segmentBytes: '4kb' } },
  disk: { options: { engine: 'disk', maxBytes: '64mb' } },
  'disk-full': { options: { engine: 'disk', maxBytes: '1mb' }, isBounded: true },
  file: { options: { engine: 'file' } },
  json: { options: { engine: 'json' } },
};

export interface StoreKillsReport {
  /** One for each store of each process. */
  readonly deaths: number;
  readonly acknowledged: number;
  /** Writes that were there though nobody had been told. */
  readonly unacknowledged: number;
  readonly faults: readonly string[];
}

interface Write {
  readonly key: string;
  readonly value: { readonly i: number; readonly text: string } | undefined;
}

/** What mortal-store.mjs exports. */
interface Writes {
  readonly KEYS: number;
  writeNumber(i: number): Write;
}

export async function runStoreKills(
  deaths: number,
  random: Random,
  stores: Readonly<Record<string, MortalStore>> = MORTAL_STORES,
  onDeath: (done: number) => void = () => {},
): Promise<StoreKillsReport> {
  const { writeNumber, KEYS } = (await import(CHILD)) as Writes;
  const root = mkdtempSync(join(tmpdir(), 'shardstash-kills-'));
  const names = Object.keys(stores);
  const faults: string[] = [];
  const next = new Map(names.map((name) => [name, 1]));
  let done = 0;
  let unacknowledged = 0;
  try {
    while (done < deaths) {
      await liveAndDie(root, stores, next, random);
      for (const [name, store] of Object.entries(stores)) {
        const first = next.get(name) as number;
        const acked = acknowledgedIn(root, name, first - 1);
        const verdict = await judge(root, name, store, acked, { writeNumber, KEYS });
        faults.push(...verdict.faults.map((fault) => `${name} after write ${acked}: ${fault}`));
        if (verdict.isNextThere) unacknowledged++;
        // Where the write under way was done, the next process does it again: it changes nothing.
        next.set(name, acked + 1);
        done++;
      }
      onDeath(done);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  const acknowledged = Array.from(next.values()).reduce((sum, write) => sum + write - 1, 0);
  return { deaths: done, acknowledged, unacknowledged, faults };
}

async function liveAndDie(
  root: string,
  stores: Readonly<Record<string, MortalStore>>,
  next: ReadonlyMap<string, number>,
  random: Random,
): Promise<void> {
  const list = Object.entries(stores).map(([name, { options }]) => ({ name, options, from: next.get(name) }));
  for (const { name } of list) rmSync(join(root, `${name}.acks`), { force: true });
  const child = spawn(process.execPath, [CHILD, root, JSON.stringify(list)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const end = once(child, 'exit');
  await allOpen(
    child,
    list.map(({ name }) => join(root, `${name}.acks`)),
  );
  await sleep(random.below(LIFE_MS_MAX));
  child.kill('SIGKILL');
  await end;
}

async function allOpen(child: ChildProcess, files: readonly string[]): Promise<void> {
  for (let polls = 0; !files.every((file) => existsSync(file)); polls++) {
    if (child.exitCode !== null || polls === OPEN_POLLS_MAX) {
      throw new Error(`The process that writes has ended by itself: ${child.exitCode}`);
    }
    await sleep(OPEN_POLL_MS);
  }
}

/** The last write whose acknowledgement was noted. A line that was cut off was none. */
function acknowledgedIn(root: string, name: string, before: number): number {
  const lines = readFileSync(join(root, `${name}.acks`), 'latin1')
    .split('\n')
    .slice(0, -1);
  const last = lines.at(-1);
  return last === undefined || last === 'open' ? before : Number(last);
}

async function judge(
  root: string,
  name: string,
  { options, isBounded = false }: MortalStore,
  acked: number,
  { writeNumber, KEYS: keys }: Writes,
): Promise<{ faults: string[]; isNextThere: boolean }> {
  const faults: string[] = [];
  const expected = new Map<string, Write['value']>();
  // Every key comes once in KEYS writes.
  for (let i = Math.max(1, acked - keys + 1); i <= acked; i++) {
    const { key, value } = writeNumber(i);
    expected.set(key, value);
  }
  const underWay = writeNumber(acked + 1);
  let isNextThere = false;
  try {
    const store = await openStore<Write['value']>({ name, root, ...options });
    for (const [key, value] of new Map([...expected, [underWay.key, expected.get(underWay.key)]])) {
      const got = await store.get(key);
      const isUnderWay = key === underWay.key && isSame(got, underWay.value) && !isSame(got, value);
      isNextThere ||= isUnderWay;
      if (!isSame(got, value) && !isUnderWay && !(isBounded && got === undefined)) {
        faults.push(`${key} is write ${got?.i}, expected ${value?.i}`);
      }
    }
    for await (const finding of store.verify()) faults.push(String(finding));
    faults.push(...leftoversIn(join(root, name)));
    await store.close();
  } catch (error) {
    faults.push(String((error as Error).stack));
  }
  return { faults, isNextThere };
}

function isSame(one: Write['value'], other: Write['value']): boolean {
  return one?.i === other?.i && one?.text === other?.text;
}

/** What the dead process left and the opening should have removed. */
function leftoversIn(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const locks = names.filter((name) => name.startsWith('.lock.'));
  return [...names.filter((name) => name.endsWith('.tmp')), ...locks.slice(1)].map((name) => `${name} was left`);
}
