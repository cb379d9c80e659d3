/** What calls of one client mean to each other where some of them wait for a tier. */
import { describe, expect, test } from 'vitest';
import {
  FLAG_MEMORY_ONLY,
  FLAG_SLIDING,
  OP_CLEAR,
  OP_GET,
  OP_LEASE,
  OP_LOOKUP,
  OP_POP,
  OP_POP_ITEM,
  OP_RELEASE,
  OP_SET,
  OP_SIZE,
  OP_TIER_SIZE,
  OP_TTL,
} from '../../../src/protocol/operations.ts';
import { PolicyFault } from '../../../src/worker/guarded-policy.ts';
import { numbers } from '../../support/shard.ts';
import { tieredShard } from '../../support/tiered-shard.ts';

/** Room for two entries in memory. */
const TWO = { limits: { entriesMax: 2 } };
const LEASE = numbers(30_000, 0);

describe('calls about all keys', () => {
  test('see what their client has called before, in the same frame or in one before', async () => {
    const { ask, askAll } = await tieredShard();
    const first = ask(OP_SET, 'a', '1');
    const results = askAll([
      [OP_SET, 'b', '2'],
      [OP_SIZE, ''],
      [OP_TIER_SIZE, ''],
      [OP_POP_ITEM, ''],
    ]);
    expect(await results).toMatchObject([undefined, 2, 2, { value: { bytes: Buffer.from('1') } }]);
    await first;
  });

  test('and what a clear of memory leaves of a write before it is in the tier', async () => {
    const { ask, look } = await tieredShard();
    const write = ask(OP_SET, 'a', '1');
    expect(await ask(OP_CLEAR, '', '', 0, FLAG_MEMORY_ONLY)).toBe(1);
    expect([await write, look('a'), await ask(OP_GET, 'a')]).toEqual([undefined, undefined, '1']);
  });
});

test('what a reply has no room for stays where it is, in memory or in the tier', async () => {
  const { ask, askAll } = await tieredShard({ limits: { bytesMax: 2 ** 27, entriesMax: 1 } });
  const large = Buffer.alloc(33 * 2 ** 20, 'x');
  await ask(OP_SET, 'a', large);
  await ask(OP_SET, 'b', large);
  const lengths = (results: readonly unknown[]) => results.map((result) => `${result}`.length);
  const refused = 'OVERLOADED'.length;
  const taken = await askAll([
    [OP_POP, 'a'],
    [OP_POP_ITEM, ''],
  ]);
  expect(lengths(taken)).toEqual([large.length, refused]);
  expect(await ask(OP_TIER_SIZE)).toBe(1);
});

test('a lease that is given back by one who does not know whether he has it is given back', async () => {
  const { ask, held } = await tieredShard({ filter: false });
  const open = held.hold('get');
  const lease = ask(OP_LEASE, 'a', LEASE);
  const release = ask(OP_RELEASE, 'a', '', -1);
  open();
  expect([((await lease) as number) > 0, await release]).toEqual([true, true]);
  expect(await ask(OP_LEASE, 'a', LEASE)).toBeGreaterThan(0);
});

test('a read of an entry that slides lets it live on, though only the tier has it', async () => {
  const { ask, clock } = await tieredShard(TWO);
  await ask(OP_SET, 'a', 'one', 1_000, FLAG_SLIDING);
  await ask(OP_SET, 'x', '1');
  await ask(OP_SET, 'y', '2');
  clock.nowMs += 900;
  expect(await ask(OP_TTL, 'a')).toBe(100);
  expect(await ask(OP_LOOKUP, 'a')).toEqual({ text: 'one', leftMs: 1_000, from: 'tier' });
  clock.nowMs += 900;
  expect(await ask(OP_LOOKUP, 'a')).toMatchObject({ text: 'one', from: 'memory' });
});

test('what a policy that fails keeps out of memory is in the tier, and nothing older in memory', async () => {
  const { ask, look, shard } = await tieredShard({ limits: { bytesMax: 4_096 } });
  await ask(OP_SET, 'a', 'old');
  await ask(OP_SET, 'b', 'x'.repeat(2_000));
  shard.policy.victim = () => {
    throw new PolicyFault('Nothing was stored');
  };
  const large = 'y'.repeat(2_000);
  expect([await ask(OP_SET, 'a', large), look('a'), await ask(OP_GET, 'a')]).toEqual([undefined, undefined, large]);
});

test('the filter does not rule out a key whose write has failed, but may have been done', async () => {
  const { ask, held, isRuledOut, turn } = await tieredShard({ isEmpty: false });
  const [openSize, openSet] = [held.hold('size'), held.hold('set')];
  held.faults.set('set', new Error('after all'));
  const write = ask(OP_SET, 'a', 'one');
  for (let i = 0; i < 5; i++) await turn();
  openSize();
  for (let i = 0; i < 20; i++) await turn();
  openSet();
  expect(await write).toBe('ENGINE_ERROR');
  expect([isRuledOut('nobody'), isRuledOut('a')]).toEqual([true, false]);
});
