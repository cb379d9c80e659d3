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
import type { OpenerMessage, ShardBirth, ShardMessage } from '../protocol/spec.ts';
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
import { Linger } from './linger.ts';
import { mend } from './mend.ts';
import { Shard } from './shard.ts';
import { Sweeper } from './sweeper.ts';

/** A policy that fails may fail a million times a second. The opener hears of it this often; the metrics count them all. */
const REPORT_INTERVAL_MS = 1_000;

const { role, spec, regions, time } = workerData as ShardBirth;
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
  const { eviction, limits, seed, filter } = spec;
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
  const dispatch = new Dispatch(shard, memory, clock);
  const linger = new Linger(memory);
  const sweeper = new Sweeper(shard, manual ?? monotonic, spec.sweepIntervalMs);

  opener.on('message', (message: OpenerMessage) => {
    if ('hail' in message) {
      return tell({ is: 'here' });
    }
    if ('tier' in message) {
      return;
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
    const answer = (frame: unknown) => {
      const reply = dispatch.call(frame, asker);
      sweeper.arm();
      return reply;
    };
    let answerPort = answer;
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
function callable(answer: (frame: unknown) => number | Uint8Array): object {
  return Object.freeze(
    Object.assign(Object.create(null) as object, {
      call(frame: unknown): number | Uint8Array {
        try {
          return answer(frame);
        } catch (error) {
          // Comlink would tell the caller and carry on. A shard that fails in the middle of a change must not: a tick comes
          // before the next message, which would find half a change.
          process.nextTick(() => {
            throw error;
          });
          throw error;
        }
      },
    }),
  );
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
