import { describe, expect, test } from 'vitest';
import { CacheError } from '../../../src/protocol/errors.ts';
import { FILTER_GENERATION, FilterReader, tierFilterBytes } from '../../../src/protocol/filter.ts';
import { OP_CLEAR, OP_DELETE, OP_GET, OP_SET } from '../../../src/protocol/operations.ts';
import { TierFilter } from '../../../src/worker/tier/tier-filter.ts';
import { seededRandom } from '../../support/random.ts';
import { tieredShard } from '../../support/tiered-shard.ts';

const SPEC = { type: 'blocked-bloom', falsePositiveRate: 0.01 } as const;

function region(): Int32Array {
  // Many shards, so that the largest generation is small.
  return new Int32Array(tierFilterBytes(SPEC, 2 ** 14) / 4);
}

const random = seededRandom('tier filter');

function hashes(count: number): Int32Array {
  return Int32Array.from({ length: count * 2 }, () => random.word());
}

describe('the filter of a tier', () => {
  test('rules nothing out before it knows all keys, then all strangers but a few and no key', () => {
    const words = region();
    const filter = new TierFilter(words, SPEC);
    const reader = new FilterReader(words);
    const known = hashes(3_000);
    expect([filter.covers, filter.wantsList, reader.rulesOut(1, 2)]).toEqual([false, true, false]);
    filter.begin(3_000);
    filter.take(known.subarray(0, 2_000));
    filter.add(77, 78);
    expect([filter.wantsList, reader.rulesOut(1, 2)]).toEqual([false, false]);
    filter.take(known.subarray(2_000));
    filter.finish();
    for (let i = 0; i < known.length; i += 2) {
      expect(reader.rulesOut(known[i] as number, known[i + 1] as number)).toBe(false);
    }
    expect(reader.rulesOut(77, 78)).toBe(false);
    const strangers = hashes(10_000);
    let missed = 0;
    for (let i = 0; i < strangers.length; i += 2) {
      if (!reader.rulesOut(strangers[i] as number, strangers[i + 1] as number)) missed++;
    }
    expect(missed).toBeLessThan(200);
  });

  test('wants the keys listed again when it is full of different ones, and not of the same one', () => {
    const words = region();
    const filter = new TierFilter(words, SPEC);
    filter.clear();
    for (let i = 0; i < 10_000; i++) filter.add(5, 6);
    expect(filter.wantsList).toBe(false);
    const many = hashes(6_000);
    for (let i = 0; i < many.length; i += 2) filter.add(many[i] as number, many[i + 1] as number);
    expect(filter.wantsList).toBe(true);
    filter.begin(3_000);
    filter.add(91, 92);
    filter.take(many.subarray(0, 6_000));
    filter.finish();
    const reader = new FilterReader(words);
    expect([filter.wantsList, reader.rulesOut(91, 92)]).toEqual([false, false]);
    expect(reader.rulesOut(many[0] as number, many[1] as number)).toBe(false);
    expect(reader.rulesOut(many[9_000] as number, many[9_001] as number)).toBe(true);
  });

  test('goes on with what an owner has left, unless that died while it changed it', () => {
    const words = region();
    const first = new TierFilter(words, SPEC);
    first.clear();
    first.add(5, 6);
    const next = new TierFilter(words, SPEC);
    expect([next.covers, next.rulesOut(5, 6), next.rulesOut(7, 8)]).toEqual([true, false, true]);
    (words[FILTER_GENERATION] as number)++;
    const last = new TierFilter(words, SPEC);
    expect([last.covers, last.wantsList, new FilterReader(words).rulesOut(7, 8)]).toEqual([false, true, false]);
  });
});

describe('a shard and its filter', () => {
  test('of a key that is nowhere the engine is not asked', async () => {
    const tiered = await tieredShard();
    expect([await tiered.ask(OP_GET, 'a'), await tiered.ask(OP_DELETE, 'a'), tiered.isRuledOut('a')]).toEqual([
      undefined,
      false,
      true,
    ]);
    expect(tiered.held.calls.filter((call) => call.endsWith(' a'))).toEqual([]);
  });

  test('a key that is evicted is not ruled out, one that is cleared is', async () => {
    const tiered = await tieredShard({ limits: { entriesMax: 1 } });
    await tiered.ask(OP_SET, 'a', 'one');
    await tiered.ask(OP_SET, 'b', 'two');
    expect([tiered.look('a'), tiered.isRuledOut('a')]).toEqual([undefined, false]);
    await tiered.ask(OP_CLEAR);
    expect([tiered.isRuledOut('a'), tiered.isRuledOut('b')]).toEqual([true, true]);
  });

  test('a key that only waits to be written behind is not ruled out, whatever the engine says of it', async () => {
    const behind = { flushMs: 60_000, entriesMax: 100, bytesMax: 1e6 };
    const before = await tieredShard({ behind });
    for (const call of ['set', 'setMany']) before.held.faults.set(call, new CacheError('VALUE_TOO_LARGE', 'too large'));
    await before.ask(OP_SET, 'large', 'v');
    before.leave();
    const tiered = await tieredShard({ before, isEmpty: false });
    while (!tiered.isRuledOut('nobody')) await tiered.turn();
    expect([tiered.isRuledOut('large'), await tiered.ask(OP_GET, 'large')]).toEqual([false, 'v']);
  });

  test('a tier that is there has its keys listed, and what is written meanwhile is not missing', async () => {
    const before = await tieredShard();
    for (let i = 0; i < 50; i++) await before.ask(OP_SET, `k${i}`, 'v');
    before.leave();
    const open = before.held.hold('size');
    const tiered = await tieredShard({ before, isEmpty: false });
    expect([tiered.isRuledOut('nobody'), await tiered.ask(OP_GET, 'k7')]).toEqual([false, 'v']);
    const late = tiered.ask(OP_SET, 'late', 'v');
    open();
    await late;
    while (!tiered.isRuledOut('nobody')) await tiered.turn();
    expect([tiered.isRuledOut('k7'), tiered.isRuledOut('k49'), tiered.isRuledOut('late')]).toEqual([
      false,
      false,
      false,
    ]);
  });
});
