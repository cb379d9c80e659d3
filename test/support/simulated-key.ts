/**
 * One key of a perfect shard with clients in simulated time: calls travel, are applied one at a time, and answers travel
 * back. What comes out is a history that is legal by construction, as a checker must say.
 */
import type { Operation, Run, Value } from './key-history.ts';
import type { Random } from './random.ts';

export interface SimulatedKeyOptions {
  readonly operations: number;
  readonly clients: number;
  /** One operation in so many is never answered; Infinity for none. */
  readonly unknownOneIn: number;
}

interface Event {
  readonly at: number;
  readonly run: (at: number) => void;
}

interface Lease {
  readonly value: Value;
  counts: boolean;
  readonly waiters: ((value: Value, at: number) => void)[];
}

/** The longest that a call or an answer travels, and a factory runs; calls of a client begin as far apart. */
const TRAVEL_MAX = 10;

export function simulateKey(random: Random, options: SimulatedKeyOptions): Operation[] {
  return new SimulatedKey(random, options).run();
}

class SimulatedKey {
  readonly #random: Random;
  readonly #options: SimulatedKeyOptions;
  readonly #history: Operation[] = [];
  readonly #events: Event[] = [];
  /** By client, when its last call arrived: those of one client arrive in order. */
  readonly #arrivals: number[];
  /** By client, when it will know of its last write. */
  readonly #known: number[];
  #value: Value | undefined;
  #lease: Lease | undefined;
  #values = 0;

  constructor(random: Random, options: SimulatedKeyOptions) {
    this.#random = random;
    this.#options = options;
    this.#arrivals = new Array(options.clients).fill(0);
    this.#known = new Array(options.clients).fill(0);
  }

  run(): Operation[] {
    const { operations, clients } = this.#options;
    for (let client = 0; client < clients; client++) {
      let calledAt = 0;
      for (let i = 0; i < operations / clients; i++) {
        calledAt += this.#travel();
        this.#at(calledAt, (at) => this.#call(client, at));
      }
    }
    for (let event = this.#next(); event !== undefined; event = this.#next()) {
      event.run(event.at);
    }
    return this.#history;
  }

  #call(client: number, calledAt: number): void {
    const choice = this.#random.below(10);
    if (choice < 3) {
      return this.#read(client, calledAt);
    }
    const arrivesAt = this.#arrive(client, calledAt);
    if (choice < 5) {
      return this.#compute(client, calledAt, arrivesAt);
    }
    const returnedAt = arrivesAt + this.#travel();
    const recorded = { client, calledAt, returnedAt } as const;
    if (this.#random.oneIn(this.#options.unknownOneIn)) {
      const value = this.#unique();
      this.#history.push({ ...recorded, outcome: 'unknown', kind: 'set', value });
      if (this.#random.oneIn(2)) {
        this.#at(arrivesAt + 5 * this.#travel(), () => this.#write(value));
      }
      return;
    }
    this.#known[client] = returnedAt;
    this.#at(arrivesAt, () => this.#history.push({ ...recorded, outcome: 'returned', ...this.#apply(choice) }));
  }

  /** From memory, at once, unless a write of its own is in flight. */
  #read(client: number, calledAt: number): void {
    const looks = (this.#known[client] as number) < calledAt;
    const seenAt = looks ? calledAt : this.#arrive(client, calledAt);
    const returnedAt = seenAt + this.#travel();
    const recorded = { client, outcome: 'returned', calledAt, returnedAt } as const;
    this.#at(seenAt, () => this.#history.push({ ...recorded, kind: 'get', result: this.#value }));
  }

  #apply(choice: number) {
    const before = this.#value;
    const value = this.#unique();
    if (choice === 5) {
      this.#write(undefined);
      return { kind: 'delete', result: before !== undefined } as const;
    }
    if (choice === 6 && before !== undefined) {
      return { kind: 'add', value, result: 'KEY_EXISTS' } as const;
    }
    if (choice === 7 && typeof before === 'string') {
      return { kind: 'increment', by: 1, result: 'NOT_A_NUMBER' } as const;
    }
    if (choice === 7) {
      const result = ((before as number | undefined) ?? 0) + 1;
      this.#write(result);
      return { kind: 'increment', by: 1, result } as const;
    }
    this.#write(value);
    return choice === 6 ? ({ kind: 'add', value, result: 'ADDED' } as const) : ({ kind: 'set', value } as const);
  }

  #compute(client: number, calledAt: number, arrivesAt: number): void {
    const runs: Run[] = [];
    const recorded = { client, outcome: 'returned', kind: 'getOrSet', calledAt, runs } as const;
    const settle = (result: Value, at: number) =>
      this.#history.push({ ...recorded, result, returnedAt: at + this.#travel() });
    this.#at(arrivesAt, (at) => {
      if (this.#value !== undefined) {
        settle(this.#value, at);
      } else if (this.#lease?.counts === true) {
        this.#lease.waiters.push(settle);
      } else {
        const lease: Lease = { value: this.#unique(), counts: true, waiters: [settle] };
        this.#lease = lease;
        const startedAt = at + this.#travel();
        const endedAt = startedAt + this.#travel();
        runs.push({ value: lease.value, startedAt, endedAt });
        this.#at(this.#arrive(client, endedAt), (filledAt) => this.#fill(lease, filledAt));
      }
    });
  }

  #fill(lease: Lease, at: number): void {
    if (lease.counts) {
      this.#write(lease.value);
    }
    for (const settle of lease.waiters) {
      settle(lease.value, at);
    }
  }

  #write(value: Value | undefined): void {
    this.#value = value;
    if (this.#lease !== undefined) {
      this.#lease.counts = false;
    }
  }

  /** A number now and then, for somebody to add to. */
  #unique(): Value {
    const id = ++this.#values;
    return id % 3 === 0 ? id * 1_000 : `v${id}`;
  }

  #travel(): number {
    return this.#random.fraction() * TRAVEL_MAX;
  }

  #arrive(client: number, sentAt: number): number {
    const arrivesAt = Math.max(sentAt, this.#arrivals[client] as number) + this.#travel();
    this.#arrivals[client] = arrivesAt;
    return arrivesAt;
  }

  #at(at: number, run: (at: number) => void): void {
    this.#events.push({ at, run });
  }

  #next(): Event | undefined {
    const soonest = this.#events.reduce((least, { at }, i, all) => (at < (all[least] as Event).at ? i : least), 0);
    return this.#events.splice(soonest, 1)[0];
  }
}
