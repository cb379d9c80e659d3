import { describe, expect, test } from 'vitest';
import { JsonCutter } from '../../../src/main/snapshot/json-cutter.ts';
import { type Random, seededRandom } from '../../support/random.ts';

function cut(text: string | Buffer, sizes: () => number = () => 1_000_000) {
  const cutter = new JsonCutter();
  const entries: unknown[] = [];
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    const chunk = bytes.subarray(at, at + sizes());
    entries.push(...cutter.cut(chunk));
    at += chunk.length;
  }
  cutter.end();
  return { head: Object.fromEntries(cutter.head), entries };
}

function drawJson(random: Random, depth = 0): unknown {
  switch (random.below(depth > 3 ? 4 : 6)) {
    case 0:
      return random.below(1_000) - 500;
    case 1:
      return ['', 'a', '"', '\\', '[', '{"', '},', '\u00e9\u{1f600}', '\\"', '"entries": ['][random.below(10)];
    case 2:
      return null;
    case 3:
      return random.oneIn(2);
    case 4:
      return Array.from({ length: random.below(4) }, () => drawJson(random, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: random.below(4) }, (_, i) => [`k${i}"[{,`, drawJson(random, depth + 1)]),
      );
  }
}

describe('the cutter', () => {
  test('cuts any layout of any JSON where JSON.parse says, wherever chunks end', () => {
    const random = seededRandom('json cutter');
    for (let round = 0; round < 150; round++) {
      const entries = Array.from({ length: random.below(6) }, () => drawJson(random));
      const head = { version: 1, note: drawJson(random) };
      const whole = random.oneIn(2) ? { ...head, entries } : { entries, ...head };
      const text = JSON.stringify(whole, undefined, random.below(3));
      expect(cut(text, () => 1 + random.below(9))).toEqual({ head, entries });
    }
  });

  test.each([
    ['', 'ends too early'],
    ['{', 'ends too early'],
    ['{}', 'no `entries`'],
    ['{"entries":[1,2', 'ends in entry 2'],
    ['{"entries":[1,2]', 'ends too early'],
    ['{"entries":[1,]}', 'entry 2 is no JSON'],
    ['{"entries":[,1]}', 'entry 1 is no JSON'],
    ['{"entries":[1 2]}', 'entry 1 is no JSON'],
    ['{"entries":[{]]}', 'entry 1 is no JSON'],
    ['{"entries":[1]} {}', 'behind it'],
    ['{"entries":[1] 5}', 'behind it'],
    ['{"entries":[1],}', 'what it says of itself'],
    ['{"entries":[],"entries":[]}', 'twice'],
    ['{"version":1,,"entries":[]}', 'what it says of itself'],
    ['{"version" 1,"entries":[]}', 'what it says of itself'],
    ['[1]', 'before it'],
    ['"a"', 'before it'],
  ])('%s is refused: %s', (text, why) => {
    expect(() => cut(text)).toThrow(why);
  });

  test('bytes that are no UTF-8 are refused, not replaced', () => {
    expect(() => cut(Buffer.from([...Buffer.from('{"entries":["'), 0xff, ...Buffer.from('"]}')]))).toThrow('UTF-8');
  });
});
