/** An entry as commands show it: on one line for people, and as JSON for programs. */
import { inspect as shown } from 'node:util';
import { count } from './figures.ts';
import type { Style } from './layout.ts';
import { printable } from './line.ts';

/** Of an entry on one line. */
const KEY_WIDTH = 40;
const VALUE_WIDTH = 80;
/** What JSON has as it is. */
const PLAIN: readonly unknown[] = [Object.prototype, Array.prototype, null];
/** The last moment that a Date can be. */
const DATE_MAX_MS = 8.64e15;

export interface ShownEntry {
  readonly key: unknown;
  readonly value: unknown;
  /** Milliseconds since 1970, Infinity for ever. */
  readonly expiresAt: number;
}

export function entryLine({ key, value, expiresAt }: ShownEntry, style: Style): string {
  const until = timeOf(expiresAt);
  const told = oneLine(value, VALUE_WIDTH) + (until === null ? '' : style('dim', `  until ${until}`));
  return `${oneLine(key, KEY_WIDTH).padEnd(KEY_WIDTH)}  ${told}`;
}

/** As JSON has it: null for what is not known, times as text. */
export function plainEntry({ key, value, expiresAt }: ShownEntry) {
  return { key: plainValue(key), value: plainValue(value), expiresAt: timeOf(expiresAt) };
}

/** What JSON has no words for is shown as Node shows it. */
export function plainValue(value: unknown): unknown {
  try {
    return JSON.stringify(value, worded) === undefined ? shown(value) : value;
  } catch {
    // A bigint, a Map, NaN, somewhere: the text for people says it.
    return shown(value);
  }
}

/** Throws for what would be lost on the way. */
function worded(_name: string, value: unknown): unknown {
  const kind = typeof value === 'object' && value !== null ? Object.getPrototypeOf(value) : Object.prototype;
  if ((typeof value === 'number' && !Number.isFinite(value)) || !PLAIN.includes(kind)) {
    throw new TypeError('JSON has no words for it');
  }
  return value;
}

/** Null for what no clock shows. */
export function timeOf(ms: number | undefined): string | null {
  return ms !== undefined && Math.abs(ms) <= DATE_MAX_MS ? new Date(ms).toISOString() : null;
}

export function oneLine(value: unknown, width: number): string {
  const text = printable(shown(value, { breakLength: Number.POSITIVE_INFINITY, maxStringLength: width }));
  return text.length > width ? `${text.slice(0, width - 3)}...` : text;
}

/** How many. */
export function entriesText(entries: number): string {
  return `${count(entries)} ${entries === 1 ? 'entry' : 'entries'}`;
}
