/** An owner of a shard as a keeper sees it: calls by a port, and the news that come back. */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { bytesBeside, type TierAnswer, type TierBatch, type TierCall, type TierNews } from '../../src/protocol/tier.ts';
import { TAG_BUFFER } from '../../src/protocol/value-tags.ts';

export const FOR_EVER = Number.POSITIVE_INFINITY;

type WithoutId<T> = T extends { readonly id: number } ? Omit<T, 'id'> : never;
/** A call without its number. */
export type Asked = WithoutId<TierCall>;

export interface Heard {
  readonly answer: TierAnswer;
  /** Of an entry, or of all entries of a page. */
  readonly bytes: Buffer;
}

export class TierOwner {
  /** Everything in the order in which it came. */
  readonly heard: Heard[] = [];
  /** How many messages it came in. */
  messages = 0;
  readonly #port: MessagePort;
  readonly #waiting: { readonly is: (heard: Heard) => boolean; readonly resolve: (heard: Heard) => void }[] = [];
  #last = 0;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (news: TierNews) => {
      this.messages++;
      let at = 0;
      for (const answer of news.answers) {
        const length = bytesBeside(answer);
        this.#hear({ answer, bytes: Buffer.from(news.bytes.subarray(at, at + length)) });
        at += length;
      }
    });
  }

  ask(asked: Asked, bytes: Uint8Array = new Uint8Array(0)): Promise<Heard> {
    const [answer] = this.askAll([asked], bytes);
    return answer as Promise<Heard>;
  }

  /** In one message. */
  askAll(all: readonly Asked[], bytes: Uint8Array = new Uint8Array(0)): Promise<Heard>[] {
    const calls = all.map((asked) => ({ ...asked, id: ++this.#last }) as TierCall & { id: number });
    const answers = calls.map(({ id }) => this.when(({ answer }) => 'id' in answer && answer.id === id));
    this.#port.postMessage({ calls, bytes } satisfies TierBatch);
    return answers;
  }

  set(key: string, text: string, { expiresAtMs = FOR_EVER, slideMs = 0 } = {}): Promise<Heard> {
    const bytes = Buffer.from(text);
    const head = { tag: TAG_BUFFER, byteLength: bytes.length, expiresAtMs, slideMs };
    return this.ask({ is: 'set', key, head }, bytes);
  }

  get(key: string, nowMs = 0): Promise<Heard> {
    return this.ask({ is: 'get', key, nowMs });
  }

  /** The value as text; undefined for nothing; throws what has failed. */
  async read(key: string, nowMs = 0): Promise<string | undefined> {
    const { answer, bytes } = await this.get(key, nowMs);
    if (answer.is === 'failed') throw Object.assign(new Error(answer.error.message), answer.error);
    return answer.is === 'entry' ? bytes.toString() : undefined;
  }

  delete(key: string, tells = true, nowMs = 0): Promise<Heard> {
    return this.ask({ is: 'delete', key, tells, nowMs });
  }

  /** Whatever it is. */
  post(message: unknown): void {
    this.#port.postMessage(message);
  }

  when(is: (heard: Heard) => boolean): Promise<Heard> {
    return new Promise((resolve) => this.#waiting.push({ is, resolve }));
  }

  end(): void {
    this.#port.close();
  }

  #hear(heard: Heard): void {
    this.heard.push(heard);
    for (const [i, { is, resolve }] of this.#waiting.entries()) {
      if (is(heard)) {
        this.#waiting.splice(i, 1);
        return resolve(heard);
      }
    }
  }
}

/** An owner and the port that the keeper gets. */
export function tierOwner(): { owner: TierOwner; port: MessagePort } {
  const { port1, port2 } = new MessageChannel();
  return { owner: new TierOwner(port1), port: port2 };
}
