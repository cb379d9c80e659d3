/**
 * The thread of a tier's keeper: opens the engine that it was born with, lets the owners of shards in, each by its own port, and
 * ends when the engine is closed. It does not keep the process alive by itself: the opener decides that.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { diskFiles } from '../../protocol/files.ts';
import type { FromKeeper, KeeperBirth, ToKeeper } from '../../protocol/tier.ts';
import { loadEngine } from './engine-source.ts';
import { errorRecordOf } from './error-record.ts';
import { Keeper } from './keeper.ts';

const opener = parentPort as MessagePort;
const birth = workerData as KeeperBirth;

// At once: what the opener sends while the engine opens waits for it.
const opening = open();

opener.on('message', async (message: ToKeeper | undefined | null) => {
  const keeper = await opening;
  // It was refused, and the opener has been told.
  if (keeper === undefined) {
    return;
  }
  if (message?.is === 'session') {
    keeper.connect(message.shard, message.port);
  } else if (message?.is === 'close') {
    const { lost, error } = await keeper.close();
    tell(error === undefined ? { is: 'closed', lost } : { is: 'closed', lost, error });
    opener.close();
  }
});

async function open(): Promise<Keeper | undefined> {
  try {
    const keeper = await Keeper.open(await loadEngine(birth.engine), birth, { files: diskFiles, tell });
    tell({ is: 'ready', isEmpty: keeper.isEmpty });
    return keeper;
  } catch (error) {
    const { option, path } = (error ?? {}) as { option?: unknown; path?: unknown };
    const details = {
      ...(typeof option === 'string' ? { option } : {}),
      ...(typeof path === 'string' ? { path } : {}),
    };
    tell({ is: 'refusal', error: { ...errorRecordOf(error), ...details } });
    opener.close();
    return undefined;
  }
}

function tell(message: FromKeeper): void {
  opener.postMessage(message);
}
