/**
 * Curves over a logarithmic axis, drawn with the dots of Braille characters: two across and four down in each.
 *
 *      80 % ┤                        ⢀⣀⡠⠤⠔⠒ s3-fifo
 *           │            ⣀⠤⠔⠒⠉⠁
 *      40 % ┤ ⡠⠔⠊⠉
 *           └┬────────┬─────────┬─────────┬
 *           1,000   2,000     4,000     8,000
 *
 * Curves are told apart without colours, too: a solid line, dashes, dots, and a name at the right end of each.
 */

/** How a curve is drawn: which of its dots, in steps along the axis. */
export type Texture = 'solid' | 'dashes' | 'dots';

export interface Curve {
  readonly name: string;
  readonly texture: Texture;
  /** One for each place of the axis. */
  readonly values: readonly number[];
}

export interface CurveSettings {
  /** Ascending, positive, two at least. */
  readonly axis: readonly number[];
  readonly label: (value: number) => string;
  readonly width: number;
  readonly height: number;
  /** Colours a text as the curve of that index, or as what is not a curve. */
  readonly paint: (text: string, curve: number | undefined) => string;
}

const DOTS_ACROSS = 2;
const DOTS_DOWN = 4;
const BRAILLE = 0x2800;
/** The bit of each dot in a character, from the left and from the top. */
const DOT_BITS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;
const PATTERNS: Record<Texture, readonly boolean[]> = {
  solid: [true],
  dashes: [true, true, true, true, false, false, false],
  dots: [true, false, false, false],
};
const COLUMNS_MIN = 16;
/** Steps between marks of the scale, in points: the first that needs few enough marks is taken. */
const STEPS = [0.5, 1, 2, 5, 10, 20, 25, 50];
const MARKS_MAX = 5;

/** The lines of a chart; none where there is no room for it, or nothing to draw. */
export function drawCurves(curves: readonly Curve[], settings: CurveSettings): string[] {
  const { axis, width, height, paint } = settings;
  if (axis.length < 2 || curves.length === 0) {
    return [];
  }
  const scale = scaleOf(curves.flatMap(({ values }) => values));
  const marks = marksOf(scale, height);
  const markWidth = Math.max(...Array.from(marks.values(), (mark) => mark.length)) + 1;
  const nameWidth = Math.max(...curves.map(({ name }) => name.length)) + 1;
  const columns = width - markWidth - 1 - nameWidth;
  if (columns < COLUMNS_MIN) {
    return [];
  }
  const canvas = new Canvas(columns, height);
  for (const [index, curve] of curves.entries()) {
    trace(canvas, curve, index, axis, scale);
  }
  const names = namesBeside(curves, scale, height);
  const rows = Array.from({ length: height }, (_, row) => {
    const mark = marks.get(row);
    const edge = paint(`${(mark ?? '').padStart(markWidth - 1)} ${mark === undefined ? '│' : '┤'}`, undefined);
    const name = names.get(row);
    const beside = name === undefined ? '' : ` ${paint(curves[name]?.name ?? '', name)}`;
    return `${edge}${canvas.row(row, paint)}${beside}`.trimEnd();
  });
  return [...rows, ...footOf(settings, markWidth, columns).map((line) => paint(line, undefined))];
}

interface Scale {
  readonly least: number;
  readonly most: number;
  readonly step: number;
}

/** From one multiple of a step to another, so that the marks are round numbers. */
function scaleOf(values: readonly number[]): Scale {
  const least = Math.min(...values) * 100;
  const most = Math.max(...values) * 100;
  const span = (step: number) => Math.ceil(most / step) - Math.floor(least / step);
  const step = STEPS.find((candidate) => span(candidate) < MARKS_MAX) ?? (STEPS.at(-1) as number);
  const from = Math.floor(least / step) * step;
  return { least: from, most: Math.max(from + step, Math.ceil(most / step) * step), step };
}

/** Marks by row. */
function marksOf({ least, most, step }: Scale, height: number): Map<number, string> {
  const marks = new Map<number, string>();
  const digits = step < 1 ? 1 : 0;
  for (let i = 0; i <= Math.round((most - least) / step); i++) {
    const value = least + i * step;
    marks.set(Math.round(((most - value) / (most - least)) * (height - 1)), `${value.toFixed(digits)} %`);
  }
  return marks;
}

