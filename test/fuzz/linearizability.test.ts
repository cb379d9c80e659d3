/** The checker of test/e2e/linearizability.test.ts, by itself: what it lets pass, and what it does not. */
import { describe, expect, test } from 'vitest';
import { ABSENT, type KeyState, type Operation, type Step, stepsOf, type Value } from '../support/key-history.ts';
import { explain, type JudgeOptions, judge, SearchTooLong } from '../support/linearizability.ts';
import { type Random, seededRandom } from '../support/random.ts';
import { simulateKey } from '../support/simulated-key.ts';

/** Operations by client, first and last moment, and what they were. */
function timed(client: number, calledAt: number, returnedAt: number) {
  const recorded = { client, calledAt, returnedAt, outcome: 'returned' } as const;
  return {
    get: (result?: Value): Operation => ({ ...recorded, kind: 'get', result }),
    set: (value: Value): Operation => ({ ...recorded, kind: 'set', value }),
    delete: (result: boolean): Operation => ({ ...recorded, kind: 'delete', result }),
    add: (value: Value): Operation => ({ ...recorded, kind: 'add', value, result: 'ADDED' }),
    addInVain: (value: Value): Operation => ({ ...recorded, kind: 'add', value, result: 'KEY_EXISTS' }),
    increment: (result: number | 'NOT_A_NUMBER'): Operation => ({ ...recorded, kind: 'increment', by: 1, result }),
    obtain: (result: Value): Operation => ({ ...recorded, kind: 'getOrSet', runs: [], result }),
    compute: (value: Value, startedAt: number, endedAt: number): Operation => ({
      ...recorded,
      kind: 'getOrSet',
      runs: [{ value, startedAt, endedAt }],
      result: value,
    }),
  };
}

function unknown(operation: Operation): Operation {
  return { ...operation, outcome: 'unknown' };
}

interface Case {
  readonly what: string;
  readonly history: Operation[];
  readonly options?: JudgeOptions;
}

const LEGAL: Case[] = [
  { what: 'nothing at all', history: [] },
  {
    what: 'reads beside a write see it or do not',
    history: [timed(0, 0, 9).set('a'), timed(1, 1, 2).get(), timed(2, 3, 4).get('a'), timed(1, 10, 11).get('a')],
  },
  {
    what: 'two writes at once come in either order',
    history: [timed(0, 0, 5).set('a'), timed(1, 0, 5).set('b'), timed(2, 6, 7).get('a')],
  },
  {
    what: 'whoever is called at the moment at which another returns is beside it',
    history: [timed(0, 0, 1).set('a'), timed(1, 1, 2).get()],
  },
  {
    what: 'increments at once are told different sums',
    history: [timed(0, 0, 5).increment(2), timed(1, 0, 5).increment(1), timed(2, 6, 7).get(2)],
  },
  {
    what: 'an increment of what is no number changes nothing',
    history: [timed(0, 0, 1).set('a'), timed(1, 2, 3).increment('NOT_A_NUMBER'), timed(2, 4, 5).get('a')],
  },
  {
    what: 'one of two adds at once finds the other',
    history: [timed(0, 0, 5).add('a'), timed(1, 0, 5).addInVain('b'), timed(2, 6, 7).get('a')],
  },
  {
    what: 'a write with an unknown outcome happened',
    history: [unknown(timed(0, 0, 1).set('a')), timed(1, 2, 3).get('a')],
  },
  {
    what: 'a write with an unknown outcome never happened',
    history: [unknown(timed(0, 0, 1).set('a')), timed(1, 2, 3).get(), timed(1, 4, 5).add('b')],
  },
  {
    what: 'a write with an unknown outcome happened long after',
    history: [
      unknown(timed(0, 0, 1).delete(false)),
      timed(1, 2, 3).set('a'),
      timed(1, 4, 5).get('a'),
      timed(1, 6, 7).get(),
    ],
  },
  {
    what: 'what was computed is stored, and whoever asks meanwhile gets it',
    history: [timed(0, 0, 9).compute('a', 2, 3), timed(1, 1, 8).obtain('a'), timed(2, 10, 11).get('a')],
  },
  {
    what: 'what was computed reaches who asked before the key was deleted, and is not stored',
    history: [
      timed(0, 0, 9).compute('a', 2, 6),
      timed(1, 1, 9).obtain('a'),
      timed(2, 3, 4).delete(false),
      timed(2, 10, 11).get(),
    ],
  },
  {
    what: 'a write while it is computed stays',
    history: [timed(0, 0, 9).compute('a', 2, 6), timed(1, 3, 4).set('b'), timed(1, 10, 11).get('b')],
  },
  {
    what: 'after a write it is computed anew, beside the computation before',
    history: [
      timed(0, 0, 9).compute('a', 2, 6),
      timed(1, 3, 4).delete(false),
      timed(2, 5, 9).compute('b', 6, 7),
      timed(2, 10, 11).get('b'),
    ],
  },
  {
    what: 'a crash ends a lease: it is computed anew, and either value may stay',
    history: [timed(0, 0, 9).compute('a', 2, 6), timed(1, 3, 8).compute('b', 4, 5), timed(2, 10, 11).get('a')],
    options: { lossy: true },
  },
  {
    what: 'a crash loses what was computed',
    history: [timed(0, 0, 9).compute('a', 2, 6), timed(2, 10, 11).get()],
    options: { lossy: true },
  },
  {
    what: 'two reads of one client change places',
    history: [timed(0, 0, 9).set('a'), timed(1, 1, 5).get('a'), timed(1, 2, 4).get()],
  },
];

