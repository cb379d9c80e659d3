import { diskEngine } from '../../../src/protocol/engines/disk/index.ts';
import { runEngineSuite } from '../../support/engine-suite.ts';

runEngineSuite('disk', {
  kind: diskEngine,
  faults: ['full', 'broken', 'unreadable', 'out of files', 'unsynced', 'slow'],
});
