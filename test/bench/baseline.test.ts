import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { compareRuns, noiseOf, type Run, readBaseline, renderComparison } from '../../bench/support/baseline.ts';
import { figure, type Unit } from '../../bench/support/figure.ts';
import { compare } from '../../bench/support/ratio.ts';

const MACHINE = { cores: 2, model: 'a', memoryGib: 8, platform: 'linux', node: 'v20.0.0', loadBefore: 0 };
/** Their median is 100, and but for the outermost they lie within 2 % of it. */
const QUIET = [98, 99, 100, 101, 102, 100, 250];
const folder = mkdtempSync(join(tmpdir(), 'baseline-'));

afterAll(() => rmSync(folder, { recursive: true }));

/** A run of one bench that measured `ours` and, beside it, a peer that always takes 200. */
function runOf(ours: readonly number[], unit: Unit = 'ns an operation', changes: Partial<Run> = {}): Run {
  const own = figure('ours', unit, ours);
  const peer = figure(
    'peer',
    unit,
    ours.map(() => 200),
  );
  const ratios = [compare(own, peer, { what: 'set' })];
  const report = { setup: { entries: 10 }, figures: [own, peer], ratios, notes: [] };
  return { machine: MACHINE, quick: false, benches: { set: report }, ...changes };
}

function times(rounds: readonly number[], factor: number): number[] {
  return rounds.map((each) => each * factor);
}

function saved(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

describe('noise', () => {
  test('is half of what the rounds spread, without the outermost of five or more', () => {
    expect(noiseOf([90, 100, 100, 100, 104, 500, 1])).toBeCloseTo(0.07);
    expect(noiseOf([90, 100, 110])).toBeCloseTo(0.1);
    expect(noiseOf([100])).toBe(0);
    expect(noiseOf([0, 0, 0])).toBe(0);
  });

  test('hides a change that is smaller', () => {
    const [change] = compareRuns(runOf(QUIET), runOf(times(QUIET, 1.05))).figures;
    expect(change).toMatchObject({ before: 100, after: 105, change: 'as before' });
    const noisy = [60, 80, 100, 120, 140];
    expect(compareRuns(runOf(noisy), runOf(times(noisy, 1.3))).figures[0]?.change).toBe('as before');
  });
});

describe('a change beyond the noise of both runs', () => {
  test.each([
    ['ns an operation', 1.2, 'slower'],
    ['ns', 1 / 1.2, 'faster'],
    ['bytes an entry', 1.2, 'larger'],
    ['times as long', 1 / 1.2, 'smaller'],
  ] as const)('of %s by %f is said to be %s', (unit, factor, change) => {
    const { figures, ratios } = compareRuns(runOf(QUIET, unit), runOf(times(QUIET, factor), unit));
    expect(figures[0]).toMatchObject({ bench: 'set', what: 'ours', change });
    expect(figures[0]?.ratio).toBeCloseTo(factor);
    expect(figures[1]).toMatchObject({ what: 'peer', change: 'as before' });
    expect(ratios).toMatchObject([{ what: 'set, against peer', change }]);
  });

  test('is seen of a figure that was nothing, or is', () => {
    const [none, some] = [runOf([0, 0, 0]), runOf(QUIET)];
    expect(compareRuns(none, some).figures[0]).toMatchObject({ before: 0, after: 100, change: 'slower' });
    expect(compareRuns(some, none).figures[0]).toMatchObject({ before: 100, after: 0, change: 'faster' });
    expect(compareRuns(none, none).figures[0]).toMatchObject({ change: 'as before' });
  });

  test('is named below the tables', () => {
    const text = renderComparison(compareRuns(runOf(QUIET), runOf(times(QUIET, 1.2))));
    expect(text).toContain('figures: 1 of 2 got slower or larger by more than noise, 0 faster or smaller');
    expect(text).toContain('slower: set: ours');
    expect(text).toContain('slower: set: set, against peer');
  });
});

test('ratios of a run that saved no rounds of them are taken to have been as noisy as now', () => {
  const old = JSON.parse(JSON.stringify(runOf(QUIET), (key, value) => (key === 'ratios' ? value.map(bare) : value)));
  const { ratios } = compareRuns(old, runOf(times(QUIET, 1.2)));
  expect(ratios[0]).toMatchObject({ change: 'slower', noiseBefore: ratios[0]?.noiseAfter });
});

function bare({ rounds: _, ...ratio }: { rounds: unknown }): object {
  return ratio;
}

test('what only one of two runs has measured is named', () => {
  const { set } = runOf(QUIET).benches;
  const get = { setup: {}, figures: [figure('hit', 'ns', [1])], ratios: [], notes: [] };
  const before: Run = { ...runOf(QUIET), benches: { set: set as typeof get, get } };
  const after = runOf(QUIET, 'ns an operation', { benches: { set: { ...(set as typeof get), ratios: [] } } });
  expect(compareRuns(before, after)).toMatchObject({
    onlyBefore: ['get: hit', 'set: set, against peer'],
    onlyAfter: [],
  });
  expect(compareRuns(after, before)).toMatchObject({
    onlyBefore: [],
    onlyAfter: ['get: hit', 'set: set, against peer'],
  });
});

test('another machine, Node version, size or setting is said', () => {
  const after = runOf(QUIET, 'ns an operation', {
    machine: { ...MACHINE, node: 'v22.0.0', loadBefore: 3 },
    quick: true,
  });
  Object.assign(after.benches['set'] as object, { setup: { entries: 20 } });
  expect(compareRuns(runOf(QUIET), after).conditions).toEqual([
    'Not the same: machine, node: v20.0.0 then, v22.0.0 now.',
    'Not the same: run: full then, quick now.',
    'Not the same: set, entries: 10 then, 20 now.',
  ]);
  expect(compareRuns(after, after).conditions).toEqual([]);
});

describe('a baseline', () => {
  test('is what --json has printed, whatever npm said before', () => {
    const run = runOf(QUIET);
    const file = saved('run.json', `\n> shardstash@0.1.0 bench\n> node bench\n\n${JSON.stringify(run, null, 2)}\n`);
    expect(readBaseline(file)).toEqual(run);
  });

  test.each([
    ['missing.json', undefined, /a file that can be read: ENOENT.*missing\.json/],
    ['text.json', 'nothing measured', /text\.json is no JSON/],
    ['half.json', JSON.stringify(runOf(QUIET)).slice(0, 300), /half\.json is no JSON/],
    ['other.json', '{"name":"shardstash"}', /other\.json holds other JSON/],
    ['bent.json', '{"machine":{},"benches":{"set":{"setup":{},"figures":[{}],"ratios":[]}}}', /bent\.json holds other/],
  ])('that is %s is refused with a sentence', (name, text, message) => {
    const file = text === undefined ? join(folder, name) : saved(name, text);
    expect(() => readBaseline(file)).toThrow(message);
  });
});
