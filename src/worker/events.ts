/**
 * Who is told what left the shard. Clients say in shared memory which kinds of events they listen to, so a new owner knows
 * it too; the owner looks at one word of the header a frame, and while nobody listens at one field a removal, no more.
 *
 *     an entry leaves -> for each client that listens: a batch of at most 64 KiB -> its port
 *
 * A batch leaves when it is full, or FLUSH_MS after its first event. No shard waits for whoever listens: a client has
 * CREDIT batches in its port at most, and says in its memory how many it has taken out. When it has taken none the batch fills,
 * and what comes then is dropped and counted; the count goes with the next batch, which comes even if nothing else leaves.
 * What waits here when an owner dies is lost, uncounted.
 */
import type { ClientCounts, ClientMemory } from '../protocol/client.ts';
import { EventBatchWriter, type EventKind, KINDS } from '../protocol/events.ts';
import { BLOCK_META, HEADER_WISHES, headWords, META_KEY_MASK, type ShardMemory } from '../protocol/memory.ts';

/**
 * Batches that a client has not taken yet, at most: 3 MiB at their largest, and more events than the eight full frames evict
 * that a client may have out. With 16 of them a `setMany` of 100,000 missed a sixth of what it evicted itself.
 */
export const CREDIT = 48;
/** How long the first event of a batch waits for others. */
export const FLUSH_MS = 4;
/** How often an owner looks whether a client without credit has taken a batch. */
export const RETRY_MS = 20;

/** Posts a batch to a client, and gives its memory away. */
export type SendBatch = (batch: Uint8Array<ArrayBuffer>) => void;

export class Events {
  /** The bits of all kinds that anybody listens to. */
  wanted = 0;
  readonly #memory: ShardMemory;
  readonly #counts: ClientCounts;
  readonly #outlets = new Map<ClientMemory, Outlet>();
  /** Those of clients that listen. */
  #open: readonly Outlet[] = [];
  #wishes: number;
  #timer: NodeJS.Timeout | undefined;
  #timerMs = 0;

  /** `counts` is where dropped events are counted. */
  constructor(memory: ShardMemory, counts: ClientCounts) {
    this.#memory = memory;
    this.#counts = counts;
    this.#wishes = Atomics.load(memory.header, HEADER_WISHES);
  }

  /** A client that may listen, and the way to it. */
  connect(client: ClientMemory, send: SendBatch): void {
    this.#outlets.set(client, new Outlet(client, send));
    this.#ask();
  }

  /** The client is gone. */
  disconnect(client: ClientMemory): void {
    if (this.#outlets.delete(client)) {
      this.#ask();
    }
  }

  /** Takes notice of clients that listen to other events than before. To be called often: it costs a load. */
  heed(): void {
    const wishes = Atomics.load(this.#memory.header, HEADER_WISHES);
    if (wishes !== this.#wishes) {
      this.#wishes = wishes;
      this.#ask();
    }
  }

  /** The entry leaves. To be called before its block is given back, and only while anything is `wanted`. */
  announce(block: number, cause: EventKind): void {
    const kind = KINDS[cause];
    const { words } = this.#memory;
    const meta = words[block + BLOCK_META] as number;
    for (const outlet of this.#open) {
      if (((outlet.wanted >>> kind) & 1) !== 0) {
        if (!outlet.addRemoval(kind, meta & META_KEY_MASK, words, block + headWords(meta))) {
          this.#counts.droppedEvents++;
        }
        this.#arm(FLUSH_MS);
      }
    }
  }

  /** All entries leave. To be called only while anything is `wanted`. */
  announceClear(entries: number): void {
    for (const outlet of this.#open) {
      if (((outlet.wanted >>> KINDS.clear) & 1) !== 0) {
        if (!outlet.addClear(entries)) {
          this.#counts.droppedEvents++;
        }
        this.#arm(FLUSH_MS);
      }
    }
  }

  /** Asks every client what it listens to. */
  #ask(): void {
    this.wanted = 0;
    for (const outlet of this.#outlets.values()) {
      outlet.ask();
      this.wanted |= outlet.wanted;
    }
    this.#open = [...this.#outlets.values()].filter(({ wanted }) => wanted !== 0);
  }

  /** Lets the timer fire in at most so many ms. It holds no thread. */
  #arm(ms: number): void {
    if (this.#timer !== undefined) {
      if (this.#timerMs <= ms) {
        return;
      }
      clearTimeout(this.#timer);
    }
    this.#timerMs = ms;
    this.#timer = setTimeout(this.#flush, ms).unref();
  }

  readonly #flush = (): void => {
    this.#timer = undefined;
    for (const outlet of this.#open) {
      if (!outlet.flush()) {
        this.#arm(RETRY_MS);
      }
    }
  };
}

/** What waits for one client, and how much it may be sent. */
class Outlet {
  wanted = 0;
  readonly #client: ClientMemory;
  readonly #send: SendBatch;
  /** What the client had taken before it came here: of other owners, or through another port. */
  readonly #takenBefore: number;
  #sent = 0;
  /** While the client listens. */
  #batch: EventBatchWriter | undefined;

  constructor(client: ClientMemory, send: SendBatch) {
    this.#client = client;
    this.#send = send;
    this.#takenBefore = client.batches;
  }

  ask(): void {
    this.wanted = this.#client.wanted;
    this.#batch = this.wanted === 0 ? undefined : (this.#batch ?? new EventBatchWriter());
  }

  /** False when the event had to be dropped. */
  addRemoval(kind: number, keyMeta: number, from: Int32Array, at: number): boolean {
    const batch = this.#batch;
    if (
      batch === undefined ||
      batch.addRemoval(kind, keyMeta, from, at) ||
      (this.#post(batch) && batch.addRemoval(kind, keyMeta, from, at))
    ) {
      return true;
    }
    batch.drop(kind);
    return false;
  }

  /** As `addRemoval`, for all entries at once. */
  addClear(entries: number): boolean {
    const batch = this.#batch;
    if (batch === undefined || batch.addClear(entries) || (this.#post(batch) && batch.addClear(entries))) {
      return true;
    }
    batch.drop(KINDS.clear);
    return false;
  }

  /** Posts what waits. False when some of it must wait for credit. */
  flush(): boolean {
    const batch = this.#batch;
    // Twice at most: when the first has gone, what was dropped after it is told.
    while (batch !== undefined && !batch.isEmpty) {
      if (!this.#post(batch)) {
        return false;
      }
    }
    return true;
  }

  /** False without credit. */
  #post(batch: EventBatchWriter): boolean {
    // Less than was sent, where the client went on taking what came through another port when this one was there.
    if (((this.#sent - this.#client.batches + this.#takenBefore) | 0) >= CREDIT) {
      return false;
    }
    this.#sent = (this.#sent + 1) | 0;
    this.#send(batch.seal());
    return true;
  }
}
