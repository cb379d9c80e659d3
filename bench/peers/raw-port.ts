/** A raw postMessage round trip: what any call to another thread costs, whoever makes it. One call at a time. */
import { type Echo, type IdleThread, startIdleThread } from './echo.ts';

export class RawPort implements Echo {
  readonly name = 'raw postMessage round trip';
  readonly #thread: IdleThread = startIdleThread('port');
  #answered: (answer: number) => void = () => {};

  constructor() {
    this.#thread.port.on('message', (answer: number) => this.#answered(answer));
  }

  call(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve) => {
      this.#answered = resolve;
      this.#thread.port.postMessage(bytes);
    });
  }

  close(): Promise<void> {
    return this.#thread.end();
  }
}
