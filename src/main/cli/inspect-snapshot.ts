/** A snapshot of a cache as `shardstash inspect` shows it. */
import { inspectSnapshot, type SnapshotInspection } from '../snapshot/index.ts';
import { bytes, count } from './figures.ts';
import { label, plural, row, type Style } from './layout.ts';
import { printable } from './line.ts';
import type { Look, LookOptions } from './look.ts';
import { entryLine, plainEntry, timeOf } from './shown-entry.ts';

export async function lookAtSnapshot(place: string, { entries }: LookOptions): Promise<Look> {
  const found = await inspectSnapshot(place, { entries });
  const { path, damage, sample } = found;
  return {
    path,
    damage,
    json: {
      path,
      format: found.format,
      version: found.version,
      savedAt: timeOf(found.savedAt),
      shards: found.shards ?? null,
      serializer: found.serializer ?? null,
      eviction: found.eviction === '' ? null : found.eviction,
      entries: found.entries,
      expired: found.expired,
      bytes: found.bytes,
      damage,
      sample: sample.map(plainEntry),
    },
    facts: (style) => factsOf(found, style),
    sample: (style) =>
      sample.length === 0 ? [] : [style('dim', 'hottest first'), ...sample.map((entry) => entryLine(entry, style))],
  };
}

function factsOf(found: SnapshotInspection, style: Style): string[] {
  const { format, version, serializer, eviction, shards, entries, expired } = found;
  const encoding = [
    `version ${version}`,
    ...(serializer === undefined ? [] : [printable(serializer)]),
    ...(eviction === '' ? [] : [`evicted by ${printable(eviction)}`]),
    ...(shards === undefined ? [] : [plural(shards, 'shard')]),
  ].join(', ');
  const gone =
    expired === 0 ? 'none has expired' : `${count(expired)} of them ${expired === 1 ? 'has' : 'have'} expired`;
  return [
    row(style, 'snapshot', format, encoding),
    row(style, 'entries', count(entries), entries === 0 ? '' : gone),
    row(style, 'size', bytes(found.bytes), 'one file'),
    label(style, 'saved') + (timeOf(found.savedAt) ?? 'it does not say when'),
  ];
}
