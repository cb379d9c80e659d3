/**
 * The capacities that an advice compares: what `--sizes` says, or a spread over what the trace asks for.
 *
 * All are entries or all are bytes. A share is one of the keys, or of what all keys would take.
 */
import { UsageError } from './command.ts';
import { capacity } from './figures.ts';

export type Unit = 'entries' | 'bytes';

/** A number of entries or bytes, or a share of all of them. */
export type Size = { readonly amount: number } | { readonly share: number };

export interface SizeOptions {
  readonly unit: Unit;
  /** Undefined for a spread. */
  readonly sizes: readonly Size[] | undefined;
}

/** What the trace asks for. */
export interface Extent {
  readonly keys: number;
  readonly footprintBytes: number;
  /** What the smallest request would take. */
  readonly leastBytes: number;
}

const SIZES_MAX = 64;
/** A spread from a thousandth to a half, each size some two and a half times the one before. */
const SPREAD_LEAST = 0.001;
const SPREAD_MOST = 0.5;
const SPREAD_SIZES = 8;
/** Bytes that can hold some entry. */
const BYTES_LEAST = 1_000;
/** No shard of a cache holds more. */
export const SHARD_BYTES_MAX = 4 * 1024 ** 3;
const BYTE_UNITS: Record<string, number> = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 };

/** What `--sizes` and `--bytes` mean. Throws UsageError. */
export function parseSizes(text: string | undefined, inBytes: boolean): SizeOptions {
  if (text === undefined) {
    return { unit: inBytes ? 'bytes' : 'entries', sizes: undefined };
  }
  const words = text.split(',').map((word) => word.trim().toLowerCase());
  if (words.length > SIZES_MAX) {
    throw new UsageError(`--sizes takes at most ${SIZES_MAX} sizes, got ${words.length}`);
  }
  const withUnit = words.find((word) => /[a-z]/.test(word));
  const plain = words.find((word) => /^\d+$/.test(word));
  if (withUnit !== undefined && plain !== undefined && !inBytes) {
    throw new UsageError(`--sizes takes entries or bytes: '${plain}' is entries, '${withUnit}' bytes. Or give --bytes`);
  }
  return {
    unit: inBytes || withUnit !== undefined ? 'bytes' : 'entries',
    sizes: words.map((word) => parseSize('sizes', word)),
  };
}

/** The capacities in ascending order, none twice. Each shard must get something, and some request must fit. Throws UsageError. */
export function resolveSizes({ unit, sizes }: SizeOptions, extent: Extent, shards: readonly number[]): number[] {
  const shardsLeast = Math.min(...shards);
  const shardsMost = Math.max(...shards);
  const all = unit === 'entries' ? extent.keys : extent.footprintBytes;
  const least = unit === 'entries' ? shardsMost : Math.max(BYTES_LEAST, shardsMost * extent.leastBytes);
  const most = unit === 'entries' ? Number.POSITIVE_INFINITY : shardsLeast * SHARD_BYTES_MAX;
  const amounts =
    sizes === undefined
      ? spread(all, unit).map((amount) => Math.min(most, Math.max(least, amount)))
      : sizes.map((size) => ('amount' in size ? size.amount : Math.max(1, Math.round(size.share * all))));
  const [smallest = 0, ...others] = [...new Set(amounts)].sort((one, other) => one - other);
  if (unit === 'entries' && smallest < shardsMost) {
    throw new UsageError(
      `${shardsMost} shards need at least ${shardsMost} entries, and the smallest size is ${smallest}`,
    );
  }
  if (unit === 'bytes' && Math.ceil(smallest / shardsLeast) < extent.leastBytes) {
    const where = shardsLeast === 1 ? '' : ` in ${shardsLeast} shards`;
    const told = `the smallest request takes ${capacity(extent.leastBytes, unit)}`;
    throw new UsageError(`Nothing fits into ${capacity(smallest, unit)}${where}: ${told}`);
  }
  return [smallest, ...others];
}

function spread(all: number, unit: Unit): number[] {
  const ratio = SPREAD_MOST / SPREAD_LEAST;
  return Array.from({ length: SPREAD_SIZES }, (_, i) =>
    readable(all * SPREAD_LEAST * ratio ** (i / (SPREAD_SIZES - 1)), unit),
  );
}

/** Near an amount, and easy to read and to write down: 18,688 -> 19,000; bytes as 1.9 MiB, in whole KiB. */
function readable(amount: number, unit: Unit): number {
  const scale = unit === 'entries' ? 1 : (Object.values(BYTE_UNITS).findLast((each) => each <= amount) ?? 1);
  const step = Math.max(1, scale / 1024);
  return Math.max(1, Math.round((Number((amount / scale).toPrecision(2)) * scale) / step) * step);
}

/** One size, of the option that is called `--name`. Throws UsageError. */
export function parseSize(name: string, word: string): Size {
  const match = /^(\d+(?:\.\d+)?)\s*(%|[kmg]?b)?$/.exec(word);
  const value = Number(match?.[1]);
  if (match !== null && match[2] === '%') {
    if (!(value > 0 && value <= 100)) {
      throw new UsageError(`--${name} takes shares above 0% and up to 100%, got '${word}'`);
    }
    return { share: value / 100 };
  }
  const amount = value * (BYTE_UNITS[match?.[2] ?? 'b'] ?? 1);
  if (!Number.isSafeInteger(amount) || amount < 1) {
    throw new UsageError(`--${name} takes sizes like 1000, 10% or 64mb, got '${word}'`);
  }
  return { amount };
}
