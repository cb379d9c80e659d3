/** The machine that a report was made on: without it, no figure means anything. */
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

const BYTES_PER_GIB = 2 ** 30;

export interface Machine {
  readonly cores: number;
  readonly model: string;
  readonly memoryGib: number;
  readonly platform: string;
  readonly node: string;
  /** What else kept it busy in the minute before: far above 0, figures with threads in them say little. */
  readonly loadBefore: number;
}

export function describeMachine(): Machine {
  return {
    cores: availableParallelism(),
    model: cpus()[0]?.model.trim() ?? 'unknown processor',
    memoryGib: Math.round(totalmem() / BYTES_PER_GIB),
    platform: `${process.platform} ${release()} ${process.arch}`,
    node: process.version,
    loadBefore: Number((loadavg()[0] ?? 0).toFixed(1)),
  };
}

export function machineLine({ cores, model, memoryGib, platform, node, loadBefore }: Machine): string {
  return `${cores} cores, ${model}, ${memoryGib} GiB, ${platform}, Node ${node}; load average before: ${loadBefore}`;
}
