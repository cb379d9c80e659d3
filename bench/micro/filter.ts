/**
 * A blocked Bloom filter at its capacity, asked for keys that it has and for keys that it has not, and added to. Hashes
 * are drawn, not computed: a get has the hash of its key at hand.
 */
import { FilterReader, filterBytes } from '../../src/protocol/filter.ts';
import type { HashSource, MembershipFilter } from '../../src/worker/filter/filter.ts';
import { filters } from '../../src/worker/filter/index.ts';
import { Draws } from '../support/keys.ts';
import { LOOP_OPERATIONS, type MicroTask } from '../support/micro.ts';
import { formatCount } from '../support/table.ts';
import { Walk } from '../support/walk.ts';
import type { Subject } from './subject.ts';

const KEYS = 1_000_000;
const QUICK_KEYS = 100_000;
const RATE = 0.01;
const LINE_BYTES = 64;
const HASHES = 2 ** 32;

/** Keys that were never added differ in the high part of their hash. */
const MEMBER = 1;
const STRANGER = 2;

export function filter(quick: boolean): Subject {
  const keys = quick ? QUICK_KEYS : KEYS;
  const words = new Int32Array(
    new SharedArrayBuffer(filterBytes({ type: 'blocked-bloom', falsePositiveRate: RATE }, keys)),
  );
  const hashes = new Draws();
  const members = Int32Array.from({ length: keys }, () => hashes.below(HASHES) | 0);
  const source = new Members(members);
  const built = filters['blocked-bloom']({ words, slots: keys, falsePositiveRate: RATE, source });
  for (const hash of members) {
    built.add(hash, MEMBER);
    source.used++;
  }
  const of = `of ${formatCount(keys)} keys`;
  const reader = new FilterReader(words);
  const stranger = asking(`filter ${of}: rules out a stranger`, reader, members, STRANGER);
  const member = asking(`filter ${of}: does not rule out a key`, reader, members, MEMBER);
  const renewed = touching(`filter ${of}: loads the line of a key`, built, members);
  const lines = Math.ceil(built.counts().bits / 8 / LINE_BYTES);
  const walk = new Walk(`floor: walk, ${formatCount(lines)} lines of ${LINE_BYTES} B`, lines, LINE_BYTES);
  return {
    tasks: [stranger, member, renewed, walk],
    floors: { [stranger.name]: walk.name, [member.name]: walk.name, [renewed.name]: walk.name },
  };
}

/** The keys that have been added: a filter that grows is built anew from them. */
class Members implements HashSource {
  used = 0;
  readonly #hashes: Int32Array;

  constructor(hashes: Int32Array) {
    this.#hashes = hashes;
  }

  hashesOf(from: number, to: number, into: Int32Array): number {
    for (let slot = from; slot < to; slot++) {
      into[2 * (slot - from)] = this.#hashes[slot] as number;
      into[2 * (slot - from) + 1] = MEMBER;
    }
    return to - from;
  }
}

function asking(name: string, reader: FilterReader, hashes: Int32Array, high: number): MicroTask {
  const draws = new Draws();
  const least = high === STRANGER ? LOOP_OPERATIONS * 0.9 : 0;
  const most = high === STRANGER ? LOOP_OPERATIONS : 0;
  return {
    name,
    loop() {
      let ruledOut = 0;
      for (let i = 0; i < LOOP_OPERATIONS; i++) {
        ruledOut += reader.rulesOut(hashes[draws.below(hashes.length)] as number, high) ? 1 : 0;
      }
      if (ruledOut < least || ruledOut > most) {
        throw new Error(`${name}: ${ruledOut} of ${LOOP_OPERATIONS} were ruled out`);
      }
    },
  };
}

function touching(name: string, filter: MembershipFilter, hashes: Int32Array): MicroTask {
  const draws = new Draws();
  return {
    name,
    loop() {
      let seen = 0;
      for (let i = 0; i < LOOP_OPERATIONS; i++) {
        seen |= filter.touch(hashes[draws.below(hashes.length)] as number, MEMBER);
      }
      if (seen === 0) {
        throw new Error(`${name}: every line was empty`);
      }
    },
  };
}
