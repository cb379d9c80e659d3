/** What the compiler must accept of the public types of filters, and what it must not. Checked by `npm run types`; never run. */
import {
  BinaryFuseFilter,
  BlockedBloomFilter,
  BloomFilter,
  CuckooFilter,
  type FilterOptions,
  XorFilter,
} from 'shardstash/filters';

export function typed(options: FilterOptions): void {
  for (const made of [BloomFilter, BlockedBloomFilter, CuckooFilter]) {
    const filter = new made(options);
    filter.add({ page: 2, query: ['tea'] });
    filter.has(7n) satisfies boolean;
    made.fromBytes(filter.toBytes()).size satisfies number;
  }
  new CuckooFilter({ capacity: 10 }).delete('a') satisfies boolean;
  const frozen = XorFilter.from(new Set(['a', 1]), { bits: 16 });
  BinaryFuseFilter.from(['a']).has('a') satisfies boolean;
  // @ts-expect-error a Bloom filter forgets nothing
  new BloomFilter(options).delete('a');
  // @ts-expect-error a static filter takes no other key
  frozen.add('b');
  // @ts-expect-error it is made by `from`
  new XorFilter(['a']);
  // @ts-expect-error fingerprints have 8 or 16 bits
  XorFilter.from(['a'], { bits: 12 });
  // @ts-expect-error a symbol is no key
  frozen.has(Symbol('a'));
  // @ts-expect-error a filter must know for how many keys it is
  new CuckooFilter({ falsePositiveRate: 0.1 });
}
