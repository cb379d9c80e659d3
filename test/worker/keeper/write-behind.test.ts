/** What is acknowledged before the engine has it: nothing of it is lost, or seen in another order. */
import { setImmediate as turn } from 'node:timers';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { memoryEngine } from '../../../src/protocol/engines/memory.ts';
import { CacheError } from '../../../src/protocol/errors.ts';
import { diskFiles } from '../../../src/protocol/files.ts';
import { TIER_FAILURES, TIER_FLUSHED, TIER_QUEUED_BYTES, TIER_QUEUED_ENTRIES } from '../../../src/protocol/tier.ts';
import { Breaker } from '../../../src/worker/keeper/breaker.ts';
import { TierCounts } from '../../../src/worker/keeper/counts.ts';
import { WriteBehind } from '../../../src/worker/keeper/write-behind.ts';
import { seededRandom } from '../../support/random.ts';
import { HeldEngine } from '../../support/tier-keeper.ts';

const BROKEN = new CacheError('ENGINE_ERROR', 'the disk is full');
let opened = 0;

async function queue({ entriesMax = 100, bytesMax = 1_000_000, flushMs = 100 } = {}) {
  const place = { name: `queue ${opened++}`, directory: '', options: {}, files: diskFiles, warn: () => {} };
  const held = new HeldEngine(await memoryEngine.open(place), false);
  const cells = new SharedArrayBuffer(96);
  const counts = new TierCounts(cells);
  const nowMs = () => performance.now();
  const breaker = new Breaker({ where: 'here', counts, down: () => {}, up: () => {}, nowMs });
  const writes = new WriteBehind(held.engine, breaker, counts, { entriesMax, bytesMax, flushMs });
  return { held, writes, counts };
}

const bytes = (text: string) => Buffer.from(text);
const turns = async (count = 10) => {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => turn(resolve));
};

function useHands(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
}

afterEach(() => {
  vi.useRealTimers();
});

