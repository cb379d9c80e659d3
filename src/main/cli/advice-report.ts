/** An advice as people see it: a table of hit ratios, their curves, and one recommendation with its reason. */
import { styleText } from 'node:util';
import type { Advice } from './advice.ts';
import { BASELINE, type Comparison, meanOf, OPTIMUM, ratiosOf } from './comparison.ts';
import { drawCurves, type Texture } from './curve.ts';
import { bytes, count, duration, percent, size } from './figures.ts';

export interface AdviceSettings {
  /** What was recorded. */
  readonly title: string;
  readonly comparison: Comparison;
  readonly advice: Advice;
  /** Remarks on what was left out. */
  readonly notes: readonly string[];
  readonly elapsedMs: number;
  readonly threads: number;
  /** Of the terminal. */
  readonly columns: number;
  readonly colours: boolean;
}

type Format = Parameters<typeof styleText>[0];
type Style = (format: Format, text: string) => string;

const INDENT = 2;
const COLUMNS_MAX = 100;
const COLUMNS_MIN = 20;
const CHART_ROWS = 12;
/** A hit ratio that rounds to none. */
const NOTHING = '0.00';
const US_PER_MS = 1_000;
const NS_PER_MS = 1_000_000;
const PLAYED_MIN = 1_000_000;
const KIB = 1024;
const MIB = KIB * KIB;

export function renderAdvice(settings: AdviceSettings): string {
  const style: Style = settings.colours ? styleText : (_, text) => text;
  const width = Math.max(COLUMNS_MIN, Math.min(COLUMNS_MAX, settings.columns)) - INDENT;
  const { comparison, advice, notes } = settings;
  const sections = [
    heading(settings, width, style),
    ...comparison.shards.flatMap((shards) => table(comparison, shards, width, style)),
    chart(comparison, advice, width, style),
    recommendation(comparison, advice, width, style),
    [...notes, effort(settings)].flatMap((note) => wrapped(note, width)).map((line) => style('dim', line)),
  ];
  const text = sections.filter((lines) => lines.length > 0).map((lines) => lines.map(indented).join('\n'));
  return `\n${text.join('\n\n')}\n\n`;
}

function heading({ title, comparison }: AdviceSettings, width: number, style: Style): string[] {
  const { requests, keys, footprintBytes, ceiling } = comparison;
  const told = [
    plural(requests, 'request'),
    `${plural(keys, 'key')}, ${bytes(footprintBytes)} in a cache`,
    `${percent(ceiling)} could hit`,
  ];
  return [style('bold', title), ...wrapped(told.join(' · '), width).map((line) => style('dim', line))];
}

/** One section for as many columns as fit, the next columns below. */
function table(comparison: Comparison, shards: number, width: number, style: Style): string[][] {
  const { policies, sizes, unit } = comparison;
  const rows = [...policies]
    .map((policy) => ({ policy: policy as string, ratios: ratiosOf(comparison, policy, shards) }))
    .sort((one, other) => meanOf(other.ratios) - meanOf(one.ratios));
  const best = sizes.map((_, i) => figure(Math.max(...rows.map(({ ratios }) => ratios[i] as number))));
  const optimum = { policy: OPTIMUM, ratios: ratiosOf(comparison, OPTIMUM, shards) };
  const heads = sizes.map((each) => size(each, unit));
  const title = `hits in % by ${unit === 'bytes' ? '`maxBytes`' : '`maxEntries`'}${several(comparison) ? `, ${plural(shards, 'shard')}` : ''}`;
  const labelWidth = Math.max(...[...policies, OPTIMUM].map((name) => name.length)) + 1;
  const columnWidth = Math.max('100.00*'.length, ...heads.map((head) => head.length + 1)) + 1;
  const fitting = Math.max(1, Math.floor((width - labelWidth) / columnWidth));
  const perBlock = Math.ceil(sizes.length / Math.ceil(sizes.length / fitting));
  const blocks: string[][] = [];
  for (let from = 0; from < sizes.length; from += perBlock) {
    const columns = sizes.map((_, i) => i).slice(from, from + perBlock);
    const line = (name: string, figures: string[], format?: Format) => {
      const text = name.padEnd(labelWidth) + figures.join('');
      return format === undefined ? text : style(format, text);
    };
    blocks.push([
      ...(from === 0 ? wrapped(title, width).map((each) => style('dim', each)) : []),
      line(
        '',
        columns.map((i) => `${(heads[i] as string).padStart(columnWidth - 1)} `),
        'dim',
      ),
      ...rows.map(({ policy, ratios }) =>
        line(
          policy,
          columns.map((i) => cell(figure(ratios[i] as number), best[i], columnWidth, style)),
        ),
      ),
      line(
        optimum.policy,
        columns.map((i) => cell(figure(optimum.ratios[i] as number), undefined, columnWidth, style)),
        'dim',
      ),
    ]);
  }
  return blocks;
}

