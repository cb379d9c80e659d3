/**
 * What a policy that adapts says of an entry in a snapshot:
 *
 *     [ learnt: 24 bits | marks: 8 bits ]
 *
 * The marks are those of the entry: its queue, its uses. What was learnt is of the policy, and the same in all: what it
 * would give to one of its queues, as a share of what its entries weigh. It is told with every entry, because nobody
 * knows where they will meet again. A policy that has learnt a weight adds up the shares of their weights when they are
 * restored: that gives it back, in proportion where only some of the entries come, and the average where they come from
 * several policies. One that has learnt a share takes the first that it is told, unless it has one of its own.
 */

const MARK_BITS = 8;
const MARKS_MASK = 0xff;
/** What one whole is told as. More than one is learnt, up to almost four, when the cache was fuller than it is. */
const WHOLE = 2 ** 22;
const LEARNT_MAX = 2 ** 24 - 1;

export function standingOf(marks: number, learnt: number): number {
  // Rounded up: shares that add up to a little less than a limit that entries have just reached would move one too many.
  const units = Math.min(LEARNT_MAX, Math.ceil(learnt * WHOLE));
  return ((units << MARK_BITS) | marks) >>> 0;
}

export function marksOf(standing: number): number {
  return standing & MARKS_MASK;
}

/** As a share, 0 to almost 4. */
export function learntOf(standing: number): number {
  return (standing >>> MARK_BITS) / WHOLE;
}
