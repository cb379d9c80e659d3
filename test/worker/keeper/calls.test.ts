/** What a keeper answers, and in which order. */
import { setImmediate as turn } from 'node:timers';
import { expect, test } from 'vitest';
import { openRecordCodec } from '../../../src/main/codec/encoding.ts';
import { CacheError } from '../../../src/protocol/errors.ts';
import { KeyEncoder, shardOf } from '../../../src/protocol/key.ts';
import { openRecord } from '../../../src/protocol/record.ts';
import { TIER_QUEUED_ENTRIES, TIER_READ_HITS, TIER_READS, TIER_WRITES } from '../../../src/protocol/tier.ts';
import { openKeeper } from '../../support/tier-keeper.ts';
import { FOR_EVER, type TierOwner } from '../../support/tier-owner.ts';

const turns = async (count = 5) => {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => turn(resolve));
};
const encoder = new KeyEncoder({ low: 1, high: 2 });

function shardOfKey(key: string, shards: number): number {
  encoder.encode(key);
  return shardOf(encoder.hashHigh, shards);
}

async function listed(owner: TierOwner): Promise<number[]> {
  const from = owner.heard.length;
  owner.post({ calls: [{ is: 'hashes' }], bytes: new Uint8Array(0) });
  await owner.when(({ answer }) => answer.is === 'hashes' && answer.isLast);
  return owner.heard.slice(from).flatMap(({ answer }) => (answer.is === 'hashes' ? Array.from(answer.hashes) : []));
}

test('an entry comes back as it was set: tag, bytes, deadline and slide', async () => {
  const { connect, counts, keeper } = await openKeeper({ compression: 'zlib' });
  const owner = connect();
  const text = 'of many words '.repeat(100);
  expect((await owner.set('k', text, { expiresAtMs: 5_000, slideMs: 250 })).answer.is).toBe('done');
  const { answer, bytes } = await owner.get('k');
  expect(answer).toMatchObject({ is: 'entry', head: { tag: 4, expiresAtMs: 5_000, slideMs: 250 } });
  expect(bytes.toString()).toBe(text);
  expect((await owner.get('none')).answer.is).toBe('nothing');
  expect([counts[TIER_READS], counts[TIER_READ_HITS], counts[TIER_WRITES]]).toEqual([2, 1, 1]);
  await keeper.close();
});

test('what it writes is a record of a store, compressed', async () => {
  const { connect, held, keeper } = await openKeeper({ compression: 'zlib' });
  await connect().set('k', 'a'.repeat(1_000), { expiresAtMs: 5_000, slideMs: 250 });
  const record = (await held.engine.get('k')) as Uint8Array;
  expect(openRecord(record)).toMatchObject({ tag: 4, base64: false, expiresAtMs: 5_000, slideMs: 250 });
  expect([openRecord(record).compression > 0, record.length < 100]).toEqual([true, true]);
  const codec = await openRecordCodec({ serializer: 'json' });
  expect(codec.decode(record)).toEqual(Buffer.from('a'.repeat(1_000)));
  await keeper.close();
});

test('answers of one turn are one message, with the bytes of values in their order', async () => {
  const { connect, keeper } = await openKeeper();
  const owner = connect();
  await Promise.all(['a', 'bb', 'ccc'].map((key) => owner.set(key, key)));
  const before = owner.messages;
  const keys = ['ccc', 'none', 'a', 'bb'];
  const heard = await Promise.all(owner.askAll(keys.map((key) => ({ is: 'get', key, nowMs: 0 }))));
  expect(heard.map(({ bytes }) => bytes.toString())).toEqual(['ccc', '', 'a', 'bb']);
  expect(owner.messages).toBe(before + 1);
  await keeper.close();
});

test('what has expired is nothing, and a read removes it', async () => {
  const { connect, held, keeper } = await openKeeper();
  const owner = connect();
  await owner.set('k', 'v', { expiresAtMs: 5_000 });
  expect(await owner.read('k', 4_999)).toBe('v');
  expect(await owner.read('k', 5_000)).toBeUndefined();
  expect(await held.engine.size()).toBe(0);
  await keeper.close();
});

