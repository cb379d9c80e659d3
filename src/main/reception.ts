/**
 * Where clients of other threads come in: the opener's ends of all handles. Behind each there is nobody yet, or a client
 * that has attached, or one that is gone, which its port says by ending.
 */
import type { MessagePort } from 'node:worker_threads';
import type { ComputePool, ComputeTask } from './compute.ts';
import type { ClientBuffers, ToClient, ToOpener } from './handle.ts';
import type { Member, Roster } from './roster.ts';
import type { SnapshotCall, SnapshotCaller, SnapshotOutcome } from './snapshot/requests.ts';
import { thrownOf } from './thrown.ts';

/** Handles that may be out without a client behind them. */
export const HANDLES_MAX = 16_384;

export class Reception {
  readonly #roster: Roster;
  readonly #pool: ComputePool;
  readonly #snapshots: SnapshotCaller;
  readonly #ports = new Set<MessagePort>();
  /** Those of them that nobody has attached by yet. */
  readonly #unused = new Set<MessagePort>();

  /** `pool` runs the tasks of all clients, and `snapshots` saves and loads for them. */
  constructor(roster: Roster, pool: ComputePool, snapshots: SnapshotCaller) {
    this.#roster = roster;
    this.#pool = pool;
    this.#snapshots = snapshots;
  }

  /** Whoever has the other end of this port may attach; false, and closed, when too many handles wait to be used. */
  expect(port: MessagePort): boolean {
    if (this.#unused.size >= HANDLES_MAX) {
      port.close();
      return false;
    }
    this.#ports.add(port);
    this.#unused.add(port);
    const tasks = new Map<number, AbortController>();
    let member: RemoteMember | undefined;
    port.on('message', (message: ToOpener) => {
      switch (message.is) {
        case 'attach':
          this.#unused.delete(port);
          member = new RemoteMember(port, message.buffers);
          this.#roster.admitWith(member, message.ports);
          break;
        case 'lost':
          // Not where it had another by then: it would lose that, and the calls on it.
          if (member?.sent[message.shard] === message.ports) void this.#roster.lost(member, message.shard);
          break;
        case 'introduce':
          this.expect(message.port);
          break;
        case 'compute':
          void this.#compute(message.task, message.work, tasks, port);
          break;
        case 'snapshot':
          void this.#callSnapshots(message.task, message.call, tasks, port);
          break;
        case 'abort':
          tasks.get(message.task)?.abort();
      }
    });
    port.on('close', () => {
      this.#ports.delete(port);
      this.#unused.delete(port);
      if (member !== undefined) this.#roster.dismiss(member);
      for (const controller of tasks.values()) controller.abort();
    });
    port.unref();
    return true;
  }

  /** Sends everybody away. */
  close(): void {
    for (const port of this.#ports) {
      const farewell: ToClient = { is: 'closed' };
      port.postMessage(farewell);
      port.close();
    }
    this.#ports.clear();
  }

  async #compute(
    task: number,
    { chain, ...work }: ComputeTask,
    tasks: Map<number, AbortController>,
    port: MessagePort,
  ): Promise<void> {
    const controller = new AbortController();
    tasks.set(task, controller);
    const outcome = await this.#pool.outcomeOf(work, chain, controller.signal);
    tasks.delete(task);
    const message: ToClient = { is: 'computed', task, outcome };
    // The bytes came from the pool's thread to be handed on: nobody else has them.
    port.postMessage(message, 'bytes' in outcome ? [outcome.bytes.buffer] : []);
  }

  async #callSnapshots(
    task: number,
    call: SnapshotCall,
    tasks: Map<number, AbortController>,
    port: MessagePort,
  ): Promise<void> {
    const controller = new AbortController();
    tasks.set(task, controller);
    const outcome: SnapshotOutcome = await this.#snapshots.call(call, controller).then(
      (done) => ({ done }),
      (error: unknown) => ({ thrown: thrownOf(error) }),
    );
    tasks.delete(task);
    const message: ToClient = { is: 'snapshot', task, outcome };
    port.postMessage(message);
  }
}

/** A client in another thread, which is told everything through its handle's port. */
class RemoteMember implements Member {
  readonly buffers: readonly ClientBuffers[];
  /** Ports that it was sent, by shard. */
  readonly sent: number[];
  readonly #port: MessagePort;

  constructor(port: MessagePort, buffers: readonly ClientBuffers[]) {
    this.#port = port;
    this.buffers = buffers;
    this.sent = buffers.map(() => 0);
  }

  connect(shard: number, port: MessagePort): void {
    (this.sent[shard] as number)++;
    const message: ToClient = { is: 'port', shard, port };
    this.#port.postMessage(message, [port]);
  }

  fail(shard: number, how: string): void {
    const message: ToClient = { is: 'failed', shard, how };
    this.#port.postMessage(message);
  }
}
