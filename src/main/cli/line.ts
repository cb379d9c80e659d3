/**
 * One line of a trace: `key`, `key size` or `key size ttlSeconds`, with blanks (spaces, tabs) between the columns.
 *
 * It is read as bytes, because most of a line is a key that goes on as bytes; nothing is allocated for a good line. What a
 * line may look like is decided here and nowhere else.
 */
import { isUtf8 } from 'node:buffer';
import { UNSET } from './batch.ts';

/** A longer line is bad. No key of a cache is longer than this either. */
export const LINE_BYTES_MAX = 65_535;
/** How much of a bad line a message shows. */
const EXCERPT_BYTES = 60;

const TAB = 9;
const CARRIAGE_RETURN = 13;
const SPACE = 32;
const DIGIT_0 = 48;
const DIGIT_9 = 57;
const TILDE = 126;
const DELETE = 127;
const DECIMAL = /^\d*\.?\d+(?:e[+-]?\d+)?$/i;
/** The longest TTL in seconds whose milliseconds are still exact; beyond lies 'for ever', which a trace says by silence. */
const TTL_SECONDS_MAX = Number.MAX_SAFE_INTEGER / 1_000;

export const TOO_LONG = `longer than ${LINE_BYTES_MAX.toLocaleString('en-US')} bytes`;

/** Parses one line at a time; the result stays in its fields until the next `parse`. */
export class TraceLine {
  keyStart = 0;
  keyEnd = 0;
  /** Bytes, or UNSET. */
  size = UNSET;
  /** Seconds, or UNSET. */
  ttlSeconds = UNSET;

  /** Parses `bytes[start..end)`, which holds no line feed. Returns what is wrong with it, undefined if nothing is. */
  parse(bytes: Buffer, start: number, end: number): string | undefined {
    if (end - start > LINE_BYTES_MAX) {
      return TOO_LONG;
    }
    this.size = UNSET;
    this.ttlSeconds = UNSET;
    const last = end > start && bytes[end - 1] === CARRIAGE_RETURN ? end - 1 : end;
    this.keyStart = skipBlanks(bytes, start, last);
    this.keyEnd = skipColumn(bytes, this.keyStart, last);
    if (this.keyEnd === this.keyStart) {
      return this.keyStart === last ? 'no key' : 'control bytes';
    }
    if (!endsColumn(bytes, this.keyEnd, last)) {
      return 'control bytes';
    }
    if (hasHighByte(bytes, this.keyStart, this.keyEnd) && !isUtf8(bytes.subarray(this.keyStart, this.keyEnd))) {
      return 'not UTF-8';
    }
    return this.keyEnd === last ? undefined : this.#parseNumbers(bytes, skipBlanks(bytes, this.keyEnd, last), last);
  }

  #parseNumbers(bytes: Buffer, start: number, end: number): string | undefined {
    if (start === end) {
      return undefined;
    }
    const sizeEnd = skipColumn(bytes, start, end);
    this.size = wholeNumber(bytes, start, sizeEnd);
    if (Number.isNaN(this.size) || !endsColumn(bytes, sizeEnd, end)) {
      return 'the size is not a whole number of bytes';
    }
    const ttlStart = skipBlanks(bytes, sizeEnd, end);
    if (ttlStart === end) {
      return undefined;
    }
    const ttlEnd = skipColumn(bytes, ttlStart, end);
    this.ttlSeconds = positiveNumber(bytes, ttlStart, ttlEnd);
    if (Number.isNaN(this.ttlSeconds) || !endsColumn(bytes, ttlEnd, end)) {
      return 'the TTL is not a positive number of seconds';
    }
    return skipBlanks(bytes, ttlEnd, end) === end ? undefined : 'more than three columns';
  }
}

/** The beginning of a line as a terminal can safely show it: any byte that is not printable ASCII as \xNN. */
export function excerpt(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let i = start; i < Math.min(end, start + EXCERPT_BYTES); i++) {
    const byte = bytes[i] ?? 0;
    text += byte >= SPACE && byte <= TILDE ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return end - start > EXCERPT_BYTES ? `${text}...` : text;
}

/** A name as a terminal can safely show it: letters of any script as they are, what steers a terminal escaped. */
export function printable(name: string): string {
  return name.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (letter) => {
    const code = letter.codePointAt(0) ?? 0;
    return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

function skipBlanks(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && isBlank(bytes[at])) {
    at++;
  }
  return at;
}

/** The end of the column that begins at `start`: a blank, a control byte, or the end of the line. */
function skipColumn(bytes: Buffer, start: number, end: number): number {
  let at = start;
  for (let byte = bytes[at] ?? 0; at < end && byte > SPACE && byte !== DELETE; byte = bytes[at] ?? 0) {
    at++;
  }
  return at;
}

function endsColumn(bytes: Buffer, at: number, end: number): boolean {
  return at === end || isBlank(bytes[at]);
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}

function hasHighByte(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    if ((bytes[i] ?? 0) > DELETE) {
      return true;
    }
  }
  return false;
}

/** A run of digits as a safe integer, or NaN. */
function wholeNumber(bytes: Buffer, start: number, end: number): number {
  let value = start === end ? Number.NaN : 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] ?? 0;
    value = byte >= DIGIT_0 && byte <= DIGIT_9 ? value * 10 + (byte - DIGIT_0) : Number.NaN;
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : Number.NaN;
}

function positiveNumber(bytes: Buffer, start: number, end: number): number {
  let value = wholeNumber(bytes, start, end);
  if (Number.isNaN(value)) {
    const text = bytes.toString('latin1', start, end);
    value = DECIMAL.test(text) ? Number(text) : Number.NaN;
  }
  return value > 0 && value <= TTL_SECONDS_MAX ? value : Number.NaN;
}
