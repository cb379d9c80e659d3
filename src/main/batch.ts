/**
 * Many calls at once: all of one turn travel in one frame per shard, and however many there are, no more wait than a
 * shard's queue takes.
 */

import type { CacheKey } from '../protocol/cache-key.ts';
import { CacheError } from '../protocol/errors.ts';
import { checkKey } from '../protocol/key.ts';
import { OP_DELETE, OP_GET, OP_SET, type StoredValue } from '../protocol/operations.ts';
import { HIT, MISS } from '../protocol/reader.ts';
import type { Result } from '../protocol/reply.ts';
import { Call, type CallLimits, NO_BODY, type Waiter } from './call.ts';
import type { Client } from './client.ts';
import { Gathering } from './gathering.ts';
import type { ShardView } from './shard-view.ts';
import { EVER } from './units.ts';

/** Up to so many calls of one method are one message to a shard. More are several, and the shard starts on the first. */
const ONE_MESSAGE_CALLS = 1_000;

/** The values that are there, in the order of the keys. */
export async function getMany(
  client: Client,
  keys: readonly CacheKey[],
  limits: CallLimits,
): Promise<Map<CacheKey, unknown>> {
  const results = await gather(client.views, keys, limits, (key, waiter, index) => {
    const view = client.aim(key);
    const seen = view.look(client.key);
    if (seen === HIT) {
      waiter.resolve({ tag: view.reader.tag, bytes: Buffer.from(view.reader.value) }, index);
    } else if (seen === MISS) {
      waiter.resolve(undefined, index);
    } else {
      view.lane.submit(OP_GET, client.key, new Call(key, waiter, index), limits, NO_BODY);
    }
  });
  const found = new Map<CacheKey, unknown>();
  for (let i = 0; i < keys.length; i++) {
    if (results[i] !== undefined) {
      found.set(keys[i] as CacheKey, client.valueOf(results[i] as StoredValue));
    }
  }
  return found;
}

/** Checks all keys and values before the first is stored. */
export async function setMany(
  client: Client,
  given: readonly (readonly [CacheKey, unknown])[],
  ttlMs: number,
  flags: number,
  limits: CallLimits,
): Promise<void> {
  const pairs = given.map(([key, value]) => {
    const own = client.steady(key);
    if (own === key) {
      // Another has been checked when it was made steady.
      checkKey(key);
    }
    client.codec.check(value);
    return [own, value] as const;
  });
  await gather(client.views, pairs, limits, ([key, value], waiter, index) => {
    const body = client.bodyOf(value, ttlMs, flags);
    const view = client.aimWith(body, key);
    view.lane.submit(OP_SET, client.key, new Call(key, waiter, index), limits, body);
  });
}

/** How many had a live entry. */
export async function deleteMany(client: Client, keys: readonly CacheKey[], limits: CallLimits): Promise<number> {
  const removed = await gather(client.views, keys, limits, (key, waiter, index) => {
    client.aim(key).lane.submit(OP_DELETE, client.key, new Call(key, waiter, index), limits, NO_BODY);
  });
  return removed.filter((result) => result === true).length;
}

/**
 * Makes one call for each item, pausing while a lane is crowded. When all have settled it returns their results, or throws
 * the first error.
 */
async function gather<Item>(
  views: readonly ShardView[],
  items: readonly Item[],
  { signal, timeoutMs }: CallLimits,
  submit: (item: Item, waiter: Waiter, index: number) => void,
): Promise<Result[]> {
  const gathering = new Gathering(items.length);
  const untilMs = timeoutMs === 0 ? EVER : performance.now() + timeoutMs;
  for (let i = 0; i < items.length; i++) {
    try {
      submit(items[i] as Item, gathering, i);
    } catch (error) {
      gathering.reject(error);
    }
    if (items.length > ONE_MESSAGE_CALLS) {
      hurry(views);
    }
    // An await ends the turn, and the frame with it: only where there is need.
    if (isCrowded(views)) {
      await elbowRoom(views);
      if (signal?.aborted === true || performance.now() >= untilMs) {
        const reason = signal?.aborted === true ? signal.reason : late(i + 1, items.length, timeoutMs);
        for (let rest = i + 1; rest < items.length; rest++) {
          gathering.reject(reason);
        }
        break;
      }
    }
  }
  return await gathering.results;
}

function hurry(views: readonly ShardView[]): void {
  for (const { lane } of views) {
    lane.hurry();
  }
}

/** Waits until every lane has room for more calls of one method. */
async function elbowRoom(views: readonly ShardView[]): Promise<void> {
  while (isCrowded(views)) {
    const crowded = views.filter(({ lane }) => lane.backlog.isCrowded);
    await Promise.race(crowded.map(({ lane }) => lane.backlog.progress()));
  }
}

function isCrowded(views: readonly ShardView[]): boolean {
  for (const { lane } of views) {
    if (lane.backlog.isCrowded) {
      return true;
    }
  }
  return false;
}

function late(sent: number, all: number, timeoutMs: number): CacheError {
  const message = `Only ${sent} of ${all} calls were sent within ${timeoutMs} ms; the others were not`;
  return new CacheError('TIMEOUT', message, { outcome: 'unknown' });
}
