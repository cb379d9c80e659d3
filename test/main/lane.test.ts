import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { type CallBody, type CallLimits, NO_BODY, UNLIMITED } from '../../src/main/call.ts';
import { Lane, type LaneLimits } from '../../src/main/lane.ts';
import { ClientMemory } from '../../src/protocol/client.ts';
import { CacheError } from '../../src/protocol/errors.ts';
import { FrameReader } from '../../src/protocol/frame.ts';
import { KeyEncoder } from '../../src/protocol/key.ts';
import { OP_CLEAR, OP_DELETE, OP_GET, OP_NONE, OP_SET } from '../../src/protocol/operations.ts';
import { ReplyWriter, type Result } from '../../src/protocol/reply.ts';

/** A lane whose shard is the test itself: frames wait in `frames` until the test answers. */
class LaneUnderTest {
  readonly frames: { id: string; frame: Uint8Array }[] = [];
  readonly key = new KeyEncoder({ low: 1, high: 2 });
  readonly lane: Lane;
  readonly #port: MessagePort;

  constructor(limits: Partial<LaneLimits> = {}) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port2;
    port2.on('message', ({ id, argumentList }) => this.frames.push({ id, frame: argumentList[0].value }));
    const full = { timeoutMs: 30_000, callsMax: 65_536, bytesMax: 1 << 26, ...limits };
    this.lane = new Lane(3, full, new ClientMemory(), () => {});
    this.lane.connect(port1);
  }

  call(op: number, key: string, limits: CallLimits = UNLIMITED, value = ''): Promise<Result> {
    this.key.encode(key);
    const bytes = Buffer.from(value);
    const carried: CallBody =
      value === '' ? NO_BODY : { tag: 1, argument: 0, flags: 0, bytes, byteLength: bytes.length };
    return this.lane.call(op, this.key, key, limits, carried);
  }

  /** What the lane would answer a getSync of the key with. */
  ownWrite(key: string): string | undefined {
    this.key.encode(key);
    const own = this.lane.ownWrite(this.key);
    return own === undefined || own === 'absent' ? own : own.bytes.toString();
  }

  /** Waits until `count` frames have come, and says how many calls each holds. */
  async arrived(count: number): Promise<number[]> {
    while (this.frames.length < count) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    return this.frames.map(({ frame }) => new FrameReader(frame).count);
  }

  answer(value?: unknown): void {
    const { id, frame } = this.frames.shift() as { id: string; frame: Uint8Array };
    this.#port.postMessage({ id, type: 'RAW', value: value ?? new FrameReader(frame).count });
  }

  end(): void {
    this.lane.fail('CACHE_CLOSED', 'is closed');
    this.#port.close();
  }
}

const open: LaneUnderTest[] = [];
function makeLane(limits: Partial<LaneLimits> = {}): LaneUnderTest {
  const lane = new LaneUnderTest(limits);
  open.push(lane);
  return lane;
}

afterEach(() => {
  for (const lane of open.splice(0)) lane.end();
});

async function errorOf(call: Promise<unknown>): Promise<CacheError> {
  try {
    await call;
  } catch (error) {
    return error as CacheError;
  }
  throw new Error('the call was expected to reject');
}

describe('frames', () => {
  test('a thousand calls of one turn travel in at most two frames', async () => {
    const lane = makeLane();
    const calls = Array.from({ length: 1_000 }, (_, i) => lane.call(OP_SET, `k${i}`, UNLIMITED, 'v'));
    expect((await lane.arrived(2)).reduce((a, b) => a + b)).toBe(1_000);
    lane.answer();
    lane.answer();
    await Promise.all(calls);
    expect(lane.frames).toHaveLength(0);
  });

  test('a call made while a frame is out does not wait for the turn after, but at most two frames are out', async () => {
    const lane = makeLane();
    const first = lane.call(OP_SET, 'a');
    await lane.arrived(1);
    const second = lane.call(OP_SET, 'b');
    expect(await lane.arrived(2)).toEqual([1, 1]);
    const waiting = ['c', 'd', 'e'].map((key) => lane.call(OP_SET, key));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(lane.frames).toHaveLength(2);
    lane.answer();
    await first;
    expect(await lane.arrived(2)).toEqual([1, 3]);
    lane.answer();
    lane.answer();
    await Promise.all([second, ...waiting]);
  });

  test('a frame holds at most 4,096 calls and about a mebibyte, and a larger value travels alone', async () => {
    const lane = makeLane();
    const big = 'x'.repeat(400_000);
    const calls = [big, big, big, 'x'.repeat(3_000_000)].map((value, i) =>
      lane.call(OP_SET, `k${i}`, UNLIMITED, value),
    );
    expect(await lane.arrived(2)).toEqual([2, 1]);
    lane.answer();
    lane.answer();
    expect(await lane.arrived(1)).toEqual([1]);
    lane.answer();
    await Promise.all(calls);
  });
});

