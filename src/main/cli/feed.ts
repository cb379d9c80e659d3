/**
 * The requests as the thread that drives the cache gets them: batch by batch, from a source on a thread of a Piscina pool.
 *
 * A batch that is taken hands the source a credit for the next. Whatever ends the source, `next` resolves: with undefined
 * after the last batch, and `fault` says why if it was not the end of the trace.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { BadLine, TraceFault } from './bad-lines.ts';
import type { Batch } from './batch.ts';
import { EXIT_FAILED } from './command.ts';
import type { SourceMessage, SourceTask } from './source.ts';

const SOURCE = new URL('./source.js', import.meta.url);

export interface FeedOptions extends Omit<SourceTask, 'port'> {
  /** Hears of the first bad lines as they are met. */
  readonly onBadLine: (bad: BadLine) => void;
}

export class Feed {
  readonly #port: MessagePort;
  readonly #pool: Piscina<SourceTask, void>;
  readonly #waiting: Batch[] = [];
  #wake: (() => void) | undefined;
  #ended = false;
  badLines = 0;
  fault: TraceFault | undefined;

  constructor({ onBadLine, ...task }: FeedOptions) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.on('message', (message: SourceMessage) => this.#hear(message, onBadLine));
    port1.on('messageerror', (error) => this.#end({ message: String(error), exitCode: EXIT_FAILED }));
    // Between two tasks a pool's thread blocks in Atomics.wait by default, deaf to its other ports.
    this.#pool = new Piscina({ filename: SOURCE.href, minThreads: 1, maxThreads: 1, atomics: 'disabled' });
    this.#pool.run({ ...task, port: port2 }, { transferList: [port2] }).catch((error: unknown) => {
      const told = error instanceof Error ? error.message : String(error);
      this.#end({ message: `The thread that reads the requests failed: ${told}`, exitCode: EXIT_FAILED });
    });
  }

  /** The next batch; undefined when there are no more. For one caller at a time. */
  async next(): Promise<Batch | undefined> {
    while (this.#waiting.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const batch = this.#waiting.shift();
    if (batch !== undefined && !this.#ended) {
      this.#port.postMessage('credit');
    }
    return batch;
  }

  /** Ends the source wherever it is; what it has sent is dropped. */
  async close(): Promise<void> {
    this.#waiting.length = 0;
    this.#end(undefined);
    this.#port.close();
    await this.#pool.destroy();
  }

  #hear(message: SourceMessage, onBadLine: (bad: BadLine) => void): void {
    if (this.#ended) {
      return;
    }
    switch (message.kind) {
      case 'batch':
        this.#waiting.push(message.batch);
        break;
      case 'bad line':
        this.badLines++;
        onBadLine(message.bad);
        break;
      case 'end':
        this.badLines = message.badLines;
        this.#end(message.fault);
    }
    this.#wake?.();
  }

  /** The first reason stays. */
  #end(fault: TraceFault | undefined): void {
    if (!this.#ended) {
      this.#ended = true;
      this.fault = fault;
    }
    this.#wake?.();
  }
}
