import { describe } from 'vitest';
import type { FilterName } from '../../../src/protocol/filter.ts';
import { filters } from '../../../src/worker/filter/index.ts';
import { type FilterException, runFilterSuite } from '../../support/filter-suite.ts';

const EXCEPTIONS: Partial<Record<FilterName, FilterException[]>> = {
  'blocked-bloom': [
    {
      test: 'a removed key is ruled out again',
      reason: 'its bits may be those of others, so they stay until a rebuild',
    },
  ],
};

for (const [name, factory] of Object.entries(filters)) {
  describe(name, () => runFilterSuite(factory, EXCEPTIONS[name as FilterName] ?? []));
}