describe('bounds', () => {
  test('a call beyond the bound of calls rejects with OVERLOADED and was not sent', async () => {
    const lane = makeLane({ callsMax: 10 });
    const calls = Array.from({ length: 10 }, (_, i) => lane.call(OP_SET, `k${i}`));
    expect(await errorOf(lane.call(OP_SET, 'late'))).toMatchObject({
      code: 'OVERLOADED',
      key: 'late',
      shard: 3,
      outcome: 'not-sent',
    });
    await lane.arrived(1);
    lane.answer();
    await Promise.all(calls);
    const again = lane.call(OP_SET, 'again');
    await lane.arrived(1);
    lane.answer();
    await again;
  });

  test('a call beyond the bound of bytes rejects with OVERLOADED, but an idle lane takes one call of any size', async () => {
    const lane = makeLane({ bytesMax: 1_000 });
    const large = lane.call(OP_SET, 'large', UNLIMITED, 'x'.repeat(5_000));
    expect((await errorOf(lane.call(OP_SET, 'next'))).code).toBe('OVERLOADED');
    await lane.arrived(1);
    lane.answer();
    await large;
  });

  test('progress and drained resolve when the shard has answered', async () => {
    const lane = makeLane({ callsMax: 4 });
    const calls = ['a', 'b'].map((key) => lane.call(OP_SET, key));
    expect(lane.lane.backlog.isCrowded).toBe(true);
    const drained = lane.lane.drained();
    await lane.arrived(1);
    lane.answer();
    await drained;
    expect(lane.lane.backlog.isCrowded).toBe(false);
    await Promise.all(calls);
  });
});

