import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BatchBuilder, keysOf, UNSET } from '../../src/main/cli/batch.ts';
import { LINE_BYTES_MAX } from '../../src/main/cli/line.ts';
import { LineSplitter, type TraceSink } from '../../src/main/cli/trace.ts';

class Recorder implements TraceSink {
  readonly seen: string[] = [];
  readonly #max: number;

  constructor(max = Number.POSITIVE_INFINITY) {
    this.#max = max;
  }

  request(bytes: Buffer, keyStart: number, keyEnd: number, size: number): boolean {
    const key = bytes.toString('latin1', keyStart, keyEnd);
    this.seen.push(size === UNSET ? key : `${key} ${size}`);
    return this.seen.length < this.#max;
  }

  badLine(line: number, reason: string, text: string): boolean {
    this.seen.push(`bad ${line}: ${reason}: ${text.length}`);
    return this.seen.length < this.#max;
  }
}

function split(chunks: readonly Buffer[], sink = new Recorder()): string[] {
  const splitter = new LineSplitter(sink);
  for (const chunk of chunks) {
    splitter.push(chunk);
  }
  splitter.end();
  return sink.seen;
}

test('lines are the same however the chunks fall', () => {
  const line = fc.stringMatching(/^[a-c]{0,6}( [0-9]{1,3})?$/);
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(40)), fc.boolean(), (lines, cuts, endsWithLineFeed) => {
      const bytes = Buffer.from(lines.join('\n') + (endsWithLineFeed ? '\n' : ''));
      const chunks: Buffer[] = [];
      let at = 0;
      for (const cut of cuts) {
        chunks.push(bytes.subarray(at, at + cut));
        at += cut;
      }
      chunks.push(bytes.subarray(at));
      expect(split(chunks)).toEqual(split([bytes]));
    }),
  );
});

test('a line feed at the end begins no line, and a last line may do without', () => {
  expect(split([Buffer.from('a\nb 5\n')])).toEqual(['a', 'b 5']);
  expect(split([Buffer.from('a\nb 5')])).toEqual(['a', 'b 5']);
});

test('a line of megabytes is one bad line with a short text, and the lines around it are good', () => {
  const chunks = Array.from({ length: 100 }, () => Buffer.alloc(64 * 1024, 'x'));
  const seen = split([Buffer.from('a\n'), ...chunks, Buffer.from('x\nb\n'), ...chunks]);
  const bad = (line: number) => `bad ${line}: longer than ${LINE_BYTES_MAX.toLocaleString('en-US')} bytes: 63`;
  expect(seen).toEqual(['a', bad(2), 'b', bad(4)]);
});

test('a sink that has had enough gets no more of the chunk', () => {
  expect(split([Buffer.from('a\nb\nc\n')], new Recorder(2))).toEqual(['a', 'b']);
});

test('a batch carries keys, and columns only where a request has one', () => {
  const builder = new BatchBuilder(LINE_BYTES_MAX);
  const bytes = Buffer.from('käse brot');
  builder.add(bytes, 0, 5, UNSET, UNSET);
  builder.add(bytes, 6, 10, 7, UNSET);
  const batch = builder.take();
  expect(keysOf(batch)).toEqual(['käse', 'brot']);
  expect(batch.sizes).toEqual(Float64Array.of(UNSET, 7));
  expect(batch.ttls).toBeUndefined();
  expect(builder.count).toBe(0);
});

test('a batch is full by its bytes where keys are long', () => {
  const builder = new BatchBuilder(LINE_BYTES_MAX);
  const key = Buffer.alloc(LINE_BYTES_MAX, 'k');
  builder.add(key, 0, key.length, UNSET, UNSET);
  expect(builder.isFull).toBe(true);
  expect(keysOf(builder.take())[0]).toHaveLength(LINE_BYTES_MAX);
});
