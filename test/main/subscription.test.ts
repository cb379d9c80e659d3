import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { EventBatch } from '../../src/main/event-batch.ts';
import { Subscription, WAITING_MAX } from '../../src/main/subscription.ts';

/** A batch of `count` events, before which the shard has dropped some; a listener is handed what it says, as text. */
function batch(name: string | number, count = 1, dropped = 0, shard = 0): EventBatch {
  return {
    event: 'evict',
    shard,
    count,
    dropped,
    open: (missed) => ({ text: `${name}, ${dropped + missed} dropped` }),
  };
}

/** What is said in the place of batches that were dropped. */
function hollow(shard: number, missed: number): object {
  return { text: `${missed} dropped in shard ${shard}` };
}

/** A listener that is done with a batch when the test says so. */
class Slow {
  readonly heard: string[] = [];
  readonly subscription: Subscription;
  done: () => void = () => {};
  fail: (error: unknown) => void = () => {};

  constructor(hollowed: (shard: number, missed: number) => object | undefined = hollow) {
    this.subscription = new Subscription((events) => {
      this.heard.push((events as { text: string }).text);
      return new Promise<void>((resolve, reject) => {
        this.done = resolve;
        this.fail = reject;
      });
    }, hollowed);
  }

  async finish(): Promise<string | undefined> {
    const { length } = this.heard;
    this.done();
    await new Promise((resolve) => setImmediate(resolve));
    return this.heard[length];
  }
}

/** What was thrown where nobody catches it. */
const thrown: unknown[] = [];
beforeEach(() => {
  thrown.length = 0;
  const tick = (act: () => void) => {
    try {
      act();
    } catch (error) {
      thrown.push(error);
    }
  };
  vi.spyOn(process, 'nextTick').mockImplementation(tick as typeof process.nextTick);
});
afterEach(() => {
  vi.restoreAllMocks();
});

function heardBy(listener: () => unknown): { heard: string[]; subscription: Subscription } {
  const heard: string[] = [];
  const subscription = new Subscription((events) => {
    heard.push((events as { text: string }).text);
    return listener();
  }, hollow);
  return { heard, subscription };
}

test('a listener that returns nothing to wait for is handed each batch at once', () => {
  for (const returned of [undefined, 1, null, {}, 'then']) {
    const { heard, subscription } = heardBy(() => returned);
    expect([subscription.tell(batch('a')), subscription.tell(batch('b', 1, 2))]).toEqual([true, true]);
    expect(heard).toEqual(['a, 0 dropped', 'b, 2 dropped']);
  }
});

test('one that returns a promise is handed the next when that settles, in order', async () => {
  const slow = new Slow();
  for (const name of ['a', 'b', 'c']) slow.subscription.tell(batch(name));
  expect(slow.heard).toEqual(['a, 0 dropped']);
  expect([await slow.finish(), await slow.finish(), await slow.finish()]).toEqual([
    'b, 0 dropped',
    'c, 0 dropped',
    undefined,
  ]);
  slow.subscription.tell(batch('d'));
  expect(slow.heard.at(-1)).toBe('d, 0 dropped');
});

describe('a listener that never comes back', () => {
  test(`has ${WAITING_MAX} batches wait for it, and all others dropped`, () => {
    const slow = new Slow();
    const taken = Array.from({ length: 1_000 }, (_, i) => slow.subscription.tell(batch(i)));
    expect(taken).toEqual(Array.from({ length: 1_000 }, (_, i) => i <= WAITING_MAX));
  });

  test('and does, is told what it missed: with the next batch of that shard, or alone when nothing waits', async () => {
    const slow = new Slow();
    for (let i = 0; i <= WAITING_MAX; i++) slow.subscription.tell(batch(i));
    // Two are dropped of one shard, before which the shard itself had dropped 5, and one of another.
    slow.subscription.tell(batch('x', 10));
    slow.subscription.tell(batch('y', 20, 5));
    slow.subscription.tell(batch('z', 7, 0, 1));
    expect(await slow.finish()).toBe('1, 0 dropped');
    expect(slow.subscription.tell(batch('after', 1, 3))).toBe(true);
    for (let i = 2; i <= WAITING_MAX; i++) expect(await slow.finish()).toBe(`${i}, 0 dropped`);
    expect(await slow.finish()).toBe('after, 38 dropped');
    expect(await slow.finish()).toBe('7 dropped in shard 1');
    expect(await slow.finish()).toBeUndefined();
    slow.subscription.tell(batch('last'));
    expect(slow.heard.at(-1)).toBe('last, 0 dropped');
  });

  test('is told nothing in place of what cannot be counted', async () => {
    const slow = new Slow(() => undefined);
    for (let i = 0; i <= WAITING_MAX + 1; i++) slow.subscription.tell(batch(i));
    for (let i = 1; i <= WAITING_MAX; i++) expect(await slow.finish()).toBe(`${i}, 0 dropped`);
    expect(await slow.finish()).toBeUndefined();
    slow.subscription.tell(batch('last'));
    expect(slow.heard.at(-1)).toBe('last, 0 dropped');
  });
});

describe('a listener that fails', () => {
  test('by throwing is an uncaught exception, and hears of what comes after', () => {
    const error = new Error('no');
    const { heard, subscription } = heardBy(() => {
      throw error;
    });
    subscription.tell(batch('a'));
    subscription.tell(batch('b'));
    expect(heard).toEqual(['a, 0 dropped', 'b, 0 dropped']);
    expect(thrown).toEqual([error, error]);
  });

  test('by rejecting is one, too', async () => {
    const slow = new Slow();
    slow.subscription.tell(batch('a'));
    slow.subscription.tell(batch('b'));
    slow.fail('a reason');
    expect(await slow.finish()).toBe('b, 0 dropped');
    expect(thrown).toEqual(['a reason']);
  });

  test('by returning what only looks like a promise is one, too', async () => {
    const error = new Error('no then');
    const fail = () => {
      throw error;
    };
    const { heard, subscription } = heardBy(() => Object.fromEntries([['then', fail]]));
    subscription.tell(batch('a'));
    subscription.tell(batch('b'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual(['a, 0 dropped', 'b, 0 dropped']);
    expect(thrown).toEqual([error, error]);
  });
});

test('what a listener brings about itself waits until it is done', () => {
  const heard: string[] = [];
  const subscription: Subscription = new Subscription((events) => {
    const { text } = events as { text: string };
    if (text.startsWith('a')) subscription.tell(batch('b'));
    heard.push(text);
  }, hollow);
  subscription.tell(batch('a'));
  expect(heard).toEqual(['a, 0 dropped', 'b, 0 dropped']);
});

test('after its end nothing is handed over, not what waited either', async () => {
  const slow = new Slow();
  for (let i = 0; i <= WAITING_MAX + 5; i++) slow.subscription.tell(batch(i));
  slow.subscription.end();
  expect(slow.subscription.tell(batch('late'))).toBe(true);
  expect(await slow.finish()).toBeUndefined();
});
