/**
 * A bench answers one question: it sets contenders up, measures them in turns, and reports figures and ratios. It asserts
 * nothing. The registry of benches is in `../index.ts`.
 */
import type { Figure } from './figure.ts';
import type { Ratio } from './ratio.ts';

export interface Bench {
  /** One sentence; `--help` shows it and the report opens with it. */
  readonly question: string;
  run(options: RunOptions): Promise<Report>;
}

export interface RunOptions {
  /** Small sizes and few rounds: shows that the bench runs, not what the library can do. */
  readonly quick: boolean;
  /** Tells whoever waits what is going on. */
  progress(text: string): void;
}

export interface Report {
  /** What a reader needs in order to judge the figures: entries, shards, distribution, values. */
  readonly setup: Readonly<Record<string, string | number>>;
  readonly figures: readonly Figure[];
  readonly ratios: readonly Ratio[];
  /** What was skipped, and why; what a figure includes. */
  readonly notes: readonly string[];
}
