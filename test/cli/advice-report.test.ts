import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { type AdviceSettings, renderAdvice } from '../../src/main/cli/advice-report.ts';
import { csvOf } from '../../src/main/cli/advice-result.ts';
import type { Comparison } from '../../src/main/cli/comparison.ts';

const RATIOS: Record<string, number[]> = {
  lru: [0.1, 0.25, 0.4],
  's3-fifo': [0.2, 0.3, 0.4],
  belady: [0.4, 0.5, 0.6],
};
const SIZES = [1_000, 10_000, 100_000];

const comparison: Comparison = {
  unit: 'entries',
  policies: ['lru', 's3-fifo'],
  sizes: SIZES,
  shards: [1],
  requests: 1_000_000,
  keys: 300_000,
  footprintBytes: 46_000_000,
  ceiling: 0.7,
  cells: Object.entries(RATIOS).flatMap(([policy, ratios]) =>
    ratios.map((hitRatio, i) => ({
      ...{ policy, shards: 1, size: SIZES[i] as number, hitRatio, byteHitRatio: hitRatio / 2 },
      ...{ requests: 1_000_000, hits: hitRatio * 1e6, misses: 1e6 - hitRatio * 1e6, bytes: undefined },
      ...{ evictions: 0, expirations: 0, refused: 0, tooLarge: 0, entries: 0 },
    })),
  ),
};
const settings: AdviceSettings = {
  title: 'web.txt.gz',
  comparison,
  advice: { policy: 's3-fifo', size: 10_000, shards: 1, hitRatio: 0.3, reasons: ['It is good.', 'It is cheap.'] },
  notes: ['2 bad lines were left out.'],
  elapsedMs: 900,
  threads: 2,
  columns: 80,
  colours: false,
};

test('the report has a table from best to worst, the curves, and the recommendation', () => {
  expect(renderAdvice(settings)).toMatchInlineSnapshot(`
    "
      web.txt.gz
      1,000,000 requests · 300,000 keys, 43.9 MiB in a cache · 70.00 % could hit

      hits in % by \`maxEntries\`
                 1,000   10,000  100,000
      s3-fifo    20.00*   30.00*   40.00*
      lru        10.00    25.00    40.00*
      belady     40.00    50.00    60.00

      60 % ┤                                                  ⡀ ⡀ ⠄ ⠄ ⠂ ⠂ ⠁  belady
           │                                  ⡀ ⡀ ⠄ ⠄ ⠂ ⠂ ⠁ ⠁
           │                  ⡀ ⡀ ⠄ ⠄ ⠂ ⠂ ⠁ ⠁
           │  ⡀ ⡀ ⠄ ⠄ ⠂ ⠂ ⠁ ⠁
      40 % ┤⠁                                               ⣀⣀⣀⣀⡠⢤⡤⠤⠴⠶⠒⠒⠚⠋⠉⠉ lru
           │                                ⣀⣀⣀⣀⠤⠤⠤⠤⠒⠒⢒⣒⠉⠩⠭⠍ ⠒⠊ ⠈⠁           s3-fifo
           │                ⣀⣀⣀⣀⠤⠤⠤⠤⠒⠒⠒⠒⠉⠉⠉⠉⣀⡀ ⠤⠤ ⠐⠒⠁ ⠁
      20 % ┤⣀⣀⣀⡠⠤⠤⠤⠔⠒⠒⠒⠊⠉⠉⠉⠉     ⣀⣀ ⠠⠤⠄ ⠒⠉ ⠈
           │          ⢀⣀⡀ ⠤⠔ ⠐⠊⠁
           │⣀⣀ ⠠⠤⠂ ⠊⠉
           │
       0 % ┤
           └┬───────────────────────────────┬──────────────────────────────┬
          1,000                           10,000                     100,000

      Recommended: { eviction: 's3-fifo', maxEntries: 10000 }
      30.00 % of the requests hit. It is good. It is cheap.

      2 bad lines were left out.
      9 caches of 1,000,000 requests in 900 ms on 2 threads, 100 ns each.

    "
  `);
});

describe('the report', () => {
  test('in colours changes no column', () => {
    const coloured = renderAdvice({ ...settings, colours: true });
    expect(coloured).toContain('\x1b[');
    expect(stripVTControlCharacters(coloured)).toBe(renderAdvice(settings));
  });

  test.each([10, 30, 45, 80, 500])('of a terminal of %s columns loses no figure and is not wider', (columns) => {
    const text = renderAdvice({ ...settings, columns });
    for (const figure of ['10.00', '25.00', '40.00*', '20.00*', '30.00*', '50.00', '60.00']) {
      expect(text).toContain(figure);
    }
    expect(/[\u2801-\u28ff]/.test(text)).toBe(columns >= 45);
    // A word may be longer than a line.
    const longest = Math.max(...text.split(/[ \n]/).map((word) => word.length), 20);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(
      Math.max(Math.min(columns, 100), longest + 4),
    );
  });

  test('of one size has no curve, and of more shards a table for each', () => {
    const cells = comparison.cells.filter(({ size }) => size === 1_000);
    const one = {
      ...comparison,
      sizes: [1_000],
      shards: [1, 4],
      cells: [1, 4].flatMap((shards) => cells.map((cell) => ({ ...cell, shards }))),
    };
    const text = renderAdvice({ ...settings, comparison: one });
    expect(text).not.toMatch(/[\u2801-\u28ff]/);
    expect(text).toMatch(/`maxEntries`, 1 shard\n[\s\S]*`maxEntries`, 4 shards\n/);
    expect(text).toContain("{ eviction: 's3-fifo', maxEntries: 10000, shards: 1 }");
  });

  test('names bytes as the option takes them', () => {
    const told = [65_536, 134_217_728, 1_000].map((size) => {
      const inBytes = {
        ...settings,
        comparison: { ...comparison, unit: 'bytes' as const },
        advice: { ...settings.advice, size },
      };
      return /maxBytes: (.*) \}/.exec(renderAdvice(inBytes))?.[1];
    });
    expect(told).toEqual(["'64kb'", "'128mb'", '1000']);
  });
});

test('a row of CSV survives any name of a trace', () => {
  const [, row] = csvOf('a,"b"\n\x1b[2J', comparison).split('\n');
  expect(row).toBe('"a,""b""??[2J",lru,1,1000,0.100000');
  expect(csvOf('=1+1', { ...comparison, unit: 'bytes' }).split('\n')[1]).toBe('"=1+1",lru,1,1000,0.100000,0.050000');
});
