/**
 * The binary fuse filter with three cells a key (Graf and Lemire, "Binary fuse filters: fast and smaller than xor filters",
 * ACM JEA 27, 2022, arXiv 2201.01174): the table is cut into many short segments, and the cells of a key lie in three
 * neighbouring ones.
 *
 *       segment   0        1        2        3        4        5
 *              +--------+--------+--------+--------+--------+--------+
 *              |        |   o    | o      |      o |        |        |      one key: segments 1, 2, 3
 *              +--------+--------+--------+--------+--------+--------+
 *
 * The segments at either end have fewer keys, so the setting aside begins there and goes through the table like a fuse. That
 * way 1.13 cells a key are enough, near the 1 below which nothing is; the cells of a key share pages, which makes large
 * tables faster to make and to ask. Lengths of segments, and the share of spare cells for smaller sets, are the authors'
 * (their `xor_singleheader`).
 */
import type { CacheKey } from '../../protocol/cache-key.ts';
import { scale } from '../../protocol/hash-spread.ts';
import { Cells } from './cells.ts';
import { KEYS_MAX } from './distinct.ts';
import type { StaticFilterOptions } from './options.ts';
import { demand, unpack } from './packed.ts';
import { contentFrom, contentOf, type StaticContent, StaticFilter } from './static-filter.ts';

const NAME = 'BinaryFuseFilter';
const CELLS_OF_KEY = 3;
const CELLS_PER_KEY_MIN = 1.125;
const SEGMENT_LENGTH_MAX = 2 ** 18;

class FuseCells extends Cells {
  /** A power of two. */
  readonly segmentLength: number;
  /** Segments that the first cell of a key may be in. */
  readonly segments: number;
  readonly count: number;

  constructor(segmentLength: number, segments: number) {
    super();
    this.segmentLength = segmentLength;
    this.segments = segments;
    this.count = (segments + CELLS_OF_KEY - 1) * segmentLength;
  }

  protected choose(x: number, y: number, z: number): void {
    const { segmentLength } = this;
    const mask = segmentLength - 1;
    this.first = scale(x, this.segments * segmentLength);
    this.second = (this.first + segmentLength) ^ (y & mask);
    this.third = (this.first + 2 * segmentLength) ^ (z & mask);
  }
}

function cellsFor(keys: number): FuseCells {
  const segmentLength = Math.min(
    SEGMENT_LENGTH_MAX,
    2 ** Math.floor(Math.log(Math.max(1, keys)) / Math.log(3.33) + 2.25),
  );
  const cells = keys <= 1 ? 0 : Math.round(keys * cellsPerKey(keys));
  return new FuseCells(segmentLength, Math.max(1, Math.ceil(cells / segmentLength) - (CELLS_OF_KEY - 1)));
}

function cellsPerKey(keys: number): number {
  return Math.max(CELLS_PER_KEY_MIN, 0.875 + (0.25 * Math.log(1e6)) / Math.log(keys));
}

/**
 * A set of keys that does not change, in 9.0 bits a key and 0.39 % of false positives, or 18.1 and 0.0015 %. Of less than
 * 100,000 keys somewhat more.
 *
 * @example
 * const words = BinaryFuseFilter.from(['ada', 'grace', 'barbara'], { bits: 16 });
 * words.has('ada'); // true
 * words.has('alan'); // false, or with 1 in 65,536 true
 */
export class BinaryFuseFilter extends StaticFilter<FuseCells> {
  /** Of what `from` or `fromBytes` found. */
  private constructor(content: StaticContent<FuseCells>) {
    super(NAME, content);
  }

  /**
   * Makes the filter of all these keys; one that comes twice counts once. Throws INVALID_KEY, or INVALID_CONFIG for other
   * options or more than 2^27 keys.
   */
  static from(keys: Iterable<CacheKey>, options: StaticFilterOptions = {}): BinaryFuseFilter {
    return new BinaryFuseFilter(contentOf(keys, options, cellsFor));
  }

  /** The filter that `toBytes` wrote. Throws CACHE_LOAD_ERROR for anything else. */
  static fromBytes(bytes: Uint8Array): BinaryFuseFilter {
    const packed = unpack(NAME, bytes);
    const { size: segments, sizeOfPart: length } = packed;
    const isPower = length >= 1 && length <= SEGMENT_LENGTH_MAX && (length & (length - 1)) === 0;
    demand(NAME, isPower && segments >= 1 && segments * length <= 2 * KEYS_MAX, 'size');
    const cells = new FuseCells(length, segments);
    return new BinaryFuseFilter(contentFrom(NAME, packed, cells));
  }

  /** All of it, hash seed included, for `fromBytes`. */
  toBytes(): Uint8Array {
    return this.packAs(NAME, this.cells.segments, this.cells.segmentLength);
  }
}
