/**
 * Tiers for tests: a fresh one for each cache, on an engine that is named, and all of them gone when the tests are over. Engines that
 * keep a directory have one below a temporary folder of this process; redis has a server of its own, begun with the first tier.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TierOptions } from 'shardstash';
import { LOOPBACK, type RedisServer, startRedis } from './redis-server.ts';

/** Those that the cache is tested over. */
export const TIER_ENGINES = ['log', 'lmdb', 'sqlite', 'file', 'redis'] as const;
export type TierEngine = (typeof TIER_ENGINES)[number];

/** The variable that has every cache of the suites opened over an engine. */
export const TIER_VARIABLE = 'SHARDSTASH_TIER';

export class Tiers {
  readonly #engine: string;
  readonly #extra: Readonly<Record<string, unknown>>;
  #root: string | undefined;
  #server: Promise<RedisServer | undefined> | undefined;
  #made = 0;

  /** `extra` are further options of every tier. */
  constructor(engine: string, extra: Readonly<Record<string, unknown>> = {}) {
    this.#engine = engine;
    this.#extra = extra;
  }

  /** Of a tier that nobody has opened. Rejects where there is no redis-server. */
  async fresh(): Promise<TierOptions> {
    const name = `test-${process.pid}-${this.#made++}`;
    if (this.#engine !== 'redis') {
      this.#root ??= mkdtempSync(join(tmpdir(), 'shardstash-tier-'));
      return { engine: this.#engine, name, root: this.#root, ...this.#extra };
    }
    this.#server ??= startRedis();
    const server = await this.#server;
    if (server === undefined) {
      throw new Error('Over redis: install redis-server');
    }
    return { engine: this.#engine, name, url: `redis://${LOOPBACK}:${server.port}`, ...this.#extra };
  }

  /** After the last cache has closed. */
  async end(): Promise<void> {
    await (await this.#server)?.stop();
    if (this.#root !== undefined) {
      rmSync(this.#root, { recursive: true, force: true });
    }
  }
}

/** The engine that this run of the suites is over; undefined for memory alone. */
export function engineOfThisRun(): TierEngine | undefined {
  const name = process.env[TIER_VARIABLE];
  if (name === undefined || name === '') {
    return undefined;
  }
  const engine = TIER_ENGINES.find((each) => each === name);
  if (engine === undefined) {
    throw new Error(`${TIER_VARIABLE} is one of ${TIER_ENGINES.join(', ')}, not \`${name}\``);
  }
  return engine;
}
