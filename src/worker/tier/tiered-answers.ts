/**
 * One record in, one result out, for a shard with a tier under it. What memory can answer alone is answered at once. What has to
 * wait becomes a part of the reply that is filled in later: calls on one key run one after another, in the order in which they
 * came, and those on all keys alone. The reply leaves when all its parts are there.
 */
import { KeyTurns } from '../../protocol/engines/key-turns.ts';
import { CacheError } from '../../protocol/errors.ts';
import type { FrameReader } from '../../protocol/frame.ts';
import {
  FLAG_MEMORY_ONLY,
  OP_CLEAR,
  OP_POP_ITEM,
  OP_SCAN,
  OP_SIZE,
  OP_TIER_CLEANUP,
  OP_TIER_SCAN,
  OP_TIER_SIZE,
} from '../../protocol/operations.ts';
import { joinParts, REPLY_BYTES_MAX, type ReplyPart } from '../../protocol/reply.ts';
import type { Answers } from '../answers.ts';
import { PolicyFault } from '../guarded-policy.ts';
import type { Asker } from '../leases.ts';
import type { Shard } from '../shard.ts';
import { DetachedFrame } from './detached.ts';
import { type Say, Through } from './through.ts';
import { idOf, type Tier, tierKeyOf } from './tier.ts';
import { tierPage } from './tier-page.ts';

export class TieredAnswers {
  readonly #shard: Shard;
  readonly #answers: Answers;
  readonly #tier: Tier;
  readonly #through: Through;
  readonly #turns = new KeyTurns<number>();
  readonly #frame = new DetachedFrame();
  /** Of the present frame, once one of its records had to wait. */
  #parts: (ReplyPart | Promise<ReplyPart>)[] = [];
  #asker: Asker | undefined;

  constructor(shard: Shard, answers: Answers, tier: Tier) {
    this.#shard = shard;
    this.#answers = answers;
    this.#tier = tier;
    this.#through = new Through(shard, tier);
  }

  begin(asker: Asker): void {
    this.#asker = asker;
    this.#frame.begin();
    this.#answers.begin(asker);
  }

  refuse(message: string): number | Uint8Array {
    return this.#answers.refuse(message);
  }

  /** The reply to all records since the last one, in order. */
  seal(): number | Uint8Array | Promise<number | Uint8Array> {
    if (this.#parts.length === 0) {
      return this.#answers.seal();
    }
    const parts = [...this.#parts, this.#answers.reply.take()];
    this.#parts = [];
    return Promise.all(parts).then((all) => joinParts(this.#bounded(all)));
  }

  add(record: FrameReader): void {
    const later = this.#later(record);
    if (later === undefined) {
      this.#answers.add(record);
    } else {
      if (!this.#answers.reply.isEmpty) this.#parts.push(this.#answers.reply.take());
      this.#parts.push(this.#part(later, this.#asker as Asker));
    }
  }

  /** The result of what has to wait; undefined where memory answers. */
  #later(record: FrameReader): Promise<Say> | undefined {
    const { keeper, wall } = this.#tier;
    if (this.#through.concerns(record)) {
      const id = idOf(record);
      if (this.#turns.isFree(id) && this.#through.isInMemory(record)) {
        return undefined;
      }
      const own = this.#frame.detach(record);
      return this.#turns.run(id, () => this.#through.perform(own)) as Promise<Say>;
    }
    switch (record.op) {
      case OP_POP_ITEM:
        return this.#popItem();
      case OP_CLEAR:
        return (record.flags & FLAG_MEMORY_ONLY) === 0
          ? this.#turns.runAlone(() => said(this.#tier.clear()))
          : undefined;
      case OP_TIER_SIZE:
        return this.#turns.idle().then(() => said(keeper.size()));
      case OP_TIER_CLEANUP:
        return this.#turns.idle().then(() => said(keeper.cleanup(wall.now())));
      case OP_TIER_SCAN:
        return this.#page(this.#frame.detach(record));
      case OP_SCAN:
      case OP_SIZE:
        return this.#turns.isIdle ? undefined : this.#inOrder(this.#frame.detach(record));
      default:
        return undefined;
    }
  }

  async #page(record: FrameReader): Promise<Say> {
    await this.#turns.idle();
    return await tierPage(this.#tier, record);
  }

  /** What looks at all of memory sees what came before it, also what still waits for the tier, and nothing of what came later. */
  #inOrder(record: FrameReader): Promise<Say> {
    return this.#turns.runAlone(async () => (answers) => answers.add(record));
  }

  /** Memory chooses the entry. Where it has gone by the time that it is this call's turn, the client asks again. */
  async #popItem(): Promise<Say> {
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
      await this.#tier.remove(key, false);
      const left = contents.find(source);
      if (left !== 0) shard.remove(left, 'delete');
      return ({ reply }) => reply.entry(encoding, keyBytes, tag, value);
    });
  }

  /** Whatever goes wrong in the world becomes an answer. */
  async #part(later: Promise<Say>, asker: Asker): Promise<ReplyPart> {
    let say: Say;
    try {
      say = await later;
    } catch (error) {
      say = failing(error);
    }
    this.#answers.begin(asker);
    say(this.#answers);
    return this.#answers.reply.take();
  }

  /** What does not fit into one reply any more becomes an error. */
  #bounded(parts: readonly ReplyPart[]): ReplyPart[] {
    let bytes = 0;
    return parts.map((part) => {
      if (bytes > 0 && bytes + part.body.length > REPLY_BYTES_MAX && part.count === 1) {
        const message = `The values asked for at once are more than ${REPLY_BYTES_MAX} bytes: ask for fewer`;
        this.#answers.fail('OVERLOADED', message);
        return this.#answers.reply.take();
      }
      bytes += part.body.length;
      return part;
    });
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
