/**
 * The policies once more, as their papers tell them and with no thought of time: plain arrays, searched from end to end.
 * What the real ones are held against.
 */
import type { EvictionPolicy, PolicyContext } from '../../src/protocol/policy.ts';

interface NaiveEntry {
  slot: number;
  hash: number;
  uses: number;
  weight: number;
}

/** Entries in the order of arrival, and what changes that; each policy adds what it is about. */
abstract class Naive implements EvictionPolicy {
  abstract readonly hits: EvictionPolicy['hits'];
  entries: NaiveEntry[] = [];
  protected readonly context: PolicyContext;

  constructor(context: PolicyContext) {
    this.context = context;
  }

  add(slot: number, hash: number): boolean {
    this.entries.push({ slot, hash, uses: 0, weight: this.weightOf(slot) });
    return true;
  }

  hit(_slot: number): void {}

  update(slot: number, previous: number): void {
    const entry = this.entry(previous);
    entry.slot = slot;
    entry.weight = this.weightOf(slot);
  }

  remove(slot: number, _cause: string): void {
    this.entries = this.entries.filter((entry) => entry.slot !== slot);
  }

  clear(): void {
    this.entries = [];
  }

  abstract victim(): number;

  protected entry(slot: number): NaiveEntry {
    return this.entries.find((entry) => entry.slot === slot) as NaiveEntry;
  }

  protected weightOf(slot: number): number {
    return this.context.entriesMax === Number.POSITIVE_INFINITY ? this.context.weightOf(slot) : 1;
  }

  /** What is divided: bytes, or as many entries as there are when one has to go. */
  protected get capacity(): number {
    const { entriesMax, bytesMax } = this.context;
    return entriesMax === Number.POSITIVE_INFINITY ? bytesMax : this.entries.length;
  }

  protected toNewest(entry: NaiveEntry): void {
    this.entries = [...this.entries.filter((other) => other !== entry), entry];
  }
}

/** Counts every use; the order of entries is that of their last one, so that the oldest of a class is the first of it. */
class NaiveCounts extends Naive {
  readonly hits = 'ring';
  readonly #halfLife: number;
  readonly #most: boolean;
  #uses = 0;

  constructor(context: PolicyContext, most: boolean, halfLife = Number.POSITIVE_INFINITY) {
    super(context);
    this.#most = most;
    this.#halfLife = halfLife;
  }

  override add(slot: number, hash: number): boolean {
    super.add(slot, hash);
    this.#use(this.entry(slot));
    return true;
  }

  override hit(slot: number): void {
    this.#use(this.entry(slot));
  }

  override update(slot: number, previous: number): void {
    super.update(slot, previous);
    this.#use(this.entry(slot));
  }

  override clear(): void {
    super.clear();
    this.#uses = 0;
  }

  victim(): number {
    const counts = this.entries.map(({ uses }) => uses);
    const wanted = this.#most ? Math.max(...counts) : Math.min(...counts);
    return this.entries.find(({ uses }) => uses === wanted)?.slot ?? -1;
  }

  #use(entry: NaiveEntry): void {
    entry.uses++;
    this.toNewest(entry);
    if (++this.#uses === this.#halfLife) {
      this.#uses = 0;
      // Classes are joined with the entries of fewer uses first.
      this.entries.sort((a, b) => a.uses - b.uses);
      for (const each of this.entries) {
        each.uses = Math.ceil(each.uses / 2);
      }
    }
  }
}

class NaiveClock extends Naive {
  readonly hits = 'byte';

  override update(slot: number, previous: number): void {
    super.update(slot, previous);
    this.context.touched[slot] = 1;
  }

  victim(): number {
    for (;;) {
      const [first] = this.entries;
      if (first === undefined) {
        return -1;
      }
      if (this.context.touched[first.slot] === 0) {
        return first.slot;
      }
      this.context.touched[first.slot] = 0;
      this.toNewest(first);
    }
  }
}

class NaiveS3Fifo extends Naive {
  readonly hits = 'byte';
  readonly #share: number | undefined;
  /** What the small queue has earned beyond its share; undefined where it earns nothing. */
  #earned: number | undefined;
  #isFilling = true;
  #full: number;
  readonly #inMain = new Set<NaiveEntry>();
  #ghosts: { hash: number; weight: number }[] = [];
  #known: number | undefined;
  #named: number | undefined;

