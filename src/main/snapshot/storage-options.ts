/** Where a cache puts its snapshots and its metrics, and when by itself: four options, with their defaults and errors. */
import { optionError } from '../option-errors.ts';
import { parseDuration } from '../units.ts';

export interface StorageOptions {
  /** Relative to the working directory. Made with the first file in it. Default 'cache_storage'. */
  dir?: string;
  /** Without an extension, which says what is in it. Default 'cache_data', of metrics 'cache_metrics'. */
  filename?: string;
  /** Whether every file has a name of its own, `cache_data_20261231_235959`, unless a call says otherwise. Default false. */
  timestamps?: boolean;
}

export interface MetricsStorageOptions extends StorageOptions {
  /** Default 'json'. */
  serializer?: MetricsFormat;
}

export interface AutosaveOptions {
  /** Milliseconds, from 100, or '5m', which is the default. */
  everyMs?: number | string;
  /** Whether `close()` saves before it ends the shards, however long that takes. Default true. */
  onClose?: boolean;
}

export type MetricsFormat = 'json' | 'csv' | 'prometheus';

export interface StorageConfig {
  readonly dir: string;
  readonly filename: string;
  readonly timestamps: boolean;
}

export interface MetricsStorageConfig extends StorageConfig {
  readonly serializer: MetricsFormat;
}

export interface AutosaveConfig {
  readonly everyMs: number;
  readonly onClose: boolean;
}

export const METRICS_FORMATS: readonly MetricsFormat[] = ['json', 'csv', 'prometheus'];

const DEFAULT_DIR = 'cache_storage';
const DEFAULT_EVERY_MS = 5 * 60_000;
const EVERY_MS_MIN = 100;
const TIMER_MAX_MS = 2 ** 31 - 1;
/** What no name of a file may have in it: it would name one elsewhere. */
const SEPARATORS = /[/\\\0]/;

/** Throws INVALID_CONFIG, with the name of the option. */
export function resolveStorage(value: unknown): StorageConfig {
  return Object.freeze(
    placeOf('storage', membersOf('storage', value, ['dir', 'filename', 'timestamps']), 'cache_data'),
  );
}

/** Throws INVALID_CONFIG, with the name of the option. */
export function resolveMetricsStorage(value: unknown): MetricsStorageConfig {
  const members = membersOf('metricsStorage', value, ['dir', 'filename', 'timestamps', 'serializer']);
  const { serializer = 'json' } = members;
  const format = METRICS_FORMATS.find((candidate) => candidate === serializer);
  if (format === undefined) {
    throw optionError(
      'metricsStorage',
      `an object whose \`serializer\` is one of ${METRICS_FORMATS.join(', ')}`,
      serializer,
    );
  }
  return Object.freeze({ ...placeOf('metricsStorage', members, 'cache_metrics'), serializer: format });
}

/** Throws INVALID_CONFIG, with the name of the option. */
export function resolveAutosave(value: unknown): AutosaveConfig | false {
  if (value === false) {
    return false;
  }
  const { everyMs = DEFAULT_EVERY_MS, onClose = true } = membersOf('autosave', value === true ? {} : value, [
    'everyMs',
    'onClose',
  ]);
  const ms = parseDuration(everyMs);
  if (!(ms >= EVERY_MS_MIN && ms <= TIMER_MAX_MS)) {
    throw optionError(
      'autosave',
      `an object whose \`everyMs\` is ${EVERY_MS_MIN} or more, or a duration like '5m'`,
      everyMs,
    );
  }
  if (typeof onClose !== 'boolean') {
    throw optionError('autosave', 'an object whose `onClose` is true or false', onClose);
  }
  return Object.freeze({ everyMs: ms, onClose });
}

function placeOf(option: string, members: Record<string, unknown>, defaultName: string): StorageConfig {
  const { dir = DEFAULT_DIR, filename = defaultName, timestamps = false } = members;
  if (typeof dir !== 'string' || dir === '' || dir.includes('\0')) {
    throw optionError(option, 'an object whose `dir` is the path of a directory', dir);
  }
  if (typeof filename !== 'string' || filename === '' || /^\.+$/.test(filename) || SEPARATORS.test(filename)) {
    throw optionError(option, 'an object whose `filename` is the name of a file, without its directory', filename);
  }
  if (typeof timestamps !== 'boolean') {
    throw optionError(option, 'an object whose `timestamps` is true or false', timestamps);
  }
  return { dir, filename, timestamps };
}

function membersOf(option: string, value: unknown, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const choices = option === 'autosave' ? 'true, false, or an object' : 'an object';
    throw optionError(option, `${choices} of ${known.map((name) => `\`${name}\``).join(', ')}`, value);
  }
  const stranger = Object.keys(value).find((name) => !known.includes(name));
  if (stranger !== undefined) {
    throw optionError(option, `an object of ${known.map((name) => `\`${name}\``).join(', ')}`, stranger);
  }
  return value as Record<string, unknown>;
}
