/**
 * The clients of a cache, as the thread that opened it knows them, and the ports that lead from them to the owners of the
 * shards. When a shard has a new owner every client gets a new port to it; a client that is gone is forgotten, and what
 * it counted is kept.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { isWaiting } from '../protocol/client.ts';
import type { ClientBuffers } from './handle.ts';
import type { ShardThread } from './shard-thread.ts';

/** Clients that have gone while a shard had no owner, and whose counts wait for the next. */
const DEPARTED_MAX = 10_000;

/** A client: the opener's own, or one in another thread. */
export interface Member {
  /** By shard. */
  readonly buffers: readonly ClientBuffers[];
  /** The shard has an owner, and this leads to it. */
  connect(shard: number, port: MessagePort): void;
  /** The shard has no owner, for now: a client in another thread hears that by its port. */
  disconnect?(shard: number): void;
  /** The shard will have no owner any more. */
  fail(shard: number, how: string): void;
}

interface Place {
  owner: ShardThread | undefined;
  /** Why there will never be an owner again. */
  failed: string | undefined;
  /** Whose counts the next owner is to take in. */
  departed: ClientBuffers[];
}

export class Roster {
  readonly #places: Place[];
  readonly #members = new Set<Member>();

  constructor(shards: number) {
    this.#places = Array.from({ length: shards }, () => ({ owner: undefined, failed: undefined, departed: [] }));
  }

  /** A client that brings no ports of its own: it gets one to each owner there is. */
  admit(member: Member): void {
    this.#members.add(member);
    for (const shard of this.#places.keys()) {
      this.#provide(member, shard);
    }
  }

  /** A client that has made its channels itself, and waits at the other ends. */
  admitWith(member: Member, ports: readonly MessagePort[]): void {
    this.#members.add(member);
    for (const [shard, port] of ports.entries()) {
      const { owner, failed } = this.#places[shard] as Place;
      if (owner !== undefined) {
        owner.connect(port, member.buffers[shard] as ClientBuffers);
      } else if (failed !== undefined) {
        member.fail(shard, failed);
      } else {
        // The client hears that this one has ended, and waits for the next.
        port.close();
      }
    }
  }

  /** The client is gone. Owners notice by themselves, when its ports end. */
  dismiss(member: Member): void {
    if (!this.#members.delete(member)) {
      return;
    }
    for (const [shard, { owner, failed, departed }] of this.#places.entries()) {
      if (owner === undefined && failed === undefined && departed.length < DEPARTED_MAX) {
        departed.push(member.buffers[shard] as ClientBuffers);
      }
    }
  }

  /** The shard has an owner: all clients get ports to it. */
  serve(shard: number, owner: ShardThread): void {
    const place = this.#places[shard] as Place;
    place.owner = owner;
    for (const buffers of place.departed.splice(0)) {
      const { port1, port2 } = new MessageChannel();
      owner.connect(port2, buffers);
      port1.close();
    }
    for (const member of this.#members) {
      this.#provide(member, shard);
    }
  }

  /** The shard has no owner, for now. */
  unserve(shard: number): void {
    (this.#places[shard] as Place).owner = undefined;
    for (const member of this.#members) {
      member.disconnect?.(shard);
    }
  }

  /** The shard will have no owner any more. */
  fail(shard: number, how: string): void {
    const place = this.#places[shard] as Place;
    place.failed = how;
    place.departed = [];
    for (const member of this.#members) {
      member.fail(shard, how);
    }
  }

  /**
   * A client's port to a shard has ended. Mostly because the owner is ending, and then there will be a new one for
   * everybody. But if it answers, the client gets another port to the same.
   */
  async lost(member: Member, shard: number): Promise<void> {
    const { owner } = this.#places[shard] as Place;
    await owner?.hail();
    if (owner !== undefined && this.#places[shard]?.owner === owner && this.#members.has(member)) {
      this.#provide(member, shard);
    }
  }

  /** Whether any client waits for an answer of this shard. */
  isWaitedFor(shard: number): boolean {
    for (const { buffers } of this.#members) {
      if (isWaiting((buffers[shard] as ClientBuffers).client)) {
        return true;
      }
    }
    return false;
  }

  #provide(member: Member, shard: number): void {
    const { owner, failed } = this.#places[shard] as Place;
    if (failed !== undefined) {
      member.fail(shard, failed);
    } else if (owner !== undefined) {
      const { port1, port2 } = new MessageChannel();
      owner.connect(port2, member.buffers[shard] as ClientBuffers);
      member.connect(shard, port1);
    }
  }
}
