/** What a keeper counts (the cells of protocol/tier.ts). Plain stores: the keeper is the only one who writes. */

export class TierCounts {
  readonly #cells: Float64Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#cells = new Float64Array(buffer);
  }

  add(cell: number, count = 1): void {
    this.#cells[cell] = (this.#cells[cell] as number) + count;
  }

  put(cell: number, value: number): void {
    this.#cells[cell] = value;
  }

  read(cell: number): number {
    return this.#cells[cell] as number;
  }
}
