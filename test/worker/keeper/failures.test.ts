/** An engine that fails: who hears of it, and how often it is asked. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Engine } from '../../../src/protocol/engines/engine.ts';
import { memoryEngine } from '../../../src/protocol/engines/memory.ts';
import { CacheError } from '../../../src/protocol/errors.ts';
import { diskFiles } from '../../../src/protocol/files.ts';
import { TIER_DOWN, TIER_FAILURES } from '../../../src/protocol/tier.ts';
import { Breaker, DOWN_AFTER } from '../../../src/worker/keeper/breaker.ts';
import { TierCounts } from '../../../src/worker/keeper/counts.ts';
import { Keeper } from '../../../src/worker/keeper/keeper.ts';
import { openKeeper } from '../../support/tier-keeper.ts';

const BROKEN = new CacheError('ENGINE_ERROR', 'Cannot write: EIO. Next: look at its health');

afterEach(() => {
  vi.useRealTimers();
});

function breaker() {
  const counts = new TierCounts(new SharedArrayBuffer(96));
  const told: string[] = [];
  const clock = { nowMs: 1_000 };
  const made = new Breaker({
    where: '/data/tier',
    counts,
    down: () => told.push('down'),
    up: () => told.push('up'),
    nowMs: () => clock.nowMs,
  });
  let calls = 0;
  const call = (error?: unknown) =>
    made
      .run(() => {
        calls++;
        if (error !== undefined && !(error instanceof Promise)) throw error;
        return (error ?? 'fine') as string | Promise<string>;
      })
      .catch((failure: CacheError) => failure.code);
  const fall = async () => {
    for (let i = 0; i < DOWN_AFTER; i++) await call(BROKEN);
  };
  return { made, call, fall, told, clock, counts, calls: () => calls };
}

describe('a breaker', () => {
  test('goes down after so many failures in a row, and refuses calls without trying them', async () => {
    const { made, call, fall, told, counts, calls } = breaker();
    for (let i = 0; i < DOWN_AFTER - 1; i++) await call(BROKEN);
    await call();
    expect(told).toEqual([]);
    await fall();
    expect([told, counts.read(TIER_DOWN), counts.read(TIER_FAILURES)]).toEqual([['down'], 1, DOWN_AFTER * 2 - 1]);
    const before = calls();
    await expect(made.run(() => 'fine')).rejects.toThrow(/\/data\/tier has been failing since 2.*EIO/);
    expect([calls(), counts.read(TIER_FAILURES)]).toEqual([before, DOWN_AFTER * 2 - 1]);
  });

  test('lets one call try when the pause is over, which is twice as long after each, a second at most', async () => {
    const { call, fall, clock, calls, told } = breaker();
    await fall();
    for (const pause of [50, 100, 200, 400, 800, 1_000, 1_000]) {
      const before = calls();
      clock.nowMs += pause - 1;
      await call(BROKEN);
      expect(calls()).toBe(before);
      clock.nowMs += 1;
      await Promise.all([call(Promise.reject(BROKEN)), call(BROKEN)]);
      expect(calls()).toBe(before + 1);
    }
    clock.nowMs += 1_000;
    expect(await call()).toBe('fine');
    expect([await call(), told]).toEqual(['fine', ['down', 'up']]);
  });

  test('stays up where the fault is of one key, and counts it', async () => {
    const { call, told, counts } = breaker();
    for (const code of ['STORE_CORRUPT', 'VALUE_TOO_LARGE', 'LOCKED'] as const) {
      for (let i = 0; i < DOWN_AFTER; i++) expect(await call(new CacheError(code, 'one key'))).toBe(code);
    }
    expect([told, counts.read(TIER_FAILURES)]).toEqual([[], DOWN_AFTER * 3]);
  });

  test('makes an ENGINE_ERROR of whatever an engine throws', async () => {
    const { call } = breaker();
    for (const thrown of [new Error('odd'), 'text', { code: 7 }, null]) expect(await call(thrown)).toBe('ENGINE_ERROR');
  });

  test('takes no late success of a call from before as a sign that the engine works', async () => {
    const { made, fall, told } = breaker();
    let answer = (_: string) => {};
    const late = made.run(() => new Promise<string>((resolve) => (answer = resolve)));
    await fall();
    answer('late');
    expect([await late, told]).toEqual(['late', ['down']]);
  });
});

test('calls that the engine fails are answered with its code and words, and the opener hears once', async () => {
  const { connect, held, told, keeper } = await openKeeper();
  const owner = connect();
  for (const name of ['get', 'set', 'delete', 'update', 'size', 'clear', 'getMany']) held.faults.set(name, BROKEN);
  for (let i = 0; i < 2; i++) {
    for (const heard of [
      await owner.get('k'),
      await owner.set('k', 'v'),
      await owner.delete('k'),
      await owner.delete('k', false),
      await owner.ask({ is: 'size' }),
      await owner.ask({ is: 'clear' }),
    ]) {
      expect(heard.answer).toMatchObject({ is: 'failed', error: { code: 'ENGINE_ERROR' } });
      expect(heard.answer.is === 'failed' && heard.answer.error.message).toMatch(/EIO/);
    }
  }
  expect(told).toEqual([{ is: 'down', message: expect.stringMatching(/EIO/) }]);
  await keeper.close();
});

test('what an engine answers that is no record fails with a code of ours', async () => {
  const { connect, held, keeper } = await openKeeper();
  const owner = connect();
  held.engine.get = () => 'text' as unknown as Uint8Array;
  await expect(owner.read('k')).rejects.toMatchObject({ code: 'ENGINE_ERROR' });
  await keeper.close();
});

test('an engine that does not open says where and why, also one that cannot even be closed', async () => {
  const birth = {
    engine: { name: 'own' },
    place: { name: 'mine', directory: '', options: {} },
    compression: false,
    seed: { low: 1, high: 2 },
    shards: 1,
    behind: false,
    isShared: false,
    counts: new SharedArrayBuffer(96),
  } as const;
  const surroundings = { files: diskFiles, tell: () => {} };
  const failing = async () => {
    throw Object.assign(new Error('no entry'), { code: 'ENOENT' });
  };
  const opening = Keeper.open({ ...memoryEngine, open: failing }, birth, surroundings);
  const told = { code: 'ENGINE_ERROR', path: 'mine', message: expect.stringMatching(/at mine: no entry\. Next: /) };
  await expect(opening).rejects.toMatchObject(told);
  const odd = { keys: () => 3, close: failing } as unknown as Engine;
  const listing = Keeper.open({ ...memoryEngine, open: async () => odd }, birth, surroundings);
  await expect(listing).rejects.toMatchObject({ code: 'ENGINE_ERROR', message: expect.stringMatching(/keys/) });
});

test('a damaged record fails the read of its key only', async () => {
  const { connect, held, told, counts, keeper } = await openKeeper();
  const owner = connect();
  await owner.set('k', 'v');
  const record = Buffer.from((await held.engine.get('k')) as Uint8Array);
  record[record.length - 1] = 0;
  await held.engine.set('k', record);
  for (let i = 0; i < DOWN_AFTER; i++) await expect(owner.read('k')).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
  expect([counts[TIER_FAILURES], told]).toEqual([DOWN_AFTER, []]);
  const page = await owner.ask({ is: 'page', scan: 0, entries: 9, keysOnly: false, nowMs: 0 });
  const named = { code: 'STORE_CORRUPT', message: expect.stringContaining("(key: 'k' (string))") };
  expect(page.answer).toMatchObject({ is: 'failed', error: named });
  await owner.set('k', 'mended');
  expect(await owner.read('k')).toBe('mended');
  await keeper.close();
});

test('what could not be written is told when it is closed', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const { connect, held, keeper } = await openKeeper({ behind: { flushMs: 1_000, entriesMax: 100, bytesMax: 1e6 } });
  await connect().set('k', 'v');
  held.faults.set('setMany', BROKEN);
  const closed = keeper.close();
  let isClosed = false;
  void closed.then(() => {
    isClosed = true;
  });
  for (let step = 0; step < 1_000 && !isClosed; step++) {
    vi.advanceTimersByTime(1_000);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  expect(await closed).toMatchObject({
    lost: 1,
    error: { code: 'ENGINE_ERROR', message: expect.stringMatching(/EIO/) },
  });
  expect(held.calls.at(-1)).toBe('close');
});
