/** How reports for people are laid out: a label, a figure in a column of its own, and what it means. */
import { stripVTControlCharacters, styleText } from 'node:util';
import { count } from './figures.ts';

export type Style = (format: Parameters<typeof styleText>[0], text: string) => string;

export const LABEL_WIDTH = 14;
export const FIGURE_WIDTH = 11;
const BAR_WIDTH = 24;

/** Whoever asks for colours has looked whether the stream takes them. */
export function styleOf(colours: boolean): Style {
  return colours ? (format, text) => styleText(format, text, { validateStream: false }) : (_, text) => text;
}

/** The sections, one below the other. */
export function page(sections: readonly (readonly string[])[]): string {
  return `\n${sections.map((lines) => lines.map((line) => `  ${line}`.trimEnd()).join('\n')).join('\n\n')}\n\n`;
}

/** A part of the longest bar. */
export function bar(style: Style, part: number): string {
  const filled = Math.round(part * BAR_WIDTH);
  return style('cyan', '█'.repeat(filled)) + style('dim', '░'.repeat(BAR_WIDTH - filled));
}

/** The escapes of a style have no width, so the padding is counted from the plain text. A long name, or figure, takes from it. */
export function row(style: Style, name: string, figure: string, told: string): string {
  const room = LABEL_WIDTH + FIGURE_WIDTH - Math.max(LABEL_WIDTH, name.length) - widthOf(figure);
  return `${label(style, name)}${' '.repeat(Math.max(1, room))}${figure}  ${style('dim', told)}`;
}

export function note(style: Style, told: string): string {
  return ' '.repeat(LABEL_WIDTH + FIGURE_WIDTH + 2) + style('dim', told);
}

export function label(style: Style, name: string): string {
  return style('dim', name.padEnd(LABEL_WIDTH));
}

function widthOf(text: string): number {
  return stripVTControlCharacters(text).length;
}

export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}
