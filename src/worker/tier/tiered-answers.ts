/**
 * One record in, one result out, for a shard with a tier under it. What memory can answer alone is answered at once. What has to
 * wait becomes a part of the reply that is filled in later: calls on one key run one after another, in the order in which they
 * came, and a clear of all keys alone. What looks at all keys keeps its place among the calls of its client (client-order.ts). The
 * reply leaves when all its parts are there.
 */
import { KeyTurns } from '../../protocol/engines/key-turns.ts';
import { CacheError } from '../../protocol/errors.ts';
import type { FrameReader } from '../../protocol/frame.ts';
import {
  FLAG_MEMORY_ONLY,
  OP_CLEAR,
  OP_NONE,
  OP_POP_ITEM,
  OP_TIER_CLEANUP,
  OP_TIER_SCAN,
  OP_TIER_SIZE,
} from '../../protocol/operations.ts';
import { joinParts, type ReplyPart, ReplyRoom } from '../../protocol/reply.ts';
import { type Answers, NOBODY } from '../answers.ts';
import { PolicyFault } from '../guarded-policy.ts';
import type { Asker } from '../leases.ts';
import type { Shard } from '../shard.ts';
import { ClientOrder } from './client-order.ts';
import { DetachedFrame } from './detached.ts';
import { inMemory, removing, type Say, Through } from './through.ts';
import { idOf, type Tier, tierKeyOf } from './tier.ts';
import { tierPage } from './tier-page.ts';

/** About no key alone, and not to be answered from memory. */
const BEYOND_MEMORY: ReadonlySet<number> = new Set([OP_POP_ITEM, OP_TIER_SIZE, OP_TIER_CLEANUP, OP_TIER_SCAN]);

export class TieredAnswers {
  readonly #shard: Shard;
  readonly #answers: Answers;
  readonly #tier: Tier;
  readonly #through: Through;
  readonly #turns = new KeyTurns<number>();
  readonly #frame = new DetachedFrame();
  /** Of the present frame, once one of its records had to wait. */
  #parts: (ReplyPart | Promise<ReplyPart>)[] = [];
  #asker: Asker = NOBODY;
  #room = new ReplyRoom();
  readonly #orders = new WeakMap<Asker, ClientOrder>();

  constructor(shard: Shard, answers: Answers, tier: Tier) {
    this.#shard = shard;
    this.#answers = answers;
    this.#tier = tier;
    this.#through = new Through(shard, tier);
  }

  begin(asker: Asker): void {
    this.#asker = asker;
    this.#room = new ReplyRoom();
    this.#frame.begin();
    this.#answers.begin(asker);
    this.#answers.reply.writeInto(this.#room);
  }

  refuse(message: string): number | Uint8Array {
    this.#answers.reply.writeInto(new ReplyRoom());
    return this.#answers.refuse(message);
  }

