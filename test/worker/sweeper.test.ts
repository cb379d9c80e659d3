import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SharedClock } from '../../src/protocol/clock.ts';
import { SWEEP_ENTRIES_MAX } from '../../src/worker/shard.ts';
import { Sweeper } from '../../src/worker/sweeper.ts';
import { makeShard } from '../support/shard.ts';

/** What Node takes for a delay at most; it fires at once above. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** The time that fake timers tell. */
const timers = {
  get nowMs() {
    return Date.now();
  },
  now: () => Date.now(),
};

function sweptShard(intervalMs: number) {
  const target = makeShard({ bytesMax: 8 * 1024 * 1024 }, 'lru', timers);
  const sweeper = new Sweeper(target.shard, timers, intervalMs);
  const sweep = vi.spyOn(target.shard, 'sweep');
  return {
    target,
    sweeper,
    sweep,
    set(key: string, ttlMs: number) {
      target.set(key, 'v', ttlMs);
      sweeper.arm();
    },
  };
}

describe('by timers', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate'], now: 1_000 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('a shard in which nothing expires has no timer', () => {
    const { set } = sweptShard(1_000);
    for (let i = 0; i < 100; i++) {
      set(`k${i}`, 0);
    }
    expect(vi.getTimerCount()).toBe(0);
  });

  test('one timer waits for the earliest deadline, whenever that was set', () => {
    const { target, set, sweep } = sweptShard(0);
    set('late', 10_000);
    set('early', 500);
    set('between', 5_000);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(499);
    expect([sweep.mock.calls.length, target.size()]).toEqual([0, 3]);
    vi.advanceTimersByTime(3);
    expect([target.size(), vi.getTimerCount()]).toEqual([2, 1]);
    vi.advanceTimersByTime(4_500);
    expect(target.size()).toBe(1);
    vi.advanceTimersByTime(5_000);
    expect([target.size(), vi.getTimerCount()]).toEqual([0, 0]);
    // Each entry may be looked at once more a level of the wheel, no more.
    expect(sweep.mock.calls.length).toBeLessThan(12);
  });

  test('a shard whose last deadline was deleted sweeps once for nothing, then has no timer', () => {
    const { target, set, sweep } = sweptShard(0);
    set('k', 100);
    target.delete('k');
    vi.advanceTimersByTime(10_000);
    expect([sweep.mock.calls.length, vi.getTimerCount()]).toEqual([1, 0]);
  });

  test('at most one sweep begins in an interval, however often something expires', () => {
    const { target, set, sweep } = sweptShard(1_000);
    for (let i = 0; i < 500; i++) {
      set(`k${i}`, 10 + i * 10);
    }
    const startsMs: number[] = [];
    sweep.mockImplementation(function (this: void) {
      startsMs.push(Date.now());
      return Object.getPrototypeOf(target.shard).sweep.call(target.shard);
    });
    for (let i = 0; i < 600; i++) {
      vi.advanceTimersByTime(10);
      // Calls go on, each of which arms.
      set(`new ${i}`, 7);
    }
    vi.advanceTimersByTime(5_000);
    expect(target.size()).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    const gaps = startsMs.slice(1).map((ms, i) => ms - (startsMs[i] as number));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(1_000);
    expect(startsMs.length).toBeGreaterThan(5);
  });

  test('the first sweep waits for no interval', () => {
    const { target, set } = sweptShard(60_000);
    set('k', 10);
    vi.advanceTimersByTime(12);
    expect(target.size()).toBe(0);
  });

  test('a deadline that a timer cannot wait for does not fire at once, and is met', () => {
    const { target, set, sweep } = sweptShard(1_000);
    const ttlMs = 3 * TIMER_MAX_MS;
    set('k', ttlMs);
    set('very late', Number.MAX_SAFE_INTEGER / 2);
    vi.advanceTimersByTime(3_600_000);
    expect([sweep.mock.calls.length, vi.getTimerCount()]).toEqual([0, 1]);
    vi.advanceTimersByTime(ttlMs - 3_600_001);
    expect(target.has('k')).toBe(true);
    vi.advanceTimersByTime(1);
    expect(target.has('k')).toBe(false);
    // The wheel may have been looked at shortly before: then the next sweep waits for its interval.
    vi.advanceTimersByTime(1_000);
    expect([target.size(), vi.getTimerCount()]).toEqual([1, 1]);
    expect(sweep.mock.calls.length).toBeLessThan(12);
  });

  test('an interval of Infinity never sweeps', async () => {
    const { target, sweeper, set, sweep } = sweptShard(Number.POSITIVE_INFINITY);
    set('k', 10);
    await sweeper.follow(new SharedClock());
    vi.advanceTimersByTime(10_000_000);
    expect([sweep.mock.calls.length, vi.getTimerCount(), target.size()]).toEqual([0, 0, 1]);
  });

  test('a mass goes in turns of the event loop, and calls between two of them arm nothing', () => {
    const { target, sweeper, set, sweep } = sweptShard(1_000);
    const mass = 4 * SWEEP_ENTRIES_MAX + 10;
    for (let i = 0; i < mass; i++) {
      set(`k${i}`, 500);
    }
    vi.advanceTimersByTime(500);
    expect(sweep).not.toHaveBeenCalled();
    vi.advanceTimersToNextTimer();
    for (let turn = 1; target.size() > 0; turn++) {
      expect(sweep).toHaveBeenCalledTimes(turn);
      expect(target.size()).toBeGreaterThanOrEqual(mass - turn * SWEEP_ENTRIES_MAX);
      expect(target.get('k1')).toBeUndefined();
      sweeper.arm();
      expect(vi.getTimerCount()).toBe(1);
      const nowMs = Date.now();
      vi.advanceTimersToNextTimer();
      // Fake timers give what is set within one a millisecond of its own.
      expect(Date.now() - nowMs).toBeLessThanOrEqual(1);
    }
    expect(sweep.mock.calls.length).toBeGreaterThanOrEqual(5);
    vi.runAllTimers();
    expect(vi.getTimerCount()).toBe(0);
  });
});

test('by a clock that is turned by hand a sweep follows every turn, and none comes without', async () => {
  const clock = new SharedClock();
  const hands = {
    get nowMs() {
      return clock.now();
    },
    now: () => clock.now(),
  };
  const target = makeShard({ bytesMax: 8 * 1024 * 1024 }, 'lru', hands);
  const sweeper = new Sweeper(target.shard, hands, 1_000);
  void sweeper.follow(clock);
  const count = 3 * SWEEP_ENTRIES_MAX;
  for (let i = 0; i < count; i++) {
    target.set(`k${i}`, 'v', i % 2 === 0 ? 100 : 200);
    sweeper.arm();
  }
  const sweep = vi.spyOn(target.shard, 'sweep');
  for (const left of [count / 2, 0]) {
    clock.turn(100);
    while (target.size() > left) {
      await new Promise(setImmediate);
    }
  }
  const sweeps = sweep.mock.calls.length;
  for (let i = 0; i < 100; i++) {
    await new Promise(setImmediate);
  }
  expect(sweep.mock.calls.length - sweeps).toBeLessThanOrEqual(1);
});
