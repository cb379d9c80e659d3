/**
 * The line that moves while a replay runs, on a terminal's stderr and nowhere else.
 *
 * It is redrawn at most ten times a second, asks the cache for its gauges each time, and gives way to messages: `say`
 * clears it, writes, and the next drawing comes below.
 */
import type { Cache } from '../index.ts';
import type { Driver } from './driver.ts';
import { bytes, count, percent } from './figures.ts';

const INTERVAL_MS = 100;
/** A terminal that does not tell its width has at least this. */
const COLUMNS_DEFAULT = 80;
const CLEAR_LINE = '\r\x1b[2K';
const MS_PER_SECOND = 1_000;

export class Progress {
  readonly #stream: NodeJS.WriteStream;
  #timer: NodeJS.Timeout | undefined;
  #isDrawing = false;
  #isShown = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  start(cache: Cache<Buffer>, driver: Driver): void {
    if (this.#stream.isTTY) {
      this.#timer = setInterval(() => void this.#draw(cache, driver), INTERVAL_MS);
    }
  }

  /** Writes a line of its own. */
  say(text: string): void {
    this.#clear();
    this.#stream.write(`${text}\n`);
  }

  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#clear();
  }

  async #draw(cache: Cache<Buffer>, { startedMs, requests, hits }: Driver): Promise<void> {
    if (this.#isDrawing || startedMs === 0) {
      return;
    }
    this.#isDrawing = true;
    // A cache that can no longer answer is the driver's to report.
    const metrics = await cache.metrics().catch(() => undefined);
    this.#isDrawing = false;
    if (this.#timer === undefined || metrics === undefined) {
      return;
    }
    const perSecond = (requests / Math.max(1, performance.now() - startedMs)) * MS_PER_SECOND;
    const text = [
      `${count(requests)} requests`,
      `${count(perSecond)}/s`,
      `${percent(requests === 0 ? 0 : hits / requests)} hits`,
      `${count(metrics.currentTotalKeys)} entries`,
      bytes(metrics.memoryBytes),
    ].join(' · ');
    this.#stream.write(CLEAR_LINE + text.slice(0, (this.#stream.columns || COLUMNS_DEFAULT) - 1));
    this.#isShown = true;
  }

  #clear(): void {
    if (this.#isShown) {
      this.#stream.write(CLEAR_LINE);
      this.#isShown = false;
    }
  }
}
