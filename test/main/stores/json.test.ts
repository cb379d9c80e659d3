import { runStoreSuite } from '../../support/store-suite.ts';

runStoreSuite({ engine: 'json' });
