/** Durations and sizes as people write them. Each returns NaN for what is neither a number nor of its form. */

export const EVER = Number.POSITIVE_INFINITY;

const DURATIONS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZES: Record<string, number> = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 };

/** Milliseconds of a number, or of '250ms', '30s', '10m', '1.5h', '7d'. */
export function parseDuration(value: unknown): number {
  return parse(value, DURATIONS);
}

/** Bytes of a number, or of '512kb', '64mb', '1.5gb' (powers of 1024). */
export function parseSize(value: unknown): number {
  return parse(value, SIZES);
}

function parse(value: unknown, units: Record<string, number>): number {
  if (typeof value === 'number') {
    return value;
  }
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(value.trim()) : null;
  const unit = match === null ? undefined : units[(match[2] as string).toLowerCase()];
  return unit === undefined ? Number.NaN : Number(match?.[1]) * unit;
}
