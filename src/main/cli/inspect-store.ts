/** A store as `shardstash inspect` shows it. */
import { type Inspection, inspectStore } from '../stores/index.ts';
import { bytes, count } from './figures.ts';
import { label, row, type Style } from './layout.ts';
import { printable } from './line.ts';
import type { Look, LookOptions } from './look.ts';
import { entryLine, plainEntry } from './shown-entry.ts';

export async function lookAtStore(place: string, options: LookOptions): Promise<Look> {
  const found = await inspectStore(place, options);
  const { path, damage, sample, entries, bytes: size, holder, ...rest } = found;
  const unknown = { entries: entries ?? null, bytes: size ?? null, holder: holder ?? null };
  return {
    path,
    damage,
    json: { path, ...rest, ...unknown, damage, sample: sample.map(plainEntry) },
    facts: (style) => factsOf(found, style),
    sample: (style) => sample.map((entry) => entryLine(entry, style)),
  };
}

function factsOf(found: Inspection, style: Style): string[] {
  const { engine, serializer, compression, base64, strict, appendMode, entries, holder } = found;
  const encoding = [
    serializer,
    ...(compression === false ? [] : [compression]),
    ...(base64 ? ['base64'] : []),
    ...(strict ? ['strict'] : []),
    ...(appendMode ? ['append mode'] : []),
  ].join(', ');
  const user =
    holder === undefined
      ? 'by nobody who keeps others out'
      : `by process ${holder.pid}${holder.isHere ? '' : ' of another machine'}`;
  return [
    row(style, 'engine', printable(engine), printable(encoding)),
    row(style, 'entries', entries === undefined ? '?' : count(entries), found.notes.join(' ')),
    ...(found.bytes === undefined ? [] : [row(style, 'size', bytes(found.bytes), 'all files of it')]),
    label(style, 'in use') + user,
    ...(found.stores.length === 0 ? [] : [label(style, 'within it') + found.stores.map(printable).join(', ')]),
  ];
}
