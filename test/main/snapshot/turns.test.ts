import { describe, expect, test } from 'vitest';
import { orAborted, Turns } from '../../../src/main/snapshot/turns.ts';

const never = () => new AbortController().signal;

function gate(): { readonly promise: Promise<void>; open(): void } {
  let open: () => void = () => {};
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

describe('turns', () => {
  test('come one at a time, in order, whatever the one before came to', async () => {
    const turns = new Turns();
    const events: string[] = [];
    const step =
      (name: string, fails = false) =>
      async () => {
        events.push(`${name} begins`);
        await Promise.resolve();
        events.push(`${name} ends`);
        if (fails) throw new Error(name);
        return name;
      };
    const all = await Promise.allSettled([
      turns.take(never(), step('a')),
      turns.take(never(), step('b', true)),
      turns.take(never(), step('c')),
    ]);
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(events).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
    expect(turns.isBusy).toBe(false);
    await turns.drained();
  });

  test('who gives up while he waits is told at once, never begins, and lets nobody overtake', async () => {
    const turns = new Turns();
    const first = gate();
    const events: string[] = [];
    const a = turns.take(never(), () => first.promise);
    const controller = new AbortController();
    const b = turns.take(controller.signal, async () => void events.push('b'));
    const c = turns.take(never(), async () => void events.push('c'));
    controller.abort(new Error('enough'));
    await expect(b).rejects.toThrow('enough');
    expect(events).toEqual([]);
    first.open();
    await Promise.all([a, c]);
    expect(events).toEqual(['c']);
  });

  test('more than wait already are refused', async () => {
    const turns = new Turns();
    const first = gate();
    const taken = Array.from({ length: 65 }, () => turns.take(never(), () => first.promise));
    await expect(turns.take(never(), () => first.promise)).rejects.toMatchObject({ code: 'OVERLOADED' });
    first.open();
    await Promise.all(taken);
  });
});

test('orAborted is told of a signal that was aborted before', async () => {
  await expect(orAborted(new Promise(() => {}), AbortSignal.abort('before'))).rejects.toBe('before');
});
