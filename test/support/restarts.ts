/**
 * What does a process that was killed, or that has closed its caches, leave in their tiers? It writes to one cache for each tier, and the
 * next process, this one, opens them and looks: what was acknowledged is there, but for what was written behind and acknowledged
 * so shortly before a kill that it need not have reached the engine.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openCache, type TierOptions } from 'shardstash';
import { packageRoot } from './package-root.ts';

const CHILD = fileURLToPath(new URL('test/support/mortal-cache.mjs', packageRoot()));
/** Each cache has acknowledged so many writes before the process is killed: every key has been written to, and some again. */
const ACKNOWLEDGED_MIN = 100;
/** A process that is to be killed never comes to this. */
const WRITES_MAX = 1_000_000;
const POLL_MS = 10;
const POLLS_MAX = 5_000;
/** How long after its time a flush may still be under way on a busy machine. */
const FLUSH_SLACK_MS = 1_000;

export interface MortalCache {
  readonly name: string;
  readonly tier: TierOptions;
}

export interface RestartReport {
  /** Writes, over all caches. */
  readonly acknowledged: number;
  readonly faults: readonly string[];
}

interface Write {
  readonly key: string;
  readonly value: { readonly i: number; readonly text: string } | undefined;
}

/** Of mortal-store.mjs. */
interface Writes {
  writeNumber(i: number): Write;
}

/** `writes` for a process that comes to its end; left out for one that is killed. */
export async function restart(caches: readonly MortalCache[], writes?: number): Promise<RestartReport> {
  const folder = mkdtempSync(join(tmpdir(), 'shardstash-restart-'));
  const { writeNumber } = (await import(new URL('test/support/mortal-store.mjs', packageRoot()).href)) as Writes;
  try {
    await live(folder, caches, writes);
    const faults: string[] = [];
    let acknowledged = 0;
    for (const { name, tier } of caches) {
      const acks = acksIn(folder, name);
      acknowledged += acks.length;
      const lossMs = writes === undefined ? lossOf(tier) : 0;
      faults.push(...(await judge(tier, acks, lossMs, writeNumber)).map((fault) => `${name}: ${fault}`));
    }
    return { acknowledged, faults };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function lossOf({ write, flushInterval }: TierOptions): number {
  return write === 'behind' ? Number(flushInterval) + FLUSH_SLACK_MS : 0;
}

async function live(folder: string, caches: readonly MortalCache[], writes: number | undefined): Promise<void> {
  const child = spawn(process.execPath, [CHILD, folder, JSON.stringify(caches), String(writes ?? WRITES_MAX)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const end = once(child, 'exit');
  if (writes === undefined) {
    for (let polls = 0; !caches.every((cache) => hasWritten(folder, cache)); polls++) {
      if (child.exitCode !== null || polls === POLLS_MAX) {
        child.kill('SIGKILL');
        throw new Error(`The process that writes came to nothing: exit code ${child.exitCode}`);
      }
      await sleep(POLL_MS);
    }
    child.kill('SIGKILL');
  }
  const [code] = await end;
  if (writes !== undefined && code !== 0) {
    throw new Error(`The process that closes its caches ended with code ${code}`);
  }
}

/** Enough, and for longer than what may be lost. */
function hasWritten(folder: string, { name, tier }: MortalCache): boolean {
  const acks = acksIn(folder, name);
  const first = acks[ACKNOWLEDGED_MIN];
  return first !== undefined && (acks.at(-1) as number) - first > lossOf(tier);
}

/** By write, less one, when it was acknowledged. A line that was cut off was none. */
function acksIn(folder: string, name: string): number[] {
  const file = join(folder, `${name}.acks`);
  const lines = existsSync(file) ? readFileSync(file, 'latin1').split('\n').slice(0, -1) : [];
  return lines.map((line) => Number(line.split(' ')[1]));
}

/** Each key holds what it held when nothing could be lost any more, or something that was written later. */
async function judge(
  tier: TierOptions,
  acks: readonly number[],
  lossMs: number,
  writeNumber: Writes['writeNumber'],
): Promise<string[]> {
  const safe = acks.filter((ackedAtMs) => ackedAtMs <= (acks.at(-1) as number) - lossMs).length;
  const allowed = new Map<string, Write['value'][]>();
  // The one after the last was under way.
  for (let i = 1; i <= acks.length + 1; i++) {
    const { key, value } = writeNumber(i);
    allowed.set(key, i <= safe ? [value] : [...(allowed.get(key) ?? [undefined]), value]);
  }
  const faults: string[] = [];
  const cache = await openCache<Write['value']>({ shards: 2, tier });
  try {
    for (const [key, values] of allowed) {
      const got = await cache.get(key);
      if (!values.some((value) => value?.i === got?.i && value?.text === got?.text)) {
        faults.push(`${key} is write ${got?.i}, and not ${values.map((value) => value?.i).join(' or ')}`);
      }
    }
    await cache.clear();
  } finally {
    await cache.close();
  }
  return faults;
}
