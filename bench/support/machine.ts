/** The machine that a report was made on: without it, no figure means anything. */
import { availableParallelism, cpus, release, totalmem } from 'node:os';

const BYTES_PER_GIB = 2 ** 30;

export interface Machine {
  readonly cores: number;
  readonly model: string;
  readonly memoryGib: number;
  readonly platform: string;
  readonly node: string;
}

export function describeMachine(): Machine {
  return {
    cores: availableParallelism(),
    model: cpus()[0]?.model.trim() ?? 'unknown processor',
    memoryGib: Math.round(totalmem() / BYTES_PER_GIB),
    platform: `${process.platform} ${release()} ${process.arch}`,
    node: process.version,
  };
}

export function machineLine({ cores, model, memoryGib, platform, node }: Machine): string {
  return `${cores} cores, ${model}, ${memoryGib} GiB, ${platform}, Node ${node}`;
}
