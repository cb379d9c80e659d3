/** The file of a memo as `shardstash inspect` shows it. */
import { resolve } from 'node:path';
import { type InspectedResult, inspectMemo, type MemoInspection } from '../memo/index.ts';
import { bytes, count } from './figures.ts';
import { label, plural, row, type Style } from './layout.ts';
import { printable } from './line.ts';
import type { Look, LookOptions } from './look.ts';
import { entryLine, oneLine, plainEntry, plainValue } from './shown-entry.ts';

const ARGS_WIDTH = 100;

export async function lookAtMemo(place: string, { entries }: LookOptions): Promise<Look> {
  const found = await inspectMemo(resolve(place), { entries });
  const { path, sample, name, serializer, damaged, damagedBytes, ...rest } = found;
  return {
    path,
    damage: damageOf(found),
    json: {
      path,
      name: name ?? null,
      serializer: serializer ?? null,
      ...rest,
      damaged,
      damagedBytes,
      sample: sample.map((result) => ({ ...plainEntry(result), args: plainArgs(result) })),
    },
    facts: (style) => factsOf(found, style),
    sample: (style) =>
      sample.length === 0 ? [] : [style('dim', 'latest first'), ...sample.flatMap((result) => linesOf(result, style))],
  };
}

function factsOf(found: MemoInspection, style: Style): string[] {
  const { name, serializer, version, entries, results, computing } = found;
  const encoding = [`version ${version}`, ...(serializer === undefined ? [] : [printable(serializer)])].join(', ');
  const replaced = results - entries;
  return [
    label(style, 'memo of') + (name === undefined ? '?' : name === '' ? '(anonymous)' : printable(name)),
    row(
      style,
      'entries',
      count(entries),
      replaced === 0 ? '' : `${plural(replaced, 'result')} replaced, removed or expired`,
    ),
    row(style, 'size', bytes(found.bytes), encoding),
    ...(computing === 0 ? [] : [row(style, 'computing', count(computing), 'by processes that live')]),
  ];
}

function damageOf({ damaged, damagedBytes, name }: MemoInspection): string[] {
  if (damaged === 0) {
    return [];
  }
  const what = `${plural(damaged, 'piece')} of it ${damaged === 1 ? 'is' : 'are'} damaged or not written to the end: ${bytes(damagedBytes)}.`;
  return [name === undefined ? `${what} Its head is among them, so nothing in it can be read.` : what];
}

function linesOf(result: InspectedResult, style: Style): string[] {
  const { args } = result;
  const called = args === undefined ? 'arguments that are not stored' : oneLine(args, ARGS_WIDTH);
  return [entryLine(result, style), `  ${style('dim', `of ${called}`)}`];
}

function plainArgs({ args }: InspectedResult): unknown {
  return args === undefined ? null : args.map(plainValue);
}
