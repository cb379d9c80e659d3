/** The main thread's side of a recording: runs the recorder on a thread of a Piscina pool and passes on what it tells. */
import { MessageChannel } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { BadLine } from './bad-lines.ts';
import type { RecorderMessage, RecorderTask, Recording } from './recorder.ts';

const RECORDER = new URL('./recorder.js', import.meta.url);

export interface RecordingOptions extends Omit<RecorderTask, 'port'> {
  /** Hears of the first bad lines as they are met. */
  readonly onBadLine: (bad: BadLine) => void;
  /** Hears how many requests were read. */
  readonly onProgress: (requests: number) => void;
  /** Ends the thread wherever it is; the promise rejects with its reason. */
  readonly signal: AbortSignal;
}

export async function recorded({ onBadLine, onProgress, signal, ...task }: RecordingOptions): Promise<Recording> {
  signal.throwIfAborted();
  const { port1, port2 } = new MessageChannel();
  // What the thread tells is heard before its result: the last messages may be on their way when that arrives.
  const closed = new Promise<void>((resolve) => port1.once('close', resolve));
  port1.on('message', (message: RecorderMessage) => {
    if (message.kind === 'bad line') {
      onBadLine(message.bad);
    } else {
      onProgress(message.requests);
    }
  });
  // Between two tasks a pool's thread blocks in Atomics.wait by default, and would never close its port.
  const pool = new Piscina<RecorderTask, Recording>({ filename: RECORDER.href, maxThreads: 1, atomics: 'disabled' });
  const abort = () => void pool.destroy();
  signal.addEventListener('abort', abort, { once: true });
  try {
    const recording = await pool.run({ ...task, port: port2 }, { transferList: [port2] });
    await closed;
    return recording;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
    port1.close();
    await pool.destroy();
  }
}
