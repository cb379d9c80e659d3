/**
 * When two keys are equal, apart from how they are encoded.
 */
import type { CacheKeyPart } from '../../src/protocol/cache-key.ts';

export type Part = CacheKeyPart;
export type Parts = readonly Part[];
export type Properties = Readonly<Record<string, Part>>;

/** The kinds of key that are never equal to each other. */
export function kindOf(key: Part): string {
  if (typeof key !== 'object' || key === null) return key === null ? 'null' : typeof key;
  if (key instanceof Uint8Array) return 'bytes';
  for (const kind of [Array, Date, Map, Set]) {
    if (key instanceof kind) return kind.name;
  }
  return 'object';
}

/** The definition: by structure, orders aside, 0 and -0 the same, Buffers and Uint8Arrays the same. Slow on purpose. */
export function equalKeys(a: Part, b: Part): boolean {
  const kind = kindOf(a);
  if (kind !== kindOf(b)) {
    return false;
  }
  switch (kind) {
    case 'number':
      return a === b || (Number.isNaN(a) && Number.isNaN(b));
    case 'Date':
      return (a as Date).getTime() === (b as Date).getTime();
    case 'bytes':
    case 'Array': {
      const [left, right] = [a as Parts, b as Parts];
      return left.length === right.length && left.every((item, i) => equalKeys(item, right[i]));
    }
    case 'object': {
      const [left, right] = [a as Properties, b as Properties];
      const names = Object.keys(left);
      return (
        names.length === Object.keys(right).length &&
        names.every((name) => Object.hasOwn(right, name) && equalKeys(left[name], right[name]))
      );
    }
    case 'Map':
    case 'Set':
      return sameBag([...(a as Iterable<Part>)], [...(b as Iterable<Part>)]);
    default:
      return a === b;
  }
}

/** Whether each member of one has its own partner in the other. */
function sameBag(left: Parts, right: Parts): boolean {
  const free = [...right];
  const pairs = left.every((member) => {
    const partner = free.findIndex((other) => equalKeys(member, other));
    if (partner >= 0) free.splice(partner, 1);
    return partner >= 0;
  });
  return pairs && free.length === 0;
}
