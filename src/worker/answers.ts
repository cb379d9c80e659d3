/**
 * One record in, one result out: which operation is whose, and what its answer looks like in a reply.
 */
import type { CacheErrorCode, ErrorRecord } from '../protocol/errors.ts';
import type { FrameReader } from '../protocol/frame.ts';
import type { ShardMemory } from '../protocol/memory.ts';
import {
  FLAG_KEYS_ONLY,
  OP_ADD,
  OP_ADVISE,
  OP_CLEANUP,
  OP_CLEAR,
  OP_DELETE,
  OP_DEMAND,
  OP_EXPIRE,
  OP_FILL,
  OP_GET,
  OP_HAS,
  OP_INCREMENT,
  OP_LEASE,
  OP_LOOKUP,
  OP_METRICS,
  OP_NONE,
  OP_PEEK,
  OP_POP,
  OP_POP_ITEM,
  OP_RELEASE,
  OP_RESET_METRICS,
  OP_SCAN,
  OP_SET,
  OP_SIZE,
  OP_TOUCH,
  OP_TTL,
  OP_UPDATE,
  PAGE_BYTES_MAX,
  SCAN_END,
} from '../protocol/operations.ts';
import { REPLY_BYTES_MAX, ReplyWriter } from '../protocol/reply.ts';
import { ASK_AGAIN } from './entries.ts';
import { PolicyFault } from './guarded-policy.ts';
import type { Asker } from './leases.ts';
import { scan } from './scan.ts';
import type { Shard } from './shard.ts';

/** Entries of a page at most, whatever a client asks for. */
export const PAGE_ENTRIES_MAX = 65_536;

/** Asks through no port, and hears nothing but answers. */
export const NOBODY: Asker = { tell() {} };

export class Answers {
  /** Where results are written. */
  readonly reply = new ReplyWriter();
  readonly #shard: Shard;
  readonly #memory: ShardMemory;
  /** Whose records these are. */
  #asker: Asker = NOBODY;

  constructor(shard: Shard, memory: ShardMemory) {
    this.#shard = shard;
    this.#memory = memory;
  }

  /** From now on the records are this client's. */
  begin(asker: Asker): void {
    this.#asker = asker;
  }

  /** Answers what is no frame. */
  refuse(message: string): number | Uint8Array {
    this.fail('PROTOCOL_ERROR', message);
    return this.seal();
  }

  /** The reply to all records since the last one. */
  seal(): number | Uint8Array {
    return this.reply.seal();
  }

  /** Applies a record, and adds its result to the reply. */
  add(record: FrameReader): void {
    try {
      this.#apply(record);
    } catch (error) {
      if (!(error instanceof PolicyFault)) throw error;
      this.fail('POLICY_ERROR', error.message);
    }
  }

