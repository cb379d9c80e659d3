/**
 * Rounds of four processes that have one memo file: each wants all keys, in an order of its own. In every round one thing is
 * different: they claim what they compute, or race for it; one compacts the file all the time; one is killed on the way.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { packageRoot } from './package-root.ts';
import type { Random } from './random.ts';

const CHILD = fileURLToPath(new URL('test/support/memo-process.mjs', packageRoot()));
const PROCESSES = 4;
const KEYS = 100;
/** After which a process is killed, at most. */
const LIFE_MS_MAX = 60;
/** No round takes so long. */
const ROUND_MS_MAX = 60_000;

export const MODES = [
  'claims',
  'race',
  'claims kill',
  'claims compact',
  'claims sync',
  'claims threads',
  'race compact',
  'claims compact kill',
] as const;

export interface MemoRoundsReport {
  readonly rounds: number;
  readonly computed: number;
  readonly kills: number;
  readonly faults: readonly string[];
}

interface Done {
  readonly seen: Readonly<Record<string, number>>;
  readonly entries: number;
  readonly damaged: number;
}

type Verdict = { readonly done: Done } | { readonly failed: string } | 'killed';

export async function runMemoRounds(
  rounds: number,
  random: Random,
  onRound: (done: number) => void = () => {},
): Promise<MemoRoundsReport> {
  const root = mkdtempSync(join(tmpdir(), 'shardstash-memos-'));
  const faults: string[] = [];
  const children = await Promise.all(Array.from({ length: PROCESSES }, start));
  let computed = 0;
  let kills = 0;
  try {
    for (let round = 0; round < rounds; round++) {
      const mode = MODES[round % MODES.length] as string;
      const path = join(root, `${round}.log`);
      const seed = random.word();
      // Most often the one that compacts.
      const victim = mode.includes('kill') ? random.below(2) * random.below(PROCESSES) : -1;
      const verdicts = await Promise.all(
        children.map((child, number) => run(child, { path, seed, mode, process: number }, number === victim, random)),
      );
      faults.push(...judge(path, mode, verdicts).map((fault) => `round ${round} (${mode}, seed ${seed}): ${fault}`));
      computed += linesOf(`${path}.computed`).length;
      if (verdicts[victim] === 'killed') {
        kills++;
        children[victim] = await start();
      }
      rmSync(path, { force: true });
      onRound(round + 1);
    }
  } finally {
    await Promise.all(children.map(end));
    rmSync(root, { recursive: true, force: true });
  }
  return { rounds, computed, kills, faults };
}

async function start(): Promise<ChildProcess> {
  const child = fork(CHILD, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  await once(child, 'message');
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = once(child, 'exit');
    child.disconnect();
    await exit;
  }
}

async function run(child: ChildProcess, task: object, isVictim: boolean, random: Random): Promise<Verdict> {
  const gone = new AbortController();
  const { signal } = gone;
  const answer = once(child, 'message', { signal }).then(([verdict]) => verdict as Verdict);
  const death = once(child, 'exit', { signal }).then((): Verdict => 'killed');
  const late = sleep(ROUND_MS_MAX, undefined, { signal, ref: false }).then(
    (): Verdict => ({ failed: 'it never ends' }),
  );
  child.send(task);
  if (isVictim) {
    await sleep(random.below(LIFE_MS_MAX));
    child.kill('SIGKILL');
  }
  try {
    const verdict = await Promise.race(isVictim ? [death] : [answer, death, late]);
    return verdict === 'killed' && !isVictim ? { failed: 'it has ended by itself' } : verdict;
  } finally {
    gone.abort();
    await Promise.allSettled([answer, death, late]);
  }
}

function judge(path: string, mode: string, verdicts: readonly Verdict[]): string[] {
  const faults: string[] = [];
  const computed = linesOf(`${path}.computed`);
  const acknowledged = new Map(linesOf(`${path}.acknowledged`).map(([key, by]) => [key, by]));
  const victims = verdicts.flatMap((verdict, number) => (verdict === 'killed' ? [number] : []));
  const seen = new Map<string, number>();
  for (const [number, verdict] of verdicts.entries()) {
    if (verdict === 'killed') continue;
    if ('failed' in verdict) {
      faults.push(`process ${number}: ${verdict.failed}`);
      continue;
    }
    const { done } = verdict;
    if (done.entries !== KEYS) faults.push(`process ${number} has ${done.entries} entries`);
    if (done.damaged > 0 && victims.length === 0) faults.push(`process ${number} has met ${done.damaged} damages`);
    for (const [key, by] of Object.entries(done.seen)) {
      if (mode.includes('claims') && (seen.get(key) ?? by) !== by) faults.push(`${key} has two results`);
      seen.set(key, by);
    }
  }
  if (mode.includes('claims')) {
    for (const [key, by] of acknowledged) {
      if (seen.get(key) !== by) faults.push(`${key} of ${by} was acknowledged, and is that of ${seen.get(key)}`);
    }
    const counts = new Map<string, number>();
    for (const [key, by] of computed) {
      // What a process had begun when it was killed another one computes.
      if (!victims.includes(by) || acknowledged.get(key) === by) counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    for (const [key, count] of counts) {
      if (count > 1) faults.push(`${key} was computed ${count} times`);
    }
  }
  return faults;
}

/** A line that was cut off was not written. */
function linesOf(path: string): [key: string, by: number][] {
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
  return lines.map((line) => {
    const [key, by] = line.split(' by ') as [string, string];
    return [key, Number(by)];
  });
}
