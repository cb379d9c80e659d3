/**
 * What clients did to one key and what came of it, taken apart into steps: each of them happens at one moment, and either
 * is legal there or not. linearizability.ts looks for moments that make all of them legal.
 *
 * Most operations are one step between call and return. A getOrSet is more, as it is no atomic read-modify-write: each run
 * of its own factory is a `grant`, where the key is absent, before the factory began, and a `fill` after it ended, which
 * stores the value if nobody wrote to the key in between. A value that none of its own runs made was `obtained`: it was
 * there, or its computation was fresh, at some moment of the call. A computation is fresh from its grant until somebody
 * writes to the key (set, delete, add, increment, another's fill), so whoever asks after a write was acknowledged never
 * gets what was computed before it.
 *
 * An operation whose outcome is unknown happens at any moment after its call, or never; one that was not sent never does.
 * The key is absent at first. Values that are written are written once, so that each names its writer.
 *
 * More lenient than a shard is, where the truth cannot be known from outside:
 * - A crash ends leases, and so does a client that gives up asking for one. In a history with an unknown outcome, and where
 *   it is said to be `lossy`, a fill may be lost and a computation may begin beside a fresh one. Without either, a key is
 *   computed once at a time, and what was computed is stored before its caller returns.
 * - A caller whose factory ran and who got another value is not judged by the first.
 * - Errors of factories, ttl, evictions and leases that end by time (30 s) are not in the model.
 *
 * Program order, which the cache promises for one client and one key, is a condition of its own: a write comes after what
 * its client called before, a read after its client's writes. Two reads of one client may change places, as one may have
 * been answered from memory and the other by the owner.
 */

export type Value = string | number;

/** One run of the factory that a caller of getOrSet brought. */
export interface Run {
  readonly value: Value;
  readonly startedAt: number;
  /** Infinity for one that had not ended when all else had. */
  readonly endedAt: number;
}

interface Recorded {
  readonly client: number;
  /** Results mean nothing unless it returned. */
  readonly outcome: 'returned' | 'unknown' | 'not-sent';
  /** By one clock for all clients. */
  readonly calledAt: number;
  readonly returnedAt: number;
}

export type Operation = Recorded &
  (
    | { readonly kind: 'get' | 'getSync'; readonly result?: Value | undefined }
    | { readonly kind: 'set'; readonly value: Value }
    | { readonly kind: 'delete'; readonly result?: boolean }
    | { readonly kind: 'add'; readonly value: Value; readonly result?: 'ADDED' | 'KEY_EXISTS' }
    | { readonly kind: 'increment'; readonly by: number; readonly result?: number | 'NOT_A_NUMBER' }
    | { readonly kind: 'getOrSet'; readonly runs: readonly Run[]; readonly result?: Value }
  );

/** What is known of a key at a moment: where there is a value, nothing is fresh. */
export interface KeyState {
  readonly value: Value | undefined;
  /** Computations that were begun since the last write, by their number, ascending. */
  readonly fresh: readonly number[];
}

export const ABSENT: KeyState = { value: undefined, fresh: [] };

export interface Step {
  readonly id: number;
  readonly operation: Operation;
  /** For people. */
  readonly told: string;
  /** It happens no earlier than `from` and no later than `to`, Infinity for ever. */
  readonly from: number;
  readonly to: number;
  /** Whether it did happen. */
  readonly required: boolean;
  /** Leaves the key as it is, whenever it is legal. */
  readonly pure: boolean;
  /** Steps that come before it, if they are required: by program order, or a grant before its fill. */
  readonly after: readonly number[];
  /** Values that somebody else must have written, for it to be legal. */
  readonly reads: readonly Value[];
  /** Values that it may write. */
  readonly writes: readonly Value[];
  /** What it makes of the key; undefined where it is not legal. */
  readonly apply: (state: KeyState) => KeyState | undefined;
}

