/**
 * Is there an order in which everything that clients did to one key could have happened, each step at one moment between
 * its call and its return, such that every result is what a key would have answered?
 *
 * The search is that of Wing and Gong ("Testing and Verifying Concurrent Objects", 1993) in Lowe's form ("Testing for
 * Linearizability", 2017), as Porcupine has it: place one step after another, each of them one that no step left out
 * had to precede; give up on what has been tried, known by the set of steps placed and the state they lead to. Two
 * things keep it short, and neither changes a verdict:
 * - A read that is legal now is placed now. Nothing is lost: it changes nothing, and holds up whoever comes after it.
 * - A step that need not have happened is placed only directly before one that shows it: else it could be left out.
 *
 * To judge is NP-hard in general, so the search has a budget of nodes. To pass it is an error, not a verdict.
 * What a step may be, and where the model is more lenient than a shard: key-history.ts.
 */
import { ABSENT, type KeyState, type Operation, type Step, type StepOptions, shown, stepsOf } from './key-history.ts';

export interface JudgeOptions extends Partial<StepOptions> {
  /** Places that the search may look at: a history of 70 operations by four clients takes about 100. */
  readonly nodesMax?: number;
}

export interface Verdict {
  readonly isLegal: boolean;
  readonly nodes: number;
}

const NODES_MAX = 1_000_000;
/** For each of the many searches of an explanation: one that takes longer only makes it longer. */
const EXPLAIN_NODES_MAX = 2_000;

/** Program order is part of the verdict, unless told otherwise. Throws SearchTooLong. */
export function judge(history: readonly Operation[], options: JudgeOptions = {}): Verdict {
  const { nodesMax = NODES_MAX } = options;
  return new Search(stepsOf(history, stepOptions(options)), nodesMax).run();
}

export class SearchTooLong extends Error {
  constructor(nodesMax: number) {
    super(`No verdict after ${nodesMax} nodes: give it more, or make fewer operations overlap`);
  }
}

/**
 * A violation as a story: the first moment at which no order was left, and as few of the steps before it as show that. A
 * step that it leaves out may have happened at any time, or never: no order would be legal for all that.
 */
export function explain(history: readonly Operation[], options: JudgeOptions = {}): string {
  const inOrder = stepOptions(options);
  const isOfOrder = inOrder.programOrder && judge(history, { ...options, programOrder: false }).isLegal;
  const all = stepsOf(history, inOrder);
  const facts = new Map(all.map((step) => [step.id, step]));
  const steps = shortestPrefix(all);
  const culprit = steps.filter(({ required }) => required).reduce((last, step) => (step.to > last.to ? step : last));
  const kept = fewest(steps, culprit);
  const zeroAt = Math.min(...history.map(({ calledAt }) => calledAt));
  const wanted = new Set(kept.flatMap(({ required, reads }) => (required ? reads : [])));
  const sources = kept.filter(({ required, writes }) => required || writes.some((value) => wanted.has(value)));
  const grants = new Set(sources.flatMap(({ operation, after }) => (operation.kind === 'getOrSet' ? after : [])));
  const told = kept.filter(
    (step) => sources.includes(step) || (grants.has(step.id) && step.operation.kind === 'getOrSet'),
  );
  const lines = told.map((step) => {
    const note = step === culprit ? 'cannot be placed' : step.required ? '' : 'whenever it came, if it did';
    return line(facts.get(step.id) as Step, zeroAt, note);
  });
  const rest = steps.length - told.length;
  const broken = isOfOrder ? 'the order of one client’s calls is not kept' : 'not linearizable';
  return [`${broken}; times in ms:`, ...lines, ...(rest > 0 ? [`  and ${rest} steps that cannot help`] : [])].join(
    '\n',
  );
}

function stepOptions({ lossy = false, programOrder = true }: JudgeOptions): StepOptions {
  return { lossy, programOrder };
}

function line({ operation, told, from, to }: Step, zeroAt: number, note: string): string {
  const end = to === Number.POSITIVE_INFINITY ? 'any time' : (to - zeroAt).toFixed(3);
  const when = `${(from - zeroAt).toFixed(3)} .. ${end}`.padEnd(22);
  return `  ${when} client ${operation.client}  ${told}${note === '' ? '' : `   <- ${note}`}`;
}

/** What had happened, and what had begun, at the first return after which nothing is legal. */
function shortestPrefix(steps: readonly Step[]): readonly Step[] {
  const ends = [...new Set(steps.filter(({ required }) => required).map(({ to }) => to))].sort((a, b) => a - b);
  let low = 0;
  let high = ends.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isLegal(until(steps, ends[middle] as number))) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return until(steps, ends[low] as number);
}

function until(steps: readonly Step[], time: number): readonly Step[] {
  return steps.filter(({ from }) => from <= time).map((step) => (step.to > time ? relaxed(step) : step));
}

/** Not required any more: where a history was legal, it still is. */
function relaxed(step: Step): Step {
  return { ...step, required: false, to: Number.POSITIVE_INFINITY };
}

