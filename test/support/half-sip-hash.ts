/**
 * HalfSipHash with a 64-bit result, written from the description and not for speed: big integers, one function a step,
 * any number of rounds. It is checked against the authors' test vectors, and the fast one in src/ against it.
 */
const MASK = 0xffff_ffffn;

type State = [bigint, bigint, bigint, bigint];

export interface Rounds {
  /** For each word of the message, and before each half of the result. */
  readonly compression: number;
  readonly finalization: number;
}

export interface Hash64 {
  readonly low: number;
  readonly high: number;
}

/** The keyed hash of a message that is already cut into words, the last one included. */
export function halfSipHashOfWords(words: readonly number[], k0: number, k1: number, rounds: Rounds): Hash64 {
  const [a, b] = [unsigned(k0), unsigned(k1)];
  let state: State = [a, b ^ 0xeen, a ^ 0x6c79_6765n, b ^ 0x7465_6462n];
  for (const word of words) {
    const m = unsigned(word);
    state[3] ^= m;
    state = repeat(state, rounds.compression);
    state[0] ^= m;
  }
  state[2] ^= 0xeen;
  state = repeat(state, rounds.finalization);
  const low = state[1] ^ state[3];
  state[1] ^= 0xddn;
  state = repeat(state, rounds.finalization);
  return { low: Number(low), high: Number(state[1] ^ state[3]) };
}

/** As the authors cut a message: the last word holds the bytes that are left over, and the length in its top byte. */
export function halfSipHashOfBytes(message: Uint8Array, k0: number, k1: number, rounds: Rounds): Hash64 {
  const words: number[] = [];
  const whole = message.length - (message.length % 4);
  for (let i = 0; i < whole; i += 4) {
    words.push(littleEndian(message.subarray(i, i + 4)));
  }
  words.push(littleEndian(message.subarray(whole)) + (message.length % 256) * 2 ** 24);
  return halfSipHashOfWords(words, k0, k1, rounds);
}

/** Up to four bytes as a word, missing ones zero. */
export function littleEndian(bytes: Uint8Array): number {
  return bytes.reduce((word, byte, i) => word + byte * 2 ** (8 * i), 0);
}

function repeat(state: State, rounds: number): State {
  let result = state;
  for (let i = 0; i < rounds; i++) {
    result = round(result);
  }
  return result;
}

function round([a, b, c, d]: State): State {
  let [v0, v1, v2, v3] = [a, b, c, d];
  v0 = add(v0, v1);
  v1 = rotate(v1, 5n) ^ v0;
  v0 = rotate(v0, 16n);
  v2 = add(v2, v3);
  v3 = rotate(v3, 8n) ^ v2;
  v0 = add(v0, v3);
  v3 = rotate(v3, 7n) ^ v0;
  v2 = add(v2, v1);
  v1 = rotate(v1, 13n) ^ v2;
  v2 = rotate(v2, 16n);
  return [v0, v1, v2, v3];
}

function add(a: bigint, b: bigint): bigint {
  return (a + b) & MASK;
}

function rotate(a: bigint, by: bigint): bigint {
  return ((a << by) | (a >> (32n - by))) & MASK;
}

function unsigned(word: number): bigint {
  return BigInt(word) & MASK;
}

/**
 * The authors' vectors for HalfSipHash-2-4 with a 64-bit result (github.com/veorq/SipHash, vectors.h, vectors_hsip64,
 * CC0): the key is the bytes 0 to 7, and line `n` the hash of the bytes 0 to `n - 1`.
 */
export const PUBLISHED_2_4 = `
  218d1f59b9b83cc8 be552412f8387315 064f39ef7c50eb57 ce0f1a45f7060679 d5e78a175be52ea1 cb9d7c3f2f3db580
  ce3e91358aa2bc25 ff202728b07bc684 edfee820bce4858c 5b51cccc13888307 95b0469f06a6f2ee ae26333994ddcd48
  7bc71f9faef5c799 5a2352d75a0c3744 3bb1a870eae8e658 217d0bcb4e81c902 7336aad25f7bf3b5 37adc0641c4c4f6a
  c9b2db2b9a3e42f9 f910e48020ab363c 1bf52b0a6feea7db 00741dc269e8b3ef e20103fa1ba776ef 4c2210e54b681d73
  70741045ae3fa6f1 0c86403739714038 0d899ed8112923f0 226bf5fab81ee1b8 2d925ffb1e0016b5 361958d52cee10f1
  291aaf864898179d 863c7f155c34117c 28709d46d811626c 248477681d28f89c 8324e4d7528f9830 f9efd4e13aea6bd8
  86d67a40ec4276dc 3f6292eccca97e35 cbd92ee724d42109 368df6808d403d79 5b38c81c67c8ae4c 95ab7189d439acb3
  a91a52c025327024 5b0087c69528acea 1e30f3ad27dcb15a 697f5c9a90324ed4 495c0f995557dc38 9427202a3c29f94d
  a9eaa8c04ba93e3e eea4c1737d011218 912d568fd8f65a49 56919596b0ff5c97 02445a7998f550e1 86ec466ce71d1fb2
  359569e7d289e3bc 871b05ca62bb7c96 a1a492f942f15f1d 12ec267ff6095b6e 5d1b5ea1b231d89d d8cfb4453f92ee54
  d6762890bf26e460 313563a4b7ed5cf3 f90b3ab572d46693 2ea63c71bf326087`
  .trim()
  .split(/\s+/);
