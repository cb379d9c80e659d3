/**
 * An owner's way to the keeper of the tier: calls of one turn are one message, answers come in any order, and what cannot be
 * answered any more rejects. Of calls that wait there are never more than those that clients wait for.
 *
 * While the keeper is away, because it has died and is being started again, every call rejects at once.
 */
import type { MessagePort } from 'node:worker_threads';
import { CacheError } from '../../protocol/errors.ts';
import {
  bytesBeside,
  type TierAnswer,
  type TierBatch,
  type TierCall,
  type TierEntry,
  type TierHead,
  type TierNews,
  type TierPageEntry,
} from '../../protocol/tier.ts';

/** An owner that waits gets on with its work all the same: it says so this often. */
const BEAT_MS = 25;
const NOTHING = new Uint8Array(0);

/** What the keeper says without being asked. */
export interface KeeperAudience {
  /** This owner is alive, though it waits. */
  beat(): void;
  /** Others have written to these keys. */
  changed(keys: readonly string[]): void;
  /** Nobody tells of what others write, until `trusted`. */
  distrusted(): void;
  trusted(): void;
  /** Hashes of keys that are in the tier; none of the list is missing after the last. */
  listed(hashes: Int32Array, isLast: boolean): void;
  /** The list will not be told to its end. */
  unlisted(): void;
}

export interface TierPage {
  /** 0: there is no next one. */
  readonly scan: number;
  readonly entries: readonly { readonly key: string; readonly entry: TierEntry | undefined }[];
}

type Answered = Extract<TierAnswer, { readonly id: number }>;
type Asked = Extract<TierCall, { readonly id: number }>;

interface Told {
  readonly answer: Answered;
  readonly bytes: Uint8Array;
}

interface Waiter {
  resolve(told: Told): void;
  reject(error: CacheError): void;
}

export class KeeperPort {
  readonly #audience: KeeperAudience;
  #port: MessagePort | undefined;
  #id = 0;
  readonly #waiters = new Map<number, Waiter>();
  #calls: TierCall[] = [];
  #values: Uint8Array[] = [];
  #isLeaving = false;
  #beat: NodeJS.Timeout | undefined;

  constructor(audience: KeeperAudience) {
    this.#audience = audience;
  }

  /** From now on calls go by this port. */
  connect(port: MessagePort): void {
    const before = this.#port;
    this.#lose();
    before?.close();
    this.#port = port;
    port.on('message', (news: TierNews) => this.#hear(news));
    port.on('close', () => {
      if (port === this.#port) this.#lose();
    });
  }

  /** Without an entry: there is none, or its time is over by `nowMs`. */
  async get(key: string, nowMs: number): Promise<TierEntry | undefined> {
    const { answer, bytes } = await this.#ask({ is: 'get', id: ++this.#id, key, nowMs });
    return answer.is === 'entry' ? entryOf(answer.head, bytes) : undefined;
  }

  /** The bytes stay as they are until it has resolved. */
  set(key: string, { tag, expiresAtMs, slideMs, bytes }: TierEntry): Promise<unknown> {
    const head: TierHead = { tag, expiresAtMs, slideMs, byteLength: bytes.length };
    return this.#ask({ is: 'set', id: ++this.#id, key, head }, bytes);
  }

  /** Whether there was one that lives at `nowMs`; without `tells` nobody looks. */
  async delete(key: string, tells: boolean, nowMs: number): Promise<boolean> {
    const { answer } = await this.#ask({ is: 'delete', id: ++this.#id, key, tells, nowMs });
    return answer.is === 'done';
  }

  /** Removes all keys of this shard, and says how many there were. */
  clear(): Promise<number> {
    return this.#count({ is: 'clear', id: ++this.#id });
  }

  /** Entries of the whole tier. */
  size(): Promise<number> {
    return this.#count({ is: 'size', id: ++this.#id });
  }

  cleanup(nowMs: number): Promise<number> {
    return this.#count({ is: 'cleanup', id: ++this.#id, nowMs });
  }

  async page(scan: number, entries: number, keysOnly: boolean, nowMs: number): Promise<TierPage> {
    const { answer, bytes } = await this.#ask({ is: 'page', id: ++this.#id, scan, entries, keysOnly, nowMs });
    if (answer.is !== 'page') {
      throw unexpected(answer.is);
    }
    let at = 0;
    const take = ({ key, head }: TierPageEntry) => {
      const from = at;
      at += head?.byteLength ?? 0;
      return { key, entry: head && entryOf(head, bytes.subarray(from, at)) };
    };
    return { scan: answer.scan, entries: answer.entries.map(take) };
  }

  /** An entry that slides is to live until then. Nobody waits for it. */
  slide(key: string, expiresAtMs: number): void {
    if (this.#port !== undefined) {
      this.#send({ is: 'slide', key, expiresAtMs });
    }
  }

  /** Lets the audience be told the hashes of all keys of this shard. */
  listHashes(): void {
    if (this.#port === undefined) {
      this.#audience.unlisted();
    } else {
      this.#send({ is: 'hashes' });
    }
  }

  async #count(call: Asked): Promise<number> {
    const { answer } = await this.#ask(call);
    if (answer.is !== 'count') {
      throw unexpected(answer.is);
    }
    return answer.count;
  }

  #ask(call: Asked, value?: Uint8Array): Promise<Told> {
    return new Promise((resolve, reject) => {
      if (this.#port === undefined) {
        return reject(away('not-sent'));
      }
      this.#waiters.set(call.id, { resolve, reject });
      this.#beat ??= setInterval(() => this.#beatOrRest(), BEAT_MS);
      if (value !== undefined) this.#values.push(value);
      this.#send(call);
    });
  }

