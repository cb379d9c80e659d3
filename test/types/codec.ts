/** What the compiler must accept of the public types of codecs, and what it must not. Checked by `npm run types`; never run. */
import { type Codec, type CodecOptions, createCodec, hashBytes, hashValue, openCodec } from 'shardstash/codec';
import { profile } from 'shardstash/store';

export async function typed(options: CodecOptions): Promise<void> {
  createCodec() satisfies Codec<Uint8Array>;
  createCodec({ base64: true, compression: 'lz4' }).encode({ a: 1 }) satisfies string;
  createCodec({ serializer: 'json', strict: true, compression: true }).encode(1) satisfies Uint8Array;
  createCodec(options).encode(1) satisfies Uint8Array | string;
  createCodec({ serializer: { name: 'text', binary: false, encode: String, decode: (text) => text.trim() } });
  const module = new URL('mine.js', import.meta.url);
  (await openCodec({ serializer: { module }, base64: true })).decode('text') satisfies unknown;
  hashBytes('text', 'sha1') satisfies string;
  hashValue(['user', { page: 2 }]) satisfies string;
  // @ts-expect-error a module is loaded, which takes openCodec
  createCodec({ serializer: { module } });
  // @ts-expect-error nobody offers it
  createCodec({ compression: 'bz2' });
  // @ts-expect-error bytes are no number
  hashBytes(5);
  const { rows } = await profile({ engine: ['memory'], compression: [true, 'lz4'], size: [1_000] });
  rows[0]?.operation satisfies
    | 'encode key'
    | 'decode key'
    | 'encode value'
    | 'decode value'
    | 'write'
    | 'read'
    | undefined;
  // @ts-expect-error lists, so that a comparison is plain to see
  await profile({ compression: 'lz4' });
}
