/** Random operations on a whole shard with each type of filter: it never rules out what is there, whatever removed the rest. */
import { expect, test } from 'vitest';
import { FILTER_HASH_HIGH_MASK, type FilterName, FilterReader } from '../../src/protocol/filter.ts';
import { FrameWriter } from '../../src/protocol/frame.ts';
import { OP_POP_ITEM, OP_SET } from '../../src/protocol/operations.ts';
import { filters } from '../../src/worker/filter/index.ts';
import { SEED, seededRandom } from '../support/random.ts';
import { HandClock, makeShard } from '../support/shard.ts';

const KEYS = 600;
const STEPS = 20_000;
const CHECK_STEPS = 500;
const TTL_MS_MAX = 300;
const NOTHING = Buffer.alloc(0);

test.each(Object.keys(filters) as FilterName[])('%s', (type) => {
  const random = seededRandom(type);
  const clock = new HandClock();
  const target = makeShard({ entriesMax: 300 }, 'lru', clock, SEED, { type, falsePositiveRate: 0.1 });
  const reader = new FilterReader(target.memory.filter);
  const isRuledOut = (key: string) => {
    target.key.encode(key);
    return reader.rulesOut(target.key.hashLow, target.key.hashHigh);
  };
  let absent = 0;
  let ruledOut = 0;
  for (let step = 1; step <= STEPS; step++) {
    clock.nowMs += random.below(3);
    const key = `key ${random.below(KEYS)}`;
    const dice = random.below(100);
    if (dice < 60) {
      target.set(key, 'value', random.oneIn(2) ? random.below(TTL_MS_MAX) : 0);
    } else if (dice < 75) {
      target.delete(key);
    } else if (dice < 80) {
      target.ask(OP_POP_ITEM);
    } else if (random.oneIn(200)) {
      target.clear();
    }
    if (target.has(key)) {
      expect(isRuledOut(key)).toBe(false);
    } else {
      absent++;
      ruledOut += isRuledOut(key) ? 1 : 0;
    }
    if (step % CHECK_STEPS === 0) {
      target.shard.check();
      const live = Array.from({ length: KEYS }, (_, i) => `key ${i}`).filter((name) => target.has(name));
      expect(live.filter(isRuledOut)).toEqual([]);
    }
  }
  // A Bloom filter of 600 keys is built anew every 3,000 adds, and has seen them all before then.
  expect(ruledOut).toBeGreaterThan(type === 'cuckoo' ? absent * 0.8 : 0);
});

test.each(Object.keys(filters) as FilterName[])(
  'a damaged frame that gives a key another hash leaves a %s filter right about what is stored',
  (type) => {
    const target = makeShard({}, 'lru', new HandClock(), SEED, { type, falsePositiveRate: 0.01 });
    target.set('k', 'one');
    const reader = new FilterReader(target.memory.filter);
    const writer = new FrameWriter();
    target.key.encode('k');
    for (let high = 0; high < 2 * (FILTER_HASH_HIGH_MASK + 1); high += 17) {
      target.key.hashHigh = high;
      writer.add(OP_SET, target.key, 0, 0, NOTHING, 0);
      target.dispatch.call(writer.seal());
      target.shard.check();
      expect(reader.rulesOut(target.key.hashLow, high)).toBe(false);
    }
  },
);
