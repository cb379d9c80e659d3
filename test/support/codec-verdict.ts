/** What a codec makes of a value, told by a round trip through memory such as a shard's. */
import type { ValueCodec } from '../../src/main/serializers/index.ts';
import { difference } from './strict-equal.ts';

export type Verdict = 'equal' | 'refused' | 'different';

export function roundTrip(codec: ValueCodec, value: unknown): unknown {
  codec.encode(value);
  return throughMemory(codec);
}

/** Judges encode, decode and check. Throws what is no SERIALIZATION_ERROR. */
export function verdict(codec: ValueCodec, value: unknown): Verdict {
  const checked = passes(() => codec.check(value));
  const encoded = passes(() => codec.encode(value));
  if (checked !== encoded) {
    return 'different';
  }
  if (!encoded) {
    return 'refused';
  }
  return difference(throughMemory(codec), value) === undefined ? 'equal' : 'different';
}

/** What happens between encode and decode: the bytes are copied into memory that is used again. */
function throughMemory(codec: ValueCodec): unknown {
  const { tag, byteLength } = codec;
  const scratch = Buffer.alloc(Math.max(64, byteLength + 8), 0xee);
  scratch.set(codec.bytes.subarray(0, byteLength));
  const value = codec.decode(tag, scratch, byteLength);
  scratch.fill(0x55);
  return value;
}

function passes(run: () => void): boolean {
  try {
    run();
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'SERIALIZATION_ERROR') {
      throw error;
    }
    return false;
  }
}
