/** A frame that is sealed, with the calls in it: from when it waits to leave until each of them is settled. */
import { describe } from '../protocol/describe.ts';
import { CacheError, type Outcome } from '../protocol/errors.ts';
import { FrameReader } from '../protocol/frame.ts';
import { isWide, isWrite } from '../protocol/operations.ts';
import type { Result } from '../protocol/reply.ts';
import { readReply } from '../protocol/reply-reader.ts';
import type { Call } from './call.ts';
import type { UnansweredFrame } from './own-writes.ts';
import { timedOut } from './refusals.ts';

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

/** Rejects every call of a flight to this shard that has waited for so long. */
export function timeOut({ calls }: Flight, shard: number, timeoutMs: number, outcome: Outcome): void {
  for (const call of calls) {
    call.reject(timedOut(shard, call, timeoutMs, outcome));
  }
}

/** Keys that are written to in frames that are out, later than the record that is looked at: by the low words of hashes. */
export interface LaterWrites {
  readonly keys: Set<number>;
  /** Whether one may have changed any key. */
  every: boolean;
}

/**
 * Takes out of a frame that was out, and nobody will answer, what must not go out again: writes, which may have been
 * applied; and reads of keys that the client went on to write to, which would be answered with what it wrote after them.
 * Says whose calls these are, and whether anything is left that somebody waits for. Flights are to be given last one first.
 */
export function withdrawWrites({ frame, calls }: Flight, later: LaterWrites): [lost: Call[], isWorthwhile: boolean] {
  const reader = new FrameReader(frame);
  const places = calls.map(() => {
    reader.next();
    return reader.place;
  });
  const lost: Call[] = [];
  let isWorthwhile = false;
  for (let i = calls.length - 1; i >= 0; i--) {
    const call = calls[i] as Call;
    reader.jump(places[i] as number);
    const writes = isWrite(reader.op);
    if (writes || later.every || later.keys.has(reader.hashLow)) {
      lost.push(call);
      reader.blank();
    } else {
      isWorthwhile ||= !call.isSettled;
    }
    if (writes) {
      later.keys.add(reader.hashLow);
      later.every ||= isWide(reader.op);
    }
  }
  return [lost.reverse(), isWorthwhile];
}

/** A flight as a search through it needs it. */
export function unanswered({ id, frame, openedMs }: Flight): UnansweredFrame {
  return { id, frame: new FrameReader(frame), openedMs };
}
