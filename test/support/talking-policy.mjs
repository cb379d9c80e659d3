/** A policy whose module talks to whoever listens to its thread. */
import { parentPort } from 'node:worker_threads';
import { lru } from './policy-modules.mjs';

for (const message of [null, undefined, 5, 'ready', {}, [], { is: 'nothing' }]) {
  parentPort?.postMessage(message);
}

export default lru;
