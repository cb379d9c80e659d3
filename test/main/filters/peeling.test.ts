import { expect, test } from 'vitest';
import { Cells } from '../../../src/main/filters/cells.ts';
import { fillTable } from '../../../src/main/filters/peeling.ts';

class FewCells extends Cells {
  readonly count = 60;

  protected choose(x: number, y: number, z: number): void {
    this.first = (x >>> 0) % 20;
    this.second = 20 + ((y >>> 0) % 20);
    this.third = 40 + ((z >>> 0) % 20);
  }
}

test('hashes that are equal end in an error, after a bounded number of salts', () => {
  for (const repeats of [2, 10, 1_000]) {
    const hashes = Int32Array.from({ length: 2 * repeats }, (_, i) => i & 1);
    expect(() => fillTable(hashes, new FewCells(), 8)).toThrow(
      expect.objectContaining({ code: 'FILTER_ERROR', message: expect.stringContaining('not distinct') }),
    );
  }
});

test('another salt is tried where one fails, and is the one that finds the keys', () => {
  // 48 of 60 cells: most salts fail.
  const hashes = Int32Array.from({ length: 96 }, (_, i) => Math.imul(i + 1, 0x9e37_79b1));
  const cells = new FewCells();
  const table = fillTable(hashes, cells, 16);
  expect(cells.salt).not.toBe(0);
  for (let i = 0; i < hashes.length; i += 2) {
    cells.locate(hashes[i] as number, hashes[i + 1] as number);
    const found = (table[cells.first] as number) ^ (table[cells.second] as number) ^ (table[cells.third] as number);
    expect(found).toBe(cells.fingerprint >>> 16);
  }
});
