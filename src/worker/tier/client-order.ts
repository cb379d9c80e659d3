/**
 * What one client has under way at a shard with a tier. Calls on keys overtake each other, but for those on the same key. A call that
 * looks at everything (a size, a page of a scan) comes after all that the client has called before it, and before all that
 * it calls later:
 *
 *     set a  ........
 *     set b  ....
 *     size           ..        after both
 *     set c            ....    after the size
 */
export class ClientOrder {
  readonly #underWay = new Set<Promise<unknown>>();
  /** The last look at everything that has not been answered. */
  #gate: Promise<unknown> | undefined;

  /** Whether nothing is under way. */
  get isIdle(): boolean {
    return this.#underWay.size === 0;
  }

  /** Whether a call on a key would have to wait for a look at everything. */
  get isGated(): boolean {
    return this.#gate !== undefined;
  }

  /** Begins a call on a key. */
  follow<T>(begin: () => Promise<T>): Promise<T> {
    return this.#keep(this.#gate === undefined ? begin() : this.#gate.then(begin));
  }

  /** Begins a look at everything. */
  followAll<T>(begin: () => Promise<T>): Promise<T> {
    const call = this.#keep(this.isIdle ? begin() : Promise.allSettled(this.#underWay).then(begin));
    const gate = call.then(ignore, ignore);
    this.#gate = gate;
    void gate.then(() => {
      if (this.#gate === gate) this.#gate = undefined;
    });
    return call;
  }

  #keep<T>(call: Promise<T>): Promise<T> {
    this.#underWay.add(call);
    const leave = () => void this.#underWay.delete(call);
    call.then(leave, leave);
    return call;
  }
}

/** Who made the call hears how it ended. */
function ignore(): void {}
