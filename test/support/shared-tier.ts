/**
 * Several processes over one tier on a Redis, or a Cluster: each does what it likes to keys that all use, and a judge (staleness.ts) looks
 * for reads of what others had overwritten long before. On the way the server is killed and started again, with what it
 * has acknowledged on its disk; of a Cluster one node.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { packageRoot } from './package-root.ts';
import { LOOPBACK, processOf, startCluster, startRedis } from './redis-server.ts';
import { type Operation, READ, StalenessJudge } from './staleness.ts';

const CHILD = fileURLToPath(new URL('test/support/shared-tier-process.mjs', packageRoot()));
const PROCESSES = 3;
const KEYS = 400;
/** In memory: few enough that entries are evicted, and read again from the tier. */
const MAX_ENTRIES = 120;
/** A server that is killed forgets nothing that it has acknowledged: it has written that to its file, if not to the disk. */
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'no'];
const POLL_MS = 10;
/** Numbers of an operation in a report. */
const FIELDS = 6;
/** After the kill, before what is read counts as served by memory: until all have heard. */
const HEARD_MS = 20;

export interface SharedTierOptions {
  readonly cluster: boolean;
  /** Of all processes. */
  readonly operations: number;
  readonly seed: number;
  /** How old what is read may be. */
  readonly staleMs: number;
  /** How often the server is killed, each time after as many operations, and for how long it is away. */
  readonly kills: number;
  readonly awayMs: number;
}

export interface SharedTierReport {
  readonly operations: number;
  readonly judged: number;
  /** Of what was read after it was overwritten. */
  readonly oldestMs: number;
  readonly staleCount: number;
  readonly stale: readonly string[];
  /** By name and code. */
  readonly errors: Readonly<Record<string, number>>;
  /** One example for each. */
  readonly examples: readonly string[];
  /** Reads that were answered while there was no server. */
  readonly servedAway: number;
  /** Operations that were answered after it was back. */
  readonly afterwards: number;
  readonly tiers: readonly unknown[];
  /** By how much a timer was late in one of the processes: what the machine adds to the age of anything. */
  readonly lateMs: number;
  readonly seconds: number;
}

interface Servers {
  readonly tier: object;
  /** Kills the server, or one node, and resolves to what starts it again. */
  kill(): Promise<() => Promise<void>>;
  stop(): Promise<void>;
}

/** Undefined where `redis-server` is not installed. */
export async function runSharedTier(options: SharedTierOptions): Promise<SharedTierReport | undefined> {
  const root = mkdtempSync(join(tmpdir(), 'shardstash-shared-'));
  const children: ChildProcess[] = [];
  const servers = options.cluster ? await startNodes(root) : await startOne(root);
  try {
    return servers && (await run(options, servers, children));
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await servers?.stop();
    rmSync(root, { recursive: true, force: true });
  }
}

async function run(
  { operations, seed, staleMs, kills, awayMs }: SharedTierOptions,
  servers: Servers,
  children: ChildProcess[],
): Promise<SharedTierReport> {
  const judge = new StalenessJudge(PROCESSES, staleMs);
  const clients = Array.from({ length: PROCESSES }, (_, i) => new Client(i, judge));
  children.push(...clients.map(({ child }) => child));
  for (const [i, client] of clients.entries()) {
    client.send({ tier: servers.tier, writer: i + 1, seed: seed + i, keys: KEYS, maxEntries: MAX_ENTRIES });
  }
  await Promise.all(clients.map((client) => client.heard('open')));
  const startedAt = now();
  for (const client of clients) client.send({ is: 'run', operations: Math.ceil(operations / PROCESSES) });
  const done = () => clients.reduce((sum, client) => sum + client.done, 0);
  const ended = Promise.all(clients.map((client) => client.heard('finished')));
  let isOver = false;
  void ended.finally(() => {
    isOver = true;
  });
  for (let kill = 1; kill <= kills; kill++) {
    while (done() < (operations * kill) / (kills + 1) && !isOver) await sleep(POLL_MS);
    const restart = await servers.kill();
    const away = { from: now() + HEARD_MS, to: Number.POSITIVE_INFINITY };
    for (const client of clients) client.away = away;
    await sleep(awayMs);
    away.to = now();
    await restart();
  }
  await ended;
  const seconds = (now() - startedAt) / 1_000;
  for (const client of clients) client.send({ is: 'stop' });
  await Promise.all(clients.map((client) => client.heard('closed')));
  judge.finish();
  const errors: Record<string, number> = {};
  for (const client of clients) {
    for (const [code, count] of Object.entries(client.errors)) errors[code] = (errors[code] ?? 0) + count;
  }
  return {
    operations: done(),
    judged: judge.judged,
    oldestMs: judge.oldestMs,
    staleCount: judge.faultCount,
    stale: judge.faults,
    errors,
    examples: [...new Map(clients.flatMap(({ examples }) => [...examples])).values()],
    servedAway: clients.reduce((sum, client) => sum + client.servedAway, 0),
    afterwards: clients.reduce((sum, client) => sum + client.afterwards, 0),
    tiers: clients.map(({ tier }) => tier),
    lateMs: Math.max(...clients.map(({ lateMs }) => lateMs)),
    seconds,
  };
}

