/**
 * One session at a time for each shard. The next one begins when all calls of the one before have ended, so that a write of
 * an owner that is gone never comes after one of its successor. A port's 'close' comes after its messages: what an owner has
 * sent before it was ended is still done.
 */
import type { TierAnswer } from '../../protocol/tier.ts';
import { type Desk, Session } from './session.ts';
import type { SessionPort } from './session-port.ts';

export class Sessions {
  readonly #desk: Desk;
  /** What a session is told before anything else. */
  readonly #greet: () => readonly TierAnswer[];
  readonly #current = new Map<number, Session>();
  /** When the last session of a shard has ended, those that have not begun included. */
  readonly #last = new Map<number, Promise<void>>();
  #isClosed = false;

  constructor(desk: Desk, greet: () => readonly TierAnswer[]) {
    this.#desk = desk;
    this.#greet = greet;
  }

  connect(shard: number, port: SessionPort): void {
    const session = new Session(shard, port, this.#desk);
    const before = this.#last.get(shard);
    if (before === undefined) {
      this.#begin(session);
    } else {
      void before.then(() => this.#begin(session));
    }
    this.#last.set(shard, session.ended);
  }

  tell(shard: number, answer: TierAnswer): void {
    this.#current.get(shard)?.tell(answer);
  }

  tellAll(answer: TierAnswer): void {
    for (const session of this.#current.values()) session.tell(answer);
  }

  /** Resolves when no call is under way. What comes now is not heard any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const sessions = Array.from(this.#current.values());
    for (const session of sessions) session.close();
    await Promise.all(sessions.map((session) => session.ended));
  }

  #begin(session: Session): void {
    if (this.#isClosed) {
      return session.close();
    }
    this.#current.set(session.shard, session);
    session.begin(this.#greet());
  }
}
