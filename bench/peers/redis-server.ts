/**
 * A Redis of our own on the loopback: a free port, nothing on disk, stopped by its process when the bench is done or dies.
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
const READY_ATTEMPTS_MAX = 100;
const READY_PAUSE_MS = 50;

export interface RedisServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** Undefined where `redis-server` is not installed. `settings` are further options, as on its command line. */
export async function startRedis(settings: readonly string[] = []): Promise<RedisServer | undefined> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'shardstash-bench-'));
  const options = ['--port', String(port), '--bind', LOOPBACK, '--save', '', '--appendonly', 'no', '--dir', folder];
  const child = spawn(PROGRAM, [...options, ...settings], { stdio: 'ignore' });
  const kill = () => child.kill();
  try {
    await once(child, 'spawn');
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
  process.once('exit', kill);
  const stop = async () => {
    process.off('exit', kill);
    await end(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await whenListening(port, child);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, stop };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = once(child, 'exit');
    child.kill();
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
