/**
 * What runs on the pool's thread: it reads, unzips and parses the trace, or draws the workload, and sends batches of requests
 * through a port, so that the thread that drives the cache measures the cache.
 *
 * The other side hands back a credit for each batch that it takes. With BATCHES_MAX out, the source waits for one before it
 * reads on. Every ending, good or bad, is the last message on the same port, so it cannot overtake a batch.
 */
import { once } from 'node:events';
import type { MessagePort } from 'node:worker_threads';
import { type Batch, BatchBuilder, buffersOf, UNSET } from './batch.ts';
import { EXIT_FAILED, EXIT_MISUSED } from './command.ts';
import { count } from './figures.ts';
import { LINE_BYTES_MAX, TOO_LONG } from './line.ts';
import { readTrace, type TraceSink, traceFault, traceName } from './trace.ts';
import { type Workload, ZipfSampler } from './workload.ts';

/** Enough that the cache never waits for a source that is faster; little enough to stop soon. */
const BATCHES_MAX = 8;
/** The first bad lines are named, the rest counted. */
const BAD_LINES_NAMED = 5;

export interface SourceTask {
  readonly port: MessagePort;
  /** The path of a trace, '-', or what to make up. */
  readonly origin: string | Workload;
  readonly limit: number;
  /** Whether the first bad line ends it. */
  readonly strict: boolean;
}

export interface BadLine {
  readonly line: number;
  readonly reason: string;
  readonly text: string;
}

/** Why the requests ended before the trace did. */
export interface SourceFault {
  readonly message: string;
  readonly exitCode: number;
}

export type SourceMessage =
  | { readonly kind: 'batch'; readonly batch: Batch }
  | { readonly kind: 'bad line'; readonly bad: BadLine }
  | { readonly kind: 'end'; readonly badLines: number; readonly fault: SourceFault | undefined };

/** The pool's task. */
export default async function source({ port, origin, limit, strict }: SourceTask): Promise<void> {
  const outbox = new Outbox(port, limit, strict);
  try {
    if (typeof origin === 'string') {
      await readTrace(origin, outbox, () => outbox.settled());
      outbox.judge(traceName(origin));
    } else {
      await drawWorkload(origin, outbox);
    }
    outbox.end();
  } catch (error) {
    const message = typeof origin === 'string' ? traceFault(origin, error) : String(error);
    outbox.end({ message, exitCode: EXIT_FAILED });
  }
}

async function drawWorkload(workload: Workload, outbox: Outbox): Promise<void> {
  const keys = new ZipfSampler(workload);
  const scratch = Buffer.alloc(String(workload.keys).length);
  for (let i = 0; i < workload.requests; i++) {
    const length = scratch.write(String(keys.next()), 'latin1');
    if (!outbox.request(scratch, 0, length, UNSET, UNSET)) {
      break;
    }
    if (outbox.isCrowded) {
      await outbox.settled();
    }
  }
  await outbox.settled();
}

/** Packs requests into batches and sends them as the credits allow. */
class Outbox implements TraceSink {
  readonly #port: MessagePort;
  readonly #strict: boolean;
  readonly #builder = new BatchBuilder(LINE_BYTES_MAX);
  readonly #limit: number;
  #out = 0;
  #requests = 0;
  #badLines = 0;
  #isTooLong = false;
  #fault: SourceFault | undefined;

  constructor(port: MessagePort, limit: number, strict: boolean) {
    this.#port = port;
    this.#limit = limit;
    this.#strict = strict;
    port.on('message', () => {
      this.#out--;
    });
  }

  get isCrowded(): boolean {
    return this.#out >= BATCHES_MAX;
  }

  request(bytes: Buffer, keyStart: number, keyEnd: number, size: number, ttlSeconds: number): boolean {
    this.#builder.add(bytes, keyStart, keyEnd, size, ttlSeconds);
    if (this.#builder.isFull) {
      this.#flush();
    }
    this.#requests++;
    return this.#requests < this.#limit;
  }

  badLine(line: number, reason: string, text: string): boolean {
    if (++this.#badLines <= BAD_LINES_NAMED) {
      this.#flush();
      this.#post({ kind: 'bad line', bad: { line, reason, text } });
    }
    this.#isTooLong ||= reason === TOO_LONG;
    if (this.#strict) {
      this.#fault = { message: `Stopped at line ${line}, as --strict asks`, exitCode: EXIT_MISUSED };
    }
    return !this.#strict;
  }

  /**
   * A few bad lines are an accident. More bad than good ones, or one that no trace has, mean that this is something else;
   * it was replayed for what it is worth, but not with success.
   */
  judge(name: string): void {
    const lines = this.#requests + this.#badLines;
    if (this.#requests === 0 || this.#fault !== undefined) {
      return;
    }
    if (this.#badLines > this.#requests) {
      const message = `${count(this.#badLines)} of the ${count(lines)} lines of ${name} are bad: is it a trace?`;
      this.#fault = { message, exitCode: EXIT_FAILED };
    } else if (this.#isTooLong) {
      this.#fault = { message: `${name} has a line ${TOO_LONG}: is it a trace?`, exitCode: EXIT_FAILED };
    }
  }

  /** Resolves when there is room. Whoever waits for requests gets what there is: a trace may come as slowly as it happens. */
  async settled(): Promise<void> {
    if (this.#out === 0) {
      this.#flush();
    }
    while (this.isCrowded) {
      await once(this.#port, 'message');
    }
  }

  end(fault = this.#fault): void {
    this.#flush();
    this.#post({ kind: 'end', badLines: this.#badLines, fault });
    // Frees the thread for the next task. What was posted is delivered first.
    this.#port.close();
  }

  #flush(): void {
    if (this.#builder.count > 0) {
      const batch = this.#builder.take();
      this.#out++;
      this.#post({ kind: 'batch', batch }, buffersOf(batch));
    }
  }

  #post(message: SourceMessage, transfer: ArrayBuffer[] = []): void {
    this.#port.postMessage(message, transfer);
  }
}
