/**
 * The file of the engine 'json', for people, `jq` and `diff`: one line for every entry.
 *
 *     {
 *       "version": 1,
 *       "entries": [
 *         {"key":"user:1","value":{"name":"Ann"},"expiresAt":null},
 *         {"key":"at","value":{"$date":"1970-01-01T00:00:00.000Z"},"expiresAt":"2030-01-01T00:00:00.000Z"},
 *         {"encodedKey":"n1.5","value":true,"expiresAt":null},
 *         {"key":"photo","record":"oQQAAMz...","expiresAt":null}
 *       ]
 *     }
 *
 * A key that is no plain text is `encodedKey`: engine-key.ts without its U+0000. A value stands as JSON where the line, read again,
 * is the same record byte for byte; every other record (compressed, binary, -0, text that is no text) stands whole in
 * base64. So what is read back is always what was stored, and a value that somebody has edited by hand is a new record. `expiresAt`
 * counts in either case; it may be left out for null.
 */
import { engineKeyOf, keyOfEngineKey } from '../../engine-key.ts';
import { CacheError } from '../../errors.ts';
import { deadlineOf, type OpenedRecord, openRecord, sealRecord } from '../../record.ts';
import {
  TAG_ASCII,
  TAG_FALSE,
  TAG_JSON,
  TAG_NULL,
  TAG_NUMBER,
  TAG_TAGGED_JSON,
  TAG_TRUE,
  TAG_UTF8,
  TAG_UTF16,
  type Tag,
} from '../../value-tags.ts';
import { storeError } from '../faults.ts';

const VERSION = 1;
const HEAD = `{\n  "version": ${VERSION},\n  "entries": [`;
const TAIL = '\n  ]\n}\n';
const MEMBERS = ['key', 'encodedKey', 'value', 'record', 'expiresAt'];
const NOTHING = Buffer.alloc(0);
/** Of what is wrong, in a message. */
const SHOWN_MAX = 60;

type Members = Readonly<Record<string, unknown>>;

/** What stands in one line of the file. */
export type JsonEntry = readonly [key: string, record: Buffer];

export function textOf(lines: readonly string[]): string {
  return lines.length === 0 ? HEAD + TAIL : `${HEAD}\n    ${lines.join(',\n    ')}${TAIL}`;
}

export function lineOf(key: string, record: Buffer): string {
  const name = key.startsWith('\0') ? `"encodedKey":${JSON.stringify(key.slice(1))}` : `"key":${JSON.stringify(key)}`;
  const value = valueTextOf(record);
  const body = value === undefined ? `"record":"${record.toString('base64')}"` : `"value":${value}`;
  return `{${name},${body},"expiresAt":${JSON.stringify(timeOf(deadlineOf(record)))}}`;
}

/** Every entry, or what is wrong with it, in its place. Throws for what is no such file at all. */
export function* readEntries(bytes: Buffer, path: string): Generator<JsonEntry | CacheError> {
  const entries = parse(bytes, path);
  const seen = new Map<string, number>();
  for (const [i, entry] of entries.entries()) {
    const where = `entry ${i + 1} of ${path}`;
    try {
      const key = keyOf(entry, where, path);
      const first = seen.get(key);
      if (first !== undefined) {
        throw damaged(path, `${where} has the key of entry ${first}, ${shown(key)}: remove one of them`);
      }
      seen.set(key, i + 1);
      yield [key, recordOf(entry as Members, where, path)];
    } catch (error) {
      if (!(error instanceof CacheError)) {
        throw error;
      }
      yield error;
    }
  }
}

/** A value as JSON, undefined where a line with it would not be the same record again. */
function valueTextOf(record: Buffer): string | undefined {
  let opened: OpenedRecord;
  try {
    opened = openRecord(record);
    const text = opened.compression === 0 && !opened.base64 ? plainTextOf(opened) : undefined;
    return text !== undefined && sealValue(JSON.parse(text), timeOfText(timeOf(opened.expiresAtMs))).equals(record)
      ? text
      : undefined;
  } catch {
    // No record of this version, no JSON, or nested too deeply: it is kept as it is, in base64.
    return undefined;
  }
}

