/**
 * The xor filter (Graf and Lemire, "Xor filters: faster and smaller than Bloom and cuckoo filters", ACM JEA 25, 2020,
 * arXiv 1912.08258): 1.23 fingerprints a key, in three blocks of cells, of which a key has one each.
 *
 * `binary-fuse.ts` is smaller for a million keys, and is made in less time. It needs more spare cells the fewer keys there
 * are, and this one does not: from 100 keys to 30,000 it is the smaller one.
 */
import type { CacheKey } from '../../protocol/cache-key.ts';
import { scale } from '../../protocol/hash-spread.ts';
import { Cells } from './cells.ts';
import { KEYS_MAX } from './distinct.ts';
import type { StaticFilterOptions } from './options.ts';
import { demand, unpack } from './packed.ts';
import { contentFrom, contentOf, type StaticContent, StaticFilter } from './static-filter.ts';

const NAME = 'XorFilter';
/** Below 1.222 nearly no table of three cells a key can be filled; the 32 are for small ones. */
const CELLS_PER_KEY = 1.23;
const CELLS_MORE = 32;
const BLOCKS = 3;

class XorCells extends Cells {
  readonly perBlock: number;
  readonly count: number;

  constructor(perBlock: number) {
    super();
    this.perBlock = perBlock;
    this.count = BLOCKS * perBlock;
  }

  protected choose(x: number, y: number, z: number): void {
    const { perBlock } = this;
    this.first = scale(x, perBlock);
    this.second = perBlock + scale(y, perBlock);
    this.third = 2 * perBlock + scale(z, perBlock);
  }
}

function cellsFor(keys: number): XorCells {
  return new XorCells(Math.ceil((CELLS_PER_KEY * keys + CELLS_MORE) / BLOCKS));
}

/**
 * A set of keys that does not change, in 9.84 bits a key and 0.39 % of false positives, or 19.7 and 0.0015 %. For a hundred
 * to 30,000 keys; for more, `BinaryFuseFilter` is smaller.
 *
 * @example
 * const words = XorFilter.from(['ada', 'grace', 'barbara']);
 * words.has('ada'); // true
 * words.has('alan'); // false, or with 1 in 256 true
 */
export class XorFilter extends StaticFilter<XorCells> {
  /** Of what `from` or `fromBytes` found. */
  private constructor(content: StaticContent<XorCells>) {
    super(NAME, content);
  }

  /**
   * Makes the filter of all these keys; one that comes twice counts once. Throws INVALID_KEY, or INVALID_CONFIG for other
   * options or more than 2^27 keys.
   */
  static from(keys: Iterable<CacheKey>, options: StaticFilterOptions = {}): XorFilter {
    return new XorFilter(contentOf(keys, options, cellsFor));
  }

  /** The filter that `toBytes` wrote. Throws CACHE_LOAD_ERROR for anything else. */
  static fromBytes(bytes: Uint8Array): XorFilter {
    const packed = unpack(NAME, bytes);
    demand(NAME, packed.size >= 1 && packed.size <= cellsFor(KEYS_MAX).perBlock, 'size');
    const cells = new XorCells(packed.size);
    return new XorFilter(contentFrom(NAME, packed, cells));
  }

  /** All of it, hash seed included, for `fromBytes`. */
  toBytes(): Uint8Array {
    return this.packAs(NAME, this.cells.perBlock, 0);
  }
}
