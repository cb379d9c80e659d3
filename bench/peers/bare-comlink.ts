/** A bare Comlink call: what one call costs that travels alone. */
import { type Endpoint, type Remote, wrap } from 'comlink';
import { type Echo, type IdleThread, startIdleThread } from './echo.ts';

interface Exposed {
  call(bytes: Uint8Array): number;
}

export class BareComlink implements Echo {
  readonly name = 'bare Comlink call';
  readonly #thread: IdleThread = startIdleThread('comlink');
  // One proxy for all calls: `remote.call` builds a new one each time it is named.
  readonly #call: Remote<Exposed>['call'] = wrap<Exposed>(this.#thread.port as unknown as Endpoint).call;

  call(bytes: Uint8Array): Promise<number> {
    return this.#call(bytes);
  }

  close(): Promise<void> {
    return this.#thread.end();
  }
}
