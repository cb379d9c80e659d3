import { fileEngine } from '../../../src/protocol/engines/file.ts';
import { runEngineSuite } from '../../support/engine-suite.ts';

runEngineSuite('file', {
  kind: fileEngine,
  faults: ['full', 'broken', 'unreadable', 'out of files', 'unsynced', 'slow'],
});