  #send(call: TierCall): void {
    this.#calls.push(call);
    if (!this.#isLeaving) {
      this.#isLeaving = true;
      process.nextTick(() => this.#leave());
    }
  }

  #leave(): void {
    this.#isLeaving = false;
    const bytes = joined(this.#values);
    const batch: TierBatch = { calls: this.#calls, bytes };
    this.#calls = [];
    this.#values = [];
    this.#port?.postMessage(batch, bytes.length === 0 ? [] : [bytes.buffer as ArrayBuffer]);
  }

  #hear({ answers, bytes }: TierNews): void {
    let at = 0;
    for (const answer of answers) {
      const from = at;
      at += bytesBeside(answer);
      if ('id' in answer) {
        this.#settle(answer, from === at ? NOTHING : bytes.subarray(from, at));
      } else {
        this.#tell(answer);
      }
    }
  }

  #settle(answer: Answered, bytes: Uint8Array): void {
    const waiter = this.#waiters.get(answer.id);
    this.#waiters.delete(answer.id);
    if (answer.is === 'failed') {
      waiter?.reject(new CacheError(answer.error.code, answer.error.message, { outcome: 'unknown' }));
    } else {
      waiter?.resolve({ answer, bytes });
    }
  }

  #tell(news: Exclude<TierAnswer, Answered>): void {
    const audience = this.#audience;
    switch (news.is) {
      case 'changed':
        return audience.changed(news.keys);
      case 'distrusted':
        return audience.distrusted();
      case 'trusted':
        return audience.trusted();
      case 'hashes':
        return audience.listed(news.hashes, news.isLast);
      case 'unlisted':
        return audience.unlisted();
    }
  }

  /** Nothing more will come by the port there was. */
  #lose(): void {
    if (this.#port === undefined) {
      return;
    }
    this.#port = undefined;
    this.#calls = [];
    this.#values = [];
    this.#rest();
    const waiters = [...this.#waiters.values()];
    this.#waiters.clear();
    for (const waiter of waiters) {
      waiter.reject(away('unknown'));
    }
    this.#audience.unlisted();
    this.#audience.distrusted();
  }

  /** Nobody waits: it rests. Not before, since calls that come one at a time would each have a timer of their own. */
  #beatOrRest(): void {
    if (this.#waiters.size === 0) this.#rest();
    else this.#audience.beat();
  }

  #rest(): void {
    clearInterval(this.#beat);
    this.#beat = undefined;
  }
}

function entryOf({ tag, expiresAtMs, slideMs }: TierHead, bytes: Uint8Array): TierEntry {
  return { tag, expiresAtMs, slideMs, bytes };
}

/** In a buffer of their own, which can be transferred. */
function joined(values: readonly Uint8Array[]): Uint8Array {
  if (values.length === 0) {
    return NOTHING;
  }
  const bytes = new Uint8Array(values.reduce((sum, value) => sum + value.length, 0));
  let at = 0;
  for (const value of values) {
    bytes.set(value, at);
    at += value.length;
  }
  return bytes;
}

function away(outcome: 'not-sent' | 'unknown'): CacheError {
  const message = 'The thread that has the tier ended, and is being started again. Next: try again';
  return new CacheError('ENGINE_ERROR', message, { outcome });
}

function unexpected(what: string): CacheError {
  return new CacheError('PROTOCOL_ERROR', `The keeper of the tier answered '${what}' where a count or a page was due`);
}
