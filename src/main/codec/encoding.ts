/** What a user may ask of an encoding, and what it becomes: every default and every option error of codecs and stores. */
import { type CompressionName, loadCompression, resolveCompression } from '../../protocol/compression/index.ts';
import { misuse } from '../../protocol/errors.ts';
import {
  loadSerializer,
  type ResolvedSerializer,
  resolveSerializer,
  type Serializer,
  type SerializerName,
} from '../serializers/index.ts';
import { RecordCodec } from './record-codec.ts';

/** As it comes from a user: nothing is checked yet. */
export interface EncodingOptions {
  readonly serializer?: unknown;
  readonly compression?: unknown;
  readonly base64?: unknown;
  readonly strict?: unknown;
}

/** Checked, and with every default; a serializer may still be a module that is not loaded. */
export interface ResolvedEncoding {
  readonly serializer: ResolvedSerializer;
  readonly compression: CompressionName | false;
  readonly base64: boolean;
  readonly strict: boolean;
}

/** Throws INVALID_CONFIG, UNKNOWN_PLUGIN with the names there are, or DUPLICATE_PLUGIN. */
export function resolveEncoding(options: EncodingOptions): ResolvedEncoding {
  const serializer = resolveSerializer(options.serializer);
  const compression = resolveCompression(options.compression);
  const base64 = asBoolean('base64', options.base64);
  const strict = asBoolean('strict', options.strict);
  if (strict && serializer !== 'json') {
    const expected = "`strict` with the serializer 'json' only: no other has values that it bends";
    throw misuse('INVALID_CONFIG', expected, options.serializer ?? 'msgpack', { option: 'strict' });
  }
  return { serializer, compression, base64, strict };
}

/** Throws MISSING_DEPENDENCY where the compression is not there. */
export function recordCodecOf(
  { compression, base64, strict }: ResolvedEncoding,
  serializer: SerializerName | Serializer,
): RecordCodec {
  const loaded = compression === false ? undefined : loadCompression(compression);
  return new RecordCodec({ serializer, compression: loaded, base64, strict });
}

/**
 * The codec of a user's options. Rejects with INVALID_CONFIG, UNKNOWN_PLUGIN, DUPLICATE_PLUGIN or MISSING_DEPENDENCY.
 */
export async function openRecordCodec(options: EncodingOptions): Promise<RecordCodec> {
  const encoding = resolveEncoding(options);
  return recordCodecOf(encoding, await loadSerializer(encoding.serializer));
}

function asBoolean(option: string, value: unknown = false): boolean {
  if (typeof value !== 'boolean') {
    throw misuse('INVALID_CONFIG', `\`${option}\` to be true or false`, value, { option });
  }
  return value;
}
