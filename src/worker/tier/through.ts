/**
 * What clients ask about one key, of a shard with a tier under it:
 *
 *     a read      memory, else the filter, else the tier: what is there goes into memory
 *     a write     what the key holds, if that matters; then the tier, then memory
 *
 * So memory shows what was written only when the tier has it, and has it before the caller hears of it. There is one call at a
 * time for each key. Each resolves to what is to be said, at once, before anything else happens to the shard.
 */
import type { FrameReader } from '../../protocol/frame.ts';
import {
  FLAG_KEEP_TTL,
  OP_ADD,
  OP_DELETE,
  OP_DEMAND,
  OP_EXPIRE,
  OP_FILL,
  OP_GET,
  OP_HAS,
  OP_INCREMENT,
  OP_LEASE,
  OP_LOOKUP,
  OP_PEEK,
  OP_POP,
  OP_RELEASE,
  OP_SET,
  OP_TOUCH,
  OP_TTL,
  OP_UPDATE,
} from '../../protocol/operations.ts';
import type { ReplyRoom } from '../../protocol/reply.ts';
import { TAG_NUMBER } from '../../protocol/value-tags.ts';
import type { Answers } from '../answers.ts';
import type { Expiry } from '../blocks.ts';
import { KEY_EXISTS, type Shard } from '../shard.ts';
import { type Held, stored } from './held.ts';
import { type Tier, type TierKey, tierKeyOf } from './tier.ts';

/** Says the result of one call. */
export type Say = (answers: Answers) => void;

/** Bytes of the two numbers that an increment or a lease comes with. */
const TWO_NUMBERS = 16;

/** They change nothing of what a key reads as. */
const READS: ReadonlySet<number> = new Set([OP_GET, OP_PEEK, OP_HAS, OP_LOOKUP, OP_DEMAND, OP_TOUCH, OP_TTL, OP_LEASE]);
/** Of those, the ones that leave what they find where it is. */
const LOOKS: ReadonlySet<number> = new Set([OP_PEEK, OP_HAS, OP_TTL]);
/** They change nothing where nobody has the key. */
const REMOVALS: ReadonlySet<number> = new Set([OP_DELETE, OP_POP]);
const WRITES: ReadonlySet<number> = new Set([OP_SET, OP_ADD, OP_UPDATE, OP_INCREMENT, OP_EXPIRE, OP_FILL]);

export class Through {
  readonly #shard: Shard;
  readonly #tier: Tier;

  constructor(shard: Shard, tier: Tier) {
    this.#shard = shard;
    this.#tier = tier;
  }

  /** Whether it is an operation on a key, for which a tier matters. */
  concerns({ op }: FrameReader): boolean {
    return READS.has(op) || REMOVALS.has(op) || WRITES.has(op) || op === OP_RELEASE;
  }

  /** Whether memory can answer it alone: a read of what it has, or anything but a write of what nobody has. */
  isInMemory(record: FrameReader): boolean {
    if (record.op === OP_RELEASE) {
      // But not before the call that asked for the lease has been answered.
      return true;
    }
    const isThere = this.#shard.peek(record) !== 0;
    return isThere ? READS.has(record.op) : !WRITES.has(record.op) && this.#tier.rulesOut(record);
  }

  /** `record` is good for as long as this takes, and `room` is that of the reply. Rejects with CacheError or PolicyFault. */
  async perform(record: FrameReader, room: ReplyRoom): Promise<Say> {
    const key = tierKeyOf(record, record.key);
    if (READS.has(record.op)) {
      return await this.#read(record, key);
    }
    switch (record.op) {
      case OP_SET:
        await this.#tier.write(key, stored(record), this.#askedBy(record));
        return done;
      case OP_FILL:
        return await this.#fill(record, key);
      case OP_DELETE:
        return await this.#delete(record, key);
      case OP_RELEASE:
        return inMemory(record);
    }
    // What follows depends on what the key holds.
    const held = await this.#held(record, key);
    switch (record.op) {
      case OP_POP:
        return held === undefined ? inMemory(record) : await this.#pop(record, key, held, room);
      case OP_ADD:
        return held === undefined
          ? await this.#write(key, stored(record), this.#askedBy(record))
          : (answers) => answers.fail(KEY_EXISTS.code, KEY_EXISTS.message);
      case OP_INCREMENT:
        return await this.#increment(record, key, held);
      case OP_EXPIRE:
        return held === undefined ? this.#absent(record) : await this.#expire(record, key, held);
      default:
        return held === undefined ? this.#absent(record) : await this.#update(record, key, held);
    }
  }

