import { describe, expect, test } from 'vitest';
import { CacheError } from '../../../src/protocol/errors.ts';
import {
  FLAG_KEEP_TTL,
  FLAG_SLIDING,
  OP_ADD,
  OP_CLEAR,
  OP_DELETE,
  OP_DEMAND,
  OP_EXPIRE,
  OP_GET,
  OP_HAS,
  OP_INCREMENT,
  OP_LOOKUP,
  OP_PEEK,
  OP_POP,
  OP_POP_ITEM,
  OP_SET,
  OP_SIZE,
  OP_TIER_CLEANUP,
  OP_TIER_SIZE,
  OP_TOUCH,
  OP_TTL,
  OP_UPDATE,
} from '../../../src/protocol/operations.ts';
import { tieredShard } from '../../support/tiered-shard.ts';

/** Room for two entries: what is set next is evicted from memory, and stays in the tier. */
const TWO = { limits: { entriesMax: 2 } };

async function evicted(key: string, value: string, setup: Parameters<typeof tieredShard>[0] = TWO) {
  const tiered = await tieredShard(setup);
  await tiered.ask(OP_SET, key, value);
  await tiered.ask(OP_SET, 'x', '1');
  await tiered.ask(OP_SET, 'y', '2');
  expect(tiered.look(key)).toBeUndefined();
  tiered.held.calls.length = 0;
  return tiered;
}

function two(a: number, b: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeDoubleLE(a, 0);
  bytes.writeDoubleLE(b, 8);
  return bytes;
}

