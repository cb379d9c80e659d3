/**
 * The line that moves while a command runs, on a terminal's stderr and nowhere else.
 *
 * It is redrawn at most ten times a second, asks for its text each time, and gives way to messages: `say` clears it,
 * writes, and the next drawing comes below.
 */

const INTERVAL_MS = 100;
/** A terminal that does not tell its width has at least this. */
const COLUMNS_DEFAULT = 80;
const CLEAR_LINE = '\r\x1b[2K';

/** What the line should say now; undefined leaves it as it is. */
export type ProgressText = () => string | undefined | Promise<string | undefined>;

export class Progress {
  readonly #stream: NodeJS.WriteStream;
  #timer: NodeJS.Timeout | undefined;
  #isDrawing = false;
  #isShown = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  start(text: ProgressText): void {
    if (this.#stream.isTTY) {
      this.#timer = setInterval(() => void this.#draw(text), INTERVAL_MS);
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

  async #draw(textNow: ProgressText): Promise<void> {
    if (this.#isDrawing) {
      return;
    }
    this.#isDrawing = true;
    const text = await textNow();
    this.#isDrawing = false;
    if (this.#timer === undefined || text === undefined) {
      return;
    }
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