  async #read(record: FrameReader, key: TierKey): Promise<Say> {
    const { op } = record;
    if ((op === OP_LEASE && record.valueBytes !== TWO_NUMBERS) || this.isInMemory(record)) {
      return inMemory(record);
    }
    const held = await this.#found(key, !LOOKS.has(op));
    if (held === undefined) {
      return inMemory(record);
    }
    const leftMs = held.expiry.atMs - this.#tier.wall.monotonic();
    switch (op) {
      case OP_HAS:
      case OP_TOUCH:
        return ({ reply }) => reply.boolean(true);
      case OP_TTL:
        return ({ reply }) => reply.number(leftMs);
      case OP_PEEK:
        return valued(held);
    }
    this.#shard.count(record, 0);
    return op === OP_LOOKUP ? valued(held, leftMs) : valued(held);
  }

  /** What a key holds now, in memory or under it. */
  async #held(record: FrameReader, key: TierKey): Promise<Held | undefined> {
    const { blocks, deadlines } = this.#shard;
    const block = this.#shard.peek(record);
    if (block === 0) {
      return this.#tier.rulesOut(record) ? undefined : await this.#found(key, false);
    }
    const bytes = Uint8Array.from(blocks.valueOf(block));
    return { tag: blocks.tagOf(block), bytes, expiry: { ...deadlines.again(block) } };
  }

  /** What the tier has of it, unless its time is over. */
  async #found(key: TierKey, keeps: boolean): Promise<Held | undefined> {
    const held = await this.#tier.read(key, keeps);
    return held !== undefined && held.expiry.atMs > this.#tier.wall.monotonic() ? held : undefined;
  }

  async #write(key: TierKey, value: Pick<Held, 'tag' | 'bytes'>, expiry: Expiry, say: Say = done): Promise<Say> {
    await this.#tier.write(key, value, expiry);
    return say;
  }

  async #fill(record: FrameReader, key: TierKey): Promise<Say> {
    const expiry = this.#shard.redeem(record);
    if (expiry === undefined) {
      return ({ reply }) => reply.boolean(false);
    }
    return await this.#write(key, stored(record), { ...expiry }, ({ reply }) => reply.boolean(true));
  }

  async #delete(record: FrameReader, key: TierKey): Promise<Say> {
    const isThere = this.#shard.peek(record) !== 0;
    const wasThere = await this.#tier.remove(key, !isThere);
    this.#shard.delete(record);
    return ({ reply }) => reply.boolean(isThere || wasThere);
  }

  /** Counts as a get. */
  async #pop(record: FrameReader, key: TierKey, { tag, bytes }: Held, room: ReplyRoom): Promise<Say> {
    this.#shard.count(record, this.#shard.peek(record));
    return await removing(bytes.length, room, async () => {
      await this.#tier.remove(key, false);
      this.#shard.delete(record);
      return ({ reply }) => reply.value(tag, bytes);
    });
  }

  async #increment(record: FrameReader, key: TierKey, held: Held | undefined): Promise<Say> {
    if (record.valueBytes !== TWO_NUMBERS) {
      return inMemory(record);
    }
    if (held !== undefined && (held.tag !== TAG_NUMBER || held.bytes.length !== 8)) {
      return ({ reply }) => reply.boolean(false);
    }
    const sum = record.numberAt(0) + (held === undefined ? record.numberAt(1) : numberOf(held.bytes));
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(sum);
    const expiry = held?.expiry ?? this.#askedBy(record);
    return await this.#write(key, { tag: TAG_NUMBER, bytes }, expiry, ({ reply }) => reply.number(sum));
  }

  async #expire(record: FrameReader, key: TierKey, held: Held): Promise<Say> {
    const expiry = this.#shard.deadlines.after(record.argument, held.expiry.slideMs > 0);
    await this.#tier.write(key, held, { ...expiry }, { isSet: false });
    return done;
  }

  async #update(record: FrameReader, key: TierKey, held: Held): Promise<Say> {
    const keeps = (record.flags & FLAG_KEEP_TTL) !== 0;
    return await this.#write(key, stored(record), keeps ? held.expiry : this.#askedBy(record));
  }

  #absent(record: FrameReader): Say {
    const { code, message } = this.#shard.absent(record);
    return (answers) => answers.fail(code, message);
  }

  #askedBy(record: FrameReader): Expiry {
    return { ...this.#shard.deadlines.askedBy(record) };
  }
}

/**
 * Lets `remove` remove a value of so many bytes, unless the reply has no room to tell it: that was the last copy. Room is kept for
 * it meanwhile.
 */
export async function removing(byteLength: number, room: ReplyRoom, remove: () => Promise<Say>): Promise<Say> {
  if (!room.admits(byteLength)) {
    return (answers) => void answers.admits(byteLength);
  }
  room.take(byteLength);
  try {
    const say = await remove();
    return (answers) => {
      room.giveBack(byteLength);
      say(answers);
    };
  } catch (error) {
    room.giveBack(byteLength);
    throw error;
  }
}

/** A value that was found in the tier; with `leftMs` and where. */
function valued({ tag, bytes }: Held, leftMs?: number): Say {
  return (answers) => {
    if (answers.admits(bytes.length)) {
      if (leftMs === undefined) answers.reply.value(tag, bytes);
      else answers.reply.mortalValue(tag, bytes, leftMs, true);
    }
  };
}

/** As a shard without a tier answers. */
export function inMemory(record: FrameReader): Say {
  return (answers) => answers.add(record);
}

function done({ reply }: Answers): void {
  reply.done();
}

function numberOf(bytes: Uint8Array): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readDoubleLE();
}