describe('deadlines and aborts', () => {
  test('a call that is not answered in time rejects with TIMEOUT, its outcome unknown', async () => {
    const lane = makeLane({ timeoutMs: 30 });
    expect(await errorOf(lane.call(OP_SET, 'k'))).toMatchObject({ code: 'TIMEOUT', outcome: 'unknown', key: 'k' });
  });

  test('calls that never left reject with TIMEOUT as not sent, and free their room', async () => {
    const lane = makeLane({ timeoutMs: 50, callsMax: 3 });
    const out: Promise<unknown>[] = [];
    for (const key of ['a', 'b']) {
      out.push(errorOf(lane.call(OP_SET, key)));
      await lane.arrived(out.length);
    }
    expect(await errorOf(lane.call(OP_SET, 'c'))).toMatchObject({ code: 'TIMEOUT', outcome: 'not-sent' });
    expect(await Promise.all(out)).toMatchObject([{ outcome: 'unknown' }, { outcome: 'unknown' }]);
    lane.answer();
    lane.answer();
    await lane.lane.drained();
    expect(lane.frames).toHaveLength(0);
  });

  test('a call has its whole time, though others have waited for long to leave with it', async () => {
    const lane = makeLane({ timeoutMs: 160 });
    lane.lane.disconnect();
    const early = errorOf(lane.call(OP_SET, 'early'));
    await errorOf(lane.call(OP_GET, 'impatient', { signal: undefined, timeoutMs: 100 }));
    const begunMs = performance.now();
    const late = errorOf(lane.call(OP_SET, 'late'));
    expect([await early, await late]).toMatchObject([{ code: 'TIMEOUT' }, { code: 'TIMEOUT', outcome: 'not-sent' }]);
    expect(performance.now() - begunMs).toBeGreaterThan(150);
  });

  test('a timeout of its own ends a call before the lane does', async () => {
    const lane = makeLane();
    const call = lane.call(OP_SET, 'k', { signal: undefined, timeoutMs: 20 });
    expect(await errorOf(call)).toMatchObject({ code: 'TIMEOUT', outcome: 'unknown' });
    expect((await errorOf(call)).message).toContain('within 20 ms');
  });

  test('an abort before the frame leaves takes the record out of it', async () => {
    const lane = makeLane();
    const controller = new AbortController();
    const kept = lane.call(OP_SET, 'kept', UNLIMITED, 'v');
    const call = lane.call(OP_SET, 'aborted', { signal: controller.signal, timeoutMs: 0 }, 'v');
    controller.abort(new Error('changed my mind'));
    expect((await errorOf(call)).message).toBe('changed my mind');
    await lane.arrived(1);
    const frame = new FrameReader(lane.frames[0]?.frame as Uint8Array);
    frame.next();
    expect(frame.op).toBe(OP_SET);
    frame.next();
    expect(frame.op).toBe(OP_NONE);
    lane.answer();
    await kept;
  });

  test('an abort after the frame has left rejects with the reason, and the late reply harms nothing', async () => {
    const lane = makeLane();
    const controller = new AbortController();
    const call = lane.call(OP_SET, 'k', { signal: controller.signal, timeoutMs: 0 });
    await lane.arrived(1);
    controller.abort('enough');
    await expect(call).rejects.toBe('enough');
    lane.answer();
    await lane.lane.drained();
  });

  test('a settled call leaves no listener on its signal', async () => {
    const lane = makeLane();
    const controller = new AbortController();
    const call = lane.call(OP_SET, 'k', { signal: controller.signal, timeoutMs: 0 });
    await lane.arrived(1);
    lane.answer();
    await call;
    controller.abort();
    await expect(call).resolves.toBeUndefined();
  });
});

describe('the end', () => {
  test('a death settles every call: sent ones with an unknown outcome, the others as not sent', async () => {
    const lane = makeLane();
    const calls: Promise<CacheError>[] = [];
    for (let i = 1; i <= 2; i++) {
      calls.push(errorOf(lane.call(OP_SET, `sent ${i}`)));
      await lane.arrived(i);
    }
    calls.push(errorOf(lane.call(OP_SET, 'waiting')));
    lane.lane.fail('SHARD_DOWN', 'ended with code 1', new Error('why'));
    const errors = await Promise.all(calls);
    expect(errors.map(({ code }) => code)).toEqual(['SHARD_DOWN', 'SHARD_DOWN', 'SHARD_DOWN']);
    expect(errors.map(({ outcome }) => outcome)).toEqual(['unknown', 'unknown', 'not-sent']);
    expect(errors[0]?.cause).toMatchObject({ message: 'why' });
    expect(await errorOf(lane.call(OP_GET, 'k'))).toMatchObject({ code: 'SHARD_DOWN', outcome: 'not-sent' });
    await lane.lane.drained();
  });

  test.each([
    ['text', 'nonsense'],
    ['bytes', new Uint8Array([1, 2, 3])],
    ['another count', 7],
    ['results cut short', Uint8Array.of(0xdd, 0, 0, 0, 1)],
  ])('a reply of %s ends the lane with PROTOCOL_ERROR', async (_what, reply) => {
    const lane = makeLane();
    const call = errorOf(lane.call(OP_GET, 'k'));
    await lane.arrived(1);
    lane.answer(reply);
    expect((await call).code).toBe('PROTOCOL_ERROR');
  });

  test('an error in the reply reaches its own call alone', async () => {
    const lane = makeLane();
    const calls = [lane.call(OP_SET, 'a'), lane.call(OP_SET, 'b'), lane.call(OP_DELETE, 'c')];
    await lane.arrived(1);
    const reply = new ReplyWriter();
    reply.done();
    reply.error({ code: 'VALUE_TOO_LARGE', message: 'too large' });
    reply.boolean(true);
    lane.answer(reply.seal());
    expect(await Promise.allSettled(calls)).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { code: 'VALUE_TOO_LARGE', key: 'b', shard: 3 } },
      { status: 'fulfilled', value: true },
    ]);
    const [, error] = await Promise.allSettled(calls);
    expect((error as PromiseRejectedResult).reason).toBeInstanceOf(CacheError);
  });
});

