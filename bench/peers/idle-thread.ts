/**
 * The other end of a bare call: a thread that has nothing to do but answer. It hears bytes, ignores them, and answers with
 * a number, over Comlink or over its port, as `workerData` says. Runs as a worker.
 */
import { type MessagePort, workerData } from 'node:worker_threads';
import { type Endpoint, expose } from 'comlink';

export interface IdleThreadBirth {
  readonly over: 'comlink' | 'port';
  readonly port: MessagePort;
}

const ANSWER = 1;
const { over, port } = workerData as IdleThreadBirth;

if (over === 'comlink') {
  expose({ call: (_bytes: Uint8Array) => ANSWER }, port as unknown as Endpoint);
} else {
  port.on('message', () => port.postMessage(ANSWER));
}
