/** What `shardstash inspect` has found, whatever lies there: each kind of place has a file that looks. */
import type { Style } from './layout.ts';

export interface Look {
  readonly path: string;
  /** For programs. */
  readonly json: object;
  facts(style: Style): readonly string[];
  /** Entries. */
  sample(style: Style): readonly string[];
  readonly damage: readonly string[];
}

export interface LookOptions {
  readonly entries: number;
  readonly name: string | undefined;
}
