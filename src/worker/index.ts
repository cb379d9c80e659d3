/**
 * The thread of one shard: builds it over the memory it was born with, new or left by an owner that died, and lets clients
 * in, each by its own port.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { type Endpoint, expose } from 'comlink';
import { ClientMemory } from '../protocol/client.ts';
import { monotonic, SharedClock } from '../protocol/clock.ts';
import { thrownText } from '../protocol/describe.ts';
import { endpointOf } from '../protocol/endpoint.ts';
import type { EventMessage } from '../protocol/events.ts';
import { ShardMemory } from '../protocol/memory.ts';
import type { PolicyFactory } from '../protocol/policy.ts';
import { SampleRing } from '../protocol/samples.ts';
import type { SnapshotReply } from '../protocol/snapshot/tasks.ts';
import type { OpenerMessage, ShardBirth, ShardMessage, TierSpec } from '../protocol/spec.ts';
import { WakeMemory } from '../protocol/wake.ts';
import { admitCall } from './admission.ts';
import { comparedWith } from './advice/compared.ts';
import { startPulse } from './advice/pulse.ts';
import { loadPolicy, PolicyRefusal } from './custom-policy.ts';
import { Dispatch } from './dispatch.ts';
import { policies } from './eviction/index.ts';
import { FrameClock } from './frame-clock.ts';
import type { PolicyFault } from './guarded-policy.ts';
import type { Asker } from './leases.ts';
import { type Answer, Linger } from './linger.ts';
import { mend } from './mend.ts';
import { ReplyOrder } from './reply-order.ts';
import { Shard } from './shard.ts';
import { Snapshots } from './snapshot/snapshots.ts';
import { Sweeper } from './sweeper.ts';
import { Tier } from './tier/tier.ts';
import { WallClock } from './tier/wall-clock.ts';

/** A policy that fails may fail a million times a second. The opener hears of it this often; the metrics count them all. */
const REPORT_INTERVAL_MS = 1_000;

const { role, spec, regions, time, tier: keeper } = workerData as ShardBirth;
const opener = parentPort as MessagePort;
const memory = new ShardMemory(regions);
const manual = time === undefined ? undefined : new SharedClock(time);
const clock = new FrameClock(manual ?? monotonic);
let reportedAtMs = Number.NEGATIVE_INFINITY;

// Before anybody's code is loaded, which may take its time or never come: readers wait for what was left half done.
mend(memory);

try {
  if (role === 'owner') {
    serve(await createShard());
  }
} catch (error) {
  if (!(error instanceof PolicyRefusal)) throw error;
  tell({ is: 'refusal', code: error.code, message: error.message, cause: thrownText(error.cause) });
}

async function createShard(): Promise<Shard> {
  const { eviction, limits, seed } = spec;
  // That of a cache with a tier knows all keys of the tier: see tier/tier-filter.ts.
  const filter = spec.tier === false && spec.filter;
  const advise = spec.advise === false ? undefined : { ...spec.advise, others: comparedWith(eviction) };
  if ('module' in eviction) {
    tell({ is: 'loading' });
    // A thread with nothing else to wait for ends, and a module may wait for what never comes.
    opener.ref();
    const onPolicyFault = report;
    return new Shard(limits, memory, await loadPolicy(eviction), clock, { seed, filter, onPolicyFault, advise });
  }
  // Its settings were checked when the cache opened, against those that the policy of this name takes.
  const factory = policies[eviction.name] as PolicyFactory;
  return new Shard(limits, memory, (context) => factory(context, eviction.options), clock, { seed, filter, advise });
}

function serve(shard: Shard): void {
  const tier = keeper && openTier(shard, keeper.port);
  const dispatch = new Dispatch(shard, memory, clock, tier);
  const linger = new Linger(memory);
  const sweeper = new Sweeper(shard, manual ?? monotonic, spec.sweepIntervalMs);
  const answerTask = (reply: SnapshotReply) => {
    tell(reply);
    sweeper.arm();
  };
  const snapshots = new Snapshots({ shard, memory, clock, tell: answerTask });

  opener.on('message', (message: OpenerMessage) => {
    if ('hail' in message) {
      return tell({ is: 'here' });
    }
    if ('tier' in message) {
      return tier?.connect(message.tier);
    }
    if ('snapshot' in message) {
      return snapshots.take(message);
    }
    const { connect, client, samples, wake } = message;
    const clientMemory = new ClientMemory(client);
    const asker: Asker = { tell: (end) => connect.postMessage(end) };
    shard.connect(clientMemory, (events) => connect.postMessage({ events } satisfies EventMessage, [events.buffer]));
    connect.on('close', () => {
      shard.disconnect(clientMemory);
      shard.abandon(asker);
    });
    if (samples !== undefined) {
      const ring = new SampleRing(samples);
      shard.advisor?.connect(ring);
      connect.on('close', () => shard.advisor?.disconnect(ring));
    }
    const order = new ReplyOrder();
    const answer = (frame: unknown) => {
      const reply = order.follow(dispatch.call(frame, asker));
      sweeper.arm();
      return reply;
    };
    let answerPort: Answer = answer;
    if (wake !== undefined) {
      const seat = linger.admit(new WakeMemory(wake), answer, connect);
      connect.on('close', () => linger.dismiss(seat));
      answerPort = (frame: unknown) => linger.answer(frame, answer);
    }
    expose(callable(answerPort), endpointOf(connect, (message) => admitCall(message, connect)) as Endpoint);
  });

  if (manual !== undefined) {
    void sweeper.follow(manual);
  }
  if (shard.advisor !== undefined) {
    startPulse(shard.advisor);
  }

  // What a dead owner left may be due, and no call may ever come.
  sweeper.arm();
  tell({ is: 'ready', hits: shard.policy.hits });
}

/** What a client's port reaches: frozen and without a prototype, so that there is nothing but the one function. */
function callable(answer: Answer): object {
  // Comlink would tell the caller and carry on. A shard that fails in the middle of a change must not: a tick comes
  // before the next message, which would find half a change.
  const die = (error: unknown) => {
    process.nextTick(() => {
      throw error;
    });
    throw error;
  };
  return Object.freeze(
    Object.assign(Object.create(null) as object, {
      call(frame: unknown): ReturnType<Answer> {
        try {
          const reply = answer(frame);
          return reply instanceof Promise ? reply.catch(die) : reply;
        } catch (error) {
          return die(error);
        }
      },
    }),
  );
}

function openTier(shard: Shard, port: MessagePort): Tier {
  const tierSpec = spec.tier as TierSpec;
  const covers = !tierSpec.isShared && spec.filter !== false;
  const tier = new Tier({
    shard,
    wall: new WallClock(clock, manual && tierSpec.wallOriginMs),
    spec: tierSpec,
    filter: covers ? { words: memory.filter, spec: spec.filter } : undefined,
    beat: () => memory.beat(),
  });
  tier.connect(port);
  return tier;
}

function report(fault: PolicyFault): void {
  const nowMs = performance.now();
  if (nowMs - reportedAtMs >= REPORT_INTERVAL_MS) {
    reportedAtMs = nowMs;
    tell({ is: 'fault', message: fault.message, cause: thrownText(fault.cause) });
  }
}

function tell(message: ShardMessage): void {
  opener.postMessage(message);
}
