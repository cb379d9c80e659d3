/**
 * Another snapshot of one that is there: as text or binary, or with values of another serializer. Entries keep their order, their
 * deadlines and what the policy knew of them; values stay byte for byte where the serializer stays.
 */
import { misuse } from '../../protocol/errors.ts';
import type { SnapshotEntry } from '../../protocol/snapshot/entry.ts';
import { createCodec, isSerializerName, type SerializerOption, type ValueCodec } from '../serializers/index.ts';
import { encodeValue } from './json-entry.ts';
import { type MadeSnapshot, makeSnapshot } from './make.ts';
import {
  codecOf,
  givenCodec,
  hasExpired,
  type OpenedSnapshot,
  openSnapshot,
  type SnapshotFormat,
} from './snapshot-at.ts';
import { v8FormatOf } from './v8-format.ts';

/** Of values in a text that does not say: that of a cache whose options do not. */
const DEFAULT = 'msgpack';

/** What the serializer of the old one is called here. */
export const FROM = 'fromSerializer';

export interface ConvertSnapshotOptions {
  /** Of the new values. Default: as they are. */
  readonly serializer?: SerializerOption | undefined;
  /** Of the old ones, where they were made with one of your own. */
  readonly fromSerializer?: SerializerOption | undefined;
}

export interface ConvertedSnapshot extends MadeSnapshot {
  readonly serializer: string;
  /** They are left out. */
  readonly expired: number;
  readonly from: { readonly path: string; readonly format: SnapshotFormat };
}

/**
 * `to` must not be there; it will be a text where it ends in .json, and binary otherwise. It is there whole, or not at all. Rejects with
 * CACHE_LOAD_ERROR for what cannot be read, CACHE_SAVE_ERROR for what cannot be written, INVALID_CONFIG and UNKNOWN_PLUGIN.
 *
 * @example
 * await convertSnapshot('cache_storage/cache_data.snapshot', 'cache.json');
 */
export async function convertSnapshot(
  from: string,
  to: string,
  { serializer, fromSerializer }: ConvertSnapshotOptions = {},
): Promise<ConvertedSnapshot> {
  const given = await givenCodec(serializer);
  const source = await openSnapshot(from, { serializer: fromSerializer }, FROM);
  const nowMs = Date.now();
  let expired = 0;
  let name = '';
  const made = await makeSnapshot(to, async (writer) => {
    let target: ValueCodec | undefined;
    for await (const batch of source.batches()) {
      target ??= given ?? sameAs(source);
      for (const entry of batch) {
        if (hasExpired(entry, nowMs)) expired++;
        else
          writer.add(
            target === undefined || target.name === source.codec?.name ? entry : encodedAnew(entry, source, target),
          );
      }
    }
    target ??= given ?? sameAs(source);
    const { eviction, savedAtMs = nowMs, serializer: told = '', v8 } = source.told();
    name = target?.name ?? told;
    const isSame = source.format === 'binary' && name === told;
    const format = isSame && v8 !== undefined ? { v8 } : v8FormatOf(name);
    return {
      facts: { serializer: name, ...format, eviction, savedAtMs },
      codec: () => target ?? codecOf(source, FROM),
    };
  });
  const { path, format } = source;
  return { ...made, serializer: name, expired, from: { path, format } };
}

/** The serializer that the source has, as far as it has been read. Undefined for one of somebody's own: its bytes are copied. */
export function sameAs(source: OpenedSnapshot): ValueCodec | undefined {
  if (source.format === 'binary') {
    return source.codec;
  }
  const { serializer = DEFAULT } = source.told();
  if (!isSerializerName(serializer)) {
    const expected = `\`serializer\` to say how values are encoded: ${source.path} names '${serializer}'`;
    throw misuse('INVALID_CONFIG', expected, undefined, { option: 'serializer' });
  }
  return createCodec(serializer);
}

function encodedAnew(entry: SnapshotEntry, source: OpenedSnapshot, target: ValueCodec): SnapshotEntry {
  const { tag, value } = entry;
  return { ...entry, ...encodeValue(codecOf(source, FROM).decode(tag, value, value.length), target) };
}
