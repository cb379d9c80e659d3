import { memoryEngine } from '../../../src/protocol/engines/memory.ts';
import { runEngineSuite } from '../../support/engine-suite.ts';

runEngineSuite('memory', { kind: memoryEngine });
