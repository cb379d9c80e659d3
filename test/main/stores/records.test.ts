import { expect, test } from 'vitest';
import { Records } from '../../../src/main/stores/records.ts';
import type { Engine } from '../../../src/protocol/engines/engine.ts';

/** An engine that reads into the same memory each time, as it may. */
function scratchEngine(): Engine {
  const scratch = Buffer.alloc(4);
  const get = (key: string) => scratch.fill(key);
  return { get, set: () => undefined } as unknown as Engine;
}

test('what is read after a wait is still what it was when others have read', async () => {
  const engine = scratchEngine();
  const records = new Records(engine, 'records', false);
  const written = records.write('a', Promise.resolve(Buffer.from('made')), Number.POSITIVE_INFINITY);
  const reads = [records.read('a'), records.readOwn('a')].map(async (record) => (await record)?.toString());
  for (let tick = 0; tick < 30; tick++) {
    await undefined;
    engine.get('b');
  }
  await written;
  expect(await Promise.all(reads)).toEqual(['aaaa', 'aaaa']);
});

test('a value that cannot be encoded is told to its caller only, also when the store is closed meanwhile', async () => {
  const records = new Records(scratchEngine(), 'records', false);
  const failing = () => Promise.reject<Buffer>(new RangeError('no'));
  const first = records.write('a', failing(), Number.POSITIVE_INFINITY);
  const second = records.changeTo('a', failing(), () => undefined);
  const read = records.readOwn('a');
  const closed = records.close(async () => {});
  expect(() => records.write('a', failing(), Number.POSITIVE_INFINITY)).toThrow('closed');
  await expect(first).rejects.toThrow('no');
  await expect(second).rejects.toThrow('no');
  expect((await read)?.toString()).toBe('aaaa');
  await closed;
});
