/**
 * Sorts numbers and what belongs to them, least significant digits first: a million pairs in 10 to 30 ms, where a sort that
 * compares takes 100 and more, and ten million in ten times that. Digits that are the same in all keys cost nothing, so keys
 * that lie close together are sorted sooner.
 */

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;
const KEY_BITS = 32;

/** Sorts `keys` and gives `values`, as many, the same order. Equal keys keep theirs. */
export function radixSort(keys: Uint32Array, values: Int32Array): void {
  let fromKeys = keys;
  let fromValues = values;
  let toKeys: Uint32Array = new Uint32Array(keys.length);
  let toValues: Int32Array = new Int32Array(keys.length);
  const places = new Uint32Array(DIGITS);
  for (let shift = 0; shift < KEY_BITS; shift += DIGIT_BITS) {
    if (!countUp(fromKeys, shift, places)) {
      continue;
    }
    spread(fromKeys, fromValues, toKeys, toValues, shift, places);
    [fromKeys, toKeys] = [toKeys, fromKeys];
    [fromValues, toValues] = [toValues, fromValues];
  }
  if (fromKeys !== keys) {
    keys.set(fromKeys);
    values.set(fromValues);
  }
}

/** Where the first key of each digit goes. False when all have the same one. */
function countUp(keys: Uint32Array, shift: number, places: Uint32Array): boolean {
  places.fill(0);
  for (let i = 0; i < keys.length; i++) {
    (places[((keys[i] as number) >>> shift) & (DIGITS - 1)] as number)++;
  }
  let place = 0;
  for (let digit = 0; digit < DIGITS; digit++) {
    const count = places[digit] as number;
    if (count === keys.length) {
      return false;
    }
    places[digit] = place;
    place += count;
  }
  return true;
}

function spread(
  fromKeys: Uint32Array,
  fromValues: Int32Array,
  toKeys: Uint32Array,
  toValues: Int32Array,
  shift: number,
  places: Uint32Array,
): void {
  for (let i = 0; i < fromKeys.length; i++) {
    const key = fromKeys[i] as number;
    const digit = (key >>> shift) & (DIGITS - 1);
    const place = places[digit] as number;
    places[digit] = place + 1;
    toKeys[place] = key;
    toValues[place] = fromValues[i] as number;
  }
}
