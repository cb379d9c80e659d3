import { describe, expect, test } from 'vitest';
import { type Curve, type CurveSettings, drawCurves } from '../../src/main/cli/curve.ts';

const settings: CurveSettings = {
  axis: [1_000, 2_000, 4_000, 8_000],
  label: (value) => value.toLocaleString('en-US'),
  width: 60,
  height: 8,
  paint: (text) => text,
};
const rising: Curve = { name: 'lru', texture: 'solid', values: [0.1, 0.4, 0.6, 0.7] };
const above: Curve = { name: 'best', texture: 'dots', values: [0.3, 0.6, 0.75, 0.8] };

test('curves rise over a logarithmic axis, each with its texture and its name', () => {
  expect(drawCurves([above, rising], settings).join('\n')).toMatchInlineSnapshot(`
    "80 % ┤                            ⡀ ⡀ ⠄ ⠄ ⠂ ⠂ ⠂ ⠂ ⠂ ⠁ ⠁ best
         │                  ⡀ ⠄ ⠄ ⠂ ⠁      ⢀⣀⣀⣀⣀⠤⠤⠤⠤⠒⠒⠒⠒⠉⠉⠉ lru
    60 % ┤            ⡀ ⠂ ⠁        ⣀⣀⠤⠤⠒⠒⠉⠉⠁
         │      ⡀ ⠄ ⠁     ⢀⣀⡠⠤⠔⠒⠊⠉⠉
    40 % ┤⡀ ⠄ ⠁      ⣀⠤⠔⠒⠉⠁
    20 % ┤     ⢀⡠⠤⠒⠊⠉
         │⣀⠤⠔⠒⠉⠁
     0 % ┤
         └┬───────────────┬───────────────┬───────────────┬
        1,000           2,000           4,000         8,000"
  `);
});

describe('a chart', () => {
  test.each([40, 60, 100, 300])('of %s columns is no wider, and its foot lies under its curves', (width) => {
    const lines = drawCurves([above, rising], { ...settings, width });
    expect(lines).toHaveLength(settings.height + 2);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
    const edge = (lines[settings.height] as string).indexOf('└');
    expect(lines.slice(0, settings.height).every((line) => '│┤'.includes(line[edge] as string))).toBe(true);
    expect(lines.at(-1)).toMatch(/^ *1,000 .*8,000$/);
  });

  test('is left out where there is no room, no axis or no curve', () => {
    expect(drawCurves([rising], { ...settings, width: 25 })).toEqual([]);
    expect(drawCurves([rising], { ...settings, axis: [1] })).toEqual([]);
    expect(drawCurves([], settings)).toEqual([]);
  });

  test.each<[string, number[]]>([
    ['nothing', [0, 0, 0, 0]],
    ['everything', [1, 1, 1, 1]],
    ['a hair', [0.333_33, 0.333_33, 0.333_34, 0.333_35]],
    ['all there is', [0, 0, 1, 1]],
  ])('of %s has a scale of round numbers', (_, values) => {
    const lines = drawCurves([{ ...rising, values }], settings);
    const marks = lines.flatMap((line) => /^ *([\d.]+) % ┤/.exec(line)?.[1] ?? []).map(Number);
    expect(marks.length).toBeGreaterThanOrEqual(2);
    expect(marks.length).toBeLessThanOrEqual(6);
    expect(marks[0]).toBeGreaterThanOrEqual(100 * Math.max(...values));
    expect(marks.at(-1)).toBeLessThanOrEqual(100 * Math.min(...values));
    expect(marks.every((mark) => Number.isInteger(mark * 2))).toBe(true);
    expect(lines.join('')).toMatch(/[\u2801-\u28ff]/);
  });

  test('names every curve once, also where they end in one place', () => {
    const names = ['one', 'two', 'three'];
    const lines = drawCurves(
      names.map((name) => ({ ...rising, name })),
      settings,
    );
    for (const name of names) {
      expect(lines.filter((line) => line.endsWith(` ${name}`))).toHaveLength(1);
    }
  });

  test('paints curves by their number and everything else by none', () => {
    const painted = new Map<number | undefined, string>();
    drawCurves([above, rising], {
      ...settings,
      paint: (text, curve) => {
        painted.set(curve, (painted.get(curve) ?? '') + text);
        return text;
      },
    });
    expect([...painted.keys()].sort()).toEqual([0, 1, undefined]);
    expect(painted.get(undefined)).not.toMatch(/[\u2801-\u28ff]/);
    expect(painted.get(1)).toContain('lru');
    expect(painted.get(1)).toMatch(/^(?:lru|[\u2801-\u28ff])+$/);
  });
});
