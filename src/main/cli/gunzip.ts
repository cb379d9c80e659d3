/**
 * Text out of gzip, chunk by chunk: members one after the other (RFC 1952), each a header, deflated data, and a trailer of
 * checksum and length.
 *
 *     [ 1f 8b 08 flags | 6 bytes | extra, name, comment, checksum as the flags say ][ deflated ][ CRC-32 | length ] ...
 *
 * Node's own gunzip takes whatever follows a member for the next one, and when it is none it fails with all that it had
 * decoded of the same chunk: what was appended to a file would cost the file's end. Here everything is handed out before a
 * fault is named.
 */
import { crc32, createInflateRaw, type InflateRaw } from 'node:zlib';

/** A chunk of input inflates to a thousand times as much at most: pieces of 16 KiB keep that at 16 MiB. */
const PIECE_BYTES = 16 * 1024;
const CHUNK_BYTES = 64 * 1024;
const MAGIC = [0x1f, 0x8b, 8] as const;
const HEAD_BYTES = 10;
const TRAILER_BYTES = 8;
const HAS_CHECKSUM = 2;
const HAS_EXTRA = 4;
const HAS_NAME = 8;
const HAS_COMMENT = 16;
const RESERVED = 0xe0;

export const TRAILING_BYTES = 'TRAILING_BYTES';

/** Throws errors with the codes of node:zlib, and TRAILING_BYTES where something else follows the last member. */
export async function* gunzipped(chunks: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  const input = new Input(chunks);
  await readHeader(input, false);
  do {
    yield* member(input);
  } while (await readHeader(input, true));
}

/** False at the end. Zeros are padding, as tapes have it. */
async function readHeader(input: Input, isLater: boolean): Promise<boolean> {
  const magic = await input.peek(MAGIC.length);
  if (isLater && (magic.length === 0 || magic[0] === 0)) {
    return false;
  }
  if (magic.some((byte, i) => byte !== MAGIC[i])) {
    throw isLater ? fault(TRAILING_BYTES, 'other bytes follow') : fault('Z_DATA_ERROR', 'incorrect header check');
  }
  const flags = (await input.take(HEAD_BYTES))[MAGIC.length] as number;
  if ((flags & RESERVED) !== 0) {
    throw fault('Z_DATA_ERROR', 'unknown header flags set');
  }
  if ((flags & HAS_EXTRA) !== 0) {
    await input.take((await input.take(2)).readUInt16LE(0));
  }
  for (const flag of [HAS_NAME, HAS_COMMENT]) {
    while ((flags & flag) !== 0 && (await input.take(1))[0] !== 0) {
      // Up to its zero.
    }
  }
  if ((flags & HAS_CHECKSUM) !== 0) {
    await input.take(2);
  }
  return true;
}

async function* member(input: Input): AsyncGenerator<Buffer> {
  let checksum = 0;
  let length = 0;
  const inflate = createInflateRaw({ chunkSize: CHUNK_BYTES });
  try {
    for await (const chunk of inflated(inflate, input)) {
      checksum = crc32(chunk, checksum);
      length += chunk.length;
      yield chunk;
    }
  } finally {
    inflate.destroy();
  }
  const trailer = await input.take(TRAILER_BYTES);
  if (trailer.readUInt32LE(0) !== checksum) {
    throw fault('Z_DATA_ERROR', 'incorrect data check');
  }
  if (trailer.readUInt32LE(4) !== length >>> 0) {
    throw fault('Z_DATA_ERROR', 'incorrect length check');
  }
}

/** Piece by piece, and what the inflater has not taken of the last one goes back. */
async function* inflated(inflate: InflateRaw, input: Input): AsyncGenerator<Buffer> {
  let out: Buffer[] = [];
  let failure: Error | undefined;
  let hasEnded = false;
  let wake = () => {};
  inflate.on('data', (chunk: Buffer) => out.push(chunk));
  inflate.once('error', (error) => {
    failure = error;
    wake();
  });
  inflate.once('end', () => {
    hasEnded = true;
    wake();
  });
  let given = 0;
  while (!hasEnded) {
    const piece = await input.next();
    await new Promise<void>((resolve) => {
      wake = resolve;
      if (piece === undefined) {
        inflate.end();
      } else {
        given += piece.length;
        inflate.write(piece, () => resolve());
      }
    });
    const ready = out;
    out = [];
    yield* ready;
    if (failure !== undefined) {
      throw failure;
    }
    if (hasEnded && piece !== undefined) {
      input.giveBack(piece.subarray(piece.length - (given - inflate.bytesWritten)));
    }
  }
}

/** Bytes as they come, of which some may be given back. */
class Input {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterator<Buffer>) {
    this.#chunks = chunks;
  }

  /** The next piece; undefined at the end. */
  async next(): Promise<Buffer | undefined> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done === true) {
        return undefined;
      }
      this.#rest = value;
    }
    const piece = this.#rest.subarray(0, PIECE_BYTES);
    this.#rest = this.#rest.subarray(PIECE_BYTES);
    return piece;
  }

  giveBack(bytes: Buffer): void {
    this.#rest = Buffer.concat([bytes, this.#rest]);
  }

  /** As many bytes as that, or all there are. */
  async peek(count: number): Promise<Buffer> {
    let seen: Buffer = Buffer.alloc(0);
    while (seen.length < count) {
      const piece = await this.next();
      if (piece === undefined) {
        break;
      }
      seen = Buffer.concat([seen, piece]);
    }
    this.giveBack(seen);
    return seen.subarray(0, count);
  }

  /** Exactly as many; it is an error if there are fewer. */
  async take(count: number): Promise<Buffer> {
    const bytes = await this.peek(count);
    if (bytes.length < count) {
      throw fault('Z_BUF_ERROR', 'unexpected end of file');
    }
    this.#rest = this.#rest.subarray(count);
    return bytes;
  }
}

function fault(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