test('a damaged record whose time only looks over is told, and not removed', async () => {
  const { connect, held, keeper } = await openKeeper();
  const owner = connect();
  await owner.set('k', 'v', { expiresAtMs: 5_000 });
  const record = Buffer.from((await held.engine.get('k')) as Uint8Array);
  record.writeDoubleLE(1, 8);
  await held.engine.set('k', record);
  const { answer } = await owner.ask({ is: 'get', key: 'k', nowMs: 2_000 });
  expect(answer).toMatchObject({ is: 'failed', error: { code: 'STORE_CORRUPT' } });
  expect(await held.engine.get('k')).toEqual(record);
  await keeper.close();
});

test('a delete says whether there was one that lives, where it is asked to', async () => {
  const { connect, held, keeper } = await openKeeper();
  const owner = connect();
  for (const key of ['a', 'b', 'c']) await owner.set(key, 'v', { expiresAtMs: 5_000 });
  expect((await owner.delete('a', true, 4_999)).answer.is).toBe('done');
  expect((await owner.delete('a', true, 4_999)).answer.is).toBe('nothing');
  expect((await owner.delete('b', true, 5_000)).answer.is).toBe('nothing');
  expect((await owner.delete('c', false)).answer.is).toBe('done');
  expect((await owner.delete('c', false)).answer.is).toBe('done');
  expect(await held.engine.size()).toBe(0);
  await keeper.close();
});

test('size counts all of the tier, and a cleanup removes what has expired', async () => {
  const { connect, keeper } = await openKeeper();
  const owner = connect();
  for (let i = 0; i < 200; i++) await owner.set(`k${i}`, 'v', { expiresAtMs: i % 2 === 0 ? 5_000 : FOR_EVER });
  expect((await owner.ask({ is: 'size' })).answer).toMatchObject({ count: 200 });
  expect((await owner.ask({ is: 'cleanup', nowMs: 5_000 })).answer).toMatchObject({ count: 100 });
  expect((await owner.ask({ is: 'size' })).answer).toMatchObject({ count: 100 });
  await keeper.close();
});

test('pages have every entry once, without those that have expired', async () => {
  const { connect, keeper } = await openKeeper({ behind: { flushMs: 60_000, entriesMax: 10_000, bytesMax: 1e9 } });
  const owner = connect();
  for (let i = 0; i < 300; i++) await owner.set(`k${i}`, `v${i}`, { expiresAtMs: i % 3 === 0 ? 5_000 : FOR_EVER });
  for (const keysOnly of [false, true]) {
    const found = new Map<string, string | undefined>();
    let scan = 0;
    do {
      const { answer, bytes } = await owner.ask({ is: 'page', scan, entries: 50, keysOnly, nowMs: 6_000 });
      if (answer.is !== 'page') throw new Error(JSON.stringify(answer));
      let at = 0;
      for (const { key, head } of answer.entries) {
        found.set(key, head && bytes.toString('utf8', at, at + head.byteLength));
        at += head?.byteLength ?? 0;
      }
      expect(answer.entries.length).toBeLessThanOrEqual(50);
      scan = answer.scan;
    } while (scan !== 0);
    expect(found.size).toBe(200);
    expect(found.get('k7')).toBe(keysOnly ? undefined : 'v7');
  }
  await keeper.close();
});

test('a page that an owner died with is had again by the same name, and then those that follow', async () => {
  const { connect, keeper } = await openKeeper();
  const [dying, next] = [connect(), connect()];
  for (let i = 0; i < 5; i++) await dying.set(`k${i}`, 'v');
  const page = async (owner: TierOwner, scan: number) => {
    const { answer } = await owner.ask({ is: 'page', scan, entries: 2, keysOnly: true, nowMs: 0 });
    if (answer.is !== 'page') throw new Error(JSON.stringify(answer));
    return { scan: answer.scan, keys: answer.entries.map(({ key }) => key) };
  };
  const first = await page(dying, 0);
  const lost = await page(dying, first.scan);
  dying.end();
  const again = await page(next, first.scan);
  expect(again.keys).toEqual(lost.keys);
  const last = await page(next, again.scan);
  expect(new Set([...first.keys, ...again.keys, ...last.keys]).size).toBe(5);
  await keeper.close();
});

