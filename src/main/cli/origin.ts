/** Where requests come from: a trace, named by its path, or a workload that is made up. */
import { UNSET } from './batch.ts';
import { count } from './figures.ts';
import { readTrace, type TraceSink, traceFault, traceName } from './trace.ts';
import { mulberry32, type Workload, ZipfSampler } from './workload.ts';

/** A path, '-' for standard input, or what to make up. */
export type Origin = string | Workload;

/** Requests that are drawn between two looks at whether the sink has room: a few milliseconds of work. */
const DRAWN_AT_ONCE = 2_048;

/** Hands all requests to the sink, until it has had enough. `settled` is awaited now and then. */
export async function readOrigin(origin: Origin, sink: TraceSink, settled: () => Promise<void>): Promise<void> {
  if (typeof origin === 'string') {
    await readTrace(origin, sink, settled);
  } else {
    await drawWorkload(origin, sink, settled);
  }
}

/** As messages and reports call it. */
export function originName(origin: Origin): string {
  return typeof origin === 'string'
    ? traceName(origin)
    : `Zipf ${origin.exponent}: ${count(origin.requests)} requests over ${count(origin.keys)} keys`;
}

/** Why it could not be read, as a sentence. */
export function originFault(origin: Origin, error: unknown): string {
  return typeof origin === 'string' ? traceFault(origin, error) : String(error);
}

async function drawWorkload(workload: Workload, sink: TraceSink, settled: () => Promise<void>): Promise<void> {
  const keys = new ZipfSampler(workload, mulberry32(workload.seed));
  const scratch = Buffer.alloc(String(workload.keys).length);
  for (let i = 1; i <= workload.requests; i++) {
    const length = scratch.write(String(keys.next()), 'latin1');
    if (!sink.request(scratch, 0, length, UNSET, UNSET)) {
      break;
    }
    if (i % DRAWN_AT_ONCE === 0) {
      await settled();
    }
  }
  await settled();
}
