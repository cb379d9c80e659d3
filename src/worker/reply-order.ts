/**
 * The replies to one client, in the order of its frames: a client knows a reply by its place. Where the shard has a tier some
 * frames are answered later than the next one could be.
 */
type Reply = number | Uint8Array;

export class ReplyOrder {
  /** The last reply that is not there yet. */
  #last: Promise<Reply> | undefined;

  /** The reply, when all those before it are there. */
  follow(reply: Reply | Promise<Reply>): Reply | Promise<Reply> {
    const before = this.#last;
    if (before === undefined && !(reply instanceof Promise)) {
      return reply;
    }
    const own: Promise<Reply> = before === undefined ? (reply as Promise<Reply>) : before.then(() => reply);
    this.#last = own;
    const forget = () => {
      if (this.#last === own) this.#last = undefined;
    };
    own.then(forget, forget);
    return own;
  }
}
