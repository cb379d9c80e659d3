/**
 * What a memo tells of its calls: nothing, unless it is asked to, but for its own failures.
 *
 *     Cache hit (mem): K                 memoryHit  ?? hit
 *     Cache miss (mem): K                memoryMiss ?? miss
 *     Cache hit (disk: F): K             diskHit    ?? hit
 *     Cache miss (disk: F): K (fn)       diskMiss   ?? miss        `stack` adds who has called
 */
import { describeThrown } from '../../protocol/describe.ts';
import { misuse } from '../../protocol/errors.ts';

/** True tells the console. */
export type LogTo = boolean | ((message: string) => void);

export interface MemoLogOptions {
  /** Hits of both tiers, where they have no option of their own. Default false, as of all but `failure`. */
  readonly hit?: LogTo | undefined;
  readonly miss?: LogTo | undefined;
  readonly memoryHit?: LogTo | undefined;
  readonly memoryMiss?: LogTo | undefined;
  readonly diskHit?: LogTo | undefined;
  readonly diskMiss?: LogTo | undefined;
  /**
   * What a tier could not do, where the call had its result all the same. Default: the first of each kind is a warning of the
   * process. `store.failures` counts them.
   */
  readonly failure?: LogTo | undefined;
  /** Whether misses of the disk come with the stack of the call. Default false. */
  readonly stack?: boolean | undefined;
}

type Tell = (message: string) => void;

const KNOWN = ['hit', 'miss', 'memoryHit', 'memoryMiss', 'diskHit', 'diskMiss', 'failure', 'stack'];

export class CallLog {
  /** Undefined where nobody listens: then no message is made. */
  readonly memoryHit: Tell | undefined;
  readonly memoryMiss: Tell | undefined;
  readonly diskHit: Tell | undefined;
  readonly diskMiss: Tell | undefined;
  readonly #hasStack: boolean;
  failures = 0;
  readonly #failure: Tell | undefined;
  readonly #isUsual: boolean;
  readonly #warned = new Set<string>();
  readonly #name: string;

  /** `name` is the memo's. Throws INVALID_CONFIG. */
  constructor(options: MemoLogOptions = {}, name = 'a function') {
    if (typeof options !== 'object' || options === null) {
      throw misuse('INVALID_CONFIG', `\`log\` to be an object of ${KNOWN.join(', ')}`, options, { option: 'log' });
    }
    for (const [option, value] of Object.entries(options)) {
      const isKnown = KNOWN.includes(option);
      const mayBeFunction = option !== 'stack' && typeof value === 'function';
      if (!isKnown || !(value === undefined || typeof value === 'boolean' || mayBeFunction)) {
        const expected = `\`log\` to be an object of ${KNOWN.join(', ')}, each true, false or a function`;
        throw misuse('INVALID_CONFIG', expected, isKnown ? value : option, { option: 'log' });
      }
    }
    const { hit, miss, failure } = options;
    this.memoryHit = tellerOf(options.memoryHit ?? hit);
    this.memoryMiss = tellerOf(options.memoryMiss ?? miss);
    this.diskHit = tellerOf(options.diskHit ?? hit);
    this.diskMiss = tellerOf(options.diskMiss ?? miss);
    this.#hasStack = options.stack === true;
    this.#failure = tellerOf(failure);
    this.#isUsual = failure === undefined;
    this.#name = name;
  }

  /** For `tellDiskMiss`, at the moment of the call; undefined where nobody wants to know. */
  stack(): string | undefined {
    return this.#hasStack && this.diskMiss !== undefined ? new Error('called').stack?.replace(/^.*\n/, '') : undefined;
  }

  tellDiskMiss(filename: string, key: string, name: string, stack: string | undefined): void {
    this.diskMiss?.(`Cache miss (disk: ${filename}): ${key} (${name})${stack === undefined ? '' : `\n${stack}`}`);
  }

  /** Counts it, too. `what` could not be done, and nobody waits for it any more. */
  tellFailure(what: string, cause: unknown): void {
    this.failures++;
    const message = `The memo of ${this.#name} could not ${what}: ${describeThrown(cause)}`;
    if (!this.#isUsual) {
      this.#failure?.(message);
      return;
    }
    const kind = `${what} ${String((cause as { code?: unknown } | null)?.code)}`;
    if (!this.#warned.has(kind)) {
      this.#warned.add(kind);
      process.emitWarning(message, { type: 'shardstash' });
    }
  }
}

/** A logger that throws is a warning of the process: it must not stand between a call and its result. */
function tellerOf(to: LogTo | undefined): Tell | undefined {
  if (to === undefined || to === false) {
    return undefined;
  }
  const tell = to === true ? console.log : to;
  return (message) => {
    try {
      tell(message);
    } catch (cause) {
      process.emitWarning(`A log of a memo has thrown: ${describeThrown(cause)}`, { type: 'shardstash' });
    }
  };
}