  /** The reply to all records since the last one, in order. */
  seal(): number | Uint8Array | Promise<number | Uint8Array> {
    if (this.#parts.length === 0) {
      return this.#answers.seal();
    }
    const parts = [...this.#parts, this.#answers.reply.take()];
    this.#parts = [];
    return Promise.all(parts).then(joinParts);
  }

  add(record: FrameReader): void {
    const later = this.#later(record);
    if (later === undefined) {
      this.#answers.add(record);
    } else {
      if (!this.#answers.reply.isEmpty) this.#parts.push(this.#answers.reply.take());
      this.#parts.push(this.#part(later, this.#asker, this.#room));
    }
  }

  /** The result of what has to wait; undefined where memory answers. */
  #later(record: FrameReader): Promise<Say> | undefined {
    const order = this.#orderOf(this.#asker);
    const room = this.#room;
    if (this.#changesKeys(record)) {
      if (!order.isGated) {
        const begun = this.#begin(record, room);
        return begun && order.follow(() => begun);
      }
      const own = this.#frame.detach(record);
      return order.follow(() => this.#begin(own, room, own) ?? Promise.resolve(inMemory(own)));
    }
    if (record.op === OP_NONE || (order.isIdle && !BEYOND_MEMORY.has(record.op))) {
      return undefined;
    }
    const own = this.#frame.detach(record);
    return order.followAll(() => this.#ofAll(own, room));
  }

  /** Whether it is about a key, or ends all of them. */
  #changesKeys(record: FrameReader): boolean {
    return this.#through.concerns(record) || (record.op === OP_CLEAR && (record.flags & FLAG_MEMORY_ONLY) === 0);
  }

  /** `detached`: the record, if it has left its frame already. */
  #begin(record: FrameReader, room: ReplyRoom, detached?: FrameReader): Promise<Say> | undefined {
    if (record.op === OP_CLEAR) {
      return this.#turns.runAlone(() => said(this.#tier.clear()));
    }
    const id = idOf(record);
    if (this.#turns.isFree(id) && this.#through.isInMemory(record)) {
      return undefined;
    }
    const own = detached ?? this.#frame.detach(record);
    return this.#turns.run(id, () => this.#through.perform(own, room)) as Promise<Say>;
  }

  #orderOf(asker: Asker): ClientOrder {
    const order = this.#orders.get(asker) ?? new ClientOrder();
    this.#orders.set(asker, order);
    return order;
  }

  /** What is about no key alone. */
  async #ofAll(record: FrameReader, room: ReplyRoom): Promise<Say> {
    const { keeper, wall } = this.#tier;
    switch (record.op) {
      case OP_POP_ITEM:
        return await this.#popItem(room);
      case OP_TIER_SIZE:
        return await said(keeper.size());
      case OP_TIER_CLEANUP:
        return await said(keeper.cleanup(wall.now()));
      case OP_TIER_SCAN:
        return await tierPage(this.#tier, record);
      default:
        return inMemory(record);
    }
  }

  /** Memory chooses the entry. Where it has gone by the time that it is this call's turn, the client asks again. */
  async #popItem(room: ReplyRoom): Promise<Say> {
    const shard = this.#shard;
    const { blocks, contents } = shard;
    const block = shard.first();
    if (block <= 0) {
      return ({ reply }) => (block === 0 ? reply.done() : reply.boolean(false));
    }
    const source = blocks.copyOf(block);
    const keyBytes = Uint8Array.from(blocks.keyBytesOf(block));
    const key = tierKeyOf(source, keyBytes);
    return await this.#turns.run(key.id, async (): Promise<Say> => {
      const found = contents.find(source);
      if (found === 0 || shard.isExpired(found)) {
        return ({ reply }) => reply.boolean(false);
      }
      const { encoding, tag, value } = blocks.copyOf(found);
      return await removing(value.length, room, async () => {
        await this.#tier.remove(key, false);
        const left = contents.find(source);
        if (left !== 0) shard.remove(left, 'delete');
        return ({ reply }) => reply.entry(encoding, keyBytes, tag, value);
      });
    });
  }

  /** Whatever goes wrong in the world becomes an answer. */
  async #part(later: Promise<Say>, asker: Asker, room: ReplyRoom): Promise<ReplyPart> {
    let say: Say;
    try {
      say = await later;
    } catch (error) {
      say = failing(error);
    }
    this.#answers.begin(asker);
    this.#answers.reply.writeInto(room);
    say(this.#answers);
    return this.#answers.reply.take();
  }
}

async function said(count: Promise<number>): Promise<Say> {
  const number = await count;
  return ({ reply }) => reply.number(number);
}

function failing(error: unknown): Say {
  if (error instanceof CacheError) {
    return (answers) => answers.fail(error.code, error.message);
  }
  if (error instanceof PolicyFault) {
    return (answers) => answers.fail('POLICY_ERROR', error.message);
  }
  throw error;
}
