/**
 * The entries of a store as rows of a table: one for each value, or for each item of a value that is a list of objects, with the
 * members of objects within objects by their path.
 *
 *     'u1' -> { name: 'Ann', address: { city: 'Bern' } }     { _key: 'u1', name: 'Ann', 'address.city': 'Bern' }
 *     'n'  -> 7                                              { _key: 'n', _value: 7 }
 *
 * A member called `_key` gives way to the entry's own. The same as CSV, by RFC 4180: what is no text or number is JSON, Maps
 * as lists of pairs and Sets as lists.
 */
import type { CacheKey } from '../../protocol/cache-key.ts';

export interface Row {
  readonly _key: CacheKey;
  readonly [column: string]: unknown;
}

/** Objects within objects: deeper ones stay as they are. */
const DEPTH_MAX = 32;

export function rowsOf(key: CacheKey, value: unknown): Row[] {
  const items: readonly unknown[] = Array.isArray(value) && value.length > 0 && value.every(isPlain) ? value : [value];
  return items.map((item) => {
    const columns: [string, unknown][] = [['_key', key]];
    if (isPlain(item)) {
      flatten(item, '', columns, 0);
    } else {
      columns.push(['_value', item]);
    }
    return { ...Object.fromEntries(columns), _key: key } as Row;
  });
}

/** A line of CSV. */
export function lineOf(cells: readonly unknown[]): string {
  return `${cells.map((cell) => quoted(cellOf(cell))).join(',')}\r\n`;
}

function flatten(value: object, path: string, into: [string, unknown][], depth: number): void {
  for (const [name, member] of Object.entries(value)) {
    if (isPlain(member) && Object.keys(member).length > 0 && depth < DEPTH_MAX) {
      flatten(member, `${path}${name}.`, into, depth + 1);
    } else {
      into.push([`${path}${name}`, member]);
    }
  }
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function cellOf(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return '';
    case 'object':
      return value === null ? '' : value instanceof Date ? dateText(value) : (JSON.stringify(value, asJson) ?? '');
    default:
      return String(value);
  }
}

function dateText(date: Date): string {
  return Number.isNaN(date.getTime()) ? '' : date.toISOString();
}

/** What JSON would bend to nothing, as the next best. */
function asJson(_name: string, value: unknown): unknown {
  if (value instanceof Map || value instanceof Set) {
    return Array.from(value);
  }
  return typeof value === 'bigint' || value instanceof Error || value instanceof RegExp ? String(value) : value;
}

function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