function fewest(steps: readonly Step[], culprit: Step): readonly Step[] {
  let kept = steps.filter(({ required, pure }) => required || !pure);
  for (const step of kept) {
    if (step !== culprit && step.required) {
      const without = kept.flatMap((each) => (each !== step ? [each] : step.pure ? [] : [relaxed(step)]));
      if (!isLegal(without)) {
        kept = without;
      }
    }
  }
  return kept;
}

/** A search that takes too long counts as legal: what it was to leave out stays. */
function isLegal(steps: readonly Step[]): boolean {
  try {
    return new Search(steps, EXPLAIN_NODES_MAX).run().isLegal;
  } catch (error) {
    if (!(error instanceof SearchTooLong)) throw error;
    return true;
  }
}

/** Places steps, ordered by `from`. A set of steps is a bit each. */
class Search {
  readonly #steps: readonly Step[];
  /** By step, the places of those that it comes after. */
  readonly #after: number[][];
  readonly #nodesMax: number;
  readonly #required: number;
  readonly #tried = new Set<string>();
  #nodes = 0;

  constructor(steps: readonly Step[], nodesMax: number) {
    this.#steps = steps;
    this.#nodesMax = nodesMax;
    this.#required = steps.filter(({ required }) => required).length;
    const places = new Map(steps.map(({ id }, i) => [id, i]));
    this.#after = steps.map(({ after }) =>
      after.map((id) => places.get(id) ?? -1).filter((i) => steps[i]?.required === true),
    );
  }

  run(): Verdict {
    const isLegal = this.#place(new Uint32Array((this.#steps.length + 31) >>> 5), this.#required, ABSENT, undefined);
    return { isLegal, nodes: this.#nodes };
  }

  /**
   * Whether what is left can follow. `before` is the state before the last step, if that need not have happened: the next
   * one must show that it did.
   */
  #place(placed: Uint32Array, left: number, state: KeyState, before: KeyState | undefined): boolean {
    if (++this.#nodes > this.#nodesMax) {
      throw new SearchTooLong(this.#nodesMax);
    }
    const reads = this.#placeReads(placed, state);
    const shown = reads > 0 ? undefined : before;
    if (left === reads) {
      return true;
    }
    const key = `${placed.join()} ${keyOf(state)} ${shown === undefined ? '' : keyOf(shown)}`;
    if (this.#tried.has(key)) {
      return false;
    }
    this.#tried.add(key);
    for (const { i, step, next } of this.#choices(placed, state, shown)) {
      const more = placed.slice();
      add(more, i);
      if (this.#place(more, step.required ? left - reads - 1 : left - reads, next, step.required ? undefined : state)) {
        return true;
      }
    }
    return false;
  }

  /** Places all reads that are legal, and says how many. */
  #placeReads(placed: Uint32Array, state: KeyState): number {
    for (let reads = 0; ; ) {
      const legal = this.#enabled(placed).filter((i) => {
        const step = this.#steps[i] as Step;
        return step.required && step.pure && step.apply(state) !== undefined;
      });
      if (legal.length === 0) {
        return reads;
      }
      reads += legal.length;
      for (const i of legal) {
        add(placed, i);
      }
    }
  }

  /** Whoever must be done soonest first, and whoever need not have been last. */
  #choices(
    placed: Uint32Array,
    state: KeyState,
    before: KeyState | undefined,
  ): { i: number; step: Step; next: KeyState }[] {
    const choices: { i: number; step: Step; next: KeyState }[] = [];
    for (const i of this.#enabled(placed)) {
      const step = this.#steps[i] as Step;
      const next = step.pure ? undefined : step.apply(state);
      if (next === undefined || (!step.required && keyOf(next) === keyOf(state))) {
        continue;
      }
      const otherwise = before === undefined ? undefined : step.apply(before);
      if (otherwise === undefined || keyOf(otherwise) !== keyOf(next)) {
        choices.push({ i, step, next });
      }
    }
    return choices.sort((a, b) => Number(b.step.required) - Number(a.step.required) || compare(a.step.to, b.step.to));
  }

  /** Steps that nobody who is left out had to precede. */
  #enabled(placed: Uint32Array): number[] {
    const open: number[] = [];
    let soonest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#steps.length; i++) {
      const { from, to, required } = this.#steps[i] as Step;
      if (from > soonest) {
        break;
      }
      if (!has(placed, i)) {
        open.push(i);
        soonest = required ? Math.min(soonest, to) : soonest;
      }
    }
    return open.filter((i) => {
      const isInTime = (this.#steps[i] as Step).from <= soonest;
      return isInTime && (this.#after[i] as number[]).every((each) => has(placed, each));
    });
  }
}

function keyOf({ value, fresh }: KeyState): string {
  return value === undefined ? fresh.join() : `= ${shown(value)}`;
}

function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function has(set: Uint32Array, i: number): boolean {
  return ((set[i >>> 5] as number) & (1 << (i & 31))) !== 0;
}

function add(set: Uint32Array, i: number): void {
  set[i >>> 5] = (set[i >>> 5] as number) | (1 << (i & 31));
}
