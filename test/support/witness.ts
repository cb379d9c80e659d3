/**
 * A policy that a test listens to: whom it names as victim, and who leaves without having been told to, by key and in
 * order. So a model need not guess what a shard does of its own accord: it judges it.
 */
import type { PolicyFactory } from '../../src/protocol/policy.ts';

export interface Witnessed {
  readonly what: 'named' | 'evict' | 'expire';
  /** Undefined where nobody was named. */
  readonly key: string | undefined;
}

/** `create`, with all that is seen of it appended to `seen`. Keys are strings. */
export function witnessed(create: PolicyFactory, seen: Witnessed[]): PolicyFactory {
  return (context) => {
    const policy = create(context);
    const keys: (string | undefined)[] = [];
    return {
      ...policy,
      add(slot, hash) {
        keys[slot] = context.keyOf(slot) as string;
        return policy.add(slot, hash);
      },
      update(slot, previous) {
        keys[slot] = keys[previous];
        policy.update(slot, previous);
      },
      remove(slot, cause) {
        if (cause === 'evict' || cause === 'expire') {
          seen.push({ what: cause, key: keys[slot] });
        }
        policy.remove(slot, cause);
      },
      victim() {
        const slot = policy.victim();
        seen.push({ what: 'named', key: slot === -1 ? undefined : keys[slot] });
        return slot;
      },
    };
  };
}