test('there are 64 scans at most, and none that was never begun', async () => {
  const { connect, keeper } = await openKeeper();
  const owner = connect();
  for (let i = 0; i < 3; i++) await owner.set(`k${i}`, 'v');
  const page = { is: 'page', scan: 0, entries: 1, keysOnly: true, nowMs: 0 } as const;
  for (let i = 0; i < 64; i++) expect((await owner.ask(page)).answer).toMatchObject({ is: 'page', scan: i + 1 });
  expect((await owner.ask(page)).answer).toMatchObject({ is: 'failed', error: { code: 'OVERLOADED' } });
  expect((await owner.ask({ ...page, scan: 99 })).answer).toMatchObject({ is: 'failed', error: { code: 'TIMEOUT' } });
  await keeper.close();
});

test('a clear of all shards is one call, and the counts add up', async () => {
  const { connect, held, keeper } = await openKeeper({ shards: 3 });
  const owners = [connect(0), connect(1), connect(2)];
  for (let i = 0; i < 10; i++) await (owners[0] as TierOwner).set(`k${i}`, 'v');
  const answers = await Promise.all(owners.map((owner) => owner.ask({ is: 'clear' })));
  expect(held.calls.filter((call) => /clear|delete/.test(call))).toEqual(['clear']);
  const counts = answers.map(({ answer }) => (answer.is === 'count' ? answer.count : Number.NaN));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(10);
  await keeper.close();
});

test('a clear reaches what was to be written behind, and what the engine never takes', async () => {
  const behind = { flushMs: 60_000, entriesMax: 100, bytesMax: 1e6 };
  const { connect, held, keeper, counts } = await openKeeper({ behind });
  const owner = connect();
  held.faults.set('setMany', new CacheError('VALUE_TOO_LARGE', 'one of them'));
  const { set } = held.engine;
  held.engine.set = (key, record) => {
    if (key === 'large') throw new CacheError('VALUE_TOO_LARGE', 'too large');
    return set(key, record);
  };
  await owner.set('large', 'v');
  await owner.set('small', 'v');
  expect((await owner.ask({ is: 'size' })).answer).toMatchObject({ count: 1 });
  expect([await owner.read('large'), await owner.read('small')]).toEqual(['v', 'v']);
  expect((await owner.ask({ is: 'clear' })).answer).toMatchObject({ is: 'count', count: 2 });
  expect([await owner.read('large'), await owner.read('small'), counts[TIER_QUEUED_ENTRIES]]).toEqual([
    undefined,
    undefined,
    0,
  ]);
  expect(await keeper.close()).toEqual({ lost: 0 });
});

test('a clear of one shard removes its keys, and no other', async () => {
  const { connect, held, keeper } = await openKeeper({ shards: 2 });
  const owner = connect(0);
  connect(1);
  const keys = Array.from({ length: 200 }, (_, i) => `k${i}`);
  await Promise.all(keys.map((key) => owner.set(key, 'v')));
  const own = keys.filter((key) => shardOfKey(key, 2) === 0);
  expect((await owner.ask({ is: 'clear' })).answer).toMatchObject({ is: 'count', count: own.length });
  const left = (await held.engine.getMany(keys)).map((record, i) => (record === undefined ? '' : keys[i]));
  expect(left.filter((key) => key !== '')).toEqual(keys.filter((key) => shardOfKey(key, 2) === 1));
  expect(held.calls).not.toContain('clear');
  await keeper.close();
});

