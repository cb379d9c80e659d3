/** A keeper in the test's own thread, over an engine in memory whose calls can be held up and made to fail. */
import type { Engine, EngineKind, Watcher } from '../../src/protocol/engines/engine.ts';
import { memoryEngine } from '../../src/protocol/engines/memory.ts';
import { diskFiles } from '../../src/protocol/files.ts';
import { type FromKeeper, type KeeperBirth, TIER_CELLS } from '../../src/protocol/tier.ts';
import { Keeper } from '../../src/worker/keeper/keeper.ts';
import { type TierOwner, tierOwner } from './tier-owner.ts';

export class HeldEngine {
  /** Calls in the order in which the engine was asked: 'set k1', 'setMany k1 k2'. */
  readonly calls: string[] = [];
  /** What each call of this name throws. */
  readonly faults = new Map<string, Error>();
  readonly engine: Engine;
  watcher: Watcher | undefined;
  readonly #gates = new Map<string, { promise: Promise<void>; open: () => void }>();

  constructor(inner: Engine, isWatched: boolean) {
    const watch = async (watcher: Watcher) => {
      this.watcher = watcher;
    };
    this.engine = new Proxy(inner, {
      get: (target, name: string) => {
        const value = name === 'watch' ? (isWatched ? watch : undefined) : Reflect.get(target, name);
        return typeof value === 'function' && name !== 'keys' && name !== 'watch'
          ? (...args: unknown[]) => this.#call(name, args, () => Reflect.apply(value, target, args))
          : typeof value === 'function'
            ? value.bind(target)
            : value;
      },
    });
  }

  /** Calls of this name wait until what is returned is called. */
  hold(name: string): () => void {
    let open = () => {};
    const promise = new Promise<void>((resolve) => {
      open = () => {
        this.#gates.delete(name);
        resolve();
      };
    });
    this.#gates.set(name, { promise, open });
    return open;
  }

  #call(name: string, args: readonly unknown[], call: () => unknown): unknown {
    const [first] = args;
    const keys = Array.isArray(first) ? first.map((entry) => (Array.isArray(entry) ? entry[0] : entry)) : [first];
    this.calls.push([name, ...keys].join(' ').trim());
    const fault = this.faults.get(name);
    const gate = this.#gates.get(name);
    if (gate !== undefined) {
      return gate.promise.then(() => {
        if (fault !== undefined) throw fault;
        return call();
      });
    }
    if (fault !== undefined) throw fault;
    return call();
  }
}

export interface OpenKeeper {
  readonly keeper: Keeper;
  readonly held: HeldEngine;
  readonly told: FromKeeper[];
  readonly counts: Float64Array;
  connect(shard?: number): TierOwner;
}

let opened = 0;

export async function openKeeper(options: Partial<KeeperBirth> & { isWatched?: boolean } = {}): Promise<OpenKeeper> {
  const { isWatched = true, ...birth } = options;
  const told: FromKeeper[] = [];
  const counts = new SharedArrayBuffer(TIER_CELLS * 8);
  let held: HeldEngine | undefined;
  const kind: EngineKind = {
    ...memoryEngine,
    open: async (place) => {
      held = new HeldEngine(await memoryEngine.open(place), isWatched);
      return held.engine;
    },
  };
  const keeper = await Keeper.open(
    kind,
    {
      engine: { name: 'memory' },
      place: { name: `tier ${opened++}`, directory: '', options: {} },
      compression: false,
      seed: { low: 1, high: 2 },
      shards: 1,
      behind: false,
      isShared: false,
      counts,
      ...birth,
    },
    { files: diskFiles, tell: (message) => told.push(message) },
  );
  const connect = (shard = 0) => {
    const { owner, port } = tierOwner();
    keeper.connect(shard, port);
    return owner;
  };
  return { keeper, held: held as HeldEngine, told, counts: new Float64Array(counts), connect };
}
