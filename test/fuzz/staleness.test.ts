import { describe, expect, test } from 'vitest';
import { seededRandom } from '../support/random.ts';
import { DELETE, INCREMENT, NOTHING, type Operation, READ, SET, StalenessJudge } from '../support/staleness.ts';

const LIMIT_MS = 100;

const operation = (kind: number, value: number, begin: number, end: number, isUnknown = false): Operation => {
  return { kind, key: 1, value, begin, end, isUnknown };
};
const read = (value: number, begin: number) => operation(READ, value, begin, begin + 1);

function judge(operations: readonly Operation[]): StalenessJudge {
  const judging = new StalenessJudge(1, LIMIT_MS);
  judging.hear(0, operations, 0);
  judging.finish();
  return judging;
}

describe('the judge of reads', () => {
  test('finds one of what was overwritten long ago, and says how long', () => {
    const history = [operation(SET, 7, 0, 10), operation(SET, 8, 20, 30)];
    expect(judge([...history, read(7, 130), read(8, 500)]).faults).toEqual([]);
    expect(judge([...history, read(7, 130), read(8, 500)]).oldestMs).toBe(100);
    expect(judge([...history, read(7, 131)]).faults).toEqual([
      'key 1: a read at 131 found 7, which was old for 101 ms',
    ]);
  });

  test('finds one of what was deleted, and one that misses what is there', () => {
    const history = [operation(SET, 7, 0, 10), operation(DELETE, NOTHING, 20, 30)];
    expect(judge([...history, read(7, 131)]).faultCount).toBe(1);
    expect(judge([...history, read(NOTHING, 131)]).faultCount).toBe(0);
    expect(judge([operation(SET, 7, 0, 10), read(NOTHING, 111)]).faultCount).toBe(1);
    expect(judge([read(NOTHING, 111)]).faultCount).toBe(0);
  });

  test('finds one of what nobody wrote', () => {
    expect(judge([operation(SET, 7, 0, 10), read(8, 5)]).faults[0]).toContain('nobody wrote');
    // Nor one that came from the future.
    expect(judge([operation(SET, 7, 50, 60), read(7, 5)]).faultCount).toBe(1);
  });

  test('takes either of two writes that overlap, and what is still being written', () => {
    const history = [operation(SET, 7, 0, 10), operation(SET, 8, 5, 30)];
    expect(judge([...history, read(7, 500), read(8, 501)]).faultCount).toBe(0);
    expect(judge([operation(SET, 7, 0, 5_000), read(7, 3), read(NOTHING, 4_000)]).faultCount).toBe(0);
  });

  test('neither believes a write of unknown outcome nor counts on its absence', () => {
    const history = [operation(SET, 7, 0, 10), operation(SET, 8, 20, 30, true)];
    expect(judge([...history, read(7, 900), read(8, 901)]).faultCount).toBe(0);
    expect(judge([...history, operation(SET, 9, 2_000, 2_010), read(8, 2_200)]).faultCount).toBe(1);
  });

  test('knows what increments were answered', () => {
    const history = [operation(INCREMENT, 1, 0, 10), operation(INCREMENT, 2, 20, 30)];
    expect(judge([...history, read(2, 500)]).faultCount).toBe(0);
    expect(judge([...history, read(1, 500)]).faultCount).toBe(1);
    expect(judge([...history, operation(INCREMENT, 0, 40, 50, true), read(3, 500)]).faultCount).toBe(0);
  });

  test('waits until everybody has told what they began before a read ended', () => {
    const judging = new StalenessJudge(2, LIMIT_MS);
    judging.hear(0, [operation(SET, 7, 0, 10), read(7, 1_000), read(8, 1_001)], 2_000);
    expect(judging.judged).toBe(0);
    judging.hear(1, [operation(SET, 8, 20, 30)], 1_001.5);
    expect([judging.judged, judging.faultCount]).toEqual([1, 1]);
    judging.finish();
    expect([judging.judged, judging.faultCount]).toEqual([2, 1]);
  });

  test('finds the one stale read that is planted in a history of thousands, and nothing without it', () => {
    const random = seededRandom('stale reads');
    const KEYS = 10;
    const tell = (planted: number) => {
      const judging = new StalenessJudge(3, LIMIT_MS);
      const values = new Array<number>(KEYS).fill(NOTHING);
      const before = new Array<number>(KEYS).fill(NOTHING);
      const writtenAt = new Array<number>(KEYS).fill(0);
      let isPlanted = false;
      for (let i = 1; i <= 6_000; i++) {
        const key = random.below(KEYS);
        const at = { key, begin: i * 2, end: i * 2 + 1, isUnknown: false };
        let told: Operation;
        if (random.oneIn(100)) {
          before[key] = values[key] as number;
          values[key] = random.oneIn(4) ? NOTHING : i;
          writtenAt[key] = at.end;
          told = { ...at, kind: values[key] === NOTHING ? DELETE : SET, value: values[key] as number };
        } else {
          const isStale = at.begin - (writtenAt[key] as number) > LIMIT_MS && before[key] !== values[key];
          const plants: boolean = i > planted && !isPlanted && isStale && before[key] !== NOTHING;
          isPlanted ||= plants;
          told = { ...at, kind: READ, value: (plants ? before[key] : values[key]) as number };
        }
        for (const process of [0, 1, 2]) judging.hear(process, process === i % 3 ? [told] : [], at.end);
      }
      judging.finish();
      return { isPlanted, faults: judging.faultCount, oldestMs: judging.oldestMs };
    };
    expect(tell(Number.POSITIVE_INFINITY)).toEqual({ isPlanted: false, faults: 0, oldestMs: 0 });
    const found = tell(3_000);
    expect([found.isPlanted, found.faults]).toEqual([true, 1]);
  });
});
