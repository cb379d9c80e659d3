/**
 * The serializers there are, and what a user may ask for: one of them by name, one of the user's own, or a module that
 * exports one, which any thread can load. A new one is one file that keeps the contract of codec.ts, and one line here.
 */
import { misuse } from '../../protocol/errors.ts';
import { type PluginModule, type ResolvedModule, resolveModule } from '../plugin.ts';
import type { ValueCodec } from './codec.ts';
import { CustomCodec, type Serializer } from './custom.ts';
import { JsonCodec, StrictJsonCodec } from './json.ts';
import { MsgpackCodec } from './msgpack.ts';
import { RawCodec } from './raw.ts';
import { V8Codec } from './v8.ts';

export type { ValueCodec } from './codec.ts';
export type { BinarySerializer, Serializer, TextSerializer } from './custom.ts';

export const serializers = {
  msgpack: () => new MsgpackCodec(),
  json: () => new JsonCodec(),
  v8: () => new V8Codec(),
  raw: () => new RawCodec(),
} satisfies Record<string, () => ValueCodec>;

export type SerializerName = keyof typeof serializers;

/** Where to find a serializer that every thread can load. */
export type SerializerModule = PluginModule;

/** What the option `serializer` takes. */
export type SerializerOption = SerializerName | Serializer | SerializerModule;

/** As it is in force, but perhaps not loaded yet; without functions, where it may cross threads. */
export type ResolvedSerializer = SerializerName | Serializer | ResolvedModule;

const NAMES = Object.keys(serializers) as SerializerName[];
const EXTENSION = /^\w[\w.-]*$/;

/** Throws INVALID_CONFIG, UNKNOWN_PLUGIN with the names there are, or DUPLICATE_PLUGIN. */
export function resolveSerializer(option: unknown = 'msgpack'): ResolvedSerializer {
  if (typeof option === 'string') {
    return named(option);
  }
  if (typeof option !== 'object' || option === null) {
    throw invalid(
      '`serializer` to be the name of one, an object with `encode` and `decode`, or one with `module`',
      option,
    );
  }
  return 'module' in option ? moduleOf(option) : checked(option, '`serializer`');
}

/** Imports the serializer of a module. Rejects with INVALID_CONFIG or DUPLICATE_PLUGIN. */
export async function loadSerializer(serializer: ResolvedSerializer): Promise<SerializerName | Serializer> {
  if (typeof serializer === 'string' || !('module' in serializer)) {
    return serializer;
  }
  const { module, export: name } = serializer;
  let exports: object;
  try {
    exports = (await import(module)) as object;
  } catch (cause) {
    throw Object.assign(
      new TypeError(`Expected \`serializer.module\` to be a module that can be imported, got '${module}'`, { cause }),
      { code: 'INVALID_CONFIG', option: 'serializer' },
    );
  }
  if (!Object.hasOwn(exports, name)) {
    throw invalid(
      `\`serializer.export\` to be one of the exports ${Object.keys(exports).sort().join(', ')} of ${module}`,
      name,
    );
  }
  return checked((exports as Record<string, unknown>)[name], `the export \`${name}\` of ${module}`);
}

/** Whether it is one of the built-in ones. */
export function isSerializerName(name: string): name is SerializerName {
  return Object.hasOwn(serializers, name);
}

/** Of the files that hold its values, without the dot; undefined where it has none of its own. */
export function extensionOf(serializer: SerializerName | Serializer): string | undefined {
  return serializer === 'json' ? 'json' : typeof serializer === 'string' ? undefined : serializer.extension;
}

/** `strict` is a setting of JSON, for which see json.ts; the others have none. */
export function createCodec(serializer: SerializerName | Serializer, { strict = false } = {}): ValueCodec {
  if (strict && serializer === 'json') {
    return new StrictJsonCodec();
  }
  return typeof serializer === 'string' ? serializers[serializer]() : new CustomCodec(serializer);
}

function named(given: string): SerializerName {
  const name = NAMES.find((candidate) => candidate === given.toLowerCase());
  if (name === undefined) {
    throw misuse('UNKNOWN_PLUGIN', `\`serializer\` to be one of ${NAMES.join(', ')}`, given, {
      option: 'serializer',
      available: NAMES,
    });
  }
  return name;
}

function moduleOf(option: object): ResolvedModule {
  const stranger = Object.keys(option).find((key) => key !== 'module' && key !== 'export');
  if (stranger !== undefined) {
    throw invalid('`serializer` to have `module` and `export`, and nothing else', stranger);
  }
  return resolveModule('serializer', option);
}

/** Throws where `candidate`, which is `what`, is not a serializer. */
function checked(candidate: unknown, what: string): Serializer {
  if (typeof candidate !== 'object' || candidate === null) {
    throw invalid(`${what} to be an object with \`name\`, \`encode\` and \`decode\``, candidate);
  }
  const { name, extension, binary, encode, decode } = candidate as Partial<Record<keyof Serializer, unknown>>;
  if (typeof name !== 'string' || name === '') {
    throw invalid(`the \`name\` of ${what} to be a string`, name);
  }
  if (typeof encode !== 'function') {
    throw invalid(`the \`encode\` of ${what} to be a function`, encode);
  }
  if (typeof decode !== 'function') {
    throw invalid(`the \`decode\` of ${what} to be a function`, decode);
  }
  if (binary !== undefined && typeof binary !== 'boolean') {
    throw invalid(`the \`binary\` of ${what} to be true or false`, binary);
  }
  if (extension !== undefined && !(typeof extension === 'string' && EXTENSION.test(extension))) {
    throw invalid(`the \`extension\` of ${what} to be the end of a file name, without its dot`, extension);
  }
  if (Object.hasOwn(serializers, name.toLowerCase())) {
    throw misuse('DUPLICATE_PLUGIN', `the \`name\` of ${what} to be none of ${NAMES.join(', ')}`, name, {
      option: 'serializer',
    });
  }
  return candidate as Serializer;
}

function invalid(expected: string, got: unknown): TypeError {
  return misuse('INVALID_CONFIG', expected, got, { option: 'serializer' });
}
