/** Plain text tables: the first column is text, columns of figures are right-aligned, nothing is cut. */
import type { Unit } from './figure.ts';

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly align?: 'left' | 'right';
}

const GAP = '  ';

export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = rows.map((row) => columns.map(({ cell }) => cell(row)));
  const titles = columns.map(({ title }) => title);
  const widths = titles.map((title, i) => Math.max(title.length, ...cells.map((line) => (line[i] as string).length)));
  const line = (texts: readonly string[]) =>
    texts
      .map((text, i) =>
        columns[i]?.align === 'right' ? text.padStart(widths[i] as number) : text.padEnd(widths[i] as number),
      )
      .join(GAP)
      .trimEnd();
  return [line(titles), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)].join('\n');
}

const UNITS = [
  { name: 'ns', ns: 1 },
  { name: 'us', ns: 1e3 },
  { name: 'ms', ns: 1e6 },
] as const;

/** Thousands apart. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

export function formatAmount(amount: number, unit: Unit): string {
  switch (unit) {
    case 'bytes an entry':
      return `${threeFigures(amount)} B`;
    case 'times as long':
      return `${threeFigures(amount)}x`;
    case 'misses a request':
      return amount.toFixed(6);
    default:
      return formatNs(amount);
  }
}

/** Nanoseconds, in the unit that suits them. */
function formatNs(ns: number): string {
  const unit = UNITS.find((each) => ns < each.ns * 999.5) ?? UNITS[2];
  return `${threeFigures(ns / unit.ns)} ${unit.name}`;
}

/** Operations a second, from the time of one. */
export function formatRate(nsPerOperation: number): string {
  const perSecond = 1e9 / nsPerOperation;
  return perSecond >= 999_500 ? `${threeFigures(perSecond / 1e6)} M/s` : `${threeFigures(perSecond / 1e3)} k/s`;
}

function threeFigures(value: number): string {
  return value.toFixed(value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2);
}
