/**
 * The pool's side of a replay: reads, unzips and parses the trace, or draws the workload, and sends batches of requests
 * through a port, so that the thread that drives the cache measures the cache.
 *
 * The other side hands back a credit for each batch that it takes. With BATCHES_MAX out, the source waits for one before it
 * reads on. Every ending, good or bad, is the last message on the same port, so it cannot overtake a batch.
 */
import { once } from 'node:events';
import type { MessagePort } from 'node:worker_threads';
import { type BadLine, BadLines, type TraceFault } from './bad-lines.ts';
import { type Batch, BatchBuilder, buffersOf } from './batch.ts';
import { EXIT_FAILED } from './command.ts';
import { LINE_BYTES_MAX } from './line.ts';
import { type Origin, originFault, originName, readOrigin } from './origin.ts';
import type { TraceSink } from './trace.ts';

/** Enough that the cache never waits for a source that is faster; little enough to stop soon. */
const BATCHES_MAX = 8;

export interface SourceTask {
  readonly port: MessagePort;
  readonly origin: Origin;
  readonly limit: number;
  /** Whether the first bad line ends it. */
  readonly strict: boolean;
}

export type SourceMessage =
  | { readonly kind: 'batch'; readonly batch: Batch }
  | { readonly kind: 'bad line'; readonly bad: BadLine }
  | { readonly kind: 'end'; readonly badLines: number; readonly fault: TraceFault | undefined };

/** The pool's task. */
export default async function source({ port, origin, limit, strict }: SourceTask): Promise<void> {
  const outbox = new Outbox(port, limit, strict);
  try {
    await readOrigin(origin, outbox, () => outbox.settled());
    outbox.judge(originName(origin));
    outbox.end();
  } catch (error) {
    outbox.end({ message: originFault(origin, error), exitCode: EXIT_FAILED });
  }
}

/** Packs requests into batches and sends them as the credits allow. */
class Outbox implements TraceSink {
  readonly #port: MessagePort;
  readonly #builder = new BatchBuilder(LINE_BYTES_MAX);
  readonly #badLines: BadLines;
  readonly #limit: number;
  #out = 0;
  #requests = 0;

  constructor(port: MessagePort, limit: number, strict: boolean) {
    this.#port = port;
    this.#badLines = new BadLines(strict, (bad) => {
      this.#flush();
      this.#post({ kind: 'bad line', bad });
    });
    this.#limit = limit;
    port.on('message', () => {
      this.#out--;
    });
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
    return this.#badLines.add(line, reason, text);
  }

  judge(name: string): void {
    this.#badLines.judge(name, this.#requests);
  }

  /** Resolves when there is room. Whoever waits for requests gets what there is: a trace may come as slowly as it happens. */
  async settled(): Promise<void> {
    if (this.#out === 0) {
      this.#flush();
    }
    while (this.#out >= BATCHES_MAX) {
      await once(this.#port, 'message');
    }
  }

  end(fault = this.#badLines.fault): void {
    this.#flush();
    this.#post({ kind: 'end', badLines: this.#badLines.count, fault });
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
