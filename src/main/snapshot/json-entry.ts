/**
 * One entry of a JSON snapshot, which is a line of it:
 *
 *     {"key":"user:1","value":{"name":"Ann"},"expiresAt":null}
 *     {"key":[1,{"$bigint":"2"}],"value":{"$date":"1970-01-01T00:00:00.000Z"},"expiresAt":"2030-01-01T00:00:00.000Z","grace":60000}
 *
 * Keys and values stand as JSON, with the tags of serializers/json-tags.ts for what that has no words for, whatever serializer the
 * cache has. `slide` and `grace` are milliseconds and `standing` is what the policy knew; each only where there is one. `expiresAt` may be left
 * out for null.
 */

import type { CacheKey } from '../../protocol/cache-key.ts';
import { describeThrown } from '../../protocol/describe.ts';
import type { SnapshotEntry } from '../../protocol/snapshot/entry.ts';
import { TAG_NUMBER } from '../../protocol/value-tags.ts';
import type { ValueCodec } from '../serializers/index.ts';
import { tagged, untagged } from '../serializers/json-tags.ts';

const MEMBERS = ['key', 'value', 'expiresAt', 'slide', 'grace', 'standing'];
/** The last moment that a Date can be; who lives longer lives for ever. */
const DATE_MAX_MS = 8.64e15;
const EVER = Number.POSITIVE_INFINITY;
const STANDING_MAX = 2 ** 32 - 1;
/** Of what is wrong, in a message. */
const SHOWN_MAX = 60;

/** Throws for a value that JSON cannot carry: one that a serializer of the user's made. */
export function lineOf(
  { key, tag, value, deadlineMs, slideMs, graceMs, standing }: SnapshotEntry,
  codec: ValueCodec,
): string {
  const expires = deadlineMs <= DATE_MAX_MS;
  try {
    return JSON.stringify({
      key: tagged(key),
      value: tagged(codec.decode(tag, value, value.length)),
      expiresAt: expires ? new Date(deadlineMs).toISOString() : null,
      ...(expires && slideMs > 0 ? { slide: slideMs } : {}),
      ...(expires && graceMs > 0 ? { grace: graceMs } : {}),
      ...(standing > 0 ? { standing } : {}),
    });
  } catch (cause) {
    throw new TypeError(
      `the value under the key ${shown(tagged(key))} cannot be said in JSON: ${describeThrown(cause)}`,
      { cause },
    );
  }
}

/** Throws what is wrong with it. */
export function entryOf(line: unknown, codec: ValueCodec): SnapshotEntry {
  if (typeof line !== 'object' || line === null || Array.isArray(line)) {
    throw new TypeError(`should be an object with \`key\`, \`value\` and \`expiresAt\`, not ${shown(line)}`);
  }
  const members = line as Record<string, unknown>;
  const stranger = Object.keys(members).find((name) => !MEMBERS.includes(name));
  if (stranger !== undefined) {
    throw new TypeError(`has a member \`${stranger}\`, and there are ${MEMBERS.join(', ')}`);
  }
  if (!('key' in members && 'value' in members)) {
    throw new TypeError(`has no \`${'key' in members ? 'value' : 'key'}\``);
  }
  const deadlineMs = deadlineOf(members['expiresAt'] ?? null);
  const slideMs = spanOf('slide', members, deadlineMs);
  const graceMs = spanOf('grace', members, deadlineMs);
  const { standing = 0 } = members;
  if (!Number.isInteger(standing) || (standing as number) < 0 || (standing as number) > STANDING_MAX) {
    throw new TypeError(`has a \`standing\` of ${shown(standing)}, which is none`);
  }
  const key = untagged(members['key']) as CacheKey;
  return {
    key,
    ...encodeValue(untagged(members['value']), codec),
    deadlineMs,
    slideMs,
    graceMs,
    standing: standing as number,
  };
}

/** A number is what a counter has become, which every serializer has; not all of them store numbers otherwise. */
export function encodeValue(value: unknown, codec: ValueCodec): Pick<SnapshotEntry, 'tag' | 'value'> {
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    return { tag: TAG_NUMBER, value: bytes };
  }
  codec.encode(value);
  return { tag: codec.tag, value: Buffer.from(codec.bytes.subarray(0, codec.byteLength)) };
}

function deadlineOf(expiresAt: unknown): number {
  if (expiresAt === null) {
    return EVER;
  }
  const ms = typeof expiresAt === 'string' ? Date.parse(expiresAt) : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new TypeError(
      `has an \`expiresAt\` of ${shown(expiresAt)}, which should be a time like "2030-01-01T00:00:00.000Z", or null`,
    );
  }
  return ms;
}

function spanOf(name: string, members: Record<string, unknown>, deadlineMs: number): number {
  const span = members[name];
  if (span === undefined) {
    return 0;
  }
  if (!(typeof span === 'number' && span > 0 && span <= Number.MAX_SAFE_INTEGER) || deadlineMs === EVER) {
    throw new TypeError(
      `has a \`${name}\` of ${shown(span)}, which should be milliseconds, of an entry with \`expiresAt\``,
    );
  }
  return span;
}

function shown(json: unknown): string {
  const text = JSON.stringify(json) ?? 'undefined';
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}...` : text;
}
