import { logEngine } from '../../../src/protocol/engines/log/index.ts';
import { runEngineSuite } from '../../support/engine-suite.ts';

runEngineSuite('log', {
  kind: logEngine,
  faults: ['full', 'broken', 'unreadable', 'out of files', 'unsynced', 'slow'],
});
runEngineSuite('log in small segments', {
  kind: logEngine,
  options: { segmentBytes: 4_096 },
  faults: ['full', 'broken', 'unreadable', 'out of files', 'unsynced'],
});
