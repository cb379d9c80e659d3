/** What a bench asks of a way to another thread: to carry bytes there and a number back. Starts the thread at the far end. */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { IdleThreadBirth } from './idle-thread.ts';

const IDLE_THREAD = new URL('./idle-thread.js', import.meta.url);

export interface Echo {
  readonly name: string;
  call(bytes: Uint8Array): Promise<unknown>;
  close(): Promise<void>;
}

export interface IdleThread {
  readonly port: MessagePort;
  end(): Promise<void>;
}

export function startIdleThread(over: IdleThreadBirth['over']): IdleThread {
  const { port1, port2 } = new MessageChannel();
  const birth: IdleThreadBirth = { over, port: port2 };
  const worker = new Worker(IDLE_THREAD, { workerData: birth, transferList: [port2] });
  return {
    port: port1,
    async end() {
      port1.close();
      await worker.terminate();
    },
  };
}
