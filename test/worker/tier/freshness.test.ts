import { expect, test } from 'vitest';
import { OP_FILL, OP_GET, OP_LEASE, OP_SET } from '../../../src/protocol/operations.ts';
import { numbers } from '../../support/shard.ts';
import { tieredShard } from '../../support/tiered-shard.ts';

/** A tier that others write to, with room for two entries in memory. */
const SHARED = { isShared: true, limits: { entriesMax: 2 } };

async function shared() {
  const tiered = await tieredShard(SHARED);
  const watcher = () => tiered.held.watcher as NonNullable<typeof tiered.held.watcher>;
  /** When all that the keeper has said so far has been heard. */
  const heard = () => tiered.ask(OP_GET, 'nobody has it');
  return { ...tiered, watcher, heard };
}

test('what others have written leaves memory, and is read anew', async () => {
  const { ask, look, watcher, heard } = await shared();
  await ask(OP_SET, 'a', 'ours');
  await ask(OP_SET, 'b', 'ours');
  watcher().changed(['a', 'a stranger']);
  await heard();
  expect([look('a'), look('b')]).toEqual([undefined, 'ours']);
  expect([await ask(OP_GET, 'a'), look('a')]).toEqual(['ours', 'ours']);
});

test('a read that others have overtaken is answered, and not kept', async () => {
  const { ask, look, held, watcher, heard, turn } = await shared();
  await ask(OP_SET, 'a', 'old');
  watcher().changed(['a']);
  await heard();
  const open = held.hold('get');
  const read = ask(OP_GET, 'a');
  while (!held.calls.includes('get a')) await turn();
  watcher().changed(['a']);
  open();
  expect([await read, look('a')]).toEqual(['old', undefined]);
});

test('a write that others may have overtaken is done, and not kept', async () => {
  const { ask, look, held, watcher, turn } = await shared();
  const open = held.hold('set');
  const write = ask(OP_SET, 'a', 'ours');
  while (!held.calls.includes('set a')) await turn();
  watcher().changed(['a']);
  open();
  expect([await write, look('a')]).toEqual([undefined, undefined]);
});

test('while nobody tells of changes memory is empty, and stays so', async () => {
  const { ask, look, watcher, heard } = await shared();
  await ask(OP_SET, 'a', 'one');
  watcher().lost();
  await heard();
  expect(look('a')).toBeUndefined();
  expect([await ask(OP_GET, 'a'), look('a')]).toEqual(['one', undefined]);
  await ask(OP_SET, 'a', 'two');
  expect(look('a')).toBeUndefined();
  watcher().regained();
  await heard();
  expect([await ask(OP_GET, 'a'), look('a')]).toEqual(['two', 'two']);
});

test('an owner that comes after another begins with an empty memory', async () => {
  const tiered = await shared();
  await tiered.ask(OP_SET, 'a', 'one');
  const next = tiered.next();
  expect([next.look('a'), await next.ask(OP_GET, 'a')]).toEqual([undefined, 'one']);
});

test("an owner of a tier that is nobody else's begins with what it finds", async () => {
  const tiered = await tieredShard();
  await tiered.ask(OP_SET, 'a', 'one');
  const next = tiered.next();
  expect([next.look('a'), next.isRuledOut('b'), next.isRuledOut('a')]).toEqual(['one', true, false]);
});

test('what is being computed for a key that others have written to is not stored', async () => {
  const { ask, watcher, heard } = await shared();
  const token = (await ask(OP_LEASE, 'a', numbers(30_000, 0))) as number;
  watcher().changed(['a']);
  await heard();
  expect([await ask(OP_FILL, 'a', 'computed', token), await ask(OP_GET, 'a')]).toEqual([false, undefined]);
});
