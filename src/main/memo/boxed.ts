/**
 * Results as they lie in memory. A cache answers undefined both for a stored undefined and for nothing, and tells them apart
 * only by asking the owner; so here an undefined is stored as a text that nothing else is stored as. All other results are
 * stored as they are, since an envelope around each would take a hit twice as long.
 */

/** What `unbox` says of nothing. */
export const ABSENT: unique symbol = Symbol('absent');

/** Begins with a character that hardly any text begins with: one comparison tells. */
const MARK = '\0memo ';
const UNDEFINED = `${MARK}undefined`;
const TEXT = `${MARK}=`;

export function box(result: unknown): unknown {
  if (result === undefined) {
    return UNDEFINED;
  }
  return typeof result === 'string' && result.startsWith(MARK) ? TEXT + result : result;
}

export function unbox(stored: unknown): unknown {
  if (stored === undefined) {
    return ABSENT;
  }
  if (typeof stored !== 'string' || stored.charCodeAt(0) !== 0 || !stored.startsWith(MARK)) {
    return stored;
  }
  return stored === UNDEFINED ? undefined : stored.slice(TEXT.length);
}
