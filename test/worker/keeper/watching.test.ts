/** A tier that others write to: what owners hear of it, and when. */
import { expect, test } from 'vitest';
import { KeyEncoder, shardOf } from '../../../src/protocol/key.ts';
import { TIER_DISTRUSTS, TIER_INVALIDATIONS } from '../../../src/protocol/tier.ts';
import { openKeeper } from '../../support/tier-keeper.ts';
import type { TierOwner } from '../../support/tier-owner.ts';

const news = (owner: TierOwner) => owner.heard.map(({ answer }) => answer.is);

function shardOfKey(key: string | number): number {
  const encoder = new KeyEncoder({ low: 1, high: 2 });
  encoder.encode(key);
  return shardOf(encoder.hashHigh, 2);
}

test('every session of a shared tier begins with distrust, which ends where changes are told', async () => {
  const { connect, held, keeper, counts } = await openKeeper({ isShared: true });
  const first = connect();
  await first.get('k');
  expect(news(first)).toEqual(['distrusted', 'trusted', 'nothing']);
  held.watcher?.lost();
  held.watcher?.lost();
  first.end();
  const second = connect();
  await second.get('k');
  expect(news(second)).toEqual(['distrusted', 'nothing']);
  held.watcher?.regained();
  await second.get('k');
  expect(news(second)).toEqual(['distrusted', 'nothing', 'trusted', 'nothing']);
  expect(counts[TIER_DISTRUSTS]).toBe(1);
  await keeper.close();
});

test('changed keys go to the owners of their shards; a change of anything is distrust for a moment', async () => {
  const { connect, held, keeper, counts } = await openKeeper({ isShared: true, shards: 2 });
  const owners = [connect(0), connect(1)] as const;
  await Promise.all(owners.map((owner) => owner.get('k')));
  // One text that no cache has made of a key.
  held.watcher?.changed(['a', 'b', 'c', 'd', '\0n7', '\0?']);
  held.watcher?.changed(undefined);
  await Promise.all(owners.map((owner) => owner.get('k')));
  for (const [shard, owner] of owners.entries()) {
    const keys = ['a', 'b', 'c', 'd', 7].filter((key) => shardOfKey(key) === shard);
    expect(owner.heard.slice(3).map(({ answer }) => answer)).toEqual([
      { is: 'changed', keys: keys.map((key) => (key === 7 ? '\0n7' : key)) },
      { is: 'distrusted' },
      { is: 'trusted' },
      { is: 'nothing', id: 2 },
    ]);
  }
  expect([counts[TIER_INVALIDATIONS], counts[TIER_DISTRUSTS]]).toEqual([6, 1]);
  await keeper.close();
});

test('an entry that was read before a change is told before it', async () => {
  const { connect, held, keeper } = await openKeeper({ isShared: true });
  const owner = connect();
  await owner.set('k', 'old');
  const { get } = held.engine;
  held.engine.get = (key) => {
    const record = get(key);
    // After what the read has begun, in the same turn.
    void Promise.resolve().then(() => process.nextTick(() => held.watcher?.changed(['other'])));
    return record;
  };
  const early = owner.get('k');
  await early;
  held.engine.get = get;
  await owner.get('k');
  expect(news(owner).slice(3)).toEqual(['entry', 'changed', 'entry']);
  await keeper.close();
});

test('an engine that cannot be watched is refused where others write to the tier', async () => {
  await expect(openKeeper({ isShared: true, isWatched: false })).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    option: 'engine',
    message: expect.stringMatching(/watch/),
  });
});

test('a tier of its own has nobody to distrust', async () => {
  const { connect, keeper } = await openKeeper({ isWatched: false });
  const owner = connect();
  await owner.get('k');
  expect(news(owner)).toEqual(['nothing']);
  await keeper.close();
});