function plainTextOf({ tag, payload }: OpenedRecord): string | undefined {
  switch (tag) {
    case TAG_ASCII:
    case TAG_UTF8:
      return JSON.stringify(payload.toString('utf8'));
    case TAG_NUMBER:
      return payload.length === 8 ? JSON.stringify(payload.readDoubleLE()) : undefined;
    case TAG_NULL:
      return 'null';
    case TAG_FALSE:
      return 'false';
    case TAG_TRUE:
      return 'true';
    case TAG_JSON:
    case TAG_TAGGED_JSON:
      return payload.toString('utf8');
    default:
      return undefined;
  }
}

/** The record of a value that stands in the file. Throws for numbers that JavaScript has not got. */
function sealValue(value: unknown, expiresAtMs: number): Buffer {
  const [tag, payload] = payloadOf(value);
  return sealRecord({ tag, compression: 0, base64: false, expiresAtMs }, payload);
}

function payloadOf(value: unknown): [Tag, Buffer] {
  switch (typeof value) {
    case 'string':
      return textPayload(value);
    case 'number': {
      assertFinite(value);
      const payload = Buffer.allocUnsafe(8);
      payload.writeDoubleLE(value);
      return [TAG_NUMBER, payload];
    }
    case 'boolean':
      return [value ? TAG_TRUE : TAG_FALSE, NOTHING];
    default:
      return value === null ? [TAG_NULL, NOTHING] : jsonPayload(value);
  }
}

function textPayload(text: string): [Tag, Buffer] {
  if (!text.isWellFormed()) {
    return [TAG_UTF16, Buffer.from(text, 'utf16le')];
  }
  const payload = Buffer.from(text, 'utf8');
  return [payload.length === text.length ? TAG_ASCII : TAG_UTF8, payload];
}

/** An object whose one key begins with `$` is a tag (tags.ts): with one anywhere inside the value is tagged JSON. */
function jsonPayload(value: unknown): [Tag, Buffer] {
  let isTagged = false;
  const text = JSON.stringify(value, (_, member: unknown) => {
    if (typeof member === 'number') {
      assertFinite(member);
    } else if (typeof member === 'object' && member !== null && !Array.isArray(member)) {
      const keys = Object.keys(member);
      isTagged ||= keys.length === 1 && keys[0]?.startsWith('$') === true;
    }
    return member;
  });
  return [isTagged ? TAG_TAGGED_JSON : TAG_JSON, Buffer.from(text)];
}

/** 1e400 is JSON, and Infinity when it is read. */
function assertFinite(value: number): void {
  if (!Number.isFinite(value)) {
    throw new RangeError('a number that is too large for JavaScript');
  }
}

function parse(bytes: Buffer, path: string): readonly unknown[] {
  const parsed = parseText(textIn(bytes, path), path);
  const { version, entries } = (isObject(parsed) ? parsed : {}) as Members;
  if (Number.isInteger(version) && version !== VERSION) {
    const next = 'open it with the version of shardstash that made it';
    throw storeError('STORE_FOREIGN', path, `${path} is of version ${version}, and this one knows ${VERSION}: ${next}`);
  }
  if (version !== VERSION || !Array.isArray(entries)) {
    const found = isObject(parsed) ? `an object of ${Object.keys(parsed).slice(0, 5).join(', ')}` : shown(parsed);
    const expected = `{ "version": ${VERSION}, "entries": [...] }`;
    throw storeError('STORE_FOREIGN', path, `Expected ${expected} in ${path}, found ${found}: move that file away`);
  }
  return entries;
}

function textIn(bytes: Buffer, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw damaged(path, `${path} is no JSON: its bytes are no UTF-8. Mend it, or move it away`, cause);
  }
}

function parseText(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const before = text.slice(0, placeOf(text)).split('\n');
    const place = `line ${before.length}, column ${(before.at(-1) as string).length + 1}`;
    throw damaged(path, `${path} is no JSON from ${place} on: mend it there, or move it away`, cause);
  }
}