const ILLEGAL: Case[] = [
  { what: 'a value that nobody wrote', history: [timed(0, 0, 1).get('a')] },
  { what: 'a read after an acknowledged write misses it', history: [timed(0, 0, 1).set('a'), timed(1, 2, 3).get()] },
  {
    what: 'an older value is read again',
    history: [timed(0, 0, 1).set('a'), timed(0, 2, 9).set('b'), timed(1, 3, 4).get('b'), timed(2, 5, 6).get('a')],
  },
  {
    what: 'two readers see two writes in different orders',
    history: [timed(0, 0, 1).set('a'), timed(1, 0, 1).set('b'), timed(2, 2, 3).get('a'), timed(3, 4, 5).get('b')],
  },
  {
    what: 'a write that was not sent is seen',
    history: [{ ...timed(0, 0, 1).set('a'), outcome: 'not-sent' }, timed(1, 2, 3).get('a')],
  },
  {
    what: 'a write with an unknown outcome happens twice',
    history: [
      unknown(timed(0, 0, 1).set('a')),
      timed(1, 2, 3).get('a'),
      timed(1, 4, 5).set('b'),
      timed(1, 6, 7).get('a'),
    ],
  },
  {
    what: 'a write with an unknown outcome happens before its call',
    history: [timed(1, 0, 1).get('a'), unknown(timed(0, 2, 3).set('a'))],
  },
  { what: 'both of two adds succeed', history: [timed(0, 0, 5).add('a'), timed(1, 0, 5).add('b')] },
  { what: 'an add finds what was not there', history: [timed(0, 0, 1).addInVain('a')] },
  { what: 'two increments are told one sum', history: [timed(0, 0, 5).increment(1), timed(1, 0, 5).increment(1)] },
  {
    what: 'a delete finds nothing where a value was',
    history: [timed(0, 0, 1).set('a'), timed(1, 2, 3).delete(false)],
  },
  {
    what: 'two deletes remove one value',
    history: [timed(0, 0, 1).set('a'), timed(1, 2, 5).delete(true), timed(2, 2, 5).delete(true)],
  },
  {
    what: 'a deleted key comes back with what was computed before',
    history: [timed(0, 0, 9).compute('a', 2, 6), timed(1, 3, 4).delete(false), timed(2, 10, 11).get('a')],
  },
  {
    what: 'so it does, after a crash',
    history: [timed(0, 0, 9).compute('a', 2, 6), timed(1, 3, 4).delete(false), timed(2, 10, 11).get('a')],
    options: { lossy: true },
  },
  {
    what: 'what was computed overwrites what was written meanwhile',
    history: [timed(0, 0, 9).compute('a', 2, 6), timed(1, 3, 4).set('b'), timed(2, 10, 11).get('a')],
  },
  {
    what: 'whoever asks after a delete gets what was computed before',
    history: [timed(0, 0, 9).compute('a', 2, 6), timed(1, 3, 4).delete(false), timed(2, 5, 9).obtain('a')],
  },
  {
    what: 'it is computed where a value is',
    history: [timed(0, 0, 1).set('a'), timed(1, 2, 9).compute('b', 3, 4)],
  },
  {
    what: 'it is computed twice at once',
    history: [timed(0, 0, 9).compute('a', 2, 6), timed(1, 3, 8).compute('b', 4, 5)],
  },
  {
    what: 'what was computed is gone, and nobody wrote',
    history: [timed(0, 0, 9).compute('a', 2, 6), timed(2, 10, 11).get()],
  },
  {
    what: 'a client does not read its own write',
    history: [timed(0, 0, 9).set('a'), timed(0, 1, 5).get()],
  },
  {
    what: 'a client’s writes change places',
    history: [timed(0, 0, 9).set('a'), timed(0, 1, 9).set('b'), timed(1, 10, 11).get('a')],
  },
  {
    what: 'a client reads what it writes only then',
    history: [timed(0, 0, 9).get('a'), timed(0, 1, 9).set('a')],
  },
];

