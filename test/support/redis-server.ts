/**
 * A Redis of our own on the loopback, or a Cluster of them: free ports, nothing on disk, stopped by their processes when the test or
 * the bench is done or dies.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

export const LOOPBACK = '127.0.0.1';
const PROGRAM = 'redis-server';
/** What a shell says of a program that it has not got. */
const NOT_INSTALLED = 127;
/**
 * A shell between, which ends the server by its process when nobody holds the other end of its input any more: also when that was
 * killed, and could not say so.
 */
const KEEPER = `command -v "$0" > /dev/null || exit ${NOT_INSTALLED}; "$0" "$@" & cat > /dev/null; kill $!; wait $!`;
const READY_ATTEMPTS_MAX = 100;
const READY_PAUSE_MS = 50;

export interface RedisServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** Undefined where `redis-server` is not installed. `settings` are further options, as on its command line. */
export async function startRedis(settings: readonly string[] = [], given?: number): Promise<RedisServer | undefined> {
  const port = given ?? (await freePort());
  const folder = await mkdtemp(join(tmpdir(), 'shardstash-redis-'));
  const options = ['--port', String(port), '--bind', LOOPBACK, '--save', '', '--appendonly', 'no', '--dir', folder];
  const child = spawn('sh', ['-c', KEEPER, PROGRAM, ...options, ...settings], { stdio: ['pipe', 'ignore', 'ignore'] });
  try {
    await once(child, 'spawn');
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
  const stop = async () => {
    await end(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await whenListening(port, child);
  } catch (error) {
    await stop();
    if (child.exitCode === NOT_INSTALLED) {
      return undefined;
    }
    throw error;
  }
  return { port, stop };
}

export interface RedisCluster {
  readonly ports: readonly number[];
  /** Starts a node again whose process has ended; it finds what is in the `--dir` of its own settings. */
  restart(node: number): Promise<void>;
  stop(): Promise<void>;
}

const SLOTS = 16_384;
const CLUSTER_SETTINGS = [
  ...['--cluster-enabled', 'yes'],
  ...['--cluster-node-timeout', '2000'],
  ...['--cluster-config-file', 'nodes.conf'],
];

/** `count` masters that share all slots, each with `more` settings. Undefined where `redis-server` is not installed. */
export async function startCluster(
  count: number,
  more: readonly (readonly string[])[] = [],
): Promise<RedisCluster | undefined> {
  const servers: RedisServer[] = [];
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  const settingsOf = (node: number) => [...CLUSTER_SETTINGS, ...(more[node] ?? [])];
  try {
    for (let i = 0; i < count; i++) {
      const server = await startRedis(settingsOf(i), await freeClusterPort());
      if (server === undefined) {
        return undefined;
      }
      servers.push(server);
    }
    const ports = servers.map(({ port }) => port);
    for (const [i, port] of ports.entries()) {
      const from = Math.floor((i * SLOTS) / count);
      const to = Math.floor(((i + 1) * SLOTS) / count) - 1;
      await ask(port, `CLUSTER ADDSLOTSRANGE ${from} ${to}`);
      // Else all begin in epoch 0, and two that meet have to settle who is who first.
      await ask(port, `CLUSTER SET-CONFIG-EPOCH ${i + 1}`);
    }
    for (const port of ports.slice(1)) await ask(ports[0] as number, `CLUSTER MEET ${LOOPBACK} ${port}`);
    await Promise.all(ports.map((port) => whenWhole(port, count)));
    const restart = async (node: number) => {
      await servers[node]?.stop();
      const again = await startRedis(settingsOf(node), ports[node]);
      if (again !== undefined) servers[node] = again;
    };
    return { ports, restart, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function whenWhole(port: number, count: number): Promise<void> {
  for (let attempt = 0; attempt < READY_ATTEMPTS_MAX; attempt++) {
    const told = await ask(port, 'CLUSTER INFO');
    if (told.includes('cluster_state:ok') && told.includes(`cluster_size:${count}`)) {
      return;
    }
    await pause(READY_PAUSE_MS);
  }
  throw new Error(`The cluster was not whole within ${READY_ATTEMPTS_MAX * READY_PAUSE_MS} ms`);
}

/** One command, as text, and the first of what is answered. */
export async function ask(port: number, command: string): Promise<string> {
  const socket = connect(port, LOOPBACK);
  try {
    socket.write(`${command}\r\n`);
    const [answer] = await once(socket, 'data');
    const text = String(answer);
    if (text.startsWith('-')) {
      throw new Error(`${command}: ${text}`);
    }
    return text;
  } finally {
    socket.destroy();
  }
}

/** The id of the process that listens on a port of ours: for who stops or kills it. */
export async function processOf(port: number): Promise<number> {
  return Number(/process_id:(\d+)/.exec(await ask(port, 'INFO server'))?.[1]);
}

/** A port that leaves room for the one on which the nodes of a Cluster talk, 10,000 above. */
async function freeClusterPort(): Promise<number> {
  for (let attempt = 0; attempt < READY_ATTEMPTS_MAX; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if ((await isFree(port)) && (await isFree(port + 10_000))) {
      return port;
    }
  }
  throw new Error('No two ports are free for a node of a Cluster');
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, LOOPBACK);
  try {
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = once(child, 'exit');
    child.stdin?.end();
    await exit;
  }
}

async function whenListening(port: number, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < READY_ATTEMPTS_MAX; attempt++) {
    if (child.exitCode !== null) {
      throw new Error(`${PROGRAM} ended with code ${child.exitCode} before it listened on port ${port}`);
    }
    const socket = connect(port, LOOPBACK);
    const connected = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (connected) {
      return;
    }
    await pause(READY_PAUSE_MS);
  }
  throw new Error(`${PROGRAM} did not listen on port ${port} within ${READY_ATTEMPTS_MAX * READY_PAUSE_MS} ms`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, LOOPBACK);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
