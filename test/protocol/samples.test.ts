import { describe, expect, test } from 'vitest';
import {
  BY_LOT,
  FOLLOW_RANGE,
  FOLLOWED_HIT,
  FOLLOWED_MISS,
  HIGH_MASK,
  isFollowed,
  LOT_GETS,
  Lots,
  SAMPLE_RECORDS,
  SampleRing,
} from '../../src/protocol/samples.ts';
import { seededRandom } from '../support/random.ts';

/** Word offsets as the drawing in samples.ts states them. */
const TAIL = 0;
const HEAD = 1;

type Sample = [hashLow: number, hashHigh: number, kind: number];

function drained(ring: SampleRing): Sample[] {
  const samples: Sample[] = [];
  ring.drain((hashLow, hashHigh, kind) => samples.push([hashLow, hashHigh, kind]));
  return samples;
}

const followedOf = (samples: Sample[]) => samples.filter(([, , kind]) => kind !== BY_LOT);

describe('who is followed', () => {
  test.each([0.5, 1 / 64, 1 / 1024])('is %f of all hashes, within three deviations', (rate) => {
    const random = seededRandom(`followed at ${rate}`);
    const hashes = 200_000;
    let followed = 0;
    for (let i = 0; i < hashes; i++) {
      followed += isFollowed(random.word() | 0, rate * FOLLOW_RANGE) ? 1 : 0;
    }
    expect(Math.abs(followed - rate * hashes)).toBeLessThan(3.5 * Math.sqrt(rate * (1 - rate) * hashes));
  });

  test('is everybody at the full range, nobody at 0, and whoever stays when the bound is halved was there before', () => {
    const random = seededRandom('halved bounds');
    for (let i = 0; i < 1_000; i++) {
      const hash = random.word() | 0;
      expect([isFollowed(hash, FOLLOW_RANGE), isFollowed(hash, 0)]).toEqual([true, false]);
      expect(isFollowed(hash, 500) && !isFollowed(hash, 1_000)).toBe(false);
    }
  });

  test('does not hang on the bits that choose stripe and bucket', () => {
    for (let low = 0; low < 2 ** 11; low++) {
      expect(isFollowed(low, 1)).toBe(true);
      expect(isFollowed(low | (1 << 30), 1)).toBe(false);
    }
  });
});

describe('the ring of samples', () => {
  test('is told of every get of a followed key, in order, and how it went', () => {
    const ring = new SampleRing();
    ring.follow(FOLLOW_RANGE);
    ring.offer(5, 7, true);
    ring.offer(-6, 0x7fff_ffff, false);
    ring.offer(5, 7, false);
    expect(followedOf(drained(ring))).toEqual([
      [5, 7, FOLLOWED_HIT],
      [-6, HIGH_MASK, FOLLOWED_MISS],
      [5, 7, FOLLOWED_MISS],
    ]);
    expect(drained(ring)).toEqual([]);
  });

  test('is told of nobody before the owner has said who is followed, but for those whose turn comes', () => {
    const ring = new SampleRing();
    for (let i = 0; i < 100 * LOT_GETS; i++) ring.offer(i, i, true);
    const samples = drained(ring);
    expect(followedOf(samples)).toEqual([]);
    expect(samples.length).toBeGreaterThan(70);
    expect(samples.length).toBeLessThan(130);
  });

  test('takes SAMPLE_RECORDS records and counts the followed ones that it does not take', () => {
    const ring = new SampleRing();
    ring.follow(FOLLOW_RANGE);
    const gets = SAMPLE_RECORDS + 500;
    for (let i = 0; i < gets; i++) ring.offer(i, 0, true);
    const samples = drained(ring);
    expect(samples).toHaveLength(SAMPLE_RECORDS);
    expect(ring.dropped).toBe(gets - followedOf(samples).length);
    expect(followedOf(samples).map(([hash]) => hash)).toEqual(followedOf(samples).map((_, i) => i));
    ring.offer(1, 0, true);
    expect(followedOf(drained(ring))).toEqual([[1, 0, FOLLOWED_HIT]]);
  });

  test('asks to be drained when it is more than a quarter full, and not before', () => {
    const ring = new SampleRing();
    ring.follow(FOLLOW_RANGE);
    let offers = 0;
    while (!ring.offer(offers, 0, true)) offers++;
    expect(drained(ring).length).toBe(SAMPLE_RECORDS / 4 + 1);
    expect(ring.offer(1, 0, true)).toBe(false);
  });

  test('keeps its order and its bound when its counters wrap', () => {
    for (const start of [0x7fff_ffff, -1]) {
      const ring = new SampleRing();
      const words = new Int32Array(ring.buffer);
      words[TAIL] = start - 10;
      words[HEAD] = start - 10;
      ring.follow(FOLLOW_RANGE);
      for (let i = 0; i < SAMPLE_RECORDS * 2; i++) ring.offer(i, 0, true);
      const samples = drained(ring);
      expect(samples).toHaveLength(SAMPLE_RECORDS);
      expect(followedOf(samples).slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, i) => [i, 0, FOLLOWED_HIT]));
    }
  });

  test.each([0x7fff_ffff, -0x8000_0000, -1, 12_345, SAMPLE_RECORDS + 1])(
    'hands over at most one ring when a dead client left %i as its tail',
    (tail) => {
      const ring = new SampleRing();
      new Int32Array(ring.buffer)[TAIL] = tail;
      expect(drained(ring).length).toBeLessThanOrEqual(SAMPLE_RECORDS);
      expect(drained(ring)).toEqual([]);
    },
  );

  test('is the same ring from a second view of its memory', () => {
    const client = new SampleRing();
    const owner = new SampleRing(client.buffer);
    owner.follow(FOLLOW_RANGE);
    client.offer(1, 2, true);
    expect(followedOf(drained(owner))).toEqual([[1, 2, FOLLOWED_HIT]]);
  });
});

test('lots fall on one get in LOT_GETS, and on every key of a loop of as many', () => {
  const lots = new Lots(seededRandom('lots').word() | 0);
  const met = new Array<number>(LOT_GETS).fill(0);
  const rounds = 40_000;
  for (let at = lots.draw(); at < rounds * LOT_GETS; at += 1 + lots.draw()) {
    (met[at % LOT_GETS] as number)++;
  }
  const total = met.reduce((sum, each) => sum + each, 0);
  expect(total / rounds).toBeGreaterThan(0.97);
  expect(total / rounds).toBeLessThan(1.03);
  // 312 each on average, with a deviation of 18.
  expect(Math.min(...met)).toBeGreaterThan(200);
  expect(Math.max(...met)).toBeLessThan(430);
});