test.each(LEGAL)('legal: $what', ({ history, options }) => {
  expect(judge(history, options).isLegal).toBe(true);
  // The order in which operations were recorded says nothing.
  expect(judge(history.toReversed(), options).isLegal).toBe(true);
});

test.each(ILLEGAL)('not legal: $what', ({ history, options }) => {
  expect(judge(history, options).isLegal).toBe(false);
  expect(judge(history.toReversed(), options).isLegal).toBe(false);
  expect(explain(history, options)).toContain('<- cannot be placed');
});

describe('what a perfect shard answers', () => {
  test.each([
    { clients: 2, operations: 200, unknownOneIn: Number.POSITIVE_INFINITY },
    { clients: 4, operations: 70, unknownOneIn: Number.POSITIVE_INFINITY },
    { clients: 4, operations: 70, unknownOneIn: 10 },
    { clients: 8, operations: 40, unknownOneIn: 10 },
  ])('is legal, and found so in few steps: %o', (options) => {
    const random = seededRandom('simulated keys');
    let nodes = 0;
    for (let i = 0; i < HISTORIES; i++) {
      const history = simulateKey(random, options);
      const verdict = judge(history);
      expect(verdict.isLegal, explainIf(!verdict.isLegal, history)).toBe(true);
      nodes += verdict.nodes;
    }
    console.info(`${(nodes / HISTORIES).toFixed(0)} nodes a history`);
  });

  test('is rarely legal with one answer changed', () => {
    const random = seededRandom('answers changed');
    let caught = 0;
    for (let i = 0; i < HISTORIES; i++) {
      const history = simulateKey(random, { clients: 2, unknownOneIn: Number.POSITIVE_INFINITY, operations: 70 });
      caught += judge(changeOne(random, history)).isLegal ? 0 : 1;
    }
    console.info(`${caught} of ${HISTORIES} caught`);
    expect(caught).toBeGreaterThan(HISTORIES * 0.7);
  });
});

const HISTORIES = 100;

test('what is judged legal is what trying everything finds legal', () => {
  const random = seededRandom('everything tried');
  let illegal = 0;
  for (let i = 0; i < 1_000; i++) {
    const exact = simulateKey(random, { clients: 1 + random.below(3), operations: 6, unknownOneIn: 4 });
    const history = random.oneIn(4) ? exact : changeOne(random, exact);
    const options = { lossy: random.oneIn(2), programOrder: random.oneIn(2) };
    const expected = tryAll(stepsOf(history, options), new Set(), ABSENT);
    expect(judge(history, options).isLegal, JSON.stringify(history)).toBe(expected);
    illegal += expected ? 0 : 1;
  }
  expect(illegal).toBeGreaterThan(200);
});

