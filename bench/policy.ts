/**
 * What does a request cost each eviction policy, at ten thousand, a million and ten million entries?
 *
 * The policy alone, in this thread: no map, no bytes, no reader. A full cache is asked, three times in four for an entry of
 * any slot, which is a hit as readers tell it; else for a key that is not there, so that one entry is named, leaves, and
 * another comes. One of four such keys left half a cacheful of requests ago, as those that ghosts are kept for. Every
 * entry as likely as any other is the worst that can be asked of the memory. A walk along a random cycle in a plain typed
 * array says what the machine makes of a cache miss at that size.
 */
import type { EvictionPolicy, PolicyFactory } from '../src/protocol/policy.ts';
import type { PolicyName } from '../src/protocol/spec.ts';
import { policies } from '../src/worker/eviction/index.ts';
import { mixed } from '../src/worker/simulation/mix.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { type Figure, pick } from './support/figure.ts';
import { compare, type Ratio } from './support/ratio.ts';
import { measureInRounds, paceOf } from './support/rounds.ts';
import { formatCount } from './support/table.ts';
import { Walk } from './support/walk.ts';

const SIZES = [10_000, 1_000_000, 10_000_000];
const QUICK_SIZES = [10_000, 200_000];
const REQUESTS = 10_000;
/** A pair of links: what most policies load of an entry. */
const WALK_ENTRY_BYTES = 8;
const USES_MAX = 3;
const NS_PER_MS = 1e6;
const WALK = 'plain typed-array walk';

export const policy: Bench = {
  question: 'What does a request cost each eviction policy, at ten thousand, a million and ten million entries?',

  async run(options: RunOptions): Promise<Report> {
    const names = (Object.keys(policies) as PolicyName[]).filter((name) => name !== 'none');
    const sizes = options.quick ? QUICK_SIZES : SIZES;
    const { rounds, sliceMs } = paceOf(options);
    const figures: Figure[] = [];
    const ratios: Ratio[] = [];
    for (const entries of sizes) {
      const walkName = `${WALK}, ${formatCount(entries)}`;
      const walk = new Walk(walkName, entries, WALK_ENTRY_BYTES);
      // One after the other, each beside the walk: all of them at once would be more memory than any has to itself.
      for (const name of names) {
        options.progress(`${name} with ${formatCount(entries)} entries`);
        const load = new PolicyLoad(`${name}, ${formatCount(entries)}`, policies[name] as PolicyFactory, entries);
        const [own, beside] = await measureInRounds([load, walk], rounds, async (each) => each.measure(sliceMs));
        figures.push(own as Figure);
        ratios.push(compare(own as Figure, beside as Figure, { what: load.name, against: walkName }));
        if (name === names.at(-1)) {
          figures.push(beside as Figure);
        }
      }
    }
    const growth = names.map((name) => {
      const [few, many] = [sizes[0], sizes.at(-1)].map((entries) => `${name}, ${formatCount(entries as number)}`);
      const against = `itself at ${formatCount(sizes[0] as number)}`;
      return compare(pick(figures, many as string), pick(figures, few as string), { what: many as string, against });
    });
    return {
      setup: {
        entries: sizes.map(formatCount).join('; '),
        requests: '75 % hits on any entry, 25 % misses that evict, a quarter of them of keys that left',
      },
      figures,
      ratios: [...ratios, ...growth],
      notes: ['The walk makes one dependent load a step, of eight bytes.'],
    };
  },
};

/** A policy of a full cache, and requests without end. */
class PolicyLoad {
  readonly name: string;
  readonly #policy: EvictionPolicy;
  readonly #entries: number;
  readonly #hashes: Int32Array;
  readonly #touched: Uint8Array;
  #draws = 1;
  #keys = 0;

  constructor(name: string, factory: PolicyFactory, entries: number) {
    this.name = name;
    this.#entries = entries;
    this.#hashes = new Int32Array(new SharedArrayBuffer(entries * 4));
    this.#touched = new Uint8Array(new SharedArrayBuffer(entries));
    this.#policy = factory({
      slots: entries,
      entriesMax: entries,
      bytesMax: Number.MAX_SAFE_INTEGER,
      touched: this.#touched,
      seed: 1,
      keyOf: (slot) => slot,
      hashOf: (slot) => this.#hashes[slot] as number,
      weightOf: () => 1,
    });
    for (let slot = 0; slot < entries; slot++) {
      this.#add(slot, mixed(this.#keys++));
    }
    // Until the policy has seen some evictions its queues are not what they will be.
    for (let request = 0; request < entries; request += REQUESTS) {
      this.#run();
    }
  }

  /** Requests until `sliceMs` are spent, and returns the nanoseconds of one. */
  measure(sliceMs: number): number {
    const startMs = performance.now();
    let elapsedMs = 0;
    let requests = 0;
    while (elapsedMs < sliceMs) {
      this.#run();
      requests += REQUESTS;
      elapsedMs = performance.now() - startMs;
    }
    return (elapsedMs * NS_PER_MS) / requests;
  }

  #run(): void {
    const policy = this.#policy;
    const touched = this.#touched;
    const { hits } = policy;
    for (let request = 0; request < REQUESTS; request++) {
      this.#draws = (this.#draws + 0x9e37_79b9) | 0;
      const lot = mixed(this.#draws) >>> 0;
      if (lot % 4 !== 0) {
        const slot = Math.floor((lot / 2 ** 32) * this.#entries);
        if (hits === 'ring') {
          policy.hit(slot);
        } else if (hits === 'byte') {
          touched[slot] = Math.min(USES_MAX, (touched[slot] as number) + 1);
        }
      } else {
        const isOld = lot % 16 === 0;
        this.#replace(mixed(isOld ? this.#keys - (this.#entries >> 1) : this.#keys++));
      }
    }
  }

  #replace(hash: number): void {
    const policy = this.#policy;
    policy.arrive?.(hash);
    const victim = policy.victim();
    policy.remove(victim, 'evict');
    this.#add(victim, hash);
  }

  #add(slot: number, hash: number): void {
    this.#hashes[slot] = hash;
    this.#touched[slot] = 0;
    this.#policy.add(slot, hash);
  }
}
