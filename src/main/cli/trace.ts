/**
 * A trace: requests as text, one a line, from a file or from standard input, gzipped or not.
 *
 * It is read as it streams: a chunk is cut at its line feeds, and only a line that crosses chunks is kept, up to the length
 * a line may have. What is longer is passed over to its end without being kept, so memory stays the same for a line of
 * ten megabytes and for a file of any size.
 */
import { createReadStream, fstatSync, open } from 'node:fs';
import { Socket } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import { isatty, ReadStream } from 'node:tty';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { excerpt, LINE_BYTES_MAX, printable, TOO_LONG, TraceLine } from './line.ts';

export const STDIN = '-';

const STDIN_FD = 0;
const CHUNK_BYTES = 64 * 1024;
const LINE_FEED = 10;
/** The first byte of gzip's magic number, and a control byte: no good line begins with it. */
const GZIP_MAGIC = 0x1f;

/** Where the lines of a trace go. Either may return false to say that it has had enough. */
export interface TraceSink {
  request(bytes: Buffer, keyStart: number, keyEnd: number, size: number, ttlSeconds: number): boolean;
  badLine(line: number, reason: string, text: string): boolean;
}

/** Reads a trace to its end, or until the sink has had enough. `settled` is awaited after each chunk. */
export async function readTrace(path: string, sink: TraceSink, settled: () => Promise<void>): Promise<void> {
  const splitter = new LineSplitter(sink);
  for await (const chunk of unzipped(path)) {
    const goesOn = splitter.push(chunk);
    await settled();
    if (!goesOn) {
      return;
    }
  }
  splitter.end();
  await settled();
}

/** A trace as messages and reports call it: nothing that a terminal would obey. */
export function traceName(path: string): string {
  return path === STDIN ? 'standard input' : printable(path);
}

/** Why a trace could not be read, as a sentence. */
export function traceFault(path: string, error: unknown): string {
  const name = traceName(path);
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
      return `There is no file ${name}`;
    case 'EISDIR':
      return `${name} is a directory, not a trace`;
    case 'EACCES':
      return `${name} may not be read: permission denied`;
    case 'Z_BUF_ERROR':
      return `${name} is truncated: its gzip data ends in the middle`;
    case 'Z_DATA_ERROR':
      return `${name} is damaged or not gzip: ${message}`;
    default:
      return `${name} could not be read: ${printable(message)}`;
  }
}

/** Cuts chunks into lines. */
export class LineSplitter {
  readonly #sink: TraceSink;
  readonly #parsed = new TraceLine();
  /** The beginning of a line whose end has not come yet. */
  readonly #kept = Buffer.allocUnsafeSlow(LINE_BYTES_MAX);
  #keptBytes = 0;
  #isTooLong = false;
  #line = 1;

  constructor(sink: TraceSink) {
    this.#sink = sink;
  }

  /** False when the sink has had enough. */
  push(chunk: Buffer): boolean {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      const isWhole = this.#keptBytes === 0;
      if (!(isWhole ? this.#take(chunk, start, end) : this.#finish(chunk, start, end))) {
        return false;
      }
      start = end + 1;
    }
    this.#keep(chunk, start, chunk.length);
    return true;
  }

  /** The last line may do without its line feed. */
  end(): void {
    if (this.#keptBytes > 0) {
      this.#finish(this.#kept, 0, 0);
    }
  }

  #keep(chunk: Buffer, start: number, end: number): void {
    const copied = chunk.copy(this.#kept, this.#keptBytes, start, end);
    this.#keptBytes += copied;
    this.#isTooLong ||= copied < end - start;
  }

  #finish(chunk: Buffer, start: number, end: number): boolean {
    this.#keep(chunk, start, end);
    const keptBytes = this.#keptBytes;
    this.#keptBytes = 0;
    if (this.#isTooLong) {
      this.#isTooLong = false;
      return this.#sink.badLine(this.#line++, TOO_LONG, excerpt(this.#kept, 0, keptBytes));
    }
    return this.#take(this.#kept, 0, keptBytes);
  }

  #take(bytes: Buffer, start: number, end: number): boolean {
    const parsed = this.#parsed;
    const wrong = parsed.parse(bytes, start, end);
    const line = this.#line++;
    return wrong === undefined
      ? this.#sink.request(bytes, parsed.keyStart, parsed.keyEnd, parsed.size, parsed.ttlSeconds)
      : this.#sink.badLine(line, wrong, excerpt(bytes, start, end));
  }
}

/** The text of a trace. Gzip is known by the file's name or by its first byte, so that it may come through a pipe. */
async function* unzipped(path: string): AsyncGenerator<Buffer> {
  const source = streamOf(path === STDIN ? STDIN_FD : await promisify(open)(path, 'r'));
  const chunks = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const first = await chunks.next();
  const isGzip = path.endsWith('.gz') || (first.done !== true && first.value[0] === GZIP_MAGIC);
  if (!isGzip) {
    yield* chained(first, chunks);
    return;
  }
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  // An error on the way reaches the loop below, because the pipeline destroys the gunzip with it.
  pipeline(Readable.from(chained(first, chunks), { objectMode: false }), gunzip, () => {});
  yield* gunzip;
}

async function* chained(first: IteratorResult<Buffer>, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  for (let next = first; next.done !== true; next = await rest.next()) {
    yield next.value;
  }
}

/**
 * By descriptor, because `process.stdin` of a pool's thread is not connected to anything. What may stay silent is polled,
 * never read in a blocking call: nothing could interrupt that, and a replay could not be stopped.
 */
function streamOf(fd: number): Readable {
  if (isatty(fd)) {
    return new ReadStream(fd);
  }
  const kind = fstatSync(fd);
  return kind.isFIFO() || kind.isSocket()
    ? new Socket({ fd, readable: true, writable: false })
    : createReadStream('', { fd, highWaterMark: CHUNK_BYTES });
}
