/**
 * Where an engine keeps what it keeps, and with what options: those that a store and a tier have alike, with their defaults and
 * what is said of wrong ones.
 */
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { EngineKind } from '../../protocol/engines/engine.ts';
import { misuse } from '../../protocol/errors.ts';
import { parseDuration, parseSize } from '../units.ts';

const SIZES = ['maxBytes', 'segmentBytes', 'mapSize'];
const DURATIONS = ['commandTimeout'];
const NAME_PART = /^\w[\w.-]{0,99}$/;
/** Names that Windows keeps for devices, and the one that stores within stores live under. */
const TAKEN = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)|^sub$|\.$/i;
const PARTS_MAX = 8;

/** Throws INVALID_CONFIG. */
export function checkName(name: unknown = 'unnamed'): string {
  if (!isName(name)) {
    throw misuse(
      'INVALID_CONFIG',
      '`name` to be letters, digits, `_`, `-` and `.`, beginning with a letter, a digit or `_` (with `/` for a store within a store)',
      name,
      { option: 'name' },
    );
  }
  return name;
}

/** Whether a store can have it. */
export function isName(name: unknown): name is string {
  const parts = typeof name === 'string' ? name.split('/') : [];
  return (
    parts.length > 0 && parts.length <= PARTS_MAX && parts.every((part) => NAME_PART.test(part) && !TAKEN.test(part))
  );
}

/** Absolute. Throws INVALID_CONFIG. */
export function checkRoot(root: unknown = defaultRoot()): string {
  if (typeof root !== 'string' || root === '' || root.includes('\0')) {
    throw misuse('INVALID_CONFIG', '`root` to be the path of a folder', root, { option: 'root' });
  }
  return isAbsolute(root) ? root : resolve(root);
}

/**
 * Those that the engine takes, sizes and durations as numbers; `common` are those that it does not hear of. `what` has the engine:
 * "a store". Throws INVALID_CONFIG for any that is neither.
 */
export function engineOptionsOf(
  options: Readonly<Record<string, unknown>>,
  { name, kind }: { readonly name: string; readonly kind: EngineKind },
  common: readonly string[],
  what: string,
): Record<string, unknown> {
  const taken: Record<string, unknown> = {};
  for (const [option, value] of Object.entries(options)) {
    if (common.includes(option) || value === undefined) {
      continue;
    }
    if (!kind.options.includes(option)) {
      const known = [...common, ...kind.options].join(', ');
      throw misuse('INVALID_CONFIG', `the options of ${what} with the engine '${name}', which are ${known}`, option, {
        option,
      });
    }
    taken[option] = inUnits(option, value);
  }
  return taken;
}

/** The same as they may be shown and written down: without passwords, and without what is the caller's to open. */
export function shownOptions(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { client: _, ...shown }: Record<string, unknown> = options;
  for (const [option, value] of Object.entries(shown)) {
    shown[option] = Array.isArray(value) ? value.map(withoutPassword) : withoutPassword(value);
  }
  return shown;
}

function withoutPassword(value: unknown): unknown {
  if (typeof value !== 'string' || !value.includes('://') || !URL.canParse(value)) {
    return value;
  }
  const url = new URL(value);
  if (url.password === '' && !url.searchParams.has('password')) {
    return value;
  }
  url.password = '';
  url.searchParams.delete('password');
  return url.href;
}

function inUnits(option: string, value: unknown): unknown {
  const parse = SIZES.includes(option) ? parseSize : DURATIONS.includes(option) ? parseDuration : undefined;
  if (parse === undefined) {
    return value;
  }
  const number = parse(value);
  if (!(number > 0)) {
    const form = parse === parseSize ? "a number of bytes, or text like '64mb'" : "milliseconds, or text like '5s'";
    throw misuse('INVALID_CONFIG', `\`${option}\` to be ${form}`, value, { option });
  }
  return number;
}

function defaultRoot(): string {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  const caches = process.platform === 'win32' ? LOCALAPPDATA : XDG_CACHE_HOME;
  // What is not absolute is to be ignored, by the XDG base directory specification.
  return join(caches !== undefined && isAbsolute(caches) ? caches : join(homedir(), '.cache'), 'shardstash');
}
