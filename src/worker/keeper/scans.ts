/**
 * Scans over all entries of a tier, page by page, as those who iterate ask for them. Each holds an iterator of the engine's, so there
 * are SCANS_MAX at most, and one for which nobody asks any more ends after SCAN_IDLE_MS.
 *
 * A page has as many entries as were asked for, or fewer: where one more would be above PAGE_BYTES, or keys have
 * expired.
 *
 * Each page names the next one anew. An owner may die with a page that it has not handed on, and the next owner asks for it again, by
 * the same name: so the keys of the last page are kept.
 *
 *     page(0) -> 1, a b    page(1) -> 2, c d    page(1) -> 3, c d    page(3) -> 0, e
 */
import { setImmediate as turn } from 'node:timers/promises';
import { describe } from '../../protocol/describe.ts';
import { keyOfEngineKey } from '../../protocol/engine-key.ts';
import { CacheError } from '../../protocol/errors.ts';
import { deadlineOf } from '../../protocol/record.ts';
import type { UnsealedValue } from '../../protocol/sealing.ts';
import { errorRecordOf } from './error-record.ts';
import { RECORDS_PER_STEP, type TierRecords } from './records.ts';
import type { Writes } from './writes.ts';

export const SCANS_MAX = 64;
const SCAN_IDLE_MS = 30_000;
const PAGE_ENTRIES_MAX = 8_192;
const PAGE_BYTES = 16 * 1024 * 1024;

export interface PageRequest {
  readonly scan: number;
  readonly entries: number;
  readonly keysOnly: boolean;
  readonly nowMs: number;
}

export interface ScannedEntry {
  readonly key: string;
  readonly value: UnsealedValue | undefined;
}

export interface ScannedPage {
  /** 0 when there is no next one. */
  readonly scan: number;
  readonly entries: readonly ScannedEntry[];
}

interface Scan {
  /** By which the next page is asked for, and the last one was. */
  next: number;
  last: number;
  /** Keys of the last page. */
  lastKeys: readonly string[];
  readonly pages: AsyncGenerator<readonly string[], void, void>;
  /** Keys that were listed and not read yet. */
  keys: readonly string[];
  isBusy: boolean;
  idle: NodeJS.Timeout;
}

export class Scans {
  readonly #records: TierRecords;
  readonly #writes: Writes;
  readonly #open = new Set<Scan>();
  #pages = 0;

  constructor(records: TierRecords, writes: Writes) {
    this.#records = records;
    this.#writes = writes;
  }

  async page(request: PageRequest): Promise<ScannedPage> {
    const scan = request.scan === 0 ? this.#begin() : this.#find(request.scan);
    scan.isBusy = true;
    try {
      if (request.scan === 0) {
        // So that there is one place to list.
        await this.#writes.drain();
      }
      const entries: ScannedEntry[] = [];
      const hasMore = await this.#fill(scan, entries, request);
      if (!hasMore) {
        await this.#end(scan);
      }
      scan.last = request.scan;
      scan.next = ++this.#pages;
      return { scan: hasMore ? scan.next : 0, entries };
    } catch (error) {
      await this.#end(scan);
      throw error;
    } finally {
      scan.isBusy = false;
      scan.idle.refresh();
    }
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#open, (scan) => this.#end(scan)));
  }

  #begin(): Scan {
    if (this.#open.size >= SCANS_MAX) {
      const message = `${SCANS_MAX} scans of the tier are under way already. Next: finish some, or try again in ${SCAN_IDLE_MS / 1_000} s`;
      throw new CacheError('OVERLOADED', message);
    }
    const idle = setTimeout(() => void this.#abandon(scan), SCAN_IDLE_MS);
    const scan: Scan = { next: 0, last: 0, lastKeys: [], pages: this.#records.pages(), keys: [], isBusy: false, idle };
    this.#open.add(scan);
    return scan;
  }

  #find(id: number): Scan {
    const scan = Array.from(this.#open).find(({ next, last }) => id === next || id === last);
    if (scan === undefined || scan.isBusy) {
      const message =
        scan === undefined
          ? `A scan of the tier is no longer open: it ends when nobody has asked for ${SCAN_IDLE_MS / 1_000} s. Next: begin anew`
          : 'A scan of the tier was asked for two pages at once. Next: wait for the first';
      throw new CacheError(scan === undefined ? 'TIMEOUT' : 'BUSY', message);
    }
    if (id === scan.last) scan.keys = [...scan.lastKeys, ...scan.keys];
    return scan;
  }

  /** Whether there may be more. */
  async #fill(
    scan: Scan,
    entries: ScannedEntry[],
    { entries: wanted, keysOnly, nowMs }: PageRequest,
  ): Promise<boolean> {
    const count = Math.min(Math.max(wanted, 1), PAGE_ENTRIES_MAX);
    const listed: string[] = [];
    scan.lastKeys = listed;
    let bytes = 0;
    while (entries.length < count && bytes < PAGE_BYTES) {
      if (scan.keys.length === 0) {
        const page = await scan.pages.next();
        if (page.done === true) {
          return false;
        }
        scan.keys = page.value;
      }
      const keys = scan.keys.slice(0, Math.min(RECORDS_PER_STEP, count - entries.length));
      const records = await this.#records.readMany(keys);
      for (const [i, record] of records.entries()) {
        if (record !== undefined && deadlineOf(record) > nowMs) {
          const key = keys[i] as string;
          const value = keysOnly ? undefined : await this.#read(key, record);
          entries.push({ key, value });
          bytes += value?.bytes.length ?? 0;
        }
      }
      scan.keys = scan.keys.slice(keys.length);
      listed.push(...keys);
      await turn();
    }
    return true;
  }

  /** Whoever iterates has not asked for this key, and is told which one it was. */
  async #read(key: string, record: Uint8Array): Promise<UnsealedValue> {
    try {
      return await this.#records.open(record);
    } catch (error) {
      const { code, message } = errorRecordOf(error);
      throw new CacheError(code, `${message} (key: ${describe(keyOfEngineKey(key))})`, { cause: error });
    }
  }

  async #abandon(scan: Scan): Promise<void> {
    if (this.#open.has(scan) && !scan.isBusy) {
      await this.#end(scan);
    }
  }

  async #end(scan: Scan): Promise<void> {
    this.#open.delete(scan);
    clearTimeout(scan.idle);
    try {
      await scan.pages.return();
    } catch {
      // It was to be forgotten, and is.
    }
  }
}