export interface StepOptions {
  /** Whether leases may have ended, and fills been lost, without anybody having been told. */
  readonly lossy: boolean;
  readonly programOrder: boolean;
}

/** Ordered by the earliest moment of each. */
export function stepsOf(history: readonly Operation[], { lossy, programOrder }: StepOptions): Step[] {
  const computations = new Map<Value, number>();
  for (const operation of history) {
    for (const { value } of operation.kind === 'getOrSet' ? operation.runs : []) {
      computations.set(value, computations.size);
    }
  }
  const lenient = lossy || history.some(({ outcome }) => outcome === 'unknown');
  const order = new ProgramOrder(programOrder);
  const steps: Step[] = [];
  for (const operation of history.toSorted((a, b) => a.calledAt - b.calledAt)) {
    if (operation.kind === 'getOrSet') {
      const after = order.afterWrites(operation.client);
      steps.push(...stepsOfGetOrSet(operation, computations, lenient, after, steps.length));
      continue;
    }
    const step = stepOf(operation, order, steps.length);
    if (step !== undefined) {
      order.note(step);
      steps.push(step);
    }
  }
  return steps.sort((a, b) => a.from - b.from);
}

type GetOrSet = Extract<Operation, { kind: 'getOrSet' }>;

function stepsOfGetOrSet(
  operation: GetOrSet,
  computations: ReadonlyMap<Value, number>,
  lenient: boolean,
  after: readonly number[],
  firstId: number,
): Step[] {
  const { calledAt, returnedAt, outcome, result, runs } = operation;
  const steps: Step[] = [];
  for (const { value, startedAt, endedAt } of runs) {
    const computation = computations.get(value) as number;
    const grant = firstId + steps.length;
    steps.push({
      id: grant,
      operation,
      told: `getOrSet begins to compute ${shown(value)}`,
      from: calledAt,
      to: startedAt,
      required: true,
      pure: false,
      after,
      reads: [],
      writes: [],
      apply: ({ value: present, fresh }) =>
        present === undefined && (lenient || fresh.length === 0)
          ? { value: undefined, fresh: [...fresh, computation].sort((a, b) => a - b) }
          : undefined,
    });
    if (endedAt === Number.POSITIVE_INFINITY) {
      continue;
    }
    const required = !lenient && outcome === 'returned' && result === value;
    steps.push({
      id: grant + 1,
      operation,
      told: `getOrSet stores ${shown(value)}, unless there was a write since it began`,
      from: endedAt,
      to: required ? returnedAt : Number.POSITIVE_INFINITY,
      required,
      pure: false,
      after: [grant],
      reads: [],
      writes: [value],
      apply: (state) => (state.fresh.includes(computation) ? { value, fresh: [] } : state),
    });
  }
  if (outcome === 'returned' && runs.every(({ value }) => value !== result)) {
    const computation = computations.get(result as Value) ?? -1;
    steps.push({
      id: firstId + steps.length,
      operation,
      told: `getOrSet -> ${shown(result)}, which it did not compute`,
      from: calledAt,
      to: returnedAt,
      required: true,
      pure: true,
      after,
      reads: [result as Value],
      writes: [],
      apply: (state) => (state.value === result || state.fresh.includes(computation) ? state : undefined),
    });
  }
  return steps;
}

/** Undefined for one that never happened, or of which nobody knows what it saw. */
function stepOf(operation: Exclude<Operation, GetOrSet>, order: ProgramOrder, id: number): Step | undefined {
  const { client, outcome, calledAt, returnedAt, kind } = operation;
  const isRead = kind === 'get' || kind === 'getSync';
  const required = outcome === 'returned';
  if (outcome === 'not-sent' || (isRead && !required)) {
    return undefined;
  }
  return {
    id,
    operation,
    from: calledAt,
    to: required ? returnedAt : Number.POSITIVE_INFINITY,
    required,
    after: isRead ? order.afterWrites(client) : order.afterAll(client),
    ...effectOf(operation, required),
  };
}

