/** Every codec there is: each serializer, compression and base64. */
import zlib from 'node:zlib';
import { type Codec, type CompressionName, createCodec, type SerializerName } from '../../src/main/codec/index.ts';
import { serializers } from '../../src/main/serializers/index.ts';
import { compressions } from '../../src/protocol/compression/index.ts';
import type { Verdict } from './codec-verdict.ts';
import { difference } from './strict-equal.ts';

export interface Combination {
  readonly name: string;
  readonly codec: Codec<Uint8Array | string>;
}

export function combinations(): Combination[] {
  const names = Object.keys(compressions) as CompressionName[];
  const there = names.filter((name) => name !== 'zstd' || 'zstdCompressSync' in zlib);
  return (Object.keys(serializers) as SerializerName[]).flatMap((serializer) =>
    [false as const, ...there].flatMap((compression) =>
      [false, true].map((base64) => ({
        name: `${serializer}, ${compression}, base64 ${base64}`,
        codec: createCodec({ serializer, compression, base64 }),
      })),
    ),
  );
}

/** What becomes of a value. Throws what is no SERIALIZATION_ERROR. */
export function judged(codec: Codec<Uint8Array | string>, value: unknown): Verdict {
  let encoded: Uint8Array | string;
  try {
    encoded = codec.encode(value);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'SERIALIZATION_ERROR') {
      throw error;
    }
    return 'refused';
  }
  return difference(codec.decode(encoded), value) === undefined ? 'equal' : 'different';
}
