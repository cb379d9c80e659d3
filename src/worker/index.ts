/**
 * The thread of one shard: builds it over the memory it was born with, and lets clients in, each by its own port.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { type Endpoint, expose } from 'comlink';
import { ClientMemory } from '../protocol/client.ts';
import { monotonic, SharedClock } from '../protocol/clock.ts';
import { endpointOf } from '../protocol/endpoint.ts';
import { ShardMemory } from '../protocol/memory.ts';
import type { PolicyFactory } from '../protocol/policy.ts';
import type { ConnectMessage, ShardBirth, ShardReady } from '../protocol/spec.ts';
import { admitCall } from './admission.ts';
import { Dispatch } from './dispatch.ts';
import { policies } from './eviction/index.ts';
import { FrameClock } from './frame-clock.ts';
import { Shard } from './shard.ts';
import { Sweeper } from './sweeper.ts';

const { spec, regions, time } = workerData as ShardBirth;
const opener = parentPort as MessagePort;
const memory = new ShardMemory(regions);
const manual = time === undefined ? undefined : new SharedClock(time);
const clock = new FrameClock(manual ?? monotonic);
const { eviction, limits, seed, filter } = spec;
// The options were checked when the cache opened, against what the policy of that name takes.
const factory = policies[eviction.name] as PolicyFactory;
const createPolicy: PolicyFactory = (context) => factory(context, eviction.options);
const shard = new Shard(limits, memory, createPolicy, clock, { seed, filter });
const dispatch = new Dispatch(shard, memory, clock);
const sweeper = new Sweeper(shard, manual ?? monotonic, spec.sweepIntervalMs);

/** Frozen and without a prototype: there is nothing here to reach for but the one function. */
const exposed = Object.freeze(
  Object.assign(Object.create(null) as object, {
    call(frame: unknown): number | Uint8Array {
      try {
        const reply = dispatch.call(frame);
        sweeper.arm();
        return reply;
      } catch (error) {
        // Comlink would tell the caller and carry on. A shard that fails in the middle of a change must not.
        setImmediate(() => {
          throw error;
        });
        throw error;
      }
    },
  }),
);

opener.on('message', ({ connect, client }: ConnectMessage) => {
  const clientMemory = new ClientMemory(client);
  shard.connect(clientMemory);
  connect.on('close', () => shard.disconnect(clientMemory));
  expose(exposed, endpointOf(connect, (message) => admitCall(message, connect)) as Endpoint);
});

if (manual !== undefined) {
  void sweeper.follow(manual);
}

opener.postMessage({ ready: true, hits: shard.policy.hits } satisfies ShardReady);
