import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createConnection as connect, createServer as createTcp, type Socket } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import type { Engine } from '../../../src/protocol/engines/engine.ts';
import { redisEngine } from '../../../src/protocol/engines/redis/index.ts';
import { diskFiles } from '../../../src/protocol/files.ts';
import { sealRecord } from '../../../src/protocol/record.ts';
import { TAG_ASCII } from '../../../src/protocol/value-tags.ts';
import { runEngineSuite } from '../../support/engine-suite.ts';
import { ask, LOOPBACK, type RedisServer, startCluster, startRedis } from '../../support/redis-server.ts';

const server = await startRedis();
const cluster = server && (await startCluster(3));
afterAll(async () => {
  await Promise.all([server?.stop(), cluster?.stop()]);
});

if (server === undefined || cluster === undefined) {
  test.skip('redis-server is not installed: nothing of the engine `redis` is tested', () => {});
} else {
  const nodes = cluster.ports.map((port) => `${LOOPBACK}:${port}`);
  runEngineSuite('redis', { kind: redisEngine, options: { url: `redis://${LOOPBACK}:${server.port}` } });
  runEngineSuite('redis, as a Cluster', { kind: redisEngine, options: { cluster: nodes } });
  describe('the engine redis', () => ofOneServer(server));
  describe('the engine redis, as a Cluster', () => {
    test('clears its own keys on every node, and no other', async () => {
      const [one, other] = await Promise.all(['a', 'ab'].map((name) => open(name, { cluster: nodes })));
      const entries = Array.from({ length: 300 }, (_, i) => [`key ${i}`, record('x')] as const);
      await Promise.all([one?.setMany(entries), other?.setMany(entries)]);
      expect(await one?.clear()).toBe(300);
      expect(await other?.size()).toBe(300);
      expect(await other?.clear()).toBe(300);
    });

    test('goes on when a slot moves to another node', async () => {
      const engine = await open('moved', { cluster: nodes });
      await engine.set('key', record('before'));
      const slot = Number((await ask(cluster.ports[0] as number, 'CLUSTER KEYSLOT moved:key')).slice(1));
      const from = Math.floor((slot * 3) / 16_384);
      const [source, target] = [cluster.ports[from], cluster.ports[(from + 1) % 3]] as [number, number];
      const idOf = async (port: number) => (await ask(port, 'CLUSTER MYID')).split('\r\n')[1];
      const [sourceId, targetId] = await Promise.all([idOf(source), idOf(target)]);
      await ask(target, `CLUSTER SETSLOT ${slot} IMPORTING ${sourceId}`);
      await ask(source, `CLUSTER SETSLOT ${slot} MIGRATING ${targetId}`);
      await ask(source, `MIGRATE ${LOOPBACK} ${target} moved:key 0 1000`);
      // The source says ASK now.
      expect(await textOf(engine, 'key')).toBe('before');
      await ask(target, `CLUSTER SETSLOT ${slot} NODE ${targetId}`);
      await ask(source, `CLUSTER SETSLOT ${slot} NODE ${targetId}`);
      // And MOVED.
      await engine.set('key', record('after'));
      expect(await textOf(engine, 'key')).toBe('after');
      await engine.update('key', () => record('updated'));
      expect(await textOf(engine, 'key')).toBe('updated');
      expect(await engine.clear()).toBe(1);
    });
  });
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

function record(text: string, expiresAtMs = Number.POSITIVE_INFINITY) {
  return sealRecord({ tag: TAG_ASCII, compression: 0, base64: false, expiresAtMs }, Buffer.from(text));
}

async function open(name: string, options: object): Promise<Engine> {
  const engine = await redisEngine.open({ name, directory: '', options: { ...options }, files: diskFiles, warn() {} });
  cleanups.push(() => engine.close());
  return engine;
}

/** What a record says after its head of 8 bytes. */
async function textOf(engine: Engine, key: string) {
  const bytes = await engine.get(key);
  return bytes && Buffer.from(bytes).toString('latin1', 8);
}

async function start(settings: readonly string[] = [], port?: number): Promise<RedisServer> {
  const started = (await startRedis(settings, port)) as RedisServer;
  cleanups.push(() => started.stop());
  return started;
}

async function listen(listening: Server | ReturnType<typeof createTcp>): Promise<number> {
  listening.listen(0, LOOPBACK);
  await once(listening, 'listening');
  cleanups.push(() => listening.close());
  return (listening.address() as AddressInfo).port;
}

function ofOneServer({ port }: RedisServer): void {
  const url = `redis://${LOOPBACK}:${port}`;
  const address = `${LOOPBACK}:${port}`;
  const refused = (next: string, code = 'ENGINE_ERROR') => ({ code, message: expect.stringContaining(next) });

  test('keeps its keys apart from those of everybody else, whatever their names', async () => {
    const names = ['a', 'ab', 'a/b', 'a*', 'a:b', 'a%3Ab', '[ab]', 'a?', 'a\\'];
    const engines = await Promise.all(names.map((name) => open(name, { url })));
    await ask(port, 'SET other:key value');
    await ask(port, 'SET a value');
    for (const [i, engine] of engines.entries()) {
      await engine.set('b:c', record(`of ${i}`));
      await engine.manifest?.write(`manifest of ${i}`);
    }
    for (const [i, engine] of engines.entries()) {
      expect([await engine.size(), await textOf(engine, 'b:c')]).toEqual([1, `of ${i}`]);
      expect(await engine.manifest?.read()).toBe(`manifest of ${i}`);
    }
    for (const engine of engines) expect(await engine.clear()).toBe(1);
    expect(await ask(port, 'GET other:key')).toContain('value');
    expect(await ask(port, 'GET a')).toContain('value');
    expect(await engines[0]?.manifest?.read()).toBe('manifest of 0');
  });

  test('lets the server drop what has expired, and leave what lives', async () => {
    const engine = await open('expiry', { url });
    await engine.set('gone', record('x', Date.now() - 10_000));
    await engine.set('mortal', record('x', Date.now() + 100_000.5));
    await engine.set('immortal', record('x'));
    await engine.update('updated', () => record('x', Date.now() + 100_000));
    expect(await engine.get('gone')).toBe(undefined);
    expect(await ask(port, 'PTTL expiry:immortal')).toBe(':-1\r\n');
    for (const key of ['mortal', 'updated']) {
      const leftMs = Number((await ask(port, `PTTL expiry:${key}`)).slice(1));
      expect(leftMs).toBeGreaterThan(50_000);
    }
    await engine.set('mortal', record('for ever'));
    expect(await ask(port, 'PTTL expiry:mortal')).toBe(':-1\r\n');
    expect(await engine.clear()).toBe(3);
  });

  test('loses no update of two processes', async () => {
    const [one, other] = await Promise.all([open('both', { url }), open('both', { url })]);
    const add = (before: Uint8Array | undefined) =>
      record(`${before ? Buffer.from(before).toString('latin1', 8) : ''}x`);
    await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? one : other)?.update('count', add)));
    expect(await textOf(one as Engine, 'count')).toBe('x'.repeat(40));
    await one?.clear();
  });

  test('meets a key of another kind without an end, and leaves it there', async () => {
    const engine = await open('mixed', { url });
    await ask(port, 'LPUSH mixed:list item');
    await expect(engine.get('list')).rejects.toMatchObject(refused('choose another `name`', 'STORE_FOREIGN'));
    expect([await engine.size(), await engine.clear()]).toEqual([0, 0]);
    expect(await ask(port, 'LLEN mixed:list')).toBe(':1\r\n');
  });

  test('leaves a client of the user as it is', async () => {
    const client = new Redis(url, { lazyConnect: true });
    cleanups.push(() => client.disconnect());
    await client.connect();
    const engine = await redisEngine.open({
      name: 'own',
      directory: '',
      options: { client },
      files: diskFiles,
      warn() {},
    });
    expect(client.listenerCount('error')).toBe(0);
    const writes = Array.from({ length: 20 }, (_, i) => engine.set(`key ${i}`, record('x')));
    await engine.close();
    await Promise.all(writes);
    expect(await client.exists('own:key 19')).toBe(1);
    const prefixed = new Redis(url, { lazyConnect: true, keyPrefix: 'x:' });
    await expect(open('own', { client: prefixed })).rejects.toMatchObject({ code: 'INVALID_CONFIG', option: 'client' });
  });

  test('counts with a client of the user that writes numbers as text', async () => {
    const client = new Redis(url, { stringNumbers: true });
    cleanups.push(() => client.disconnect());
    const engine = await open('numbers', { client });
    await engine.update('a', () => record('x'));
    await engine.set('b', record('x'));
    expect([
      (await engine.get('a')) !== undefined,
      (await engine.get('c')) !== undefined,
      await engine.delete('c'),
    ]).toEqual([true, false, false]);
    expect(await engine.clear()).toBe(2);
  });

  test('refuses options that are none', async () => {
    const wrong = [
      { url: `${url}?keyPrefix=x:` },
      { url: `${url}/other` },
      { url: `redis://:%zz@${address}` },
      { url: 'http://x' },
      { url: 5 },
      { cluster: [] },
      { cluster: [{}] },
      { client: {} },
      { commandTimeout: 0 },
    ];
    for (const options of [...wrong, { url, cluster: [url] }]) {
      await expect(open('wrong', options)).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
    }
  });

  test('is in the database that the URL names, or nowhere', async () => {
    const engine = await open('numbered', { url: `${address}/3` });
    await engine.set('a', record('x'));
    expect(await (await open('numbered', { url })).size()).toBe(0);
    expect(await engine.clear()).toBe(1);
    await expect(open('numbered', { url: `${url}/99` })).rejects.toMatchObject(refused('the number of a database'));
  });

  test('says where no server is, and prints nothing', async () => {
    const printed = ['error', 'warn', 'log'].map((name) =>
      vi.spyOn(console, name as 'log').mockImplementation(() => {}),
    );
    const nobody = createTcp();
    const gone = await listen(nobody);
    nobody.close();
    for (const options of [{ url: `redis://${LOOPBACK}:${gone}` }, { cluster: [`${LOOPBACK}:${gone}`] }]) {
      await expect(open('down', options)).rejects.toMatchObject({
        ...refused('see that the server is up'),
        path: `${LOOPBACK}:${gone}`,
      });
    }
    const http = await listen(createServer((_, response) => response.end('hello')));
    const atHttp = open('http', { url: `redis://${LOOPBACK}:${http}` });
    await expect(atHttp).rejects.toMatchObject(refused(`the Redis at ${LOOPBACK}:${http}`));
    for (const spy of printed) {
      expect(spy).not.toHaveBeenCalled();
      spy.mockRestore();
    }
  });

  test('says what a server does not allow', async () => {
    const guarded = await start(['--requirepass', 'secret', '--maxmemory', '3mb']);
    const at = `${LOOPBACK}:${guarded.port}`;
    await expect(open('x', { url: `redis://${at}` })).rejects.toMatchObject(refused('the right user and password'));
    await expect(open('x', { url: `redis://:wrong@${at}` })).rejects.toMatchObject(
      refused('the right user and password'),
    );
    const engine = await open('full', { url: `redis://:secret@${at}` });
    await engine.set('small', record('kept'));
    const fill = async () => {
      for (let i = 0; i < 100; i++) await engine.set(`key ${i}`, record('x'.repeat(200_000)));
    };
    await expect(fill()).rejects.toMatchObject(refused('maxmemory'));
    expect(await textOf(engine, 'small')).toBe('kept');
    const replica = await start(['--replicaof', `${LOOPBACK} ${port}`]);
    const reading = await open('x', { url: `redis://${LOOPBACK}:${replica.port}` });
    await expect(reading.set('a', record('x'))).rejects.toMatchObject(refused('give the address of the primary'));
  });

  test('fails while the server is away, and goes on when it is back', async () => {
    const first = await start();
    const engine = await open('away', { url: `redis://${LOOPBACK}:${first.port}` });
    await engine.set('a', record('one'));
    await first.stop();
    await expect(engine.get('a')).rejects.toMatchObject(refused('the store goes on when it is back'));
    await expect(engine.update('a', () => undefined)).rejects.toMatchObject(refused(`${LOOPBACK}:${first.port}`));
    await start([], first.port);
    // The connection comes back by itself, some time after the server does.
    await vi.waitFor(() => engine.set('a', record('again')), { timeout: 5_000, interval: 20 });
    expect(await textOf(engine, 'a')).toBe('again');
  });

  test('waits for a server that says nothing as long as it was told to', async () => {
    const sockets: Socket[] = [];
    // A server between, which stops passing on what comes.
    let isSilent = false;
    const between = createTcp((socket) => {
      sockets.push(socket);
      const onward = connect(port, LOOPBACK);
      sockets.push(onward);
      socket.on('data', (data) => isSilent || onward.write(data));
      onward.on('data', (data) => socket.write(data));
      for (const each of [socket, onward]) each.on('error', () => {});
    });
    const silent = await listen(between);
    cleanups.push(() => sockets.map((socket) => socket.destroy()));
    const engine = await open('silent', { url: `redis://${LOOPBACK}:${silent}`, commandTimeout: 40 });
    await engine.set('a', record('one'));
    isSilent = true;
    await expect(engine.get('a')).rejects.toMatchObject(refused('No answer within 40 ms'));
    await expect(engine.setMany([['a', record('x')]])).rejects.toMatchObject(refused(`${LOOPBACK}:${silent}`));
    // What it never answers is not kept for ever: there is another connection, two sockets each.
    await vi.waitFor(() => expect(sockets.length).toBeGreaterThan(2), { timeout: 5_000, interval: 20 });
    await engine.close();
  });

  test('refuses answers that no Redis gives', async () => {
    const answer = () => Promise.resolve(5);
    const client = { status: 'ready', on() {}, getBuffer: answer, mgetBuffer: answer, scanBuffer: answer };
    const engine = await open('fake', { client });
    const calls = [engine.get('a'), engine.getMany(['a']), engine.size(), engine.clear(), engine.manifest?.read()];
    for (const call of calls) await expect(call).rejects.toMatchObject(refused('something other than a Redis'));
  });

  test('counts no keys of a Cluster that has lost a node', async () => {
    const node = { options: { host: 'a', port: 1 }, scanBuffer: async () => [Buffer.from('0'), []] };
    const client = { status: 'ready', on() {}, getBuffer() {}, nodes: () => [node], slots: [['a:1'], ['b:1', 'c:1']] };
    const engine = await open('torn', { client });
    await expect(engine.size()).rejects.toMatchObject({ code: 'ENGINE_ERROR' });
    await expect(engine.clear()).rejects.toThrow('its node b:1 is away');
    client.slots.pop();
    expect(await engine.size()).toBe(0);
  });

  test('is known by its address', async () => {
    expect(await (await open('x', { url })).facts()).toMatchObject({ server: address, cluster: false });
  });
}