/** The dots of a curve: straight lines between its points, on the logarithm of the axis. */
function trace(canvas: Canvas, { values, texture }: Curve, index: number, axis: readonly number[], scale: Scale): void {
  const pattern = PATTERNS[texture];
  const across = canvas.dotsAcross - 1;
  const down = canvas.dotsDown - 1;
  const place = placeOn(axis);
  let before: number | undefined;
  for (let x = 0; x <= across; x++) {
    const value = valueAt(values, axis.map(place), x / across);
    const y = Math.round(((scale.most - value * 100) / (scale.most - scale.least)) * down);
    // A steep stretch is a column of dots, not a gap.
    const from = before === undefined ? y : before + Math.sign(y - before);
    if (pattern[x % pattern.length] === true) {
      for (let at = Math.min(from, y); at <= Math.max(from, y); at++) {
        canvas.dot(x, at, index);
      }
    }
    before = y;
  }
}

/** Where on the axis a value is, from 0 to 1. */
function placeOn(axis: readonly number[]): (value: number) => number {
  const least = Math.log(axis[0] as number);
  const span = Math.log(axis.at(-1) as number) - least;
  return (value) => (Math.log(value) - least) / span;
}

function valueAt(values: readonly number[], places: readonly number[], at: number): number {
  let i = 1;
  while (i < places.length - 1 && (places[i] as number) < at) {
    i++;
  }
  const [left, right] = [places[i - 1] as number, places[i] as number];
  const [from, to] = [values[i - 1] as number, values[i] as number];
  return from + (to - from) * Math.min(1, Math.max(0, (at - left) / (right - left)));
}

/** The name of each curve by the row of its end, or by the next row that is free. */
function namesBeside(curves: readonly Curve[], { least, most }: Scale, height: number): Map<number, number> {
  const names = new Map<number, number>();
  const ends = curves
    .map(({ values }, index) => ({ index, end: values.at(-1) as number }))
    .sort((one, other) => other.end - one.end);
  for (const { index, end } of ends) {
    let row = Math.round(((most - end * 100) / (most - least)) * (height - 1));
    while (names.has(row) && row < height - 1) {
      row++;
    }
    while (names.has(row) && row > 0) {
      row--;
    }
    names.set(row, index);
  }
  return names;
}

/** The axis with a mark for each place, and as many labels as fit beside each other: the last, the first, then others. */
function footOf({ axis, label }: CurveSettings, markWidth: number, columns: number): string[] {
  const place = placeOn(axis);
  const marks = axis.map((value) => Math.round(place(value) * (columns - 1)));
  const line = Array.from({ length: columns }, (_, column) => (marks.includes(column) ? '┬' : '─')).join('');
  const edge = markWidth + 1;
  const end = edge + columns;
  const labels: { from: number; text: string }[] = [];
  const [first, ...others] = axis.keys();
  for (const i of [...others.splice(-1), first as number, ...others]) {
    const text = label(axis[i] as number);
    const middle = edge + (marks[i] as number);
    const from = Math.max(0, Math.min(end - text.length, Math.round(middle - (text.length - 1) / 2)));
    if (labels.every((other) => from + text.length < other.from || other.from + other.text.length < from)) {
      labels.push({ from, text });
    }
  }
  labels.sort((one, other) => one.from - other.from);
  return [`${' '.repeat(markWidth)}└${line}`, labels.reduce((foot, { from, text }) => foot.padEnd(from) + text, '')];
}

/** Dots, and for each character the curve that was drawn there last. */
class Canvas {
  readonly #columns: number;
  readonly #bits: Uint8Array;
  readonly #owners: Int16Array;
  readonly dotsAcross: number;
  readonly dotsDown: number;

  constructor(columns: number, rows: number) {
    this.#columns = columns;
    this.#bits = new Uint8Array(columns * rows);
    this.#owners = new Int16Array(columns * rows);
    this.dotsAcross = columns * DOTS_ACROSS;
    this.dotsDown = rows * DOTS_DOWN;
  }

  dot(x: number, y: number, owner: number): void {
    const cell = Math.floor(y / DOTS_DOWN) * this.#columns + Math.floor(x / DOTS_ACROSS);
    const bit = DOT_BITS[x % DOTS_ACROSS === 0 ? 0 : 1][y % DOTS_DOWN] ?? 0;
    this.#bits[cell] = (this.#bits[cell] as number) | bit;
    this.#owners[cell] = owner;
  }

  /** Runs of one curve are painted together. */
  row(row: number, paint: CurveSettings['paint']): string {
    let text = '';
    for (let column = 0; column < this.#columns; ) {
      const owner = this.#ownerAt(row, column);
      let run = '';
      for (; column < this.#columns && this.#ownerAt(row, column) === owner; column++) {
        const bits = this.#bits[row * this.#columns + column] as number;
        run += bits === 0 ? ' ' : String.fromCharCode(BRAILLE + bits);
      }
      text += owner === undefined ? run : paint(run, owner);
    }
    return text;
  }

  #ownerAt(row: number, column: number): number | undefined {
    const cell = row * this.#columns + column;
    return this.#bits[cell] === 0 ? undefined : this.#owners[cell];
  }
}
