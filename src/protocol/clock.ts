/**
 * Time in memory is monotonic milliseconds. Threads of one process share the origin of `performance.now()`, so a
 * deadline that one thread writes means the same instant to all others, whatever the wall clock does.
 */
export interface Clock {
  now(): number;
}

export const monotonic: Clock = performance;