type Effect = Pick<Step, 'told' | 'pure' | 'reads' | 'writes' | 'apply'>;

function effectOf(operation: Exclude<Operation, GetOrSet>, isKnown: boolean): Effect {
  switch (operation.kind) {
    case 'get':
    case 'getSync': {
      const { kind, result } = operation;
      const told = `${kind} -> ${shown(result)}`;
      return look(told, (value) => value === result, result === undefined ? [] : [result]);
    }
    case 'set': {
      const { value } = operation;
      return change(`set ${shown(value)}`, () => value, [value]);
    }
    case 'delete': {
      const { result } = operation;
      const told = `delete${isKnown ? ` -> ${result}` : ''}`;
      return change(told, (value) => (isKnown && (value !== undefined) !== result ? ILLEGAL : undefined));
    }
    case 'add': {
      const { value: added, result } = operation;
      if (result === 'KEY_EXISTS') {
        return look(`add ${shown(added)} -> KEY_EXISTS`, (value) => value !== undefined);
      }
      return change(`add ${shown(added)}`, (value) => (value === undefined ? added : ILLEGAL), [added]);
    }
    case 'increment':
      return incrementEffect(operation, isKnown);
  }
}

function incrementEffect({ by, result }: Extract<Operation, { kind: 'increment' }>, isKnown: boolean): Effect {
  const told = `increment by ${by}${isKnown ? ` -> ${result}` : ''}`;
  if (isKnown && result === 'NOT_A_NUMBER') {
    return look(told, (value) => typeof value === 'string');
  }
  const add = (value: Value | undefined) => {
    const sum = typeof value === 'string' ? ILLEGAL : (value ?? 0) + by;
    return isKnown && sum !== result ? ILLEGAL : sum;
  };
  // Whoever adds needs what was added to: the number itself, or the sum before.
  const sums = isKnown ? [result as number] : [];
  return { ...change(told, add, sums), reads: sums.map((sum) => sum - by) };
}

/** Reads and lets be. */
function look(told: string, isLegal: (value: Value | undefined) => boolean, reads: readonly Value[] = []): Effect {
  return { told, pure: true, reads, writes: [], apply: (state) => (isLegal(state.value) ? state : undefined) };
}

const ILLEGAL = Symbol('not legal here');

/** Writes, even where nothing was and nothing will be: whatever is being computed is no longer fresh. */
function change(
  told: string,
  next: (value: Value | undefined) => Value | undefined | typeof ILLEGAL,
  writes: readonly Value[] = [],
): Effect {
  const apply = ({ value }: KeyState): KeyState | undefined => {
    const changed = next(value);
    if (changed === ILLEGAL) {
      return undefined;
    }
    return changed === undefined ? ABSENT : { value: changed, fresh: [] };
  };
  return { told, pure: false, reads: [], writes, apply };
}

/** By client, the steps that its next one comes after. What may not have happened orders nothing. */
class ProgramOrder {
  readonly #isOn: boolean;
  readonly #lastWrites = new Map<number, number>();
  readonly #readsSince = new Map<number, number[]>();

  constructor(isOn: boolean) {
    this.#isOn = isOn;
  }

  afterWrites(client: number): readonly number[] {
    const write = this.#lastWrites.get(client);
    return write === undefined ? [] : [write];
  }

  afterAll(client: number): readonly number[] {
    return [...this.afterWrites(client), ...(this.#readsSince.get(client) ?? [])];
  }

  note({ id, required, operation: { client, kind } }: Step): void {
    if (!this.#isOn || !required) {
      return;
    }
    if (kind === 'get' || kind === 'getSync') {
      this.#readsSince.set(client, [...(this.#readsSince.get(client) ?? []), id]);
    } else {
      this.#lastWrites.set(client, id);
      this.#readsSince.delete(client);
    }
  }
}

export function shown(value: Value | undefined): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}
