/** An advice for programs: the one object that `--json` prints, and the rows of `--csv`. */
import type { Advice } from './advice.ts';
import { type Cell, type Comparison, OPTIMUM } from './comparison.ts';

export interface AdviceResult extends Omit<Comparison, 'cells'> {
  readonly trace: string;
  /** Whether no policy can be above the optimum: with bytes it is a good guess. */
  readonly optimumIsBound: boolean;
  readonly cells: readonly Cell[];
  readonly recommendation: Advice;
  readonly notes: readonly string[];
  readonly badLines: number;
  readonly threads: number;
  readonly elapsedMs: number;
}

/** As references have it, with a column for shards: one row a cell. */
export function csvOf(trace: string, { cells, unit }: Comparison): string {
  const head =
    unit === 'entries'
      ? 'trace,policy,shards,cache_size_objects,hit_ratio'
      : 'trace,policy,shards,capacity_bytes,object_hit_ratio,byte_hit_ratio';
  const rows = cells.map(({ policy, shards, size, hitRatio, byteHitRatio }) => {
    const ratios = unit === 'entries' ? [hitRatio] : [hitRatio, byteHitRatio ?? 0];
    return [quoted(trace), policy, shards, size, ...ratios.map((ratio) => ratio.toFixed(6))].join(',');
  });
  return `${[head, ...rows].join('\n')}\n`;
}

export function isBound({ unit, cells }: Comparison, expires: boolean): boolean {
  return unit === 'entries' && !expires && cells.some(({ policy }) => policy === OPTIMUM);
}

/** RFC 4180, and nothing that a spreadsheet would take for a formula or a terminal for a command. */
function quoted(text: string): string {
  const plain = text.replace(/\p{Cc}/gu, '?');
  return /[",]|^[=+@-]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}
