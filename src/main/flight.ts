/** A frame that is sealed, with the calls in it: from when it waits to leave until each of them is settled. */
import { describe } from '../protocol/describe.ts';
import { CacheError } from '../protocol/errors.ts';
import { FrameReader } from '../protocol/frame.ts';
import { isWrite } from '../protocol/operations.ts';
import { type Result, readReply } from '../protocol/reply.ts';
import type { Call } from './call.ts';
import type { UnansweredFrame } from './own-writes.ts';

export interface Flight {
  readonly id: number;
  readonly frame: Uint8Array;
  readonly calls: readonly Call[];
  readonly openedMs: number;
  readonly deadlineMs: number;
  /** When it left last. */
  sentMs: number;
}

/** What a reply says to each call, or how many there were when all went well. Throws when it is not one to this flight. */
export function resultsOf({ calls }: Flight, reply: unknown): number | Result[] {
  const results = readReply(reply);
  const count = typeof results === 'number' ? results : results.length;
  if (count !== calls.length) {
    const only = typeof results === 'number' ? undefined : results[0];
    throw only instanceof CacheError ? only : new RangeError(`${count} results for ${calls.length} calls`);
  }
  return results;
}

/** Hands every call of a flight to this shard its result. */
export function settle({ calls }: Flight, results: number | Result[], shard: number): void {
  for (let i = 0; i < calls.length; i++) {
    const call = calls[i] as Call;
    const result = typeof results === 'number' ? undefined : results[i];
    if (result instanceof CacheError) {
      const { code, message } = result;
      const named = call.key === undefined ? message : `${message} (key: ${describe(call.key)})`;
      call.reject(new CacheError(code, named, { key: call.key, shard }));
    } else {
      call.resolve(result);
    }
  }
}

/**
 * Makes the writes of a frame that was out do nothing, and answers them: their calls, and whether anything is left that
 * somebody waits for.
 */
export function withoutWrites({ frame, calls }: Flight): [writes: Call[], isWorthwhile: boolean] {
  const reader = new FrameReader(frame);
  const writes: Call[] = [];
  let isWorthwhile = false;
  for (const call of calls) {
    reader.next();
    if (isWrite(reader.op)) {
      writes.push(call);
      reader.blank();
    } else {
      isWorthwhile ||= !call.isSettled;
    }
  }
  return [writes, isWorthwhile];
}

/** A flight as a search through it needs it. */
export function unanswered({ id, frame, openedMs }: Flight): UnansweredFrame {
  return { id, frame: new FrameReader(frame), openedMs };
}
