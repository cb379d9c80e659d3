/** Numbers as people read them: thousands apart, a unit that keeps the digits few, never more digits than mean something. */

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const KIB = 1024;
const THOUSANDS = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** 1234567 -> '1,234,567' */
export function count(value: number): string {
  return THOUSANDS.format(value);
}

/** 0.50562 -> '50.56 %' */
export function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(2)} %`;
}

/** 173568 -> '169.5 KiB' */
export function bytes(value: number): string {
  let unit = 0;
  let scaled = value;
  for (; scaled >= KIB && unit < BYTE_UNITS.length - 1; unit++) {
    scaled /= KIB;
  }
  return `${unit === 0 ? count(scaled) : scaled.toFixed(1)} ${BYTE_UNITS[unit]}`;
}

/** Microseconds, in the unit that suits them: 0.82 -> '0.82 µs', 1530 -> '1.53 ms' */
export function duration(us: number): string {
  if (us < 1_000) {
    return `${digits(us)} µs`;
  }
  return us < 1_000_000 ? `${digits(us / 1_000)} ms` : `${digits(us / 1_000_000)} s`;
}

/** Three digits of a number below a thousand: 0.82, 8.21, 82.1, 821. */
function digits(value: number): string {
  if (value >= 100) {
    return count(value);
  }
  return value.toFixed(value >= 10 ? 1 : 2);
}

/** A difference of ratios: 0.0052 -> '0.52 points' */
export function points(difference: number): string {
  const value = Number((difference * 100).toFixed(2));
  return `${value} ${value === 1 ? 'point' : 'points'}`;
}

/** Whether a difference of ratios would be told as 0 points. */
export function isNothing(difference: number): boolean {
  return Number((Math.abs(difference) * 100).toFixed(2)) === 0;
}

/** A ratio as somebody has given it: 0.5807 -> '58.07 %' */
export function given(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(12))} %`;
}

/** A ratio with as few digits as it needs: 0.8 -> '80 %', 0.3333 -> '33.3 %' */
export function share(ratio: number): string {
  return `${Number((ratio * 100).toFixed(1))} %`;
}

/** A capacity as a sentence says it: '18,688 entries', '64 MiB' */
export function capacity(value: number, unit: 'entries' | 'bytes'): string {
  return unit === 'bytes' ? size(value, unit) : `${count(value)} ${value === 1 ? 'entry' : 'entries'}`;
}

/** A capacity in a table: '18,688', '64 MiB' */
export function size(value: number, unit: 'entries' | 'bytes'): string {
  return unit === 'bytes' ? bytes(value).replace('.0 ', ' ') : count(value);
}
