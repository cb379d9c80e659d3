/** A report as text: what was measured under which conditions, and in the end every figure that has a goal. */
import type { Report } from './bench.ts';
import type { Figure, Unit } from './figure.ts';
import { hasGoal, renderRatios } from './ratio.ts';
import { type Column, formatAmount, formatCount, formatRate, renderTable } from './table.ts';

const FIGURE_COLUMNS: readonly Column<Figure>[] = [
  { title: 'measured', cell: ({ name }) => name },
  { title: 'median', cell: ({ median, unit }) => formatAmount(median, unit), align: 'right' },
  { title: 'a second', cell: ({ median, unit }) => (unit === RATED ? formatRate(median) : ''), align: 'right' },
  { title: 'least', cell: ({ rounds, unit }) => formatAmount(Math.min(...rounds), unit), align: 'right' },
  { title: 'most', cell: ({ rounds, unit }) => formatAmount(Math.max(...rounds), unit), align: 'right' },
];

/** What has a rate beside its time. */
const RATED: Unit = 'ns an operation';

export function renderReport(name: string, question: string, report: Report): string {
  const setup = Object.entries(report.setup).map(
    ([what, value]) => `${what}: ${typeof value === 'number' ? formatCount(value) : value}`,
  );
  const sections = [
    `== ${name}: ${question}\n${setup.join('; ')}`,
    renderTable(FIGURE_COLUMNS, report.figures),
    renderRatios(report.ratios),
    report.notes.join('\n'),
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}

/** The ratios with a goal, of all reports. */
export function renderGoals(reports: readonly Report[], quick: boolean): string {
  const ratios = reports.flatMap((report) => report.ratios).filter(hasGoal);
  if (ratios.length === 0) {
    return 'No figure with a goal was measured.';
  }
  const missed = ratios.filter(({ verdict }) => verdict === 'not reached').length;
  return [
    '== Goals',
    renderRatios(ratios),
    '',
    `${ratios.length - missed} of ${ratios.length} reached; ${missed} not reached. Ratios are medians of the rounds' ratios.`,
    ...(quick ? ['A quick run: sizes are smaller than those the goals speak of, and every figure is rough.'] : []),
  ].join('\n');
}