describe('a queue of writes', () => {
  test('answers what it holds, and the engine gets the latest of each key after the interval, in one call', async () => {
    useHands();
    const { held, writes, counts } = await queue();
    await writes.set('a', bytes('1'));
    await writes.set('b', bytes('2'));
    await writes.set('a', bytes('3'));
    expect([writes.find('a')?.toString(), counts.read(TIER_QUEUED_ENTRIES), held.calls]).toEqual(['3', 2, []]);
    vi.advanceTimersByTime(99);
    await turns();
    expect(held.calls).toEqual([]);
    vi.advanceTimersByTime(1);
    await turns();
    expect(held.calls).toEqual(['setMany b a']);
    expect([writes.find('a'), counts.read(TIER_QUEUED_ENTRIES), counts.read(TIER_QUEUED_BYTES)]).toEqual([
      undefined,
      0,
      0,
    ]);
    expect(counts.read(TIER_FLUSHED)).toBe(2);
    await writes.set('c', bytes('4'));
    vi.advanceTimersByTime(100);
    await turns();
    expect(held.calls).toEqual(['setMany b a', 'setMany c']);
  });

  test('is flushed when it is half full, and a set without room waits for it', async () => {
    useHands();
    const { held, writes } = await queue({ entriesMax: 4 });
    const open = held.hold('setMany');
    for (const key of ['a', 'b', 'c', 'd']) await writes.set(key, bytes(key));
    await turns();
    expect(held.calls).toEqual(['setMany a b']);
    let isIn = false;
    const fifth = writes.set('e', bytes('e')).then(() => {
      isIn = true;
    });
    await turns();
    expect(isIn).toBe(false);
    open();
    await fifth;
    expect(writes.find('e')?.toString()).toBe('e');
  });

  test('has a bound in bytes, but for one value that is larger than it', async () => {
    const { held, writes, counts } = await queue({ bytesMax: 100 });
    const open = held.hold('setMany');
    await writes.set('large', Buffer.alloc(1_000));
    const second = writes.set('b', bytes('b'));
    await turns();
    expect(counts.read(TIER_QUEUED_ENTRIES)).toBe(1);
    open();
    await second;
    await writes.drain();
    expect(held.calls).toEqual(['setMany large', 'setMany b']);
  });

  test('keeps what was written while its key was on its way, and flushes never overlap', async () => {
    const { held, writes, counts } = await queue();
    await writes.set('a', bytes('old'));
    const open = held.hold('setMany');
    const first = writes.drain();
    await turns();
    await writes.set('a', bytes('new'));
    const second = writes.drain();
    await turns();
    expect([held.calls, counts.read(TIER_QUEUED_ENTRIES)]).toEqual([['setMany a'], 2]);
    open();
    await first;
    expect(writes.find('a')?.toString()).toBe('new');
    await second;
    expect([held.calls, counts.read(TIER_QUEUED_ENTRIES)]).toEqual([['setMany a', 'setMany a'], 0]);
    expect(Buffer.from((await held.engine.get('a')) as Uint8Array).toString()).toBe('new');
  });

  test('a delete waits for the flush of its key, and nothing of the key comes after it', async () => {
    const { held, writes } = await queue();
    await writes.set('a', bytes('1'));
    await writes.set('b', bytes('2'));
    const open = held.hold('setMany');
    const flush = writes.drain();
    await turns();
    const remove = (key: string) => writes.remove(key, async () => held.engine.delete(key));
    const removed = remove('a');
    await remove('c');
    expect(held.calls).toEqual(['setMany a b', 'delete c']);
    open();
    expect(await removed).toBe(true);
    await flush;
    await writes.drain();
    expect([await held.engine.get('a'), writes.find('a')]).toEqual([undefined, undefined]);
  });

  test('a delete cancels what waits for its key', async () => {
    const { held, writes, counts } = await queue();
    await writes.set('a', bytes('1'));
    await writes.remove('a', async (waiting) => expect(waiting?.toString()).toBe('1'));
    await writes.drain();
    expect([held.calls, counts.read(TIER_QUEUED_ENTRIES), counts.read(TIER_QUEUED_BYTES)]).toEqual([[], 0, 0]);
  });

  test('a delete that fails leaves what was acknowledged before it, which is still written', async () => {
    const { held, writes } = await queue();
    await held.engine.set('a', bytes('older'));
    await writes.set('a', bytes('old'));
    await expect(writes.remove('a', async () => Promise.reject(BROKEN))).rejects.toBe(BROKEN);
    expect(writes.find('a')?.toString()).toBe('old');
    await writes.drain();
    expect(Buffer.from((await held.engine.get('a')) as Uint8Array).toString()).toBe('old');
  });

  test('keeps what a failing engine does not take, tries again by itself, and refuses sets only when it is full', async () => {
    useHands();
    const { held, writes, counts } = await queue({ entriesMax: 6, flushMs: 1_000 });
    held.faults.set('setMany', BROKEN);
    for (const key of ['a', 'b', 'c']) await writes.set(key, bytes(key));
    await turns();
    expect(held.calls).toHaveLength(1);
    for (const key of ['d', 'e', 'f']) await writes.set(key, bytes(key));
    await expect(writes.set('g', bytes('g'))).rejects.toMatchObject({ code: 'ENGINE_ERROR' });
    await writes.set('a', bytes('A'));
    expect([writes.find('a')?.toString(), counts.read(TIER_FAILURES)]).toEqual(['A', 1]);
    held.faults.clear();
    vi.advanceTimersByTime(49);
    await turns();
    expect(held.calls).toHaveLength(1);
    vi.advanceTimersByTime(1);
    await turns();
    expect(held.calls.slice(1)).toEqual(['setMany b c d e f a']);
    await writes.set('g', bytes('g'));
  });

  test('one entry that the engine does not take holds up no other', async () => {
    const { held, writes, counts } = await queue();
    const { set } = held.engine;
    held.faults.set('setMany', new CacheError('VALUE_TOO_LARGE', 'one of them'));
    held.engine.set = (key, record) => {
      if (key === 'b') throw new CacheError('VALUE_TOO_LARGE', 'too large');
      return set(key, record);
    };
    for (const key of ['a', 'b', 'c']) await writes.set(key, bytes(key));
    await expect(writes.drain()).rejects.toMatchObject({ code: 'VALUE_TOO_LARGE' });
    expect([await held.engine.size(), counts.read(TIER_QUEUED_ENTRIES), writes.find('b')?.toString()]).toEqual([
      2,
      1,
      'b',
    ]);
    expect(await writes.remove('b', async () => true)).toBe(true);
    await writes.drain();
  });

  test('closed, it says how many entries could not be written, and why', async () => {
    useHands();
    const { held, writes } = await queue();
    await writes.set('a', bytes('1'));
    held.faults.set('setMany', BROKEN);
    const closed = writes.close();
    for (let tries = 0; tries < 6; tries++) {
      await turns();
      vi.advanceTimersByTime(1_000);
    }
    expect(await closed).toMatchObject({ lost: 1, error: { code: 'ENGINE_ERROR' } });
  });

  test('any mix of writes and deletes over an engine that fails at times ends as a Map does', async () => {
    const random = seededRandom('a queue of writes');
    useHands();
    const { held, writes } = await queue({ entriesMax: 8, flushMs: 10 });
    const model = new Map<string, string>();
    const key = () => `k${Math.floor(random.fraction() * 12)}`;
    for (let step = 0; step < 1_500; step++) {
      if (random.fraction() < 0.05) held.faults.set('setMany', BROKEN);
      if (random.fraction() < 0.3) held.faults.clear();
      const some = key();
      try {
        if (random.fraction() < 0.3) {
          await writes.remove(some, async () => held.engine.delete(some));
          model.delete(some);
        } else {
          await writes.set(some, bytes(`${step}`));
          model.set(some, `${step}`);
        }
      } catch {
        // Refused: as if it had not been asked.
      }
      const other = key();
      const found = writes.find(other) ?? (await held.engine.get(other));
      expect(found && Buffer.from(found).toString()).toBe(model.get(other));
      vi.advanceTimersByTime(random.fraction() * 20);
      if (random.fraction() < 0.1) await turns(1);
    }
    held.faults.clear();
    vi.advanceTimersByTime(2_000);
    await turns();
    expect(await writes.close()).toEqual({ lost: 0 });
    for (const [name, value] of model) {
      expect(Buffer.from((await held.engine.get(name)) as Uint8Array).toString()).toBe(value);
    }
    expect(await held.engine.size()).toBe(model.size);
  });
});
