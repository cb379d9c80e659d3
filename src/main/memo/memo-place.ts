/**
 * Where the file of a memo is, and whose: in one thread two functions do not share a file, since one would be given what the
 * other has returned. Functions of one source are one function to a memo, whatever they close over: give such ones names.
 */
import { extname, join, resolve } from 'node:path';
import { misuse } from '../../protocol/errors.ts';
import { checkRoot, isName } from '../engines/place.ts';
import type { Work } from './work.ts';

const EXTENSION = '.log';

interface Tenant {
  readonly name: string;
  readonly source: string;
  memos: number;
}

/** By the path of the file. */
const tenants = new Map<string, Tenant>();

/** The path of the file; undefined for none. Throws INVALID_CONFIG. */
export function memoPath({ name }: Work, filename: unknown): string | undefined {
  if (filename === false) {
    return undefined;
  }
  if (filename === undefined) {
    if (!isName(name) || name.includes('/')) {
      const expected = '`filename`, or a function with a name that a file can have';
      throw misuse('INVALID_CONFIG', expected, name, { option: 'filename' });
    }
    return join(checkRoot(), name + EXTENSION);
  }
  return memoPathOf(filename);
}

/** The same of a file that somebody names. */
export function memoPathOf(filename: unknown): string {
  if (typeof filename !== 'string' || filename === '' || filename.includes('\0') || /[/\\]$/.test(filename)) {
    throw misuse('INVALID_CONFIG', '`filename` to be the name or the path of a file', filename, { option: 'filename' });
  }
  const whole = extname(filename) === '' ? filename + EXTENSION : filename;
  return /[/\\]/.test(whole) ? resolve(whole) : join(checkRoot(), whole);
}

/** Takes a file for a function, until the returned function is called. Throws INVALID_CONFIG where another one has it. */
export function occupy(path: string, { name, source }: Work): () => void {
  const there = tenants.get(path);
  if (there !== undefined && there.source !== source) {
    const message =
      `The memo file ${path} is that of the function ${shown(there.name)}, and the function ${shown(name)} has another ` +
      'source: it would be given what the first has returned. Give each a `filename` of its own';
    throw Object.assign(new TypeError(message), { code: 'INVALID_CONFIG', option: 'filename' });
  }
  const tenant = there ?? { name, source, memos: 0 };
  tenant.memos++;
  tenants.set(path, tenant);
  let isOver = false;
  return () => {
    if (isOver) {
      return;
    }
    isOver = true;
    tenant.memos--;
    if (tenant.memos === 0) tenants.delete(path);
  };
}

function shown(name: string): string {
  return name === '' ? '(anonymous)' : `\`${name}\``;
}
