/**
 * Measures operations that take less than a microsecond, with tinybench.
 *
 * Tinybench itself costs more than 100 ns an iteration, so an iteration is a loop of LOOP_OPERATIONS operations that
 * is timed as one, and the sample is the time of one of them. Between iterations the event loop turns, as it does
 * between two requests: replies arrive and garbage is collected there, and neither is timed. The figure of a round is the
 * mean of its samples, so that collections within the loop are paid by who caused them.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { Bench } from 'tinybench';
import type { Figure } from './figure.ts';
import { measureInRounds, type Pace } from './rounds.ts';

export const LOOP_OPERATIONS = 1_000;
const ITERATIONS_MIN = 8;
const NS_PER_MS = 1e6;

export interface MicroTask {
  readonly name: string;
  /** Makes LOOP_OPERATIONS operations. */
  readonly loop: () => void | Promise<void>;
}

export async function measureMicro(tasks: readonly MicroTask[], { rounds, sliceMs }: Pace): Promise<Figure[]> {
  return await measureInRounds(tasks, rounds, ({ loop }) => measureSlice(loop, sliceMs));
}

async function measureSlice(loop: MicroTask['loop'], sliceMs: number): Promise<number> {
  const bench = new Bench({ time: sliceMs, iterations: ITERATIONS_MIN, warmup: false, throws: true });
  const iteration = async () => {
    const startMs = bench.now();
    const pending = loop();
    if (pending !== undefined) {
      await pending;
    }
    const elapsedMs = bench.now() - startMs;
    await turn();
    return { overriddenDuration: elapsedMs / LOOP_OPERATIONS, overriddenIterationCost: elapsedMs };
  };
  const [task] = await bench.add('slice', iteration, { async: true }).run();
  if (task === undefined || task.result.state !== 'completed') {
    throw new Error(`Tinybench did not complete: ${task?.result.state}`);
  }
  return task.result.latency.mean * NS_PER_MS;
}
