import { Redis } from 'ioredis';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import type { Engine } from '../../../src/protocol/engines/engine.ts';
import { redisEngine } from '../../../src/protocol/engines/redis/index.ts';
import { diskFiles } from '../../../src/protocol/files.ts';
import { sealRecord } from '../../../src/protocol/record.ts';
import { TAG_ASCII } from '../../../src/protocol/value-tags.ts';
import {
  ask,
  LOOPBACK,
  processOf,
  type RedisCluster,
  type RedisServer,
  startCluster,
  startRedis,
} from '../../support/redis-server.ts';

const server = await startRedis();
const cluster = server && (await startCluster(3));
afterAll(async () => {
  await Promise.all([server?.stop(), cluster?.stop()]);
});

if (server === undefined || cluster === undefined) {
  test.skip('redis-server is not installed: nothing of what the engine `redis` is told by others is tested', () => {});
} else {
  describe('the engine redis, watched,', () => ofOneServer(server));
  describe('the engine redis, watched as a Cluster,', () => ofCluster(cluster));
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

const PATIENCE = { timeout: 10_000, interval: 5 };

function record(text: string, expiresAtMs = Number.POSITIVE_INFINITY) {
  return sealRecord({ tag: TAG_ASCII, compression: 0, base64: false, expiresAtMs }, Buffer.from(text));
}

async function open(name: string, options: object, warn: (message: string) => void = () => {}): Promise<Engine> {
  const engine = await redisEngine.open({ name, directory: '', options: { ...options }, files: diskFiles, warn });
  cleanups.push(() => engine.close());
  return engine;
}

/** An engine, and what it hears: keys, 'all', 'lost', 'regained'. */
async function watched(name: string, options: object) {
  const engine = await open(name, options);
  const heard: string[] = [];
  const changed = (keys: readonly string[] | undefined) => void heard.push(...(keys ?? ['all']));
  await engine.watch?.({ changed, lost: () => heard.push('lost'), regained: () => heard.push('regained') });
  return { engine, heard };
}

async function start(port?: number): Promise<RedisServer> {
  const started = (await startRedis([], port)) as RedisServer;
  cleanups.push(() => started.stop());
  return started;
}

/** The ids of the connections that are subscribed, or of those that are not but have asked for tracking. */
async function connections(port: number, kind: 'subscriber' | 'commands'): Promise<string[]> {
  const client = new Redis(port, LOOPBACK, { lazyConnect: true });
  try {
    await client.connect();
    const lines = String(await client.client('LIST')).split('\n');
    const flags = kind === 'subscriber' ? / flags=P / : / flags=tB? /;
    return lines.filter((line) => flags.test(line)).map((line) => /^id=(\d+) /.exec(line)?.[1] ?? '');
  } finally {
    client.disconnect();
  }
}

function ofOneServer({ port }: RedisServer): void {
  const url = `redis://${LOOPBACK}:${port}`;

  test('hears what others change and not what it changes itself', async () => {
    const { engine, heard } = await watched('told', { url });
    const [other, neighbour] = [await open('told', { url }), await open('tol', { url })];
    await engine.set('own', record('x'));
    await engine.delete('own');
    await other.set('a:ü', record('x'));
    await neighbour.set('d:a', record('x'));
    await other.manifest?.write('text');
    await vi.waitFor(() => expect(heard).toEqual(['a:ü']), PATIENCE);
    await other.setMany([
      ['b', record('x')],
      ['c', record('x')],
    ]);
    await other.update('b', () => record('y'));
    await other.delete('c');
    await vi.waitFor(() => expect(heard).toEqual(['a:ü', 'b', 'c', 'b', 'c']), PATIENCE);
    await other.clear();
    await vi.waitFor(() => expect(heard.slice(5).sort()).toEqual(['a:ü', 'b']), PATIENCE);
    await Promise.all([other.manifest?.remove(), neighbour.clear()]);
    expect(heard.length).toBe(7);
  });

  test('hears that everything is gone, and what expires', async () => {
    const { engine, heard } = await watched('gone', { url });
    await ask(port, 'FLUSHALL');
    await vi.waitFor(() => expect(heard).toEqual(['all']), PATIENCE);
    await engine.set('mortal', record('x', Date.now() + 30));
    await vi.waitFor(() => expect(heard).toEqual(['all', 'mortal']), PATIENCE);
  });

  test('hears what the server evicts', async () => {
    const { engine, heard } = await watched('evicted', { url });
    await engine.set('victim', record('x'.repeat(1_000)));
    await ask(port, 'CONFIG SET maxmemory-policy allkeys-lru');
    await ask(port, 'CONFIG SET maxmemory 1mb');
    try {
      await vi.waitFor(async () => {
        // It refuses this when there is nothing left to evict.
        await ask(port, 'SET other x').catch(() => {});
        expect(heard).toEqual(['victim']);
      }, PATIENCE);
    } finally {
      await ask(port, 'CONFIG SET maxmemory 0');
      await ask(port, 'CONFIG SET maxmemory-policy noeviction');
    }
  });

  test.each(['subscriber', 'commands'] as const)('loses trust with its connection: %s', async (kind) => {
    const { engine, heard } = await watched(`killed ${kind}`, { url });
    const [id = ''] = await connections(port, kind);
    await ask(port, `CLIENT KILL ID ${id}`);
    await vi.waitFor(() => expect(heard).toEqual(['lost', 'regained']), PATIENCE);
    expect(await connections(port, kind)).not.toContain(id);
    const other = await open(`killed ${kind}`, { url });
    await other.set('a', record('x'));
    await vi.waitFor(() => expect(heard).toEqual(['lost', 'regained', 'a']), PATIENCE);
    await engine.set('b', record('x'));
    await engine.clear();
  });

  test('goes on trusting a server that is away, and distrusts the one that comes back', async () => {
    const first = await start();
    const at = { url: `redis://${LOOPBACK}:${first.port}` };
    const { engine, heard } = await watched('away', at);
    process.kill(await processOf(first.port), 'SIGKILL');
    await vi.waitFor(() => expect(engine.get('a')).rejects.toMatchObject({ code: 'ENGINE_ERROR' }), PATIENCE);
    const failed = await Promise.resolve(engine.set('a', record('x'))).catch((error) => error);
    expect(failed).toMatchObject({ code: 'ENGINE_ERROR', outcome: 'not-sent' });
    expect(heard).toEqual([]);
    await start(first.port);
    await vi.waitFor(() => expect(heard).toEqual(['lost', 'regained']), PATIENCE);
    const other = await open('away', at);
    await other.set('a', record('x'));
    await vi.waitFor(() => expect(heard).toEqual(['lost', 'regained', 'a']), PATIENCE);
    await vi.waitFor(() => engine.set('a', record('again')), PATIENCE);
  });

  test('says that it does not know what became of a write whose connection ended', async () => {
    const { port: at } = await start();
    const { engine } = await watched('unknown', { url: `redis://${LOOPBACK}:${at}` });
    const pid = await processOf(at);
    process.kill(pid, 'SIGSTOP');
    const writes = ['a', 'b'].map((key) => Promise.resolve(engine.set(key, record('x'))).catch((error) => error));
    // Those are sent; what is killed reads them no more.
    await new Promise((resolve) => setImmediate(resolve));
    process.kill(pid, 'SIGKILL');
    for (const write of writes) {
      expect(await write).toMatchObject({
        code: 'ENGINE_ERROR',
        outcome: 'unknown',
        message: expect.stringContaining('Whether it was done is not known.'),
      });
    }
  });

  test('distrusts a server that has stopped, and trusts it again when it goes on', async () => {
    const { port: at } = await start();
    const { heard } = await watched('stopped', { url: `redis://${LOOPBACK}:${at}` });
    const pid = await processOf(at);
    process.kill(pid, 'SIGSTOP');
    await vi.waitFor(() => expect(heard).toEqual(['lost']), PATIENCE);
    process.kill(pid, 'SIGCONT');
    await vi.waitFor(() => expect(heard).toEqual(['lost', 'regained']), PATIENCE);
  });

  test('hears of a write of its own that it has given up', async () => {
    const { port: at } = await start();
    const { engine, heard } = await watched('late', { url: `redis://${LOOPBACK}:${at}`, commandTimeout: 100 });
    const pid = await processOf(at);
    process.kill(pid, 'SIGSTOP');
    await expect(engine.set('a', record('x'))).rejects.toMatchObject({ code: 'ENGINE_ERROR', outcome: 'unknown' });
    process.kill(pid, 'SIGCONT');
    await vi.waitFor(() => expect(heard).toContain('a'), PATIENCE);
  });

  test('needs connections of its own, and the right to be told', async () => {
    const client = new Redis(url, { lazyConnect: true });
    cleanups.push(() => client.disconnect());
    await client.connect();
    const deaf = { changed() {}, lost() {}, regained() {} };
    const given = await open('given', { client });
    await expect(given.watch?.(deaf)).rejects.toMatchObject({ code: 'INVALID_CONFIG', option: 'client' });
    await ask(port, 'ACL SETUSER deaf on >pass ~* &* +@all -client|tracking');
    const refused = await open('refused', { url: `redis://deaf:pass@${LOOPBACK}:${port}` });
    await expect(refused.watch?.(deaf)).rejects.toMatchObject({
      code: 'ENGINE_ERROR',
      message: expect.stringMatching(/Cannot watch .*NOPERM.* Next: let this user/),
    });
    await refused.set('a', record('x'));
    await refused.clear();
  });
}

function ofCluster({ ports }: RedisCluster): void {
  const nodes = ports.map((port) => `${LOOPBACK}:${port}`);
  const keys = Array.from({ length: 30 }, (_, i) => `key ${i}`);

  test('hears what others change on every node', async () => {
    const { engine, heard } = await watched('all', { cluster: nodes });
    const other = await open('all', { cluster: nodes });
    await engine.set('own', record('x'));
    await other.setMany(keys.map((key) => [key, record('x')] as const));
    await vi.waitFor(() => expect([...heard].sort()).toEqual([...keys].sort()), PATIENCE);
    await engine.clear();
    expect(heard.length).toBe(keys.length);
  });

  test.each(['subscriber', 'commands'] as const)('loses trust with one of its connections: %s', async (kind) => {
    const { heard } = await watched(`node ${kind}`, { cluster: nodes });
    const other = await open(`node ${kind}`, { cluster: nodes });
    const [port = 0] = ports;
    const [id = ''] = await connections(port, kind);
    await ask(port, `CLIENT KILL ID ${id}`);
    await vi.waitFor(() => expect(heard.at(-1)).toBe('regained'), PATIENCE);
    expect(heard[0]).toBe('lost');
    heard.length = 0;
    await other.setMany(keys.map((key) => [key, record('x')] as const));
    await vi.waitFor(() => expect([...heard].sort()).toEqual([...keys].sort()), PATIENCE);
    await other.clear();
  });

  test('trusts no Cluster with a node that has stopped', async () => {
    const { heard } = await watched('stopped', { cluster: nodes });
    const pid = await processOf(ports[0] ?? 0);
    process.kill(pid, 'SIGSTOP');
    try {
      await vi.waitFor(() => expect(heard).toEqual(['lost']), PATIENCE);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await vi.waitFor(() => expect(heard.at(-1)).toBe('regained'), PATIENCE);
  });
}