describe('own writes', () => {
  test('the last unacknowledged write of a key answers, in whatever frame it is', async () => {
    const lane = makeLane();
    const calls = [lane.call(OP_SET, 'a', UNLIMITED, 'one'), lane.call(OP_SET, 'b', UNLIMITED, 'two')];
    expect(lane.ownWrite('a')).toBe('one');
    await lane.arrived(1);
    expect(lane.ownWrite('a')).toBe('one');
    calls.push(lane.call(OP_SET, 'a', UNLIMITED, 'three'), lane.call(OP_DELETE, 'b'));
    expect(lane.ownWrite('a')).toBe('three');
    expect(lane.ownWrite('b')).toBe('absent');
    expect(lane.ownWrite('c')).toBeUndefined();
    await lane.arrived(2);
    calls.push(lane.call(OP_CLEAR, ''), lane.call(OP_SET, 'b', UNLIMITED, 'four'));
    expect(lane.ownWrite('a')).toBe('absent');
    expect(lane.ownWrite('b')).toBe('four');
    lane.answer();
    lane.answer();
    await lane.arrived(1);
    lane.answer();
    await Promise.all(calls);
    expect(lane.ownWrite('a')).toBeUndefined();
    expect(lane.ownWrite('b')).toBeUndefined();
  });

  test('a write that its shard died over is none, though what was read with it goes out again', async () => {
    const lane = makeLane();
    const calls = [errorOf(lane.call(OP_SET, 'a', UNLIMITED, 'v')), lane.call(OP_GET, 'b').catch(() => {})];
    await lane.arrived(1);
    lane.lane.disconnect();
    expect(await calls[0]).toMatchObject({ code: 'SHARD_DOWN', outcome: 'unknown' });
    lane.key.encode('a');
    expect(lane.lane.hasWrite(lane.key.hashLow)).toBe(false);
    expect(lane.lane.backlog.calls).toBe(2);
  });

  test('a read that its shard died over never sees what the client wrote after it', async () => {
    const lane = makeLane();
    const before = [errorOf(lane.call(OP_GET, 'a')), errorOf(lane.call(OP_SET, 'a', UNLIMITED, 'v'))];
    const other = lane.call(OP_GET, 'b').catch(() => {});
    await lane.arrived(1);
    const after = [errorOf(lane.call(OP_GET, 'b')), errorOf(lane.call(OP_CLEAR, ''))];
    const last = lane.call(OP_GET, 'a').catch(() => {});
    await lane.arrived(2);
    lane.lane.disconnect();
    const codes = (await Promise.all([...before, ...after])).map(({ code, outcome }) => `${code} ${outcome}`);
    expect(codes).toEqual(['SHARD_DOWN unknown', 'SHARD_DOWN unknown', 'SHARD_DOWN unknown', 'SHARD_DOWN unknown']);
    // The get of `b` in the first frame came before the clear, too; the last get came after all of them.
    await other;
    expect(lane.lane.backlog.calls).toBe(3);
    lane.end();
    await last;
  });

  test('a write that was never sent is none when its time is over, were it to all keys', async () => {
    const lane = makeLane({ timeoutMs: 20 });
    lane.lane.disconnect();
    const calls = [lane.call(OP_SET, 'a', UNLIMITED, 'v'), lane.call(OP_CLEAR, '')];
    lane.key.encode('a');
    expect(lane.lane.hasWrite(lane.key.hashLow)).toBe(true);
    expect((await Promise.all(calls.map(errorOf))).map(({ code }) => code)).toEqual(['TIMEOUT', 'TIMEOUT']);
    expect(lane.lane.hasWrite(lane.key.hashLow)).toBe(false);
  });

  test('a withdrawn write is no write', async () => {
    const lane = makeLane();
    const controller = new AbortController();
    const call = lane.call(OP_SET, 'a', { signal: controller.signal, timeoutMs: 0 }, 'v');
    controller.abort('no');
    await expect(call).rejects.toBe('no');
    expect(lane.ownWrite('a')).toBeUndefined();
  });
});
