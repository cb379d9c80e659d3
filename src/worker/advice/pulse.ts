/**
 * Lets an advisor take in what readers tell while nobody calls the shard: often while there is something, seldom while
 * there is not. It holds no process.
 */
import type { Advisor } from './advisor.ts';

/** A reader that never stops fills its ring in 80 ms when it follows one key in 500, and has room for four such beats. */
const BEAT_MIN_MS = 20;
/** An idle shard looks ten times a second: 0.02 % of a core. */
const BEAT_MAX_MS = 100;

export function startPulse(advisor: Advisor): void {
  let beatMs = BEAT_MIN_MS;
  const beat = () => {
    beatMs = advisor.tick() > 0 ? BEAT_MIN_MS : Math.min(BEAT_MAX_MS, beatMs * 2);
    setTimeout(beat, beatMs).unref();
  };
  setTimeout(beat, beatMs).unref();
}
