/** What a profile may be asked for: every default, every bound and every option error. */
import { type CompressionName, resolveCompression } from '../../protocol/compression/index.ts';
import { misuse } from '../../protocol/errors.ts';
import { assertOptions } from '../codec/known-options.ts';
import { findEngine } from '../engines/engine-registry.ts';
import { checkRoot } from '../engines/place.ts';
import { type ResolvedSerializer, resolveSerializer, type SerializerOption } from '../serializers/index.ts';
import type { StoreOptions } from './options.ts';

export interface ProfileOptions {
  /** Default ['file', 'memory']. */
  readonly engine?: readonly NonNullable<StoreOptions['engine']>[] | undefined;
  /** Default [false]. */
  readonly compression?: readonly (boolean | CompressionName)[] | undefined;
  /** Default [false]. */
  readonly base64?: readonly boolean[] | undefined;
  /** Default ['msgpack']. */
  readonly serializer?: readonly SerializerOption[] | undefined;
  /** Of the values, in bytes of JSON. Default [1000, 10000, 100000]. */
  readonly size?: readonly number[] | undefined;
  /** How often each is measured. Default 5. */
  readonly iterations?: number | undefined;
  /** A folder on the disk that is to be measured. What is written there is removed. Default: that for temporary files. */
  readonly root?: string | undefined;
  /** Of the engine 'redis'. Default: that of the engine. */
  readonly url?: string | undefined;
  /** How many combinations are done, of how many. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Ends it after the measurement that runs: `profile` rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** One line of the table to be: what is measured with what. */
export interface Combination {
  readonly engine: NonNullable<StoreOptions['engine']>;
  readonly engineName: string;
  readonly compression: CompressionName | false;
  readonly base64: boolean;
  readonly serializer: SerializerOption;
  readonly serializerName: string;
  readonly size: number;
}

export interface ProfilePlan {
  readonly combinations: readonly Combination[];
  readonly iterations: number;
  readonly root: string | undefined;
  readonly url: string | undefined;
  readonly onProgress: (done: number, total: number) => void;
  readonly signal: AbortSignal | undefined;
}

/** One takes some milliseconds with small values and seconds with large ones. */
const COMBINATIONS_MAX = 1_000;
const ITERATIONS_MAX = 1_000;
/** The smallest that a record can be made of. */
export const SIZE_MIN = 16;
const SIZE_MAX = 64 * 1024 * 1024;
const KNOWN = [
  'engine',
  'compression',
  'base64',
  'serializer',
  'size',
  'iterations',
  'root',
  'url',
  'onProgress',
  'signal',
];

/** Rejects with INVALID_CONFIG or UNKNOWN_PLUGIN. What is known and not there is no mistake: it becomes a row. */
export async function resolveProfile(options: ProfileOptions): Promise<ProfilePlan> {
  assertOptions(options, KNOWN);
  const { iterations = 5, root, url, onProgress = () => {}, signal } = options;
  if (!Number.isInteger(iterations) || iterations < 1 || iterations > ITERATIONS_MAX) {
    throw invalid('iterations', `a whole number from 1 to ${ITERATIONS_MAX}`, iterations);
  }
  if (typeof onProgress !== 'function') {
    throw invalid('onProgress', 'a function', onProgress);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalid('signal', 'an AbortSignal', signal);
  }
  return {
    combinations: await combined(options),
    iterations,
    root: root === undefined ? undefined : checkRoot(root),
    url,
    onProgress,
    signal,
  };
}

async function combined(options: ProfileOptions): Promise<Combination[]> {
  const engines = listOf('engine', options.engine, ['file', 'memory']);
  const compressions = listOf('compression', options.compression, [false]).map(resolveCompression);
  const serializers = listOf('serializer', options.serializer, ['msgpack']);
  const sizes = listOf('size', options.size, [1_000, 10_000, 100_000]).map(checkSize);
  const base64s = listOf('base64', options.base64, [false]).map(checkBase64);
  const total = engines.length * compressions.length * serializers.length * sizes.length * base64s.length;
  if (total > COMBINATIONS_MAX) {
    const expected = `at most ${COMBINATIONS_MAX} combinations of engine, compression, base64, serializer and size`;
    throw misuse('INVALID_CONFIG', expected, total, { option: 'engine' });
  }
  const combinations: Combination[] = [];
  for (const engine of engines) {
    const { name: engineName } = await findEngine(engine);
    for (const serializer of serializers) {
      const serializerName = nameOf(resolveSerializer(serializer));
      for (const compression of compressions) {
        for (const base64 of base64s) {
          for (const size of sizes) {
            combinations.push({ engine, engineName, compression, base64, serializer, serializerName, size });
          }
        }
      }
    }
  }
  return combinations;
}

function listOf<T>(option: string, given: readonly T[] | undefined, byDefault: readonly T[]): readonly T[] {
  const list = given ?? byDefault;
  if (!Array.isArray(list) || list.length === 0) {
    throw invalid(option, 'a list of one or more', given);
  }
  return [...new Set<T>(list)];
}

function checkSize(size: unknown): number {
  if (!Number.isInteger(size) || (size as number) < SIZE_MIN || (size as number) > SIZE_MAX) {
    throw invalid('size', `whole numbers of bytes from ${SIZE_MIN} to ${SIZE_MAX}`, size);
  }
  return size as number;
}

function checkBase64(base64: unknown): boolean {
  if (typeof base64 !== 'boolean') {
    throw invalid('base64', 'a list of true and false', base64);
  }
  return base64;
}

function nameOf(serializer: ResolvedSerializer): string {
  if (typeof serializer === 'string') {
    return serializer;
  }
  return 'module' in serializer ? `module:${serializer.export}` : serializer.name;
}

function invalid(option: string, expected: string, got: unknown): TypeError {
  return misuse('INVALID_CONFIG', `\`${option}\` to be ${expected}`, got, { option });
}