  constructor(context: PolicyContext, { share, adapts = false }: { share?: number; adapts?: boolean } = {}) {
    super(context);
    this.#share = share;
    this.#earned = adapts ? 0 : undefined;
    const { entriesMax, bytesMax } = context;
    this.#full = entriesMax === Number.POSITIVE_INFINITY ? bytesMax : entriesMax;
  }

  arrive(hash: number): void {
    this.#named = undefined;
    const ghost = this.#ghosts.find((candidate) => candidate.hash === hash);
    this.#known = ghost?.hash;
    this.#ghosts = this.#ghosts.filter((candidate) => candidate !== ghost);
    if (this.#earned !== undefined && ghost !== undefined) {
      this.#earned += ghost.weight;
    }
  }

  override add(slot: number, hash: number): boolean {
    const { entriesMax } = this.context;
    const small = this.entries.filter((entry) => !this.#inMain.has(entry));
    const ofEntries = entriesMax === Number.POSITIVE_INFINITY ? this.entries.length : entriesMax;
    const overflows = this.#earned !== undefined && this.#isFilling && sum(small) >= this.#smallMax(ofEntries);
    super.add(slot, hash);
    if (this.#known === hash || overflows) {
      this.#inMain.add(this.entry(slot));
    }
    this.#known = undefined;
    this.#named = undefined;
    return true;
  }

  override update(slot: number, previous: number): void {
    super.update(slot, previous);
    this.context.touched[slot] = Math.min(3, (this.context.touched[slot] as number) + 1);
    this.#named = undefined;
  }

  override remove(slot: number, cause: string): void {
    const entry = this.entry(slot);
    if (cause === 'evict') {
      this.#isFilling = false;
      this.#full = this.capacity;
    }
    if (cause === 'evict' && !this.#inMain.has(entry) && !this.#ghosts.some(({ hash }) => hash === entry.hash)) {
      this.#ghosts.push({ hash: entry.hash, weight: entry.weight });
      while (sum(this.#ghosts) > Math.floor(this.#full * 0.9)) {
        this.#ghosts.shift();
      }
    }
    this.#inMain.delete(entry);
    super.remove(slot, cause);
    this.#named = undefined;
  }

  override clear(): void {
    super.clear();
    this.#inMain.clear();
    this.#ghosts = [];
    this.#known = undefined;
    this.#named = undefined;
    this.#isFilling = true;
    this.#earned = this.#earned === undefined ? undefined : 0;
  }

  victim(): number {
    this.#named ??= this.#find();
    return this.#named;
  }

  #find(): number {
    const { touched } = this.context;
    const mainMax = this.#full - this.#smallMax(this.entries.length);
    const main = () => this.entries.filter((entry) => this.#inMain.has(entry));
    const small = () => this.entries.filter((entry) => !this.#inMain.has(entry));
    const isMainOver = sum(main()) > mainMax;
    if (!isMainOver || main().length === 0) {
      for (let [first] = small(); first !== undefined; [first] = small()) {
        if ((touched[first.slot] as number) < 2) {
          return first.slot;
        }
        touched[first.slot] = 0;
        this.#inMain.add(first);
        this.toNewest(first);
      }
    }
    for (let [first] = main(); first !== undefined; [first] = main()) {
      if (touched[first.slot] === 0) {
        return first.slot;
      }
      (touched[first.slot] as number)--;
      if (this.#earned !== undefined) {
        this.#earned = Math.max(0, this.#earned - first.weight);
      }
      this.toNewest(first);
    }
    return -1;
  }

  #smallMax(entries: number): number {
    const share = this.#share ?? (entries < 200 ? 0.5 : 0.1);
    this.#earned = this.#earned === undefined ? undefined : Math.min(this.#earned, this.#full * 0.9);
    return Math.floor(Math.max(this.#earned ?? 0, this.#full * share));
  }
}

interface NaiveGhost {
  hash: number;
  weight: number;
}

class NaiveArc extends Naive {
  readonly hits = 'ring';
  readonly #again = new Set<NaiveEntry>();
  #ghostsOnce: NaiveGhost[] = [];
  #ghostsAgain: NaiveGhost[] = [];
  #target = 0;
  #ghost: { hash: number; was: 'once' | 'again' } | undefined;
  #full: number;

  constructor(context: PolicyContext) {
    super(context);
    const { entriesMax, bytesMax } = context;
    this.#full = entriesMax === Number.POSITIVE_INFINITY ? bytesMax : entriesMax;
  }

  arrive(hash: number): void {
    const once = sum(this.#ghostsOnce);
    const again = sum(this.#ghostsAgain);
    this.#ghost = undefined;
    const isIt = (ghost: NaiveGhost) => ghost.hash === hash;
    const inOnce = this.#ghostsOnce.find(isIt);
    const inAgain = this.#ghostsAgain.find(isIt);
    if (inOnce !== undefined) {
      this.#ghost = { hash, was: 'once' };
      this.#target = Math.min(this.#full, this.#target + inOnce.weight * Math.max(again / once, 1));
      this.#ghostsOnce = this.#ghostsOnce.filter((ghost) => !isIt(ghost));
    } else if (inAgain !== undefined) {
      this.#ghost = { hash, was: 'again' };
      this.#target = Math.max(0, this.#target - inAgain.weight * Math.max(once / again, 1));
      this.#ghostsAgain = this.#ghostsAgain.filter((ghost) => !isIt(ghost));
    }
  }

  override add(slot: number, hash: number): boolean {
    const isKnown = this.#ghost?.hash === hash;
    this.#ghost = undefined;
    if (!isKnown) {
      const weight = this.weightOf(slot);
      const [once, again] = this.#weights();
      while (this.#ghostsOnce.length > 0 && once + sum(this.#ghostsOnce) + weight > this.#full) {
        this.#ghostsOnce.shift();
      }
      const others = once + again + sum(this.#ghostsOnce) + weight;
      while (this.#ghostsAgain.length > 0 && others + sum(this.#ghostsAgain) > 2 * this.#full) {
        this.#ghostsAgain.shift();
      }
    }
    super.add(slot, hash);
    if (isKnown) {
      this.#again.add(this.entry(slot));
    }
    return true;
  }

  override hit(slot: number): void {
    const entry = this.entry(slot);
    this.#again.add(entry);
    this.toNewest(entry);
  }

  override update(slot: number, previous: number): void {
    super.update(slot, previous);
    this.hit(slot);
  }

  override remove(slot: number, cause: string): void {
    const entry = this.entry(slot);
    if (cause === 'evict') {
      this.#full = this.capacity;
      const ghosts = this.#again.has(entry) ? this.#ghostsAgain : this.#ghostsOnce;
      if (!ghosts.some(({ hash }) => hash === entry.hash)) {
        ghosts.push({ hash: entry.hash, weight: entry.weight });
      }
    }
    this.#again.delete(entry);
    super.remove(slot, cause);
  }

  override clear(): void {
    super.clear();
    this.#again.clear();
    this.#ghostsOnce = [];
    this.#ghostsAgain = [];
    this.#target = 0;
    this.#ghost = undefined;
  }

  victim(): number {
    const [once] = this.#weights();
    const isOver = once > this.#target || (this.#ghost?.was === 'again' && once === this.#target);
    const first = this.entries.find((entry) => this.#again.has(entry) !== isOver) ?? this.entries[0];
    return first?.slot ?? -1;
  }

  #weights(): [once: number, again: number] {
    const again = sum(this.entries.filter((entry) => this.#again.has(entry)));
    return [sum(this.entries) - again, again];
  }
}

function sum(weighed: readonly { weight: number }[]): number {
  return weighed.reduce((total, { weight }) => total + weight, 0);
}

export const naivePolicies = {
  lfu: (context: PolicyContext) => new NaiveCounts(context, false),
  'lfu, counts halved': (context: PolicyContext) => new NaiveCounts(context, false, HALF_LIFE),
  mfu: (context: PolicyContext) => new NaiveCounts(context, true),
  clock: (context: PolicyContext) => new NaiveClock(context),
  's3-fifo': (context: PolicyContext) => new NaiveS3Fifo(context),
  's3-fifo 10 %': (context: PolicyContext) => new NaiveS3Fifo(context, { share: 0.1 }),
  'as3-fifo': (context: PolicyContext) => new NaiveS3Fifo(context, { adapts: true }),
  arc: (context: PolicyContext) => new NaiveArc(context),
};

/** Uses after which counts are halved in the model that does so. */
export const HALF_LIFE = 97;
