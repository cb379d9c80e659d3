/**
 * Values that are being computed: whoever wants the same one at the same time shares the flight. One that was dropped (its key was
 * deleted) still lands for those who wait, but nothing of it is to be kept, and who comes later starts another.
 */
export class Flights<T> {
  readonly #flights = new Map<string, Promise<T>>();

  /** `work` is told by `isWanted` whether what it has made is still to be kept. */
  join(key: string, work: (isWanted: () => boolean) => Promise<T>): Promise<T> {
    const under = this.#flights.get(key);
    if (under !== undefined) {
      return under;
    }
    const isWanted = () => this.#flights.get(key) === flight;
    // Begins when it is known: it may drop itself.
    const flight: Promise<T> = Promise.resolve().then(() => work(isWanted));
    this.#flights.set(key, flight);
    const land = () => {
      if (isWanted()) this.#flights.delete(key);
    };
    flight.then(land, land);
    return flight;
  }

  drop(key: string): void {
    this.#flights.delete(key);
  }

  dropAll(): void {
    this.#flights.clear();
  }
}
