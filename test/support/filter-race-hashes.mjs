/** What owner and reader of a race agree on: which keys stay, and the hash of each key. */
export const STAYING = 300;
export const MASK = 0x7ff;

/** A quarter of the keys that come and go are one with a key that stays, for a filter that knows them by 43 bits. */
export function hashOf(id) {
  const like = id >= STAYING && id % 4 === 0 ? id % STAYING : id;
  return [stir(like), stir(like ^ 0x5555_5555) & MASK];
}

/** The hash of a key that never comes: no other has its high word. */
export function strangerOf(id) {
  return [stir(id), (stir(id) & MASK) ^ (stir(id ^ 0x5555_5555) & MASK) ^ 1];
}

function stir(word) {
  let hash = Math.imul(word ^ (word >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return hash ^ (hash >>> 16);
}