interface Message {
  readonly is: 'open' | 'report' | 'finished' | 'closed';
  readonly rows?: Float64Array;
  readonly upTo?: number;
  readonly errors?: Readonly<Record<string, number>>;
  readonly strange?: readonly string[];
  readonly done?: number;
  readonly lateMs?: number;
  readonly tier?: unknown;
}

/** One process, as its parent hears it. */
class Client {
  readonly child: ChildProcess;
  done = 0;
  errors: Record<string, number> = {};
  readonly examples = new Map<string, string>();
  servedAway = 0;
  afterwards = 0;
  lateMs = 0;
  tier: unknown;
  away: { readonly from: number; readonly to: number } | undefined;
  readonly #number: number;
  readonly #judge: StalenessJudge;
  readonly #said = new Set<string>();
  readonly #waiting = new Map<string, () => void>();
  readonly #died: Promise<never>;

  constructor(number: number, judge: StalenessJudge) {
    this.#number = number;
    this.#judge = judge;
    this.child = fork(CHILD, { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.child.on('message', (message) => this.#hear(message as Message));
    this.#died = new Promise((_, reject) => {
      this.child.once('exit', (code, signal) => reject(new Error(`A process ended by itself: ${code ?? signal}`)));
    });
    // Whoever waits for something is told.
    this.#died.catch(() => {});
  }

  send(message: object): void {
    this.child.send(message);
  }

  async heard(is: Message['is']): Promise<void> {
    if (!this.#said.has(is)) {
      await Promise.race([this.#died, new Promise<void>((resolve) => this.#waiting.set(is, resolve))]);
    }
  }

  #hear({ is, rows, upTo = 0, errors = {}, strange = [], done = 0, lateMs = 0, tier }: Message): void {
    if (is === 'report' && rows !== undefined) {
      this.done = done;
      this.lateMs = Math.max(this.lateMs, lateMs);
      const operations = operationsOf(rows);
      this.#judge.hear(this.#number, operations, upTo);
      for (const [code, count] of Object.entries(errors)) this.errors[code] = (this.errors[code] ?? 0) + count;
      for (const text of strange) this.examples.set(text.split(': ', 2).join(), text);
      for (const operation of operations) this.#count(operation);
    }
    if (is === 'closed') this.tier = tier;
    this.#said.add(is);
    this.#waiting.get(is)?.();
  }

  #count({ kind, value, begin, end, isUnknown }: Operation): void {
    if (this.away !== undefined && !isUnknown) {
      if (kind === READ && value !== 0 && begin > this.away.from && end < this.away.to) this.servedAway++;
      if (begin > this.away.to) this.afterwards++;
    }
  }
}

function operationsOf(rows: Float64Array): Operation[] {
  return Array.from({ length: rows.length / FIELDS }, (_, i) => {
    const [kind = 0, key = 0, value = 0, begin = 0, end = 0, unknown] = rows.subarray(i * FIELDS, (i + 1) * FIELDS);
    return { kind, key, value, begin, end, isUnknown: unknown === 1 };
  });
}

async function startOne(root: string): Promise<Servers | undefined> {
  const settings = [...DURABLE, '--dir', root];
  let server = await startRedis(settings);
  if (server === undefined) {
    return undefined;
  }
  const { port } = server;
  return {
    tier: { engine: 'redis', name: 'shared', url: `redis://${LOOPBACK}:${port}` },
    async kill() {
      process.kill(await processOf(port), 'SIGKILL');
      return async () => {
        await server?.stop();
        server = await startRedis(settings, port);
      };
    },
    stop: async () => server?.stop(),
  };
}

async function startNodes(root: string): Promise<Servers | undefined> {
  const settingsOf = (i: number) => [...DURABLE, '--dir', mkdtempSync(join(root, `node-${i}-`))];
  const settings = Array.from({ length: PROCESSES }, (_, i) => settingsOf(i));
  const cluster = await startCluster(PROCESSES, settings);
  if (cluster === undefined) {
    return undefined;
  }
  return {
    tier: { engine: 'redis', name: 'shared', cluster: cluster.ports.map((port) => `${LOOPBACK}:${port}`) },
    async kill() {
      const [port = 0] = cluster.ports;
      process.kill(await processOf(port), 'SIGKILL');
      return () => cluster.restart(0);
    },
    stop: () => cluster.stop(),
  };
}

function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
