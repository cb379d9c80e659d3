/** What the frames of a memo file say, one after the other: which results there are, and who computes which. */
import { CLAIM, CLEAR, DELETE, type FrameView, RELEASE, RESULT } from './frame.ts';
import type { MemoResults } from './results.ts';

/** Who keeps the claims. */
export interface Claimed {
  add(frame: FrameView, place: number): void;
  remove(key: string, ticket: number): void;
  /** There is a result. */
  end(key: string): void;
}

/** `offset` is where the frame stands in the file. */
export function replay(frame: FrameView, offset: number, results: MemoResults, claims: Claimed): void {
  switch (frame.kind) {
    case RESULT: {
      const key = frame.key;
      results.add(key, frame, offset);
      claims.end(key);
      break;
    }
    case DELETE:
      results.remove(frame.key);
      break;
    case CLEAR:
      results.clear();
      break;
    case CLAIM:
      claims.add(frame, offset);
      break;
    case RELEASE:
      claims.remove(frame.key, frame.ticket);
      break;
  }
}
