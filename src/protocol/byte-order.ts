/** Ranges of bytes in the order of their bytes, for what is written in any order and must be the same. */

/**
 * Puts ranges in order where they stand. Each ends where the next one starts, the last where the last start is; each says
 * where it ends, so none of two different ones begins with the other.
 */
export function sortRanges(bytes: Buffer, starts: readonly number[]): void {
  const count = starts.length - 1;
  let sorted = 1;
  while (sorted < count && compare(bytes, starts, sorted - 1, sorted) <= 0) {
    sorted++;
  }
  if (sorted >= count) {
    return;
  }
  const [first, end] = [starts[0] as number, starts[count] as number];
  const order = Array.from({ length: count }, (_, index) => index).sort((a, b) => compare(bytes, starts, a, b));
  const unsorted = Buffer.from(bytes.subarray(first, end));
  let at = first;
  for (const index of order) {
    const [from, to] = [starts[index] as number, starts[index + 1] as number];
    at += unsorted.copy(bytes, at, from - first, to - first);
  }
}

/** A loop, since ranges differ soon: Buffer's compare takes longer to start than most of these take to end. */
function compare(bytes: Buffer, starts: readonly number[], left: number, right: number): number {
  let a = starts[left] as number;
  let b = starts[right] as number;
  const end = starts[left + 1] as number;
  while (a < end && bytes[a] === bytes[b]) {
    a++;
    b++;
  }
  return a === end ? 0 : (bytes[a] as number) - (bytes[b] as number);
}
