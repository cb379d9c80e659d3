/** The values that benches store: a small object, as a service caches one, and 100 bytes of text. */

// A type, not an interface: lmdb and ioredis want values that could be JSON.
export type SmallObject = {
  readonly id: number;
  readonly name: string;
  readonly active: boolean;
};

export function smallObject(id: number): SmallObject {
  return { id, name: `name ${id}`, active: id % 2 === 0 };
}

/** Text, because that is what ioredis sends fastest; msgpack stores it in as many bytes. */
export const TEXT_100_BYTES = 'x'.repeat(100);
