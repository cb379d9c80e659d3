import { describe } from 'vitest';
import type { FilterName } from '../../../src/protocol/filter.ts';
import { filters } from '../../../src/worker/filter/index.ts';
import { type FilterException, runFilterSuite } from '../../support/filter-suite.ts';

const KEEPS_BITS: FilterException = {
  test: 'a removed key is ruled out again',
  reason: 'its bits may be those of others, so they stay until a rebuild',
};
const NEVER_REBUILT = 'it has no stale keys, so it is never built anew';

const EXCEPTIONS: Record<FilterName, FilterException[]> = {
  'blocked-bloom': [KEEPS_BITS],
  bloom: [KEEPS_BITS],
  cuckoo: [{ test: 'it is built anew before stale keys fill it, again and again', reason: NEVER_REBUILT }],
};

for (const name of Object.keys(filters) as FilterName[]) {
  describe(name, () => runFilterSuite(name, EXCEPTIONS[name]));
}
