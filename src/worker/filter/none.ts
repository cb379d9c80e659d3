/** No filter: nothing is remembered, and nothing can be ruled out. */
import type { MembershipFilter } from './filter.ts';

export const noFilter: MembershipFilter = {
  add() {},
  removed() {},
  clear() {},
  touch: () => 0,
  counts: () => ({ capacity: 0, keys: 0, bits: 0, rebuilds: 0, falsePositiveRate: 1 }),
  check() {},
};
