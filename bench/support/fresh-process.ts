/**
 * A job in a process of its own: a heap that nobody has used before, and threads and memory that go with it. The module
 * at the other end calls `answerJob` once; the job goes there and its answer comes back over IPC, so both are plain data.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

/** `flags` are those of node. Rejects when the process ends without an answer. */
export async function inFreshProcess<Job, Answer>(
  module: URL,
  job: Job,
  flags: readonly string[] = [],
): Promise<Answer> {
  const child = fork(module, { execArgv: [...flags], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const exit = once(child, 'exit');
  try {
    child.send(job as object);
    return await answerOf<Answer>(child, module);
  } finally {
    child.kill();
    await exit;
  }
}

/** The child's side: waits for its one job, works, and answers. */
export function answerJob<Job, Answer>(work: (job: Job) => Promise<Answer>): void {
  // Whoever asked is gone: nobody waits for an answer.
  process.once('disconnect', () => process.exit());
  process.once('message', (job: Job) => {
    // What goes wrong here ends the process, and is on its stderr.
    void work(job).then((answer) => process.send?.(answer));
  });
}

function answerOf<Answer>(child: ChildProcess, module: URL): Promise<Answer> {
  return new Promise((resolve, reject) => {
    child.once('message', (answer) => resolve(answer as Answer));
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      reject(new Error(`${module.pathname} ended without an answer: ${signal ?? `exit code ${code}`}`));
    });
  });
}
