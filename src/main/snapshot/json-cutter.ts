/**
 * Cuts the text of a JSON snapshot into its entries, as its bytes come, so that none but the present entry is ever parsed, and
 * nobody waits for the parsing of a whole file. Whatever has laid the text out, jq or a person, it is cut where JSON says:
 *
 *     { "version": 1, ..., "entries": [ {"key":1, ...} , {"key":2, ...} ], ... }
 *       `-----------'       head        `------------'   `------------'    head
 *
 * Only brackets, commas and strings are looked at; whether a piece is JSON `JSON.parse` says.
 */
import { isUtf8 } from 'node:buffer';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const ENTRIES = /^\s*"entries"\s*:\s*$/;
const BLANK = /^[ \t\r\n]*$/;

/** Where the next byte stands. */
type Part = 'before' | 'head' | 'entries' | 'after entries' | 'behind';

export class JsonCutter {
  /** Members of the whole, but for the entries. */
  readonly head = new Map<string, unknown>();
  /** Entries that were cut. */
  entries = 0;
  #part: Part = 'before';
  #hasEntries = false;
  /** Brackets that are open within the present piece. */
  #depth = 0;
  #inString = false;
  #isEscaped = false;
  /** Whether a comma stands before the present piece, which then has to be there. */
  #isAwaited = false;
  /** Of the present piece, what came with chunks before. */
  #kept: Buffer[] = [];

  /** The entries that end in the next bytes of the text, parsed. Throws where the text is none of a snapshot. */
  *cut(chunk: Buffer): Generator<unknown> {
    let from = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] as number;
      if (this.#inString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === BACKSLASH) this.#isEscaped = true;
        else if (byte === QUOTE) this.#inString = false;
        continue;
      }
      if (byte === QUOTE) {
        this.#assertInside();
        this.#inString = true;
        continue;
      }
      const part = this.#part;
      const isOutside = part === 'before' || part === 'after entries' || part === 'behind';
      if (isOutside) {
        if (this.#step(byte)) from = i + 1;
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        const isList = part === 'head' && this.#depth === 0 && byte === OPEN_BRACKET;
        if (isList && ENTRIES.test(this.#textTo(chunk, from, i, true))) {
          this.#begin('entries', false);
          from = i + 1;
        } else {
          this.#depth++;
        }
      } else if (this.#depth > 0) {
        if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) this.#depth--;
      } else if (byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        const text = this.#textTo(chunk, from, i);
        from = i + 1;
        if (part === 'entries') yield* this.#entry(text, byte);
        else this.#member(text, byte);
      }
    }
    const isPiece = this.#part === 'head' || this.#part === 'entries';
    if (isPiece && from < chunk.length) this.#kept.push(chunk.subarray(from));
  }

  /** The text has ended. Throws where it should go on. */
  end(): void {
    if (this.#part !== 'behind') {
      throw new SyntaxError(`it ends ${this.#part === 'entries' ? `in entry ${this.entries + 1}` : 'too early'}`);
    }
    if (!this.#hasEntries) {
      throw new SyntaxError('it has no `entries`');
    }
  }

  *#entry(text: string, end: number): Generator<unknown> {
    const isLast = end === CLOSE_BRACKET;
    if (!isLast || this.#isAwaited || !BLANK.test(text)) {
      this.entries++;
      yield parsed(text, `entry ${this.entries}`);
    }
    if (isLast) {
      this.#hasEntries = true;
      this.#begin('after entries', false);
    } else {
      this.#begin('entries', true);
    }
  }

  #member(text: string, end: number): void {
    const isLast = end === CLOSE_BRACE;
    if (!isLast || this.#isAwaited || !BLANK.test(text)) {
      // Braces alone would make an object of nothing, too.
      const member = BLANK.test(text) ? text : `{${text}}`;
      for (const [name, value] of Object.entries(parsed(member, 'what it says of itself') as object)) {
        this.head.set(name, value);
      }
    }
    this.#begin(isLast ? 'behind' : 'head', !isLast);
  }

  /** A byte between the parts. Whether a piece begins behind it. */
  #step(byte: number): boolean {
    if (this.#part === 'before' && byte === OPEN_BRACE) {
      this.#begin('head', false);
      return true;
    }
    if (this.#part === 'after entries' && (byte === COMMA || byte === CLOSE_BRACE)) {
      this.#begin(byte === COMMA ? 'head' : 'behind', byte === COMMA);
      return true;
    }
    if (!BLANK.test(String.fromCharCode(byte))) {
      this.#fail();
    }
    return false;
  }

  #begin(part: Part, isAwaited: boolean): void {
    if (part === 'entries' && this.#hasEntries) {
      throw new SyntaxError('it has `entries` twice');
    }
    this.#part = part;
    this.#isAwaited = isAwaited;
    this.#kept = [];
  }

  #assertInside(): void {
    if (this.#part !== 'head' && this.#part !== 'entries') this.#fail();
  }

  #fail(): never {
    throw new SyntaxError(
      `it is no JSON object: something else stands ${this.#part === 'before' ? 'before' : 'behind'} it`,
    );
  }

  /** The present piece, up to a byte of the chunk; `peek` leaves it the present one. */
  #textTo(chunk: Buffer, from: number, to: number, peek = false): string {
    const last = chunk.subarray(from, to);
    const bytes = this.#kept.length === 0 ? last : Buffer.concat([...this.#kept, last]);
    if (!peek) this.#kept = [];
    if (!isUtf8(bytes)) {
      throw new SyntaxError(`it is no text in UTF-8, in or near entry ${this.entries + 1}`);
    }
    return bytes.toString('utf8');
  }
}

function parsed(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SyntaxError(`${what} is no JSON: ${(cause as Error).message}`);
  }
}
