/**
 * A frame in, a reply out.
 *
 * The frame is read twice. The first pass checks every record, so that a damaged frame changes nothing, and touches the
 * bucket that each will need; the second applies them. Loads of the first pass do not wait for each other, while those
 * of the second would, one after the other.
 */
import type { CacheErrorCode } from '../protocol/errors.ts';
import { FrameReader } from '../protocol/frame.ts';
import { bucketOf, HEADER_BUCKETS, type ShardMemory } from '../protocol/memory.ts';
import {
  OP_CLEAR,
  OP_DELETE,
  OP_GET,
  OP_HAS,
  OP_METRICS,
  OP_NONE,
  OP_PEEK,
  OP_SET,
  OP_SIZE,
} from '../protocol/operations.ts';
import { ReplyWriter } from '../protocol/reply.ts';
import { PolicyFault, type Shard } from './shard.ts';

export class Dispatch {
  readonly #shard: Shard;
  readonly #memory: ShardMemory;
  readonly #reply = new ReplyWriter();
  #frames = 0;
  #calls = 0;
  /** Where the first pass leaves what it loaded, so that no compiler may leave out the loads. */
  warmed = 0;

  constructor(shard: Shard, memory: ShardMemory) {
    this.#shard = shard;
    this.#memory = memory;
  }

  /** Applies the calls of a frame. Anything that is not a frame is answered with PROTOCOL_ERROR. */
  call(frame: unknown): number | Uint8Array {
    let reader: FrameReader;
    try {
      reader = this.#open(frame);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#reply.error({ code: 'PROTOCOL_ERROR', message: error.message });
      return this.#reply.seal();
    }
    this.#frames++;
    this.#calls += reader.count;
    for (let i = 0; i < reader.count; i++) {
      reader.next();
      try {
        this.#apply(reader);
      } catch (error) {
        if (!(error instanceof PolicyFault)) throw error;
        this.#fail('POLICY_ERROR', error.message);
      }
    }
    return this.#reply.seal();
  }

  #open(frame: unknown): FrameReader {
    if (!(frame instanceof Uint8Array)) {
      throw new RangeError(`not a frame: ${typeof frame}`);
    }
    const { heads, header } = this.#memory;
    const buckets = header[HEADER_BUCKETS] as number;
    const reader = new FrameReader(frame);
    for (let i = 0; i < reader.count; i++) {
      reader.next();
      this.warmed ^= heads[bucketOf(reader.hashLow, buckets) << 1] as number;
    }
    reader.rewind();
    return reader;
  }

  #apply(record: FrameReader): void {
    const shard = this.#shard;
    const reply = this.#reply;
    switch (record.op) {
      case OP_SET: {
        const error = shard.set(record);
        if (error === undefined) {
          reply.done();
        } else {
          reply.error(error);
        }
        return;
      }
      case OP_GET:
        return this.#answer(shard.get(record));
      case OP_PEEK:
        return this.#answer(shard.peek(record));
      case OP_HAS:
        return reply.boolean(shard.peek(record) !== 0);
      case OP_DELETE:
        return reply.boolean(shard.delete(record));
      case OP_CLEAR:
        return reply.number(shard.clear());
      case OP_SIZE:
        return reply.number(shard.entries);
      case OP_METRICS:
        return reply.counts({ ...shard.counts(), frames: this.#frames, calls: this.#calls });
      case OP_NONE:
        shard.drainHits();
        return reply.done();
      default:
        return this.#fail('PROTOCOL_ERROR', `No operation has the number ${record.op}`);
    }
  }

  #answer(block: number): void {
    if (block === 0) {
      this.#reply.done();
    } else {
      this.#reply.value(this.#shard.tagOf(block), this.#shard.valueOf(block));
    }
  }

  #fail(code: CacheErrorCode, message: string): void {
    this.#reply.error({ code, message });
  }
}
