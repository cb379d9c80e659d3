/**
 * Keys of every shape, the same key put together in another way, and keys that differ by one small change: a border moved,
 * a kind swapped, a property added with nothing in it.
 */
import type { CacheKey } from '../../src/protocol/cache-key.ts';
import { KeyEncoder } from '../../src/protocol/key.ts';
import { kindOf, type Part, type Parts, type Properties } from './key-equality.ts';
import type { Random } from './random.ts';

const NAMES = ['', 'a', 'b', 'aa', 'ab', 'id', '0', '1', '10', '__proto__', 'constructor', 'ÿ', '\u{1f0a1}', '\uffff'];
const STRINGS = [
  ...NAMES,
  '\0',
  '\ufeff',
  '1n',
  'null',
  'x'.repeat(47),
  'x'.repeat(48),
  'x'.repeat(49),
  'é'.repeat(70),
];
const NUMBERS = [0, -0, 1, -1, 2, 10, 255, 2 ** 31, 2 ** 53, 0.5, 5e-324, Number.MAX_VALUE, 1 / 0, -1 / 0, Number.NaN];
const BIGINTS = [
  0n,
  1n,
  -1n,
  255n,
  256n,
  2n ** 63n,
  2n ** 64n - 1n,
  2n ** 64n,
  -(2n ** 64n),
  2n ** 128n,
  -(3n ** 200n),
];

export class KeyMaker {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  key(depth = 3): CacheKey {
    return this.part(depth) ?? null;
  }

