/**
 * The entries of the engine 'json' in memory, and what was changed of them since a rewrite of the file began: the one is seen by
 * whoever reads, the other is what the file will have more, or must be forgotten where it cannot be written.
 */
import { lineOf } from './file.ts';

/** A record, and its line once it was written. */
export interface Kept {
  readonly record: Buffer;
  line: string | undefined;
}

export type Entries = Map<string, Kept>;

/** Entries of which changes are remembered. */
export class Overlay {
  readonly changes = new Map<string, Kept | undefined>();
  readonly entries: Entries;

  constructor(entries: Entries) {
    this.entries = entries;
  }

  set(key: string, record: Uint8Array): void {
    const kept = { record: Buffer.from(record), line: undefined };
    this.entries.set(key, kept);
    this.changes.set(key, kept);
  }

  delete(key: string): boolean {
    const wasThere = this.entries.delete(key);
    if (wasThere) this.changes.set(key, undefined);
    return wasThere;
  }
}

/** In the order in which the keys came first. */
export function linesOf(entries: Entries): string[] {
  return Array.from(entries, ([key, kept]) => {
    kept.line ??= lineOf(key, kept.record);
    return kept.line;
  });
}

export function apply(changes: ReadonlyMap<string, Kept | undefined>, entries: Entries): void {
  for (const [key, kept] of changes) {
    if (kept === undefined) entries.delete(key);
    else entries.set(key, kept);
  }
}
