/** The keeper's thread itself, over a log on the disk: what an opener and owners see of it. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FromKeeper, KeeperBirth, ToKeeper } from '../../src/protocol/tier.ts';
import { TierOwner } from '../support/tier-owner.ts';

const KEEPER = new URL('../../dist/worker/keeper/index.js', import.meta.url);
let directory = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'shardstash-keeper-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function birthOf(engine: KeeperBirth['engine'], options: KeeperBirth['place']['options'] = {}): KeeperBirth {
  return {
    engine,
    place: { name: 'cache', directory, options },
    compression: 'zlib',
    seed: { low: 1, high: 2 },
    shards: 1,
    behind: { flushMs: 60_000, entriesMax: 1_000, bytesMax: 1e8 },
    isShared: false,
    counts: new SharedArrayBuffer(96),
  };
}

function start(birth: KeeperBirth) {
  const worker = new Worker(KEEPER, { workerData: birth, execArgv: [] });
  const heard = async (): Promise<FromKeeper> => (await once(worker, 'message'))[0];
  const send = (message: ToKeeper) => worker.postMessage(message, message.is === 'session' ? [message.port] : []);
  const connect = (shard: number) => {
    const { port1, port2 } = new MessageChannel();
    send({ is: 'session', shard, port: port2 });
    return new TierOwner(port1);
  };
  const close = async () => {
    const exit = once(worker, 'exit');
    const closed = heard();
    send({ is: 'close' });
    const message = await closed;
    return { message, code: (await exit)[0] };
  };
  return { worker, heard, connect, close };
}

test('entries outlive the thread, with what waited to be written, and it ends by itself when it has closed', async () => {
  const first = start(birthOf({ name: 'log' }));
  expect(await first.heard()).toEqual({ is: 'ready', isEmpty: true });
  const owner = first.connect(0);
  const text = 'many words '.repeat(1_000);
  await Promise.all(Array.from({ length: 100 }, (_, i) => owner.set(`k${i}`, `${i} ${text}`, { slideMs: 7 })));
  expect(await owner.read('k7')).toBe(`7 ${text}`);
  expect(await first.close()).toEqual({ message: { is: 'closed', lost: 0 }, code: 0 });

  const second = start(birthOf({ name: 'log' }));
  expect(await second.heard()).toEqual({ is: 'ready', isEmpty: false });
  const next = second.connect(0);
  expect((await next.get('k99')).answer).toMatchObject({ is: 'entry', head: { slideMs: 7 } });
  expect((await next.ask({ is: 'size' })).answer).toMatchObject({ is: 'count', count: 100 });
  expect(await second.close()).toMatchObject({ message: { is: 'closed', lost: 0 } });
});

test('what cannot be opened is refused with its code, option and path', async () => {
  const wrong = start(birthOf({ name: 'log' }, { segmentBytes: 'huge' }));
  expect(await wrong.heard()).toMatchObject({
    is: 'refusal',
    error: { code: 'INVALID_CONFIG', option: 'segmentBytes' },
  });
  const missing = start(birthOf({ name: 'own', module: 'file:///nowhere.mjs', export: 'default' }));
  expect(await missing.heard()).toMatchObject({ is: 'refusal', error: { code: 'INVALID_CONFIG', option: 'engine' } });
});
