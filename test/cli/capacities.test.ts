import { describe, expect, test } from 'vitest';
import { parseSizes, resolveSizes } from '../../src/main/cli/capacities.ts';
import { size } from '../../src/main/cli/figures.ts';

const EXTENT = { keys: 10_000, footprintBytes: 50_000_000, leastBytes: 64 };
const GIB = 1024 ** 3;

function resolved(text: string | undefined, inBytes = false, shards = [1], extent = EXTENT): number[] {
  return resolveSizes(parseSizes(text, inBytes), extent, shards);
}

describe('sizes', () => {
  test('are entries, shares of the keys, or bytes; in order, none twice', () => {
    expect(resolved('1000,50%,10 %, 1%, 100')).toEqual([100, 1_000, 5_000]);
    expect(resolved('64mb,1.5KB,2gb')).toEqual([1_536, 64 * 1024 ** 2, 2 * GIB]);
    expect(resolved('10%,1000,1kb', true)).toEqual([1_000, 1_024, 5_000_000]);
    expect(resolved('0.00001%')).toEqual([1]);
  });

  test('spread from a thousandth to a half of what there is, in numbers that are easy to read', () => {
    expect(resolved(undefined)).toEqual([10, 24, 59, 140, 350, 850, 2_100, 5_000]);
    const bytes = resolved(undefined, true);
    expect(bytes).toHaveLength(8);
    expect(bytes.map((amount) => size(amount, 'bytes')).join()).toBe(
      '49 KiB,120 KiB,290 KiB,700 KiB,1.7 MiB,4 MiB,9.8 MiB,24 MiB',
    );
    expect(bytes.at(-1)).toBe(24 * 1024 ** 2);
  });

  test('of few keys are fewer, and none is less than an entry for each shard', () => {
    expect(resolved(undefined, false, [1], { keys: 1, footprintBytes: 60, leastBytes: 60 })).toEqual([1]);
    expect(resolved(undefined, true, [1], { keys: 1, footprintBytes: 60, leastBytes: 60 })).toEqual([1_000]);
    expect(resolved(undefined, false, [1, 40])).toEqual([40, 59, 140, 350, 850, 2_100, 5_000]);
    expect(() => resolved('39', false, [1, 40])).toThrow(
      '40 shards need at least 40 entries, and the smallest size is 39',
    );
  });

  test('into which no request fits are refused, and none of a spread', () => {
    expect(() => resolved('1b')).toThrow('Nothing fits into 1 B: the smallest request takes 64 B');
    expect(() => resolved('127b', false, [2, 4])).not.toThrow();
    expect(() => resolved('126b', false, [2, 4])).toThrow('Nothing fits into 126 B in 2 shards');
    const large = { keys: 2, footprintBytes: 20_000, leastBytes: 10_000 };
    expect(resolved(undefined, true, [1, 2], large)).toEqual([20_000]);
  });

  test('spread over no more than shards may hold', () => {
    const extent = { keys: 10, footprintBytes: 100 * GIB, leastBytes: 64 };
    expect(resolved(undefined, true, [2, 4], extent).at(-1)).toBe(8 * GIB);
  });
});
