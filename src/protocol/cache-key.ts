/** Keys as a user gives them. How they become bytes is in key.ts and structured-key.ts. */

/**
 * What a value may be stored under. Keys are equal by structure, whatever the order of properties, Map entries and Set
 * members: 1, '1', 1n, true and [1] are five keys, `{ a: 1, b: 2 }` and `{ b: 2, a: 1 }` are one. So are 0 and -0, NaN and
 * NaN, and a Buffer and a Uint8Array of the same bytes. A property that is undefined is not one that is absent.
 */
export type CacheKey =
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | Date
  | readonly CacheKeyPart[]
  | { readonly [name: string]: CacheKeyPart }
  | ReadonlyMap<CacheKeyPart, CacheKeyPart>
  | ReadonlySet<CacheKeyPart>;

/** What may stand inside a key. */
export type CacheKeyPart = CacheKey | undefined;
