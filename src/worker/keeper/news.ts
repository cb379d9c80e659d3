/**
 * What goes to the owner of one shard: all that was said in one turn of the event loop is one message, in the order in which it
 * was said, and the bytes of values are one buffer beside it, which is transferred.
 *
 * The order matters where others write to the tier: an entry that was read before a change is in front of that change.
 */
import type { TierAnswer, TierNews } from '../../protocol/tier.ts';
import type { SessionPort } from './session-port.ts';

/** Above that a message goes before the turn is over. One value may be larger. */
const NEWS_BYTES_MAX = 64 * 1024 * 1024;

export class News {
  readonly #port: SessionPort;
  #answers: TierAnswer[] = [];
  #values: Uint8Array[] = [];
  #byteLength = 0;
  #isDue = false;

  constructor(port: SessionPort) {
    this.#port = port;
  }

  tell(answer: TierAnswer, values: readonly Uint8Array[] = []): void {
    this.#answers.push(answer);
    for (const value of values) {
      this.#values.push(value);
      this.#byteLength += value.length;
    }
    if (this.#byteLength > NEWS_BYTES_MAX) {
      this.#send();
    } else if (!this.#isDue) {
      this.#isDue = true;
      setImmediate(() => {
        this.#isDue = false;
        this.#send();
      });
    }
  }

  #send(): void {
    if (this.#answers.length === 0) {
      return;
    }
    const bytes = new Uint8Array(this.#byteLength);
    let at = 0;
    for (const value of this.#values) {
      bytes.set(value, at);
      at += value.length;
    }
    const hashes = this.#answers.flatMap((answer) =>
      answer.is === 'hashes' ? [answer.hashes.buffer as ArrayBuffer] : [],
    );
    this.#port.postMessage({ answers: this.#answers, bytes } satisfies TierNews, [bytes.buffer, ...hashes]);
    this.#answers = [];
    this.#values = [];
    this.#byteLength = 0;
  }
}
