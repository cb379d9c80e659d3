/** What a profile has measured: its rows as they are, as CSV, JSON and Markdown, and as a table of medians for people. */
import { lineOf } from './rows.ts';

export type ProfileOperation = (typeof OPERATIONS)[number];

/** One measurement. Sizes are of one entry on average, times of one call. */
export interface ProfileRow {
  readonly engine: string;
  /** 'plain', or compression and base64: 'zlib', 'base64', 'lz4+base64'. */
  readonly encoding: string;
  readonly serializer: string;
  readonly operation: ProfileOperation;
  /** As it was asked for, in bytes. */
  readonly size: number;
  /** Of the key, or of the value, as JSON, in bytes. */
  readonly rawSize?: number;
  /** Of the same as the engine is given it. */
  readonly storedSize?: number;
  /** storedSize / rawSize. */
  readonly ratio?: number;
  /** From 1; 0 for what could not be measured. */
  readonly iteration: number;
  /** Seconds. */
  readonly time?: number;
  /** Calls in a second. */
  readonly rate?: number;
  /** Raw megabytes (10^6 bytes) in a second. */
  readonly mbPerSecond?: number;
  /** Why it could not be measured. */
  readonly error?: string;
}

const OPERATIONS = ['encode key', 'decode key', 'encode value', 'decode value', 'write', 'read'] as const;

/** The columns in their order. */
const COLUMNS: readonly (readonly [head: string, name: keyof ProfileRow])[] = [
  ['Engine', 'engine'],
  ['Encoding', 'encoding'],
  ['Serializer', 'serializer'],
  ['Operation', 'operation'],
  ['Size', 'size'],
  ['Raw size', 'rawSize'],
  ['Stored size', 'storedSize'],
  ['Ratio', 'ratio'],
  ['Iteration', 'iteration'],
  ['Time', 'time'],
  ['Rate', 'rate'],
  ['MB/s', 'mbPerSecond'],
  ['Error', 'error'],
];

/** More digits than these mean nothing in a measurement. */
const DIGITS = 4;
const COUNT = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const TIMES: readonly (readonly [unit: string, seconds: number])[] = [
  ['s', 1],
  ['ms', 1e-3],
  ['µs', 1e-6],
  ['ns', 1e-9],
];

export class Profile {
  readonly rows: readonly ProfileRow[];

  constructor(rows: readonly ProfileRow[]) {
    this.rows = rows;
  }

  /** By RFC 4180, with a head. Time in seconds, sizes in bytes. */
  toCSV(): string {
    const lines = this.rows.map((row) => lineOf(COLUMNS.map(([, name]) => rounded(row[name]))));
    return [lineOf(COLUMNS.map(([head]) => head)), ...lines].join('');
  }

  /** What JSON.stringify makes of a profile: its rows. */
  toJSON(): readonly ProfileRow[] {
    return this.rows;
  }

  /** A table of all rows. Time in seconds, sizes in bytes. */
  toMarkdown(): string {
    const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
    const isNumber = (name: keyof ProfileRow) => this.rows.some((row) => typeof row[name] === 'number');
    return [
      line(COLUMNS.map(([head]) => head)),
      line(COLUMNS.map(([, name]) => (isNumber(name) ? '---:' : '---'))),
      ...this.rows.map((row) => line(COLUMNS.map(([, name]) => inMarkdown(rounded(row[name]))))),
    ].join('');
  }

  /** A table for people: the median of each operation, and how many times as long as the fastest of its column it takes. */
  toText(): string {
    const sizes = [...new Set(this.rows.map(({ size }) => size))];
    return sizes
      .map((size) =>
        tableOf(
          this.rows.filter((row) => row.size === size),
          size,
        ),
      )
      .join('\n');
  }

  toString(): string {
    return this.toText();
  }
}

/** One line for each engine, encoding and serializer, and below what could not be measured. */
function tableOf(rows: readonly ProfileRow[], size: number): string {
  const byName = new Map<string, ProfileRow[]>();
  for (const row of rows) {
    const name = [row.engine, row.encoding, row.serializer].join('\0');
    byName.set(name, [...(byName.get(name) ?? []), row]);
  }
  const lines = [...byName];
  const fastest = OPERATIONS.map((operation) =>
    Math.min(...lines.map(([, own]) => medianOf(own, operation) ?? Number.POSITIVE_INFINITY)),
  );
  const cells = lines.map(([name, own]) => {
    const value = own.find(({ operation, storedSize }) => operation === 'encode value' && storedSize !== undefined);
    const times = OPERATIONS.map((operation, i) => timeText(medianOf(own, operation), fastest[i] as number));
    return [...name.split('\0'), ...storedText(value), ...times];
  });
  const errors = lines.flatMap(([name, own]) =>
    [...new Set(own.flatMap(({ error }) => error ?? []))].map(
      (error) => `  ${name.replaceAll('\0', ' ')}: ${inOneLine(error)}\n`,
    ),
  );
  const heads = ['engine', 'encoding', 'serializer', 'stored', 'ratio', ...OPERATIONS];
  return `Values of ${COUNT.format(size)} bytes as JSON\n${aligned([heads, ...cells])}${errors.join('')}`;
}

/** Names to the left, figures to the right. */
function aligned(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] as readonly string[]).map((_, i) =>
    Math.max(...lines.map((line) => (line[i] ?? '').length)),
  );
  const names = 3;
  const padded = (cell: string, i: number) =>
    i < names ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number);
  return lines
    .map((line) => `  ${line.map(padded).join('  ')}`.trimEnd())
    .map((line) => `${line}\n`)
    .join('');
}

function medianOf(rows: readonly ProfileRow[], operation: ProfileOperation): number | undefined {
  const times = rows.filter((row) => row.operation === operation).flatMap(({ time }) => time ?? []);
  const sorted = times.sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}

function storedText(row: ProfileRow | undefined): [stored: string, ratio: string] {
  const { storedSize, ratio } = row ?? {};
  return storedSize === undefined || ratio === undefined ? ['-', '-'] : [COUNT.format(storedSize), ratio.toFixed(2)];
}

/** '12.3 µs  ×1.5', with a blank in the place of ×1.0, so that the fastest of a column is seen at once. */
function timeText(time: number | undefined, fastest: number): string {
  if (time === undefined) {
    return '-';
  }
  const [unit, seconds] = TIMES.find(([, least]) => time >= least) ?? (TIMES.at(-1) as (typeof TIMES)[number]);
  const scaled = time / seconds;
  const figure = `${scaled >= 100 ? COUNT.format(scaled) : scaled.toFixed(scaled >= 10 ? 1 : 2)} ${unit}`;
  const times = time / fastest;
  const behind = times < 1.05 ? '' : `×${times >= 100 ? COUNT.format(times) : times.toFixed(1)}`;
  return `${figure} ${behind.padStart(6)}`;
}

function rounded(cell: string | number | undefined): string | number | undefined {
  return typeof cell === 'number' && !Number.isInteger(cell) ? Number(cell.toPrecision(DIGITS)) : cell;
}

function inMarkdown(cell: string | number | undefined): string {
  return inOneLine(String(cell ?? '')).replaceAll('|', '\\|');
}

function inOneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}