  part(depth: number): Part {
    const random = this.#random;
    switch (random.below(depth > 0 ? 16 : 11)) {
      case 0:
      case 1:
      case 2:
        return this.#pick(STRINGS);
      case 3:
      case 4:
        return this.#pick(NUMBERS);
      case 5:
        return random.below(300) - 100;
      case 6:
        return random.oneIn(2) ? this.#pick(BIGINTS) : BigInt(random.below(600) - 300);
      case 7:
        return random.oneIn(2);
      case 8:
        return random.oneIn(2) ? null : undefined;
      case 9:
        return new Date(random.oneIn(2) ? random.below(4) : random.below(2 ** 41) - 2 ** 40);
      case 10:
        return this.#bytes(random.bytes(random.below(6)));
      case 11:
      case 12:
        return this.#list(depth);
      case 13:
        return Object.fromEntries(this.#list(depth).map((item) => [this.#pick(NAMES), item]));
      case 14:
        return new Map(this.#list(depth).map((item) => [this.part(depth - 1), item]));
      default:
        return new Set(this.#list(depth));
    }
  }

  /** An equal key that was put together in another order and of other material. */
  rearranged(key: Part): Part {
    const inner = (part: Part) => this.rearranged(part);
    switch (kindOf(key)) {
      case 'number':
        return key === 0 ? this.#pick([0, -0]) : this.#nan(key as number);
      case 'bytes':
        return this.#bytes(key as Uint8Array);
      case 'Date':
        return new Date(key as Date);
      case 'Array':
        return (key as Parts).map(inner);
      case 'Set':
        return new Set(this.#shuffled([...(key as Set<Part>)].map(inner)));
      case 'Map':
        return new Map(this.#shuffled([...(key as Map<Part, Part>)].map(([name, item]) => [inner(name), inner(item)])));
      case 'object': {
        const target = this.#random.oneIn(3) ? Object.create(null) : {};
        for (const [name, value] of this.#shuffled(Object.entries(key as Properties))) {
          Object.defineProperty(target, name, { value: inner(value), enumerable: true });
        }
        return target;
      }
      default:
        return key;
    }
  }

  /** The key with one small change somewhere, which may by chance leave it equal. */
  mutated(key: Part): Part {
    const kind = kindOf(key);
    const isNested = kind === 'Array' || kind === 'object' || kind === 'Map' || kind === 'Set';
    if (isNested && !this.#random.oneIn(3)) {
      return this.#mutatedWithin(key);
    }
    if (this.#random.oneIn(8)) {
      return this.#pick<Part>([[key], new Set([key]), { a: key }, new Map([[key, key]]), [key, key], bytesAsKey(key)]);
    }
    return isNested ? this.#mutatedStructure(key, kind) : this.#mutatedScalar(key, kind);
  }

  #mutatedWithin(key: Part): Part {
    if (key instanceof Map) {
      return new Map(this.#replaced([...key], ([name, item]) => this.#mutatedPair(name, item)));
    }
    if (key instanceof Set) {
      return new Set(this.#replaced([...key], (member) => this.mutated(member)));
    }
    if (Array.isArray(key)) {
      return this.#replaced(key as Parts, (item) => this.mutated(item));
    }
    const entries = Object.entries(key as Properties);
    return Object.fromEntries(this.#replaced(entries, ([name, item]) => [name, this.mutated(item)]));
  }

  #mutatedPair(name: Part, item: Part): [Part, Part] {
    return this.#pick<() => [Part, Part]>([
      () => [item, name],
      () => [this.mutated(name), item],
      () => [name, this.mutated(item)],
    ])();
  }

  #mutatedStructure(key: Part, kind: string): Part {
    const isList = kind === 'Array' || kind === 'Set';
    const items: Part[] = isList ? [...(key as Iterable<Part>)] : [];
    const entries: [Part, Part][] = isList
      ? items.map((item, i) => [`${i}`, item])
      : key instanceof Map
        ? [...key]
        : Object.entries(key as Properties);
    const properties = entries.map(([name, item]): [string, Part] => [`${String(name)}`, item]);
    return this.#pick<() => Part>([
      () => (isList ? items : entries.flat()),
      () => new Set(isList ? items : entries.flat()),
      () => entries,
      () => new Map(entries),
      () => Object.fromEntries(properties),
      () => Object.fromEntries([...properties, [this.#pick(NAMES), undefined]]),
      () => Object.fromEntries(properties.slice(1)),
      () => (kind === 'Set' ? new Set(items.slice(1)) : items.slice(1)),
      () => (kind === 'Set' ? new Set([...items, undefined]) : [...items, undefined]),
      () => (kind === 'Set' ? new Set([...items, {}]) : [...items].reverse()),
      () => regrouped(items),
    ])();
  }

  #mutatedScalar(key: Part, kind: string): Part {
    const random = this.#random;
    switch (kind) {
      case 'string': {
        const text = key as string;
        const at = random.below(text.length + 1);
        const changed = text.slice(0, at) + this.#pick(['', '\0', 'a', 'Ā']) + text.slice(at + random.below(2));
        return this.#pick<Part>([
          changed.toWellFormed(),
          Number(text),
          Buffer.from(text),
          new Map(),
          `${text}\0`,
          [...text],
        ]);
      }
      case 'number': {
        const number = key as number;
        const near = new Float64Array([number]);
        const bits = new Uint8Array(near.buffer);
        const at = random.below(8);
        bits[at] = (bits[at] as number) ^ (1 << random.below(8));
        const whole = Number.isSafeInteger(number) ? number : 0;
        return this.#pick<Part>([
          near[0],
          -number,
          `${number}`,
          BigInt(whole),
          new Date(whole % 8e15),
          number === 1,
          bits,
        ]);
      }
      case 'bigint': {
        const big = key as bigint;
        return this.#pick<Part>([big + 1n, -big, big << 8n, big << 64n, Number(big), `${big}`]);
      }
      case 'Date':
        return this.#pick<Part>([
          new Date((key as Date).getTime() + 1),
          (key as Date).getTime(),
          (key as Date).toISOString(),
        ]);
      case 'bytes': {
        const bytes = key as Uint8Array;
        const changed = Uint8Array.from(bytes, (byte) => byte ^ Number(random.oneIn(3)));
        return this.#pick<Part>([changed, [...bytes], bytes.subarray(1), Buffer.concat([bytes, Buffer.alloc(1)])]);
      }
      default:
        return this.#pick<Part>([null, undefined, true, false, 0, 1, '', 'null', 'true', [], {}, new Map(), new Set()]);
    }
  }

  #list(depth: number): Part[] {
    return Array.from({ length: this.#random.below(4) }, () => this.part(depth - 1));
  }

  #replaced<T>(items: readonly T[], change: (item: T) => T): T[] {
    const at = this.#random.below(items.length);
    return items.map((item, index) => (index === at ? change(item) : item));
  }

  #bytes(bytes: Uint8Array): Uint8Array {
    return this.#random.oneIn(2) ? Buffer.from(bytes) : Uint8Array.from(bytes);
  }

  /** A NaN with a payload of its own. */
  #nan(number: number): number {
    const words = new Uint32Array([this.#random.word(), 0x7ff8_0000 | this.#random.below(0x10000)]);
    return Number.isNaN(number) ? (new Float64Array(words.buffer)[0] as number) : number;
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[this.#random.below(choices.length)] as T;
  }

  #shuffled<T>(items: readonly T[]): T[] {
    const shuffled = [...items];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = this.#random.below(i + 1);
      [shuffled[i], shuffled[j]] = [shuffled[j] as T, shuffled[i] as T];
    }
    return shuffled;
  }
}

/** What the encoder writes for a key, as a key: bytes that look like an item where they stand in another. */
function bytesAsKey(key: Part): Part {
  const encoder = new KeyEncoder({ low: 1, high: 2 });
  encoder.encode([key]);
  return Uint8Array.from(encoder.bytes.subarray(0, encoder.byteLength));
}

/** The same items, or characters of the first two strings, with a border between them moved. */
function regrouped(items: Parts): Part {
  const [first, second, ...rest] = items;
  if (typeof first === 'string' && typeof second === 'string') {
    const text = [...first, ...second];
    return [text.slice(0, 1).join(''), text.slice(1).join(''), ...rest];
  }
  return Array.isArray(first) ? [[...first, second], ...rest] : [[first, second], ...rest];
}
