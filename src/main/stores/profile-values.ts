/**
 * Values to measure with: lists of records like those that applications keep, made up from a seed, so that two runs measure
 * the same. Words come from a short list and numbers from small ranges, as in real data: 100 kB of it become a fifth with zlib.
 */

const WORDS =
  'account active amsterdam archive berlin billing blue cancelled cart coffee customer delivered draft express green invoice kyoto large lisbon medium order oslo paid parcel pending priority refund red returned shipped small standard tea toronto urgent warehouse'.split(
    ' ',
  );
/** Parts of a linear congruential generator (Numerical Recipes), good enough to choose words. */
const MULTIPLIER = 1_664_525;
const INCREMENT = 1_013_904_223;
const EPOCH_MS = 1_700_000_000_000;

export interface MadeRecord {
  readonly id: number;
  /** The last one's is as long as the whole needs to have its size. */
  readonly name: string;
  readonly email: string;
  readonly amount: number;
  readonly active: boolean;
  readonly createdAt: string;
  readonly tags: readonly string[];
}

export interface MadeValue {
  readonly value: readonly MadeRecord[] | { readonly name: string };
  /** As JSON. */
  readonly bytes: Buffer;
}

/** A value of as many bytes as JSON, or as few as one of its form can have. */
export function madeValue(byteLength: number, seed: number): MadeValue {
  let state = seed >>> 0;
  const below = (limit: number): number => {
    state = (Math.imul(state, MULTIPLIER) + INCREMENT) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const word = () => WORDS[below(WORDS.length)] as string;
  const records: MadeRecord[] = [];
  // Brackets, and a comma for all but the first.
  let length = 2;
  for (;;) {
    const record = recordOf(records.length, below, word);
    const next = JSON.stringify(record).length + (records.length === 0 ? 0 : 1);
    if (length + next > byteLength) {
      break;
    }
    records.push(record);
    length += next;
  }
  const last = records.at(-1);
  if (last !== undefined) {
    records[records.length - 1] = { ...last, name: last.name + filler(byteLength - length, word) };
  }
  const value = last === undefined ? { name: filler(byteLength - '{"name":""}'.length, word) } : records;
  return { value, bytes: Buffer.from(JSON.stringify(value)) };
}

function recordOf(id: number, below: (limit: number) => number, word: () => string): MadeRecord {
  const name = `${word()} ${word()}`;
  return {
    id,
    name,
    email: `${name.replace(' ', '.')}${below(1_000)}@example.com`,
    amount: below(1_000_000) / 100,
    active: below(2) === 1,
    createdAt: new Date(EPOCH_MS + below(1_000_000_000)).toISOString(),
    tags: [word(), word()],
  };
}

/** So many characters of words. */
function filler(length: number, word: () => string): string {
  let text = '';
  while (text.length < length) text += `${word()} `;
  return text.slice(0, Math.max(0, length));
}
