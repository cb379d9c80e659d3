/**
 * Engines for tiers under test, each the built-in one of its name behind a delay: every call waits before it reaches the engine, so
 * that what overlaps in the cache overlaps for long. Calls keep their order, since timers of one length do.
 *
 * Those at the end are wrong on purpose: a checker that does not find them would find nothing.
 */
import { engines } from '../../dist/protocol/engines/index.js';

const DELAY_MS = 5;
/** One read in so many of the engine with stale reads answers with what was there before the last write. */
const STALE_ONE_IN = 4;
/** So long after a write was acknowledged the hasty engine makes it. */
const LATE_MS = 40;

class SlowEngine {
  engine;
  #underWay = new Set();

  constructor(engine) {
    this.engine = engine;
  }

  /** Of redis: it is asked before anything is written. */
  get manifest() {
    return this.engine.manifest;
  }

  async get(key) {
    const record = await this.later(() => this.engine.get(key));
    // What was answered at once is good until the next call only.
    return record && Buffer.from(record);
  }

  set(key, record) {
    const own = Buffer.from(record);
    return this.later(() => this.engine.set(key, own));
  }

  delete(key) {
    return this.later(() => this.engine.delete(key));
  }

  update(key, change) {
    return this.later(() => this.engine.update(key, change));
  }

  getMany(keys) {
    return this.later(() => this.engine.getMany(keys));
  }

  setMany(entries) {
    const own = entries.map(([key, record]) => [key, Buffer.from(record)]);
    return this.later(() => this.engine.setMany(own));
  }

  clear() {
    return this.later(() => this.engine.clear());
  }

  size() {
    return this.later(() => this.engine.size());
  }

  async *keys() {
    for await (const page of this.engine.keys()) {
      await this.later(() => {});
      yield page;
    }
  }

  flush() {
    return this.later(() => this.engine.flush());
  }

  async close() {
    await Promise.allSettled(this.#underWay);
    await this.engine.close();
  }

  facts() {
    return this.engine.facts();
  }

  later(call) {
    const done = new Promise((resolve) => setTimeout(resolve, DELAY_MS)).then(call);
    const settled = done.then(
      () => this.#underWay.delete(settled),
      () => this.#underWay.delete(settled),
    );
    this.#underWay.add(settled);
    return done;
  }
}

/** That of a server tells what others change. */
class SlowServer extends SlowEngine {
  watch(watcher) {
    return this.engine.watch(watcher);
  }
}

/** As an owner would that promotes what it read before a newer write. */
class StaleEngine extends SlowEngine {
  #before = new Map();
  #reads = 0;

  async get(key) {
    return ++this.#reads % STALE_ONE_IN === 0 && this.#before.has(key) ? this.#before.get(key) : super.get(key);
  }

  async set(key, record) {
    const own = Buffer.from(record);
    const before = await super.get(key);
    this.#before.set(key, before);
    await super.set(key, own);
  }

  async delete(key) {
    this.#before.delete(key);
    return await super.delete(key);
  }
}

/** As a tier would that acknowledges a write before the engine has it. */
class HastyEngine extends SlowEngine {
  async set(key, record) {
    const own = Buffer.from(record);
    setTimeout(() => this.engine.set(key, own), LATE_MS);
  }
}

/** As a tier would that acknowledges a delete and does not make it. */
class ForgetfulEngine extends SlowEngine {
  async delete(key) {
    return (await super.get(key)) !== undefined;
  }
}

function kindOf(name, Class) {
  const { open, ...kind } = engines[name];
  return { ...kind, open: async (place) => new Class(await open(place)) };
}

export const log = kindOf('log', SlowEngine);
export const lmdb = kindOf('lmdb', SlowEngine);
export const sqlite = kindOf('sqlite', SlowEngine);
export const file = kindOf('file', SlowEngine);
export const redis = kindOf('redis', SlowServer);
export const stale = kindOf('memory', StaleEngine);
export const hasty = kindOf('memory', HastyEngine);
export const forgetful = kindOf('memory', ForgetfulEngine);
