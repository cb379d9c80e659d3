/** The membership filters there are, by name. A new one is one file, one line here, and its probe in the reader. */
import type { FilterName } from '../../protocol/filter.ts';
import { createBlockedBloom, createBloom } from './bloom.ts';
import { createCuckoo } from './cuckoo.ts';
import type { FilterFactory } from './filter.ts';

export const filters = {
  'blocked-bloom': createBlockedBloom,
  bloom: createBloom,
  cuckoo: createCuckoo,
} satisfies Record<FilterName, FilterFactory>;