/** How much of a text might be the begin of JSON. The parser tells a position only for some mistakes, but never beyond its end. */
function placeOf(text: string): number {
  let good = 0;
  let bad = text.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (mayGoOn(text.slice(0, middle))) good = middle;
    else bad = middle;
  }
  return good;
}

/** Whether nothing is wrong with a text but that it ends. */
function mayGoOn(begin: string): boolean {
  try {
    JSON.parse(begin);
    return true;
  } catch (error) {
    const { message } = error as Error;
    return message.includes('end of JSON input') || Number(/at position (\d+)/.exec(message)?.[1]) >= begin.length;
  }
}

function keyOf(entry: unknown, where: string, path: string): string {
  if (!isObject(entry)) {
    throw damaged(path, `Expected ${where} to be an object with a key, found ${shown(entry)}: mend it`);
  }
  const stranger = Object.keys(entry).find((name) => !MEMBERS.includes(name));
  if (stranger !== undefined) {
    throw damaged(path, `${where} has ${shown(stranger)}, which would be lost: remove it`);
  }
  const { key, encodedKey } = entry;
  if ((key === undefined) === (encodedKey === undefined) || typeof (key ?? encodedKey) !== 'string') {
    throw damaged(path, `Expected ${where} to have a text as its \`key\` or \`encodedKey\`: mend it`);
  }
  try {
    const text = key === undefined ? engineKeyOf(keyOfEngineKey(`\0${encodedKey}`)) : engineKeyOf(key);
    if (key === undefined && text !== `\0${encodedKey}`) {
      throw new RangeError('it is written in another way than this version does');
    }
    return text;
  } catch (cause) {
    throw damaged(path, `The key ${shown(key ?? encodedKey)} of ${where} is none: ${(cause as Error).message}`, cause);
  }
}

function recordOf(entry: Members, where: string, path: string): Buffer {
  const { value, record, expiresAt = null } = entry;
  const expiresAtMs = timeOfText(expiresAt);
  if (Number.isNaN(expiresAtMs)) {
    throw damaged(path, `Expected \`expiresAt\` of ${where} to be an ISO time or null, found ${shown(expiresAt)}`);
  }
  if (Object.hasOwn(entry, 'value') === Object.hasOwn(entry, 'record')) {
    throw damaged(path, `Expected ${where} to have either a \`value\` or a \`record\`: mend it`);
  }
  if (Object.hasOwn(entry, 'record')) {
    const bytes = Buffer.from(String(record), 'base64');
    if (typeof record !== 'string' || bytes.toString('base64') !== record) {
      throw damaged(path, `Expected \`record\` of ${where} to be base64, found ${shown(record)}`);
    }
    return withDeadline(bytes, expiresAt, expiresAtMs);
  }
  try {
    return sealValue(value, expiresAtMs);
  } catch (cause) {
    throw damaged(path, `The value of ${where} has ${(cause as Error).message}: mend it`, cause);
  }
}

/** The record as it is, unless somebody has given it another deadline by hand. */
function withDeadline(record: Buffer, expiresAt: unknown, expiresAtMs: number): Buffer {
  if (timeOf(deadlineOf(record)) === expiresAt) {
    return record;
  }
  try {
    const { payload, ...head } = openRecord(record);
    return sealRecord({ ...head, expiresAtMs }, payload);
  } catch {
    // Damaged: whoever reads it gets that error, and nobody a deadline that may be of something else.
    return record;
  }
}

/** Null for ever, and for what no date can say. */
function timeOf(ms: number): string | null {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

function timeOfText(text: unknown): number {
  if (text === null) {
    return Number.POSITIVE_INFINITY;
  }
  return typeof text === 'string' ? Date.parse(text) : Number.NaN;
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, SHOWN_MAX);
}

function damaged(path: string, message: string, cause?: unknown): CacheError {
  return new CacheError('STORE_CORRUPT', message, { path, cause });
}
