/**
 * Fills one contender, churns it at a steady rate, and notes how late every millisecond's calls are made. Runs in a
 * process of its own.
 */
import type { Peer } from '../peers/index.ts';
import { type ContenderName, openContender } from '../peers/open.ts';
import { Shardstash } from '../peers/shardstash.ts';
import { CoreClock } from '../support/core-clock.ts';
import { answerJob } from '../support/fresh-process.ts';
import { keyOf, seededRandom } from '../support/keys.ts';
import { type SmallObject, smallObject } from '../support/values.ts';
import { storeIds } from './stored.ts';

export interface DelayJob {
  readonly contender: ContenderName;
  readonly entries: number;
  /** Sets, and as many gets, that fall due each millisecond. */
  readonly setsPerMs: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
}

export interface DelayAnswer {
  /** The delay that no more than one in a thousand milliseconds exceeds, and the longest. */
  readonly p999Ms: number;
  readonly longestMs: number;
  /** Of the gets. */
  readonly hitRatio: number;
  /** Share of the time in which the thread was ready to run and got no core. It counts for no delay. */
  readonly waitedShare: number;
}

const SEED = 0x5eed;
/** After a delay the calls of so many milliseconds are made before the event loop turns: requests that came meanwhile. */
const MILLISECONDS_A_TURN = 4;

answerJob(async ({ contender, entries, setsPerMs, warmUpMs, measuredMs }: DelayJob): Promise<DelayAnswer> => {
  const peer = await openContender(contender, entries);
  await storeIds(peer, 0, entries);
  const churn = new Churn(peer instanceof Shardstash ? peer.inPlace() : peer, entries, setsPerMs);
  await lateness(churn, warmUpMs, new CoreClock());
  churn.hits = 0;
  const clock = new CoreClock();
  const delays = (await lateness(churn, measuredMs, clock)).sort();
  churn.assertWell();
  return {
    p999Ms: delays[Math.ceil(delays.length * 0.999) - 1] as number,
    longestMs: delays[delays.length - 1] as number,
    hitRatio: churn.hits / (measuredMs * setsPerMs),
    waitedShare: clock.waitedShare,
  };
});

/** New keys for ever, each of which evicts an entry, and gets of any of the newest. */
class Churn {
  hits = 0;
  readonly #peer: Pick<Peer<SmallObject>, 'get' | 'set'>;
  readonly #entries: number;
  readonly #setsPerMs: number;
  readonly #random = seededRandom(SEED);
  #id: number;
  #error: unknown;

  constructor(peer: Pick<Peer<SmallObject>, 'get' | 'set'>, entries: number, setsPerMs: number) {
    this.#peer = peer;
    this.#entries = entries;
    this.#setsPerMs = setsPerMs;
    this.#id = entries;
  }

  callsOfOneMs(): void {
    for (let i = 0; i < this.#setsPerMs; i++) {
      const id = this.#id++;
      const pending = this.#peer.set(keyOf(id), smallObject(id));
      if (pending instanceof Promise) {
        pending.catch(this.#onError);
      }
      if (this.#peer.get(keyOf(id - Math.floor(this.#random() * this.#entries))) !== undefined) {
        this.hits++;
      }
    }
  }

  assertWell(): void {
    if (this.#error !== undefined) {
      throw this.#error;
    }
  }

  readonly #onError = (error: unknown) => {
    this.#error ??= error;
  };
}

/**
 * Makes the calls of each millisecond when it has come, for so many of them, and resolves to how late each was. Calls that
 * a blocked loop could not make when they were due are made after it, and every one of them was late: a delay of 50 ms
 * counts for the 50 milliseconds that it took, as it does for the requests that arrive in them.
 */
function lateness(churn: Churn, milliseconds: number, clock: CoreClock): Promise<Float64Array> {
  const delays = new Float64Array(milliseconds);
  const startMs = clock.now();
  let next = 0;
  return new Promise((resolve) => {
    const turn = () => {
      for (let i = 0; i < MILLISECONDS_A_TURN && next < milliseconds; i++) {
        const lateMs = clock.now() - startMs - next;
        if (lateMs < 0) {
          setTimeout(turn, 1);
          return;
        }
        delays[next++] = lateMs;
        churn.callsOfOneMs();
      }
      if (next === milliseconds) {
        resolve(delays);
      } else {
        setImmediate(turn);
      }
    };
    turn();
  });
}
