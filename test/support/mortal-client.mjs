/**
 * A client that reads and writes while shards die, and knows what it may be answered. Of a key of its own it knows the last
 * write that was acknowledged, and those after it of which nobody knows the outcome; any of them is right, until a read says
 * which one it was. Of others' keys it knows that values are whole and that versions do not go back.
 */
import { setTimeout as sleep } from 'node:timers/promises';

export const KEYS = 300;
/** Calls that a client has in flight. */
const IN_FLIGHT = 16;

export class MortalClient {
  calls = 0;
  acknowledged = 0;
  unknown = 0;
  slowestMs = 0;
  faults = [];
  #cache;
  #me;
  #clients;
  #random;
  #stopped = false;
  #running;
  /** Of every key of its own: the versions that may be there, 0 for none; and the last that was given. */
  #own = Array.from({ length: KEYS }, () => ({ may: new Set([0]), given: 0, busy: false }));
  /** Of keys of others, the highest version that was seen. */
  #seen = new Map();

  /** Client `me` of `clients`. `random` is from 0 to 1. */
  constructor(cache, me, clients, random) {
    this.#cache = cache;
    this.#me = me;
    this.#clients = clients;
    this.#random = random;
  }

  start() {
    this.#running = Promise.all(Array.from({ length: IN_FLIGHT }, () => this.#work()));
  }

  /** Reads every key of its own once more, and says what it has counted. */
  async stop() {
    this.#stopped = true;
    await this.#running;
    for (let i = 0; i < KEYS; i++) {
      await this.#readOwn(i);
    }
    const { calls, acknowledged, unknown, slowestMs, faults } = this;
    return { calls, acknowledged, unknown, slowestMs, faults };
  }

  async #work() {
    while (!this.#stopped) {
      const dice = this.#random();
      const i = Math.floor(this.#random() * KEYS);
      if (dice < 0.3) {
        await this.#readOther(Math.floor(this.#random() * this.#clients), i);
      } else if (!this.#own[i].busy) {
        const startMs = performance.now();
        this.#own[i].busy = true;
        if (dice < 0.55) await this.#readOwn(i);
        else if (dice < 0.95) await this.#write(i);
        else await this.#delete(i);
        this.#own[i].busy = false;
        this.slowestMs = Math.max(this.slowestMs, performance.now() - startMs);
      }
      if (dice > 0.9) await sleep(0);
    }
  }

  async #write(i) {
    const own = this.#own[i];
    const version = ++own.given;
    await this.#change(own, version, () => this.#cache.set(keyOf(this.#me, i), textOf(this.#me, i, version)));
  }

  async #delete(i) {
    await this.#change(this.#own[i], 0, () => this.#cache.delete(keyOf(this.#me, i)));
  }

  async #change(own, version, change) {
    this.calls++;
    try {
      await change();
      this.acknowledged++;
      own.may = new Set([version]);
    } catch (error) {
      if (error.code !== 'SHARD_DOWN' || error.outcome === undefined) {
        this.faults.push(`${error.code} ${error.outcome}: ${error.message}`);
      }
      if (error.outcome !== 'not-sent') {
        this.unknown++;
        own.may.add(version);
      }
    }
  }

  async #readOwn(i) {
    const version = await this.#read(this.#me, i);
    const { may } = this.#own[i];
    if (version !== undefined && !may.has(version)) {
      this.faults.push(`key ${keyOf(this.#me, i)} is at version ${version}, may be at ${[...may].join(', ')}`);
    }
    if (version !== undefined) this.#own[i].may = new Set([version]);
  }

  async #readOther(client, i) {
    if (client === this.#me) return;
    const version = await this.#read(client, i);
    const key = keyOf(client, i);
    if (version > 0) {
      if (version < (this.#seen.get(key) ?? 0)) {
        this.faults.push(`key ${key} went back from version ${this.#seen.get(key)} to ${version}`);
      }
      this.#seen.set(key, version);
    }
  }

  /** The version that is there, 0 for none; undefined when the read did not tell. */
  async #read(client, i) {
    this.calls++;
    try {
      const value = await this.#cache.get(keyOf(client, i));
      if (value === undefined) return 0;
      const version = Number(value.split('#')[1]);
      if (value !== textOf(client, i, version)) {
        this.faults.push(`key ${keyOf(client, i)} has a foreign or torn value: ${value.slice(0, 50)}`);
      }
      return version;
    } catch (error) {
      this.faults.push(`a read rejected: ${error.code} ${error.message}`);
      return undefined;
    }
  }
}

function keyOf(client, i) {
  return `client ${client} key ${i}`;
}

/** Of a length that depends on the version. */
function textOf(client, i, version) {
  return `${keyOf(client, i)}#${version}#`.padEnd(20 + ((version * 37) % 400), String(version % 10));
}
