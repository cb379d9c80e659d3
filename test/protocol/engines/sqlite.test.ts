import { sqliteEngine } from '../../../src/protocol/engines/sqlite.ts';
import { runEngineSuite } from '../../support/engine-suite.ts';

runEngineSuite('sqlite', { kind: sqliteEngine });
