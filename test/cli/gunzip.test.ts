import { deflateRawSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { gunzipped } from '../../src/main/cli/gunzip.ts';
import { seededRandom } from '../support/random.ts';

const TEXT = Array.from({ length: 3_000 }, (_, i) => `key:${(i * i) % 911}\n`).join('');

/** What is handed out of chunks of that size, and the code of the fault that ends it. */
async function out(bytes: Buffer, chunkBytes = bytes.length): Promise<{ text: string; code: string | undefined }> {
  const chunks: Buffer[] = [];
  const input = async function* (): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      yield bytes.subarray(at, at + chunkBytes);
    }
  };
  let code: string | undefined;
  try {
    for await (const chunk of gunzipped(input())) {
      chunks.push(chunk);
    }
  } catch (error) {
    code = (error as NodeJS.ErrnoException).code;
  }
  return { text: Buffer.concat(chunks).toString(), code };
}

test('members come out one after the other, however the chunks fall', async () => {
  const random = seededRandom('members');
  const noise = Buffer.from(Array.from({ length: 100_000 }, () => 97 + random.below(26)));
  const bytes = Buffer.concat([gzipSync(TEXT), gzipSync(''), gzipSync(noise), gzipSync(TEXT)]);
  for (const chunkBytes of [1_000, 16_384, 65_536, bytes.length, 1 + random.below(5_000)]) {
    expect(await out(bytes, chunkBytes)).toEqual({ text: TEXT + noise.toString() + TEXT, code: undefined });
  }
  const small = Buffer.concat([gzipSync('a\n'), gzipSync('b\n')]);
  for (let chunkBytes = 1; chunkBytes <= small.length; chunkBytes++) {
    expect(await out(small, chunkBytes)).toEqual({ text: 'a\nb\n', code: undefined });
  }
});

test('every field that a header may have is passed over', async () => {
  const [plain, text] = [gzipSync('text'), deflateRawSync('text')];
  const fields = Buffer.from('\x03\x00abcname\0comment\0\x11\x22', 'latin1');
  const head = Buffer.concat([plain.subarray(0, 3), Buffer.of(2 | 4 | 8 | 16), plain.subarray(4, 10), fields]);
  expect(await out(Buffer.concat([head, text, plain.subarray(-8)]))).toEqual({ text: 'text', code: undefined });
});

test('what follows costs nothing that came before; zeros are padding', async () => {
  const zipped = gzipSync(TEXT);
  for (const chunkBytes of [1, 100, 1_000_000]) {
    const trailing = await out(Buffer.concat([zipped, Buffer.from('junk')]), chunkBytes);
    expect(trailing).toEqual({ text: TEXT, code: 'TRAILING_BYTES' });
    expect(await out(Buffer.concat([zipped, Buffer.alloc(512)]), chunkBytes)).toEqual({ text: TEXT, code: undefined });
  }
});

test('a gzip that ends early, anywhere, hands out its beginning and says so', async () => {
  const zipped = gzipSync(TEXT);
  for (let length = 0; length < zipped.length; length += length < 20 || zipped.length - length < 20 ? 1 : 97) {
    const { text, code } = await out(zipped.subarray(0, length));
    expect(TEXT.startsWith(text)).toBe(true);
    expect({ length, code }).toEqual({ length, code: 'Z_BUF_ERROR' });
  }
});

test('a damaged gzip is told, wherever the damage is', async () => {
  const zipped = gzipSync(TEXT);
  for (const at of [0, 1, 2, 3, zipped.length - 8, zipped.length - 1]) {
    const damaged = Buffer.from(zipped);
    damaged[at] = (damaged[at] as number) ^ 0xe0;
    expect({ at, code: (await out(damaged)).code }).toEqual({ at, code: 'Z_DATA_ERROR' });
  }
});
