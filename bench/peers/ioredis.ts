/**
 * ioredis with autopipelining, which sends the commands of one turn as one pipeline, as our lanes do: the strongest form
 * of "use Redis". Objects travel as JSON, text as it is.
 */
import type { Redis } from 'ioredis';
import { LOOPBACK, type RedisServer, startRedis } from '../../test/support/redis-server.ts';
import type { Peer } from './index.ts';

/** Entries of one MSET while filling. */
const FILL_ENTRIES = 1_000;

export const REDIS_SKIPPED = 'redis-server is not installed: the rows against ioredis are skipped.';

export class IoredisPeer<V extends {}> implements Peer<V> {
  readonly name = 'ioredis';
  readonly #server: RedisServer;
  readonly #redis: Redis;

  private constructor(server: RedisServer, redis: Redis) {
    this.#server = server;
    this.#redis = redis;
  }

  /** Undefined where `redis-server` is not installed. */
  static async start<V extends {}>(settings?: readonly string[]): Promise<IoredisPeer<V> | undefined> {
    const server = await startRedis(settings);
    if (server === undefined) {
      return undefined;
    }
    // Imported when it is needed: in a process that has loaded it, a getSync that misses takes 220 ns instead of 170.
    const { Redis } = await import('ioredis');
    const redis = new Redis({ host: LOOPBACK, port: server.port, enableAutoPipelining: true });
    return new IoredisPeer<V>(server, redis);
  }

  /** Of the server, on LOOPBACK. */
  get port(): number {
    return this.#server.port;
  }

  async get(key: string): Promise<V | undefined> {
    const text = await this.#redis.get(key);
    return text === null ? undefined : decode<V>(text);
  }

  set(key: string, value: V): Promise<unknown> {
    return this.#redis.set(key, encode(value));
  }

  async fill(keys: readonly string[], make: (index: number) => V): Promise<void> {
    for (let from = 0; from < keys.length; from += FILL_ENTRIES) {
      await this.#redis.mset(keys.slice(from, from + FILL_ENTRIES).flatMap((key, i) => [key, encode(make(from + i))]));
    }
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
    await this.#server.stop();
  }
}

function encode(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function decode<V>(text: string): V {
  return (text.startsWith('{') ? JSON.parse(text) : text) as V;
}
