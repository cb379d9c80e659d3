/**
 * The door of a shard's port. Comlink would get, set, construct and call whatever a message names; a shard admits one
 * form, `call(frame)`, and answers any other that can be answered with a PROTOCOL_ERROR.
 */
import type { MessagePort } from 'node:worker_threads';
import { ReplyWriter } from '../protocol/reply.ts';

/** The message, if it is a call; else undefined, and the sender has been told. */
export function admitCall(message: unknown, port: MessagePort): unknown {
  if (isCall(message)) {
    return message;
  }
  const id = (message as { id?: unknown } | null)?.id;
  if (typeof id === 'string') {
    const reply = new ReplyWriter();
    reply.error({ code: 'PROTOCOL_ERROR', message: 'A shard answers `call(frame)` and nothing else' });
    port.postMessage({ id, type: 'RAW', value: reply.seal() });
  }
  return undefined;
}

function isCall(message: unknown): boolean {
  if (typeof message !== 'object' || message === null) {
    return false;
  }
  const { id, type, path, argumentList } = message as Record<string, unknown>;
  return (
    typeof id === 'string' &&
    type === 'APPLY' &&
    Array.isArray(path) &&
    path.length === 1 &&
    path[0] === 'call' &&
    Array.isArray(argumentList) &&
    argumentList.length === 1 &&
    (argumentList[0] as { type?: unknown } | null)?.type === 'RAW'
  );
}