/** Whether some order of what is left is legal. */
function tryAll(steps: readonly Step[], placed: ReadonlySet<number>, state: KeyState): boolean {
  const left = steps.filter(({ id }) => !placed.has(id));
  const due = left.filter(({ required }) => required);
  const isFree = ({ from, after }: Step) => due.every(({ to, id }) => from <= to && !after.includes(id));
  return (
    due.length === 0 ||
    left.filter(isFree).some((step) => {
      const next = step.apply(state);
      return next !== undefined && tryAll(steps, new Set([...placed, step.id]), next);
    })
  );
}

function explainIf(needed: boolean, history: readonly Operation[]): string {
  return needed ? explain(history) : '';
}

/** Another of the answers that could have been. */
function changeOne(random: Random, history: readonly Operation[]): Operation[] {
  const values = history.flatMap((each) => ('value' in each ? [each.value] : []));
  const changeable = history.filter(({ kind }) => kind === 'get' || kind === 'delete' || kind === 'add');
  const chosen = changeable[random.below(changeable.length)];
  return history.map((each) => (each === chosen ? changed(each, values[random.below(values.length)] as Value) : each));
}

function changed(operation: Operation, other: Value): Operation {
  switch (operation.kind) {
    case 'delete':
      return { ...operation, result: operation.result !== true };
    case 'add':
      return { ...operation, result: operation.result === 'ADDED' ? 'KEY_EXISTS' : 'ADDED' };
    case 'get':
      return { ...operation, result: operation.result === other ? undefined : other };
    default:
      return operation;
  }
}

describe('a search', () => {
  test('that takes too long is an error, not a verdict', () => {
    const history = Array.from({ length: 14 }, (_, i) => timed(i, 0, 9).set(`v${i}`));
    expect(() => judge([...history, timed(0, 10, 11).get('never')], { nodesMax: 1_000 })).toThrow(SearchTooLong);
  });

  test('through many writes of which nobody knows is short: they are placed where they show', () => {
    const writes = Array.from({ length: 60 }, (_, i) => unknown(timed(i, i, 99).set(`v${i}`)));
    const reads = [30, 3, 59].map((i, place) => timed(0, 100 + place, 100.5 + place).get(`v${i}`));
    expect(judge([...writes, ...reads], { nodesMax: 1_000 }).isLegal).toBe(true);
    expect(judge([...writes, ...reads, timed(0, 200, 201).get('v3')], { nodesMax: 1_000 }).isLegal).toBe(false);
  });
});

describe('a story', () => {
  test('tells the first return that fits nowhere, and what it clashes with', () => {
    const history = [
      timed(0, 0, 1).set('a'),
      timed(1, 0, 1).get('a'),
      timed(2, 2, 3).set('b'),
      timed(1, 2, 4).get('b'),
      timed(3, 5, 6).get('a'),
      timed(3, 7, 8).set('c'),
      timed(2, 9, 10).get('c'),
    ];
    expect(explain(history)).toMatchInlineSnapshot(`
      "not linearizable; times in ms:
        0.000 .. 1.000         client 0  set "a"   <- whenever it came, if it did
        0.000 .. 1.000         client 1  get -> "a"
        2.000 .. 3.000         client 2  set "b"   <- whenever it came, if it did
        2.000 .. 4.000         client 1  get -> "b"
        5.000 .. 6.000         client 3  get -> "a"   <- cannot be placed"
    `);
  });

  test('says when it is only the order of one client’s calls', () => {
    expect(explain([timed(0, 0, 9).set('a'), timed(0, 1, 5).get()])).toMatchInlineSnapshot(`
      "the order of one client’s calls is not kept; times in ms:
        0.000 .. 9.000         client 0  set "a"   <- cannot be placed
        1.000 .. 5.000         client 0  get -> nothing"
    `);
  });
});