describe('a shard with a tier', () => {
  test('what memory had to give up is read from the tier, and is in memory again', async () => {
    const tiered = await evicted('a', 'one');
    expect(await tiered.ask(OP_LOOKUP, 'a')).toEqual({ text: 'one', leftMs: Number.POSITIVE_INFINITY, from: 'tier' });
    expect(tiered.look('a')).toBe('one');
    expect(await tiered.ask(OP_LOOKUP, 'a')).toMatchObject({ text: 'one', from: 'memory' });
    expect(tiered.held.calls).toEqual(['get a']);
  });

  test('a peek, a has and a ttl leave it where it is', async () => {
    const tiered = await evicted('a', 'one');
    expect([await tiered.ask(OP_PEEK, 'a'), await tiered.ask(OP_HAS, 'a'), await tiered.ask(OP_TTL, 'a')]).toEqual([
      'one',
      true,
      Number.POSITIVE_INFINITY,
    ]);
    expect(tiered.look('a')).toBeUndefined();
    expect(await tiered.ask(OP_TOUCH, 'a')).toBe(true);
    expect(tiered.look('a')).toBe('one');
  });

  test('memory shows a write when the engine has it, and the caller hears of it last', async () => {
    const tiered = await tieredShard();
    await tiered.ask(OP_SET, 'a', 'old');
    const open = tiered.held.hold('set');
    let isAnswered = false;
    const write = tiered.ask(OP_SET, 'a', 'new').then(() => {
      isAnswered = true;
    });
    expect(await tiered.ask(OP_HAS, 'b')).toBe(false);
    expect([tiered.look('a'), isAnswered]).toEqual(['old', false]);
    open();
    await write;
    expect(tiered.look('a')).toBe('new');
  });

  test('a read that comes after a write of its key waits for it, and one of another key does not', async () => {
    const tiered = await tieredShard();
    await tiered.ask(OP_SET, 'b', 'there');
    const open = tiered.held.hold('set');
    const write = tiered.ask(OP_SET, 'a', 'new');
    const read = tiered.ask(OP_GET, 'a');
    expect(await tiered.ask(OP_GET, 'b')).toBe('there');
    open();
    expect(await read).toBe('new');
    await write;
  });

  test('calls on one key are applied in the order in which they came, whatever each of them needs', async () => {
    const tiered = await tieredShard();
    const results = await tiered.askAll([
      [OP_SET, 'a', 'one'],
      [OP_GET, 'a'],
      [OP_DELETE, 'a'],
      [OP_GET, 'a'],
      [OP_ADD, 'a', 'two'],
      [OP_ADD, 'a', 'three'],
      [OP_UPDATE, 'a', 'four'],
      [OP_POP, 'a'],
      [OP_HAS, 'a'],
      [OP_UPDATE, 'a', 'five'],
    ]);
    expect(results).toEqual([
      undefined,
      'one',
      true,
      undefined,
      undefined,
      'KEY_EXISTS',
      undefined,
      'four',
      false,
      'KEY_NOT_FOUND',
    ]);
  });

  test('when the tier fails, the call does, and memory forgets the key', async () => {
    const tiered = await tieredShard();
    await tiered.ask(OP_SET, 'a', 'old');
    tiered.held.faults.set('set', new CacheError('ENGINE_ERROR', 'no disk'));
    expect(await tiered.ask(OP_SET, 'a', 'new')).toBe('ENGINE_ERROR');
    expect(tiered.look('a')).toBeUndefined();
    tiered.held.faults.clear();
    expect(await tiered.ask(OP_GET, 'a')).toBe('old');
  });

  test('a read of what memory lacks fails with the tier, and what memory has is served', async () => {
    const tiered = await evicted('a', 'one');
    tiered.held.faults.set('get', new CacheError('ENGINE_ERROR', 'no disk'));
    expect([await tiered.ask(OP_GET, 'a'), await tiered.ask(OP_GET, 'y')]).toEqual(['ENGINE_ERROR', '2']);
    expect(await tiered.ask(OP_INCREMENT, 'a', two(1, 0))).toBe('ENGINE_ERROR');
    tiered.held.faults.clear();
    expect(await tiered.ask(OP_GET, 'a')).toBe('one');
  });

  test('a delete reaches the engine, and says whether there was anything in either', async () => {
    const tiered = await evicted('a', 'one');
    expect([await tiered.ask(OP_DELETE, 'a'), await tiered.ask(OP_DELETE, 'a')]).toEqual([true, false]);
    expect([await tiered.ask(OP_DELETE, 'y'), await tiered.ask(OP_GET, 'y')]).toEqual([true, undefined]);
    expect(await tiered.ask(OP_TIER_SIZE)).toBe(1);
  });

  test('a delete that fails leaves nothing in memory that the engine may have lost', async () => {
    const tiered = await tieredShard();
    await tiered.ask(OP_SET, 'a', 'one');
    tiered.held.faults.set('delete', new CacheError('ENGINE_ERROR', 'no disk'));
    expect(await tiered.ask(OP_DELETE, 'a')).toBe('ENGINE_ERROR');
    expect(tiered.look('a')).toBeUndefined();
    tiered.held.faults.clear();
    expect(await tiered.ask(OP_GET, 'a')).toBe('one');
  });

  test('what only the tier has is counted up, changed, taken and given another ttl as if it were in memory', async () => {
    const tiered = await tieredShard(TWO);
    const count = () => tiered.ask(OP_INCREMENT, 'n', two(5, 10));
    expect(await count()).toBe(15);
    await tiered.ask(OP_SET, 'x', '1');
    await tiered.ask(OP_SET, 'y', '2');
    expect([tiered.look('n'), await count()]).toEqual([undefined, 20]);
    expect(await tiered.ask(OP_EXPIRE, 'x', '', 1_000)).toBeUndefined();
    await tiered.ask(OP_SET, 'z', '3');
    await tiered.ask(OP_SET, 'w', '3');
    expect([tiered.look('x'), await tiered.ask(OP_TTL, 'x')]).toEqual([undefined, 1_000]);
    expect(await tiered.ask(OP_UPDATE, 'x', 'one', 0, FLAG_KEEP_TTL)).toBeUndefined();
    expect([await tiered.ask(OP_TTL, 'x'), await tiered.ask(OP_POP, 'x')]).toEqual([1_000, 'one']);
    expect(await tiered.ask(OP_DEMAND, 'x')).toBe('KEY_NOT_FOUND');
    expect(await tiered.ask(OP_INCREMENT, 'y', two(1, 0))).toBe(false);
  });

  test('a ttl goes on in the tier, and what is over there is a miss, an addition begins anew', async () => {
    const tiered = await tieredShard(TWO);
    await tiered.ask(OP_SET, 'a', 'one', 1_000);
    await tiered.ask(OP_SET, 'x', '1');
    await tiered.ask(OP_SET, 'y', '2');
    tiered.clock.nowMs += 400;
    expect(await tiered.ask(OP_LOOKUP, 'a')).toEqual({ text: 'one', leftMs: 600, from: 'tier' });
    await tiered.ask(OP_SET, 'x', '1');
    await tiered.ask(OP_SET, 'y', '2');
    tiered.clock.nowMs += 600;
    expect([await tiered.ask(OP_GET, 'a'), await tiered.ask(OP_ADD, 'a', 'two')]).toEqual([undefined, undefined]);
  });

  test('reads of an entry that slides let it live on, in the tier, too, when memory has given it up', async () => {
    const tiered = await tieredShard(TWO);
    await tiered.ask(OP_SET, 'a', 'one', 1_000, FLAG_SLIDING);
    for (let i = 0; i < 5; i++) {
      tiered.clock.nowMs += 900;
      expect(await tiered.ask(OP_GET, 'a')).toBe('one');
    }
    await tiered.ask(OP_SET, 'x', '1');
    await tiered.ask(OP_SET, 'y', '2');
    tiered.clock.nowMs += 900;
    expect(await tiered.ask(OP_LOOKUP, 'a')).toEqual({ text: 'one', leftMs: 1_000, from: 'tier' });
    tiered.clock.nowMs += 50;
    await tiered.ask(OP_GET, 'a');
    expect(await tiered.ask(OP_TTL, 'a')).toBe(1_000);
  });

  test('what has expired in the tier is removed when it is asked for', async () => {
    const tiered = await tieredShard(TWO);
    await tiered.ask(OP_SET, 'a', 'one', 1_000);
    await tiered.ask(OP_SET, 'b', 'one', 1_000);
    await tiered.ask(OP_SET, 'x', '1');
    expect([await tiered.ask(OP_TIER_SIZE), await tiered.ask(OP_TIER_CLEANUP)]).toEqual([3, 0]);
    tiered.clock.nowMs += 1_000;
    expect([await tiered.ask(OP_TIER_CLEANUP), await tiered.ask(OP_TIER_SIZE)]).toEqual([2, 1]);
  });

  test('clear empties both, and waits for what is under way', async () => {
    const tiered = await evicted('a', 'one');
    const open = tiered.held.hold('set');
    const write = tiered.ask(OP_SET, 'b', 'late');
    const cleared = tiered.ask(OP_CLEAR);
    const after = tiered.ask(OP_ADD, 'b', 'anew');
    open();
    await write;
    expect([await cleared, await after]).toEqual([4, undefined]);
    expect([await tiered.ask(OP_SIZE), await tiered.ask(OP_TIER_SIZE), await tiered.ask(OP_GET, 'b')]).toEqual([
      1,
      1,
      'anew',
    ]);
  });

  test('popItem takes what memory would give up, from the tier, too', async () => {
    const tiered = await evicted('a', 'one');
    const taken = (await tiered.ask(OP_POP_ITEM)) as { key: Buffer };
    expect(taken.key.toString()).toBe('x');
    expect([await tiered.ask(OP_GET, 'x'), await tiered.ask(OP_TIER_SIZE)]).toEqual([undefined, 2]);
  });

  test('a value that memory has no room for is in the tier, and nothing older in memory', async () => {
    const tiered = await tieredShard({ limits: { bytesMax: 4_096 } });
    await tiered.ask(OP_SET, 'a', 'small');
    expect(await tiered.ask(OP_SET, 'a', 'x'.repeat(5_000))).toBeUndefined();
    expect(tiered.look('a')).toBeUndefined();
    expect(await tiered.ask(OP_GET, 'a')).toBe('x'.repeat(5_000));
  });

  test('an owner that waits says that it is alive', async () => {
    const tiered = await tieredShard();
    const open = tiered.held.hold('set');
    const write = tiered.ask(OP_SET, 'a', 'one');
    while (tiered.beats.count < 2) await tiered.turn();
    open();
    await write;
  });
});
