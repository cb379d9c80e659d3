/**
 * What a memo memoizes: a function, or the export of a module that threads of a cache's pool run. And who it is: results that one
 * function has left must not be taken for those of another.
 */
import { hash as digestOf, randomUUID } from 'node:crypto';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { misuse } from '../../protocol/errors.ts';
import type { Cache, PluginModule } from '../index.ts';

/**
 * Any function: `unknown[]` would refuse those whose parameters are narrower. It says nothing of `this`, since a function whose parameters
 * take their types from their defaults would take that, too.
 */
export type AnyFunction = (...args: never[]) => unknown;

/** Of the digest of a source, in hex. */
const DIGEST_CHARACTERS = 16;
const NATIVE = /\{\s*\[native code\]\s*\}\s*$/;

export interface Work {
  /** Empty for a function without a name. */
  readonly name: string;
  /** What two functions that are one have in common; of bound functions and the like, which say nothing of themselves, their own. */
  readonly source: string;
  /** Whether `source` means the same in every process. */
  readonly hasSource: boolean;
  /** Undefined for a function of this thread. */
  readonly module: PluginModule | undefined;
  readonly fn: AnyFunction | undefined;
}

/** Throws INVALID_CONFIG. */
export function workOf(given: unknown, name: unknown): Work {
  if (name !== undefined && (typeof name !== 'string' || name === '')) {
    throw misuse('INVALID_CONFIG', '`name` to be a text that is not empty', name, { option: 'name' });
  }
  if (typeof given === 'function') {
    const source = Function.prototype.toString.call(given);
    const hasSource = !NATIVE.test(source);
    return {
      name: name ?? given.name,
      source: hasSource ? source : randomUUID(),
      hasSource,
      module: undefined,
      fn: given as AnyFunction,
    };
  }
  if (typeof given !== 'object' || given === null || !('module' in given)) {
    throw misuse('INVALID_CONFIG', 'a function, or an object with `module` and `export`', given, { option: 'fn' });
  }
  const stranger = Object.keys(given).find((property) => property !== 'module' && property !== 'export');
  if (stranger !== undefined) {
    const expected = 'an object of `module` and `export`, and nothing else, to memoize';
    throw misuse('INVALID_CONFIG', expected, stranger, { option: 'fn' });
  }
  const module = given as PluginModule;
  const { export: of = 'default' } = module;
  const called = name ?? (of === 'default' ? stemOf(module.module) : of);
  return { name: called, source: `${of} of ${String(module.module)}`, hasSource: true, module, fn: undefined };
}

/** The same for the same source, in every process. */
export function digestOfSource({ source }: Work): string {
  return digestOf('sha256', source, 'hex').slice(0, DIGEST_CHARACTERS);
}

/** By cache and prefix, the functions that are told by their source. For good: what one has left in the cache stays there. */
const told = new WeakMap<Cache, Map<string, AnyFunction | undefined>>();

/**
 * What the keys of a memo begin with in a cache that others use as well. `identity` is what it was named, or the file it has. Without
 * one it is told by its source: throws INVALID_CONFIG where another function of this thread has the same, since the two may differ in
 * what they close over.
 */
export function prefixOf(work: Work, cache: Cache, identity: string | undefined, version: string | undefined): string {
  const own = identity ?? `${work.name} ${digestOfSource(work)}`;
  const prefix = `memo ${JSON.stringify(version === undefined ? [own] : [own, version])} `;
  if (identity !== undefined) {
    return prefix;
  }
  const known = told.get(cache) ?? new Map<string, AnyFunction | undefined>();
  if (known.has(prefix) && known.get(prefix) !== work.fn) {
    const expected =
      '`name` for each of several functions of one source in one cache, which would be given the results of each other';
    throw misuse('INVALID_CONFIG', expected, undefined, { option: 'name' });
  }
  told.set(cache, known.set(prefix, work.fn));
  return prefix;
}

/** The version that results are kept with; undefined for none. Throws INVALID_CONFIG. */
export function versionOf(work: Work, sourceVersion: unknown): string | undefined {
  if (sourceVersion === undefined || typeof sourceVersion === 'string') {
    return sourceVersion;
  }
  if (sourceVersion !== true || !work.hasSource || work.module !== undefined) {
    const expected =
      '`sourceVersion` to be a text, or true for a function whose source can be read (a bound one has none)';
    throw misuse('INVALID_CONFIG', expected, sourceVersion, { option: 'sourceVersion' });
  }
  return digestOfSource(work);
}

function stemOf(module: URL | string): string {
  const text = String(module);
  const path = text.startsWith('file:') ? fileURLToPath(text) : text;
  return basename(path).replace(/\.[^.]+$/, '');
}
