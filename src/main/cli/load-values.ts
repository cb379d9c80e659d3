/**
 * Values that can be told from all others: whoever reads one knows which key it was stored under, and whether each letter
 * was stored together with the others.
 *
 *     id : version : letters, as many as fill it up, which begin in the sea where id and version say
 *
 * The sea is one run of random letters that all threads make from the same seed. A value that is half of one write and half
 * of another goes on where it should not: nothing but 1 in 65,536 pairs of writes begin at the same place. Text, because a
 * cache decodes 100 letters in 0.3 us and 100 bytes of a Buffer in 1.4, and it is the cache that is to be measured.
 */

const SEA_LETTERS = 2 ** 16;
const SEA_MASK = SEA_LETTERS - 1;
const SEED = 0x5ea;
/** Room for two numbers, two colons and some letters. */
export const VALUE_LETTERS_MIN = 32;
const COLON = 58;
const DIGIT_0 = 48;
const DIGIT_9 = 57;
/** 64 letters from here on: '?', '@', 'A', ... 'z', '~'. */
const LETTER_FIRST = 63;
const LETTER_BITS = 6;

/** Twice, so that it can be read from anywhere. */
const sea = makeSea().repeat(2);

/** A value of `length` letters for the key `id`. No two writes have the same version. */
export function makeValue(id: number, version: number, length: number): string {
  const head = `${id}:${version}:`;
  return head + lettersOf(id, version, length - head.length);
}

/** Whether it is a whole value of the key `id`. Every value that is read comes by here: 80 ns for 100 letters. */
export function isWhole(value: unknown, id: number, length: number): boolean {
  if (typeof value !== 'string' || value.length !== length) {
    return false;
  }
  let at = 0;
  let owner = 0;
  for (let code = value.charCodeAt(at++); code !== COLON; code = value.charCodeAt(at++)) {
    // What is no digit would be read as another number, which may begin at the same place.
    if (code < DIGIT_0 || code > DIGIT_9 || at === length) return false;
    owner = owner * 10 + code - DIGIT_0;
  }
  let version = 0;
  for (let code = value.charCodeAt(at++); code !== COLON; code = value.charCodeAt(at++)) {
    if (code < DIGIT_0 || code > DIGIT_9 || at === length) return false;
    version = version * 10 + code - DIGIT_0;
  }
  // Two slices that are compared as memory: letter by letter takes twice as long.
  return owner === id && value.slice(at) === lettersOf(id, version, length - at);
}

/** What is wrong with a value that is not whole, to follow "The value". */
export function faultOf(value: unknown, id: number, length: number): string {
  const head = typeof value === 'string' ? /^(\d+):(\d+):/.exec(value) : null;
  if (typeof value !== 'string' || head === null) {
    return 'was not stored by this load';
  }
  if (value.length !== length) {
    return `has ${value.length} letters, not ${length}`;
  }
  const owner = Number(head[1]);
  if (owner !== id) {
    return `is that of key ${owner}`;
  }
  const whole = makeValue(id, Number(head[2]), length);
  return `is torn at letter ${Array.from(value).findIndex((letter, at) => letter !== whole[at])} of ${length}`;
}

function lettersOf(id: number, version: number, count: number): string {
  const mixed = Math.imul(id ^ Math.imul(version, 0x2545_f491), 0x85eb_ca6b);
  const from = (mixed ^ (mixed >>> 15)) & SEA_MASK;
  return count <= SEA_LETTERS
    ? sea.slice(from, from + count)
    : sea
        .slice(from, from + SEA_LETTERS)
        .repeat(Math.ceil(count / SEA_LETTERS))
        .slice(0, count);
}

/** Xorshift32 (Marsaglia, 2003): the upper bits of each word are a letter. */
function makeSea(): string {
  const letters = new Uint8Array(SEA_LETTERS);
  let word = SEED;
  for (let i = 0; i < letters.length; i++) {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    letters[i] = LETTER_FIRST + (word >>> (32 - LETTER_BITS));
  }
  return Buffer.from(letters).toString('latin1');
}