test('the hashes of a shard are those of its keys, in parts, and one pass serves all who ask', async () => {
  const { connect, held, keeper } = await openKeeper({ shards: 2 });
  const owners = [connect(0), connect(1)] as const;
  const record = Buffer.from('record');
  const keys = Array.from({ length: 20_000 }, (_, i) => `key ${i}`);
  await held.engine.setMany(keys.map((key) => [key, record] as const));
  const passes = { count: 0 };
  const { keys: pages } = held.engine;
  held.engine.keys = () => {
    passes.count++;
    return pages();
  };
  const both = await Promise.all(owners.map(listed));
  for (const [shard, words] of both.entries()) {
    const expected: number[] = [];
    for (const key of keys.filter((each) => shardOfKey(each, 2) === shard)) {
      encoder.encode(key);
      expected.push(encoder.hashLow, encoder.hashHigh);
    }
    expect(words).toEqual(expected);
  }
  expect(passes.count).toBe(1);
  expect(owners[0].heard.length).toBeGreaterThan(1);
  await keeper.close();
});

test('the hashes of a shard have keys that wait to be written behind, also those that the engine never takes', async () => {
  const { connect, held, keeper } = await openKeeper({ behind: { flushMs: 60_000, entriesMax: 100, bytesMax: 1e6 } });
  const owner = connect();
  await owner.set('small', 'v');
  const tooLarge = new CacheError('VALUE_TOO_LARGE', 'no room for it');
  for (const call of ['set', 'setMany']) held.faults.set(call, tooLarge);
  await owner.set('large', 'v');
  await owner.ask({ is: 'size' });
  expect(await listed(owner)).toHaveLength(4);
  await keeper.close();
});

test('calls go on while hashes are listed, and a failing listing says so', async () => {
  const { connect, held, keeper } = await openKeeper();
  const owner = connect();
  await held.engine.setMany(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, Buffer.from('r')] as const));
  owner.post({ calls: [{ is: 'hashes' }], bytes: new Uint8Array(0) });
  await owner.get('none');
  expect(owner.heard.some(({ answer }) => answer.is === 'hashes' && answer.isLast)).toBe(false);
  await owner.when(({ answer }) => answer.is === 'hashes' && answer.isLast);
  held.engine.keys = () => {
    throw new Error('no keys');
  };
  owner.post({ calls: [{ is: 'hashes' }], bytes: new Uint8Array(0) });
  await owner.when(({ answer }) => answer.is === 'unlisted');
  await keeper.close();
});

test('the next owner of a shard is heard when all calls of the one before have ended', async () => {
  const { connect, held, keeper } = await openKeeper();
  const first = connect();
  const open = held.hold('set');
  first.set('k', 'old');
  await turns();
  first.end();
  const second = connect();
  const written = second.set('k', 'new');
  await turns();
  expect(held.calls).toEqual(['set k']);
  open();
  expect((await written).answer.is).toBe('done');
  expect(await second.read('k')).toBe('new');
  await keeper.close();
});

test('what an owner has sent before it ended is still done', async () => {
  const { connect, keeper } = await openKeeper();
  for (let i = 0; i < 20; i++) {
    const owner = connect();
    owner.set(`k${i}`, 'v');
    owner.end();
  }
  expect((await connect().ask({ is: 'size' })).answer).toMatchObject({ count: 20 });
  await keeper.close();
});

test('garbage on a port is no call, and ends nothing', async () => {
  const { connect, keeper } = await openKeeper();
  const owner = connect();
  const bytes = new Uint8Array(8);
  const head = { tag: 4, byteLength: 9, expiresAtMs: FOR_EVER, slideMs: 0 };
  const none = new Uint8Array(0);
  for (const message of [
    undefined,
    7,
    'get',
    [],
    { calls: 3, bytes },
    { calls: [null], bytes: none },
    { calls: [{ is: 'get', id: 1 }], bytes: none },
    { calls: [{ is: 'toString', id: 1 }], bytes: none },
    { calls: [{ is: 'set', id: 1, key: 'k', head }], bytes },
    { calls: [{ is: 'set', id: 1, key: 'k', head: { ...head, byteLength: -1 } }], bytes },
    { calls: [{ is: 'size', id: 1 }], bytes },
    { calls: [{ is: 'page', id: 1, scan: 0, entries: Number.NaN, keysOnly: true, nowMs: 0 }], bytes: none },
  ]) {
    owner.post(message);
  }
  expect((await owner.ask({ is: 'size' })).answer).toMatchObject({ count: 0 });
  expect(owner.heard).toHaveLength(1);
  await keeper.close();
});
