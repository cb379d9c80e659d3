/** The calls of one owner of a shard: each is answered when it is done, and the session has ended when all of them are. */
import type { UnsealedValue } from '../../protocol/sealing.ts';
import type { TierAnswer, TierCall, TierHead } from '../../protocol/tier.ts';
import { type AdmittedCall, callsOf } from './batch.ts';
import type { Clearing } from './clearing.ts';
import { errorRecordOf } from './error-record.ts';
import type { HashListing } from './hash-listing.ts';
import { News } from './news.ts';
import type { TierRecords } from './records.ts';
import type { Scans } from './scans.ts';
import type { SessionPort } from './session-port.ts';

/** What calls are answered from. */
export interface Desk {
  readonly records: TierRecords;
  readonly clearing: Clearing;
  readonly listing: HashListing;
  readonly scans: Scans;
}

/** An answer, and the bytes that travel beside it. */
type Said = readonly [answer: TierAnswer, values?: readonly Uint8Array[]];

type AnsweredCall = Extract<TierCall, { readonly id: number }>;

export class Session {
  readonly shard: number;
  /** Resolves when its port is closed and no call of it is under way. */
  readonly ended: Promise<void>;
  readonly #desk: Desk;
  readonly #port: SessionPort;
  readonly #news: News;
  #underWay = 0;
  #isClosed = false;
  #end: () => void = () => {};

  constructor(shard: number, port: SessionPort, desk: Desk) {
    this.shard = shard;
    this.#port = port;
    this.#desk = desk;
    this.#news = new News(port);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** From now on its messages are read. `first` is told before anything else. */
  begin(first: readonly TierAnswer[]): void {
    for (const news of first) this.#news.tell(news);
    this.#port.on('close', () => {
      this.#isClosed = true;
      this.#leave();
    });
    this.#port.on('message', (message) => {
      for (const admitted of callsOf(message)) this.#take(admitted);
    });
  }

  /** No message of it is read any more. */
  close(): void {
    this.#port.close();
  }

  tell(answer: TierAnswer): void {
    this.#news.tell(answer);
  }

  #take(admitted: AdmittedCall): void {
    const { call } = admitted;
    if (call.is === 'hashes') {
      this.#desk.listing.ask(this.shard, (answer) => this.tell(answer));
      return;
    }
    this.#underWay++;
    void (call.is === 'slide' ? this.#slide(call) : this.#answer(call, admitted.bytes)).then(() => {
      this.#underWay--;
      this.#leave();
    });
  }

  async #slide({ key, expiresAtMs }: Extract<TierCall, { is: 'slide' }>): Promise<void> {
    try {
      await this.#desk.records.slide(key, expiresAtMs);
    } catch {
      // The breaker has counted it; the entry lives until its last deadline that the engine knows.
    }
  }

  async #answer(call: AnsweredCall, bytes: Uint8Array): Promise<void> {
    try {
      const [answer, values] = await this.#do(call, bytes);
      this.#news.tell(answer, values);
    } catch (error) {
      this.#news.tell({ is: 'failed', id: call.id, error: errorRecordOf(error) });
    }
  }

  async #do(call: AnsweredCall, bytes: Uint8Array): Promise<Said> {
    const { id } = call;
    const { records, clearing, scans } = this.#desk;
    switch (call.is) {
      case 'get': {
        const value = await records.get(call.key, call.nowMs);
        return value === undefined
          ? [{ is: 'nothing', id }]
          : [{ is: 'entry', id, head: headOf(value) }, [value.bytes]];
      }
      case 'set':
        await records.set(call.key, call.head, bytes);
        return [{ is: 'done', id }];
      case 'delete':
        return [{ is: (await records.delete(call.key, call)) ? 'done' : 'nothing', id }];
      case 'clear':
        return [{ is: 'count', id, count: await clearing.ask(this.shard) }];
      case 'size':
        return [{ is: 'count', id, count: await records.size() }];
      case 'cleanup':
        return [{ is: 'count', id, count: await records.cleanup(call.nowMs) }];
      case 'page': {
        const { scan, entries } = await scans.page(call);
        const told = entries.map(({ key, value }) => ({ key, head: value && headOf(value) }));
        const values = entries.flatMap(({ value }) => (value === undefined ? [] : [value.bytes]));
        return [{ is: 'page', id, scan, entries: told }, values];
      }
    }
  }

  #leave(): void {
    if (this.#isClosed && this.#underWay === 0) {
      this.#end();
    }
  }
}

function headOf({ tag, bytes, expiresAtMs, slideMs = 0 }: UnsealedValue): TierHead {
  return { tag, byteLength: bytes.length, expiresAtMs, slideMs };
}
