import { describe, expect, test } from 'vitest';
import { FRAME_CALLS_MAX, FrameWriter } from '../../src/protocol/frame.ts';
import {
  OP_CLEAR,
  OP_DELETE,
  OP_GET,
  OP_HAS,
  OP_METRICS,
  OP_NONE,
  OP_SET,
  OP_SIZE,
} from '../../src/protocol/operations.ts';
import { readReply } from '../../src/protocol/reply-reader.ts';
import { makeShard, type ShardUnderTest } from '../support/shard.ts';

const NOTHING = new Uint8Array(0);

/** One frame of calls, and what the shard answers. */
function send(target: ShardUnderTest, calls: [op: number, key: string, value?: string][]): unknown {
  const writer = new FrameWriter();
  for (const [op, key, value] of calls) {
    target.key.encode(key);
    const bytes = value === undefined ? NOTHING : Buffer.from(value);
    writer.add(op, target.key, 5, 0, bytes, bytes.length);
  }
  return readReply(target.dispatch.call(writer.seal()));
}

describe('the calls of a frame', () => {
  test('are applied in order, each seeing those before it', () => {
    const calls: [number, string, string?][] = [
      [OP_SET, 'k', 'one'],
      [OP_GET, 'k'],
      [OP_SET, 'k', 'two'],
      [OP_GET, 'k'],
      [OP_DELETE, 'k'],
      [OP_DELETE, 'k'],
      [OP_HAS, 'k'],
      [OP_SET, 'a', ''],
      [OP_SIZE, ''],
      [OP_CLEAR, ''],
      [OP_SIZE, ''],
    ];
    expect(send(makeShard(), calls)).toEqual([
      undefined,
      { tag: 5, bytes: Buffer.from('one') },
      undefined,
      { tag: 5, bytes: Buffer.from('two') },
      true,
      false,
      false,
      undefined,
      1,
      1,
      0,
    ]);
  });

  test('that say nothing are answered by their count', () => {
    expect(
      send(makeShard(), [
        [OP_SET, 'a', '1'],
        [OP_NONE, ''],
        [OP_GET, 'none'],
      ]),
    ).toBe(3);
    expect(send(makeShard(), [])).toBe(0);
  });

  test('fail one by one: an unknown operation, a value too large', () => {
    const target = makeShard({ bytesMax: 1_000 });
    expect(
      send(target, [
        [99, 'k'],
        [OP_SET, 'k', 'x'.repeat(2_000)],
        [OP_SET, 'k', 'fits'],
      ]),
    ).toEqual([
      expect.objectContaining({ code: 'PROTOCOL_ERROR' }),
      expect.objectContaining({ code: 'VALUE_TOO_LARGE' }),
      undefined,
    ]);
    expect(target.get('k')).toBe('fits');
  });

  test('whose values together are too much for one reply fail with OVERLOADED, but one of any size goes', () => {
    const target = makeShard({ bytesMax: 256 * 1024 * 1024 });
    const half = 'x'.repeat(40 * 1024 * 1024);
    send(target, [[OP_SET, 'a', half]]);
    send(target, [[OP_SET, 'b', half]]);
    send(target, [[OP_SET, 'big', half + half]]);
    const results = send(
      target,
      ['a', 'b', 'none', 'big'].map((key): [number, string] => [OP_GET, key]),
    ) as unknown[];
    expect(results[0]).toMatchObject({ tag: 5 });
    expect(results[1]).toMatchObject({ code: 'OVERLOADED' });
    expect(results[2]).toBeUndefined();
    expect(results[3]).toMatchObject({ code: 'OVERLOADED' });
    const alone = send(target, [
      [OP_HAS, 'a'],
      [OP_GET, 'big'],
    ]) as [boolean, { bytes: Buffer }];
    expect(alone[1].bytes).toHaveLength(80 * 1024 * 1024);
  });

  test('may all be about one bucket that grows, moves and empties while they run', () => {
    const target = makeShard({ bytesMax: 64 * 1024 });
    const calls = Array.from({ length: FRAME_CALLS_MAX }, (_, i): [number, string, string?] =>
      i % 3 === 2 ? [OP_DELETE, `${i % 500}`] : [OP_SET, `${i % 700}`, 'v'.repeat(i % 90)],
    );
    for (let round = 0; round < 5; round++) {
      expect(send(target, calls)).toHaveLength(FRAME_CALLS_MAX);
      target.shard.check();
    }
  });
});

test('metrics add up the frames, the calls and what clients counted, those that left included', () => {
  const target = makeShard();
  send(target, [
    [OP_SET, 'a', '123'],
    [OP_GET, 'a'],
    [OP_GET, 'b'],
  ]);
  target.read('a');
  target.read('b');
  target.shard.disconnect(target.client);
  target.shard.disconnect(target.client);
  expect(send(target, [[OP_METRICS, '']])).toEqual([
    expect.objectContaining({ frames: 2, calls: 4, sets: 1, hits: 2, misses: 2, entries: 1, payloadBytes: 4 }),
  ]);
});

test('a frame that gives a key another hash than it has leaves the filter right about what is stored', () => {
  const target = makeShard();
  target.set('k', 'one');
  const writer = new FrameWriter();
  target.key.encode('k');
  for (let high = 0; high < 200; high++) {
    target.key.hashHigh = high;
    writer.add(OP_SET, target.key, 0, 0, NOTHING, 0);
    target.dispatch.call(writer.seal());
    target.shard.check();
  }
});
