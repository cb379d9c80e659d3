/**
 * A process with a cache over a tier that it shares with others: does what it likes to keys that all of them use, and tells its parent
 * what it did, when, and what came of it (see staleness.ts). Times are those of `process.hrtime`, one clock for the whole machine.
 *
 * It is told `{ tier, writer, seed, keys, maxEntries }`, then to `run` so many operations, then to `stop`.
 */
import { openCache } from 'shardstash';

/** Kinds of operations, as staleness.ts numbers them. */
const [READ, SET, DELETE, INCREMENT] = [0, 1, 2, 3];
const IN_FLIGHT = 24;
/** Room for the values of one writer: no two writers set the same. */
const WRITER_STEP = 1e9;
const TELL_MS = 50;
/** After one that failed: a server that is away would otherwise be asked as fast as it can be. */
const FAILED_PAUSE_MS = 2;
/** One in so many keys counts. */
const COUNTERS = 8;

const now = () => Number(process.hrtime.bigint()) / 1e6;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class Client {
  #cache;
  #writer;
  #keys;
  #state;
  #set = 0;
  #done = 0;
  /** Six numbers each: kind, key, value, begin, end, whether the outcome is unknown. */
  #report = [];
  /** By name and code, since the last report. */
  #errors = {};
  /** The first of each. */
  #strange = [];
  /** When what is under way began. */
  #begun = new Set();
  #isStopped = false;
  #lateMs = 0;

  constructor(cache, { writer, keys, seed }) {
    this.#cache = cache;
    this.#writer = writer;
    this.#keys = keys;
    this.#state = seed;
  }

  stop() {
    this.#isStopped = true;
  }

  async run(operations) {
    let due = now() + TELL_MS;
    const telling = setInterval(() => {
      this.#lateMs = now() - due;
      this.tell();
      due = now() + TELL_MS;
    }, TELL_MS);
    const work = async () => {
      for (; this.#done < operations && !this.#isStopped; this.#done++) await this.#step();
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, work));
    clearInterval(telling);
    this.tell();
  }

  tell() {
    const rows = Float64Array.from(this.#report);
    this.#report = [];
    // A Set goes in order of insertion, which is that of the clock.
    const upTo = this.#begun.values().next().value ?? now();
    const [errors, strange] = [this.#errors, this.#strange.splice(0)];
    this.#errors = {};
    process.send({ is: 'report', rows, upTo, errors, strange, done: this.#done, lateMs: this.#lateMs });
  }

  #below(limit) {
    // Mulberry32, as in random.ts.
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return Math.floor((((z ^ (z >>> 14)) >>> 0) / 0x1_0000_0000) * limit);
  }

  async #step() {
    // Some keys far more than others, so that memory has hits though it is small.
    const number = Math.min(this.#below(this.#keys), this.#below(this.#keys));
    const key = `key ${number}`;
    const counts = number % COUNTERS === 0;
    const lot = this.#below(100);
    if (lot < 20) {
      this.#look(number, key);
    } else if (lot < 75) {
      await this.#call(READ, number, async () => numberOf(await this.#cache.get(key)));
    } else if (lot < 80) {
      await this.#call(DELETE, number, async () => {
        await this.#cache.delete(key);
        return 0;
      });
    } else if (counts) {
      await this.#call(INCREMENT, number, () => this.#cache.increment(key, 1));
    } else {
      const value = this.#writer * WRITER_STEP + ++this.#set;
      await this.#call(
        SET,
        number,
        async () => {
          await this.#cache.set(key, { value, filler: 'x'.repeat(this.#below(200)) });
          return value;
        },
        value,
      );
    }
  }

  /** What memory has, without a hop. That it has nothing says nothing. */
  #look(number, key) {
    const begin = now();
    try {
      const value = numberOf(this.#cache.getSync(key));
      if (value !== 0) this.#report.push(READ, number, value, begin, now(), 0);
    } catch (error) {
      this.#failed(error);
    }
  }

  async #call(kind, number, call, value = 0) {
    // No two begin at the same time, or the one that ends first would seem to end both.
    let begin = now();
    while (this.#begun.has(begin)) begin = now();
    this.#begun.add(begin);
    try {
      const answer = await call();
      this.#report.push(kind, number, answer, begin, now(), 0);
    } catch (error) {
      this.#failed(error);
      if (kind !== READ) this.#report.push(kind, number, value, begin, now(), 1);
      await pause(FAILED_PAUSE_MS);
    } finally {
      this.#begun.delete(begin);
    }
  }

  #failed(error) {
    const code = `${error?.name}: ${error?.code}`;
    if (this.#errors[code] === undefined) this.#strange.push(`${code}: ${error?.message}`);
    this.#errors[code] = (this.#errors[code] ?? 0) + 1;
  }
}

function numberOf(value) {
  return value === undefined ? 0 : typeof value === 'number' ? value : value.value;
}

process.on('disconnect', () => process.exit(1));
const given = await new Promise((resolve) => process.once('message', resolve));
const cache = await openCache({ shards: 2, maxEntries: given.maxEntries, tier: given.tier });
const client = new Client(cache, given);
let running;
process.on('message', async ({ is, operations }) => {
  if (is === 'run') {
    running = client.run(operations).then(() => process.send({ is: 'finished' }));
  } else {
    client.stop();
    await running;
    const { tier } = await cache.metrics();
    await cache.close();
    process.send({ is: 'closed', tier }, () => process.disconnect());
  }
});
process.send({ is: 'open' });
