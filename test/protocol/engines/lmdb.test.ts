import { lmdbEngine } from '../../../src/protocol/engines/lmdb.ts';
import { runEngineSuite } from '../../support/engine-suite.ts';

runEngineSuite('lmdb', { kind: lmdbEngine });