  /** The operations of every day; the others are apart, so that this stays small enough to be compiled well. */
  #apply(record: FrameReader): void {
    const shard = this.#shard;
    switch (record.op) {
      case OP_SET:
        return this.#done(shard.set(record));
      case OP_GET:
        return this.#answer(shard.get(record));
      case OP_PEEK:
        return this.#answer(shard.peek(record));
      case OP_HAS:
        return this.reply.boolean(shard.peek(record) !== 0);
      case OP_TOUCH:
        return this.reply.boolean(shard.touch(record) !== 0);
      case OP_DELETE:
        return this.reply.boolean(shard.delete(record));
      case OP_ADD:
        return this.#done(shard.add(record));
      case OP_UPDATE:
        return this.#done(shard.update(record));
      case OP_INCREMENT:
        return this.#increment(record);
      case OP_NONE:
        shard.contents.hits.drain();
        return this.reply.done();
      default:
        return this.#applyRare(record);
    }
  }

  #applyRare(record: FrameReader): void {
    const shard = this.#shard;
    switch (record.op) {
      case OP_DEMAND:
        return this.#demand(record);
      case OP_LOOKUP:
        return this.#lookUp(record);
      case OP_TTL:
        return this.#tellTtl(shard.peek(record));
      case OP_EXPIRE:
        return this.#done(shard.expire(record));
      case OP_POP:
        return this.#pop(record);
      case OP_POP_ITEM:
        return this.#popItem();
      case OP_LEASE:
        return this.#lease(record);
      case OP_FILL:
        return this.#say(shard.fill(record));
      case OP_RELEASE:
        return this.reply.boolean(shard.release(record, this.#asker));
      case OP_SCAN:
        return this.#page(record);
      case OP_CLEAR:
        return this.reply.number(shard.clear());
      case OP_CLEANUP:
        return this.#cleanUp();
      case OP_SIZE:
        return this.reply.number(shard.entries);
      case OP_METRICS:
        return this.reply.report(shard.counts());
      case OP_ADVISE:
        return this.#advise();
      case OP_RESET_METRICS:
        shard.resetCounts();
        return this.reply.done();
      default:
        return this.fail('PROTOCOL_ERROR', `No operation has the number ${record.op}`);
    }
  }

  #answer(block: number): void {
    if (block === 0) {
      this.reply.done();
    } else {
      this.#value(block);
    }
  }

  /** Answers with a block's value. False, and an error, when the reply has no room for it. */
  #value(block: number): boolean {
    const { blocks } = this.#shard;
    const value = blocks.valueOf(block);
    if (!this.admits(value.length)) {
      return false;
    }
    this.reply.value(blocks.tagOf(block), value);
    return true;
  }

  #demand(record: FrameReader): void {
    const block = this.#shard.get(record);
    if (block === 0) {
      this.#done(this.#shard.absent(record));
    } else {
      this.#value(block);
    }
  }

  #lookUp(record: FrameReader): void {
    const shard = this.#shard;
    const block = shard.get(record);
    if (block === 0) {
      return shard.hasExpired(record) ? this.reply.boolean(true) : this.reply.done();
    }
    const value = shard.blocks.valueOf(block);
    if (this.admits(value.length)) {
      this.reply.mortalValue(shard.blocks.tagOf(block), value, shard.leftMs(block));
    }
  }

  #tellTtl(block: number): void {
    if (block === 0) {
      this.reply.done();
    } else {
      this.reply.number(this.#shard.leftMs(block));
    }
  }

  #increment(record: FrameReader): void {
    if (record.valueBytes !== 16) {
      return this.fail('PROTOCOL_ERROR', `An increment takes two numbers, not ${record.valueBytes} bytes`);
    }
    this.#say(this.#shard.increment(record));
  }

  /** Removes nothing that it could not tell. */
  #pop(record: FrameReader): void {
    const block = this.#shard.get(record);
    if (block === 0) {
      // It may have expired: then it leaves now.
      this.#shard.delete(record);
      this.reply.done();
    } else if (this.#value(block)) {
      this.#letGo(block);
    }
  }

  #popItem(): void {
    const shard = this.#shard;
    const block = shard.first();
    if (block === 0 || block === ASK_AGAIN) {
      return block === 0 ? this.reply.done() : this.reply.boolean(false);
    }
    const { blocks } = shard;
    const value = blocks.valueOf(block);
    if (this.admits(value.length)) {
      this.reply.entry(blocks.encodingOf(block), blocks.keyBytesOf(block), blocks.tagOf(block), value);
      this.#letGo(block);
    }
  }

  /** Removes an entry whose value is in the reply, the last copy there is: a fault of the policy, counted, costs nobody that. */
  #letGo(block: number): void {
    try {
      this.#shard.remove(block, 'delete');
    } catch (error) {
      if (!(error instanceof PolicyFault)) throw error;
    }
  }

  #lease(record: FrameReader): void {
    if (record.valueBytes !== 16) {
      return this.fail('PROTOCOL_ERROR', `A lease is asked for with two numbers, not ${record.valueBytes} bytes`);
    }
    const shard = this.#shard;
    const block = shard.get(record);
    if (block !== 0) {
      this.#value(block);
      return;
    }
    const stale = record.numberAt(1) > 0 ? shard.stale(record) : 0;
    if (stale === 0) {
      return this.reply.number(shard.lease(record, this.#asker));
    }
    const value = shard.blocks.valueOf(stale);
    if (this.admits(value.length)) {
      this.reply.mortalValue(shard.blocks.tagOf(stale), value, shard.lease(record, this.#asker));
    }
  }

  #page(record: FrameReader): void {
    const cursor = record.argument;
    const wanted = record.valueBytes === 8 ? record.numberAt(0) : Number.NaN;
    if (!(Number.isInteger(cursor) && cursor >= 0 && cursor < SCAN_END && wanted >= 1)) {
      return this.fail('PROTOCOL_ERROR', `No page of ${wanted} entries begins at ${cursor}`);
    }
    if (!this.admits(PAGE_BYTES_MAX)) {
      return;
    }
    const shard = this.#shard;
    const { blocks } = shard;
    const keysOnly = (record.flags & FLAG_KEYS_ONLY) !== 0;
    const entriesMax = Math.min(wanted, PAGE_ENTRIES_MAX);
    const reply = this.reply;
    let entries = 0;
    let bytes = 0;
    reply.beginPage();
    const next = scan(this.#memory, cursor, (block) => {
      if (!shard.isExpired(block)) {
        const whole = !keysOnly && blocks.valueLengthOf(block) <= PAGE_BYTES_MAX;
        const key = blocks.keyBytesOf(block);
        const value = whole ? blocks.valueOf(block) : undefined;
        reply.pageEntry(blocks.encodingOf(block), key, blocks.tagOf(block), value, blocks.expiresAt(block));
        entries++;
        bytes += key.length + (value?.length ?? 0);
      }
      return entries < entriesMax && bytes < PAGE_BYTES_MAX;
    });
    reply.endPage(next);
  }

  #cleanUp(): void {
    const removed = this.#shard.sweep();
    this.reply.number(this.#shard.isDue ? -1 - removed : removed);
  }

  #advise(): void {
    const { advisor } = this.#shard;
    if (advisor === undefined) {
      return this.reply.done();
    }
    const { hits, misses } = this.#shard.counts();
    this.reply.report(advisor.advice(hits + misses, hits));
  }

  #done(error: ErrorRecord | undefined): void {
    if (error === undefined) {
      this.reply.done();
    } else {
      this.fail(error.code, error.message);
    }
  }

  #say(answer: boolean | number | ErrorRecord): void {
    if (typeof answer === 'object') {
      this.fail(answer.code, answer.message);
    } else if (typeof answer === 'number') {
      this.reply.number(answer);
    } else {
      this.reply.boolean(answer);
    }
  }

  /** Whether the reply has room for a value of this size; else it is answered with an error. */
  admits(byteLength: number): boolean {
    const admitted = this.reply.admits(byteLength);
    if (!admitted) {
      this.fail('OVERLOADED', `The values asked for at once are more than ${REPLY_BYTES_MAX} bytes: ask for fewer`);
    }
    return admitted;
  }

  /** Answers with an error, which is counted. */
  fail(code: CacheErrorCode, message: string): void {
    this.#shard.contents.tally.countFailure();
    this.reply.error({ code, message });
  }
}