function figure(ratio: number): string {
  return (ratio * 100).toFixed(2);
}

/** The best of its column has a star: all that look alike, but not where nobody hits. */
function cell(text: string, best: string | undefined, width: number, style: Style): string {
  const padded = text.padStart(width - 1);
  return text === best && text !== NOTHING ? `${style(['bold', 'green'], padded)}*` : `${padded} `;
}

/** The recommended policy between the baseline, or what comes closest, and the optimum. */
function chart(comparison: Comparison, { policy }: Advice, width: number, style: Style): string[] {
  const others = comparison.policies.filter((name) => name !== policy);
  const other = others.find((name) => name === BASELINE) ?? others[0];
  const colours: Format[] = ['dim', 'yellow', ['bold', 'cyan']];
  const curves = [OPTIMUM, other, policy].flatMap((name, index) => {
    const texture = (['dots', 'dashes', 'solid'] satisfies Texture[])[index] as Texture;
    return name === undefined
      ? []
      : [{ name, texture, values: ratiosOf(comparison, name), colour: colours[index] as Format }];
  });
  return drawCurves(curves, {
    axis: comparison.sizes,
    label: (value) => size(value, comparison.unit),
    width,
    height: CHART_ROWS,
    paint: (text, curve) => style(curve === undefined ? 'dim' : (curves[curve]?.colour ?? 'dim'), text),
  });
}

function recommendation(comparison: Comparison, advice: Advice, width: number, style: Style): string[] {
  const options = wrapped(`Recommended: ${optionsText(comparison, advice)}`, width);
  const reasons = [`${percent(advice.hitRatio)} of the requests hit.`, ...advice.reasons];
  return [...options.map((line) => style('bold', line)), ...wrapped(reasons.join(' '), width)];
}

/** As one would write them down: `{ eviction: 'lru', maxEntries: 1000 }` */
function optionsText({ unit, shards }: Comparison, advice: Advice): string {
  const bound = unit === 'bytes' ? `maxBytes: ${bytesOption(advice.size)}` : `maxEntries: ${advice.size}`;
  const split = shards.length > 1 || advice.shards > 1 ? `, shards: ${advice.shards}` : '';
  return `{ eviction: '${advice.policy}', ${bound}${split} }`;
}

function bytesOption(value: number): string {
  if (value % MIB === 0) {
    return `'${value / MIB}mb'`;
  }
  return value % KIB === 0 ? `'${value / KIB}kb'` : `${value}`;
}

function effort({ comparison, elapsedMs, threads }: AdviceSettings): string {
  const played = comparison.cells.length * comparison.requests;
  const work = `${count(comparison.cells.length)} caches of ${plural(comparison.requests, 'request')}`;
  const told = `${work} in ${duration(elapsedMs * US_PER_MS)} on ${plural(threads, 'thread')}`;
  // Of fewer requests it would be the time that threads take to start.
  return played < PLAYED_MIN ? `${told}.` : `${told}, ${count((elapsedMs * NS_PER_MS) / played)} ns each.`;
}

function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

function several({ shards }: Comparison): boolean {
  return shards.length > 1 || (shards[0] ?? 1) > 1;
}

/** Lines of words, none longer than `width` but for a word that is. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/ (?!%)/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

function indented(line: string): string {
  return `${' '.repeat(INDENT)}${line}`.trimEnd();
}
