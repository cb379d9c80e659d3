/**
 * A shard's memory for an owner that dies between two stores: after so many, each further one throws, and none is made. A
 * store is a word, or all that one call of `fill`, `set` or `copyWithin` writes: between those a thread may be ended.
 *
 * The views are proxies. `Atomics` takes none, so it is given the views behind them; nothing in the sources is changed.
 */
import { ShardMemory, type ShardRegions } from '../../src/protocol/memory.ts';

type View = Int32Array | Uint8Array | Float64Array;

/** What the owner was about to do when it died. */
export class Death extends Error {}

export class MortalMemory {
  readonly memory: ShardMemory;
  stores = 0;
  /** Stores that are still made. */
  storesMax = Number.POSITIVE_INFINITY;
  /** Called after every store. */
  onStore: (() => void) | undefined;

  constructor(regions: ShardRegions) {
    const views = Object.entries(new ShardMemory(regions)).map(([name, view]) => [name, this.#proxy(view as View)]);
    this.memory = Object.assign(Object.create(ShardMemory.prototype), Object.fromEntries(views));
  }

  /** The next store but `stores` is not made any more. */
  dieAfter(stores: number): void {
    this.storesMax = this.stores + stores;
  }

  store<T>(make: () => T): T {
    if (this.stores >= this.storesMax) {
      throw new Death(`died after ${this.stores} stores`);
    }
    this.stores++;
    const result = make();
    this.onStore?.();
    return result;
  }

  #proxy(view: View): View {
    const methods = new Map<PropertyKey, unknown>();
    const proxy = new Proxy(view, {
      get: (target, name) => {
        const own = methods.get(name);
        if (own !== undefined) {
          return own;
        }
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function' || name === 'constructor') {
          return value;
        }
        const method = STORING.has(name)
          ? (...args: unknown[]) => this.store(() => value.apply(target, args))
          : value.bind(target);
        methods.set(name, method);
        return method;
      },
      set: (target, name, value) => this.store(() => Reflect.set(target, name, value, target)),
    });
    behind.set(proxy, { view, mortal: this });
    return proxy;
  }
}

/** A copy of all regions, as they are now. */
export function copyOf(regions: ShardRegions): ShardRegions {
  const copies = Object.entries(regions).map(([name, region]: [string, SharedArrayBuffer]) => {
    const copy = new SharedArrayBuffer(region.byteLength);
    new Uint8Array(copy).set(new Uint8Array(region));
    return [name, copy];
  });
  return Object.fromEntries(copies);
}

const STORING: ReadonlySet<PropertyKey> = new Set(['set', 'fill', 'copyWithin']);
const behind = new WeakMap<object, { readonly view: View; readonly mortal: MortalMemory }>();

for (const name of ['store', 'add', 'load', 'notify'] as const) {
  const real = Atomics[name] as (view: object, ...rest: unknown[]) => unknown;
  const stores = name === 'store' || name === 'add';
  Object.assign(Atomics, {
    [name]: (view: object, ...rest: unknown[]) => {
      const proxied = behind.get(view);
      if (proxied === undefined) {
        return real(view, ...rest);
      }
      return stores ? proxied.mortal.store(() => real(proxied.view, ...rest)) : real(proxied.view, ...rest);
    },
  });
}
