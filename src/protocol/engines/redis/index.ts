/**
 * Entries on a Redis or Valkey of 6.2 or later, or a Cluster, next to whatever else is there:
 *
 *     NAME:KEY          a record, as a string. Names have no colon, so no store's keys begin like another's
 *     NAME%manifest     what the store says of itself, which no scan for NAME:* finds
 *
 * A record with a deadline gets it as its expiry, too (PXAT), so that the server drops it; what is true is in the record. The
 * server's clock decides when it drops, so one that is ahead drops early.
 *
 * Commands are sent as they come, without waiting for each other's answers. `setMany` is therefore no one commit: what fails may
 * have stored a part. `update` reads, and replaces by a script that compares the bytes it has read, so that no other client
 * comes between; in one process the calls on a key that is being updated wait for it. Size, keys and clear scan all keys of
 * the server, those of others included: 500 keys took a millisecond. While keys are listed the ones seen are kept, since
 * a scan may tell one twice: some hundred bytes for each. What others change is told to who watches (watch.ts). What survives the server's end is a matter of its own settings.
 */
import { isUtf8 } from 'node:buffer';
import { CacheError, misuse } from '../../errors.ts';
import { deadlineOf } from '../../record.ts';
import { type Engine, type EngineFacts, type EngineKind, KEYS_PER_PAGE, type Place, type Watcher } from '../engine.ts';
import type { RedisClient, RedisCommands } from './client.ts';
import { openRedisClient } from './open.ts';
import { Watch } from './watch.ts';

/** Commands, and bytes, that are sent together. */
const BATCH_KEYS_MAX = 1_000;
const BATCH_BYTES_MAX = 8 * 2 ** 20;
/** How often an update begins anew because another process has changed the entry. */
const UPDATE_TRIES = 64;
/** What a scan looks at in one step. */
const SCAN_COUNT = 1_000;
/** Four times as many as a server with 2^32 keys takes: a cursor that never comes back to 0 is a server that is broken. */
const SCAN_STEPS_MAX = 2 ** 24;

/**
 * Replaces what is there if it is what was read. KEYS: the key. ARGV: whether there was a record, which, whether there shall be
 * one, which, its expiry or ''.
 */
const REPLACE = `
local now = redis.call('GET', KEYS[1])
if (now or '') ~= ARGV[2] or (now and '1' or '0') ~= ARGV[1] then return 0 end
if ARGV[3] == '0' then redis.call('DEL', KEYS[1])
elseif ARGV[5] == '' then redis.call('SET', KEYS[1], ARGV[4])
else redis.call('SET', KEYS[1], ARGV[4], 'PXAT', ARGV[5]) end
return 1`;

class RedisEngine implements Engine {
  readonly manifest;
  readonly #client: RedisClient;
  readonly #prefix: string;
  /** By key, the last of the calls on it that take several turns. They never reject. */
  readonly #holds = new Map<string, Promise<void>>();
  /** The same for all keys. */
  #clearing: Promise<void> | undefined;
  readonly #warn: (message: string) => void;
  #watcher: Watcher | undefined;
  #watch: Watch | undefined;

  constructor(client: RedisClient, { name, warn }: Pick<Place, 'name' | 'warn'>) {
    this.#client = client;
    this.#warn = warn;
    // Store names have neither; an engine may be opened by itself.
    const safe = name.replace(/[%:]/g, encodeURIComponent);
    this.#prefix = `${safe}:`;
    const manifestKey = `${safe}%manifest`;
    const { commands } = client;
    this.manifest = {
      read: () => client.run('read from', async () => recordOf(await commands.getBuffer(manifestKey))?.toString()),
      write: (text: string) => client.run('write to', async () => void (await commands.set(manifestKey, text, 'NX'))),
      remove: () => client.run('write to', async () => void (await commands.unlink(manifestKey))),
    };
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#ordered([key], () => this.#get(key));
  }

  set(key: string, record: Uint8Array): Promise<void> {
    return this.setMany([[key, record]]);
  }

  delete(key: string): Promise<boolean> {
    return this.#ordered([key], async () => {
      const unlink = () => this.#client.commands.unlink(this.#prefix + key);
      return Number(await this.#client.run('delete from', unlink, () => this.#late([key]))) > 0;
    });
  }

  update(key: string, change: (record: Uint8Array | undefined) => Uint8Array | undefined): Promise<void> {
    return this.#ordered([key], () => this.#update(key, change), true);
  }

  getMany(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    return this.#ordered(keys, () => this.#getMany(keys), keys.length > BATCH_KEYS_MAX);
  }

  setMany(entries: readonly (readonly [string, Uint8Array])[]): Promise<void> {
    // What the caller gave is the caller's again when this returns.
    const copies = entries.map(([key, record]) => [key, Buffer.from(record)] as const);
    const keys = entries.map(([key]) => key);
    return this.#ordered(keys, () => this.#setMany(copies), copies.length > 1);
  }

  clear(): Promise<number> {
    const cleared = Promise.all([this.#clearing, ...this.#holds.values()]).then(async () => {
      let removed = 0;
      for await (const keys of this.#list()) removed += await this.#unlink(keys);
      return removed;
    });
    const settled: Promise<void> = cleared.then(ignore, ignore).then(() => {
      if (this.#clearing === settled) this.#clearing = undefined;
    });
    this.#clearing = settled;
    return cleared;
  }

  async size(): Promise<number> {
    let count = 0;
    for await (const keys of this.keys()) count += keys.length;
    return count;
  }

  async *keys(): AsyncGenerator<readonly string[]> {
    await this.#idle();
    yield* this.#list();
  }

  async *#list(): AsyncGenerator<readonly string[]> {
    const seen = new Set<string>();
    let page: string[] = [];
    for (const node of this.#client.nodes()) {
      for await (const found of this.#scan(node)) {
        for (const key of found) {
          if (!seen.has(key)) {
            seen.add(key);
            page.push(key);
          }
        }
        for (; page.length >= KEYS_PER_PAGE; page = page.slice(KEYS_PER_PAGE)) yield page.slice(0, KEYS_PER_PAGE);
      }
    }
    if (page.length > 0) {
      yield page;
    }
  }

  flush(): void {
    // What has been answered is on the server; when it goes to a disk is its own to say.
  }

  /** What expires, and what an own `update` changes, is told, too. */
  async watch(watcher: Watcher): Promise<void> {
    if (!this.#client.isOwn) {
      const expected = '`url` or `cluster` for an engine that is watched, since it sets up its connections';
      throw misuse('INVALID_CONFIG', expected, 'a `client`', { option: 'client' });
    }
    const watch = new Watch(this.#client, this.#prefix, watcher, this.#warn);
    await this.#client.watchBy(() => watch.start());
    this.#watch = watch;
    this.#watcher = watcher;
  }

  async close(): Promise<void> {
    await this.#idle();
    this.#watcher = undefined;
    await this.#watch?.stop();
    await this.#client.close();
  }

  facts(): EngineFacts {
    return { server: this.#client.address, cluster: this.#client.isCluster, prefix: this.#prefix };
  }

  #get(key: string): Promise<Buffer | undefined> {
    const { commands } = this.#client;
    return this.#client.run('read from', async () => recordOf(await commands.getBuffer(this.#prefix + key)));
  }

  async #update(key: string, change: (record: Uint8Array | undefined) => Uint8Array | undefined): Promise<void> {
    const { commands } = this.#client;
    const at = this.#prefix + key;
    for (let tries = UPDATE_TRIES; tries > 0; tries--) {
      const before = await this.#get(key);
      const after = change(before);
      if (after === before) {
        return;
      }
      const there = [before === undefined ? '0' : '1', before ?? ''];
      const wanted = after === undefined ? ['0', '', ''] : ['1', Buffer.from(after), String(expiryOf(after) ?? '')];
      const replace = () => commands.eval(REPLACE, 1, at, ...there, ...wanted);
      const replaced = await this.#client.run('update an entry of', replace, () => this.#late([key]));
      if (Number(replaced) === 1) {
        return;
      }
    }
    const message = `Others changed an entry on the Redis at ${this.#client.address} each of ${UPDATE_TRIES} times that an update read it. Next: try again`;
    throw new CacheError('BUSY', message, { path: this.#client.address });
  }

  async #getMany(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    const found: (Uint8Array | undefined)[] = [];
    const { commands, isCluster } = this.#client;
    for (let from = 0; from < keys.length; from += BATCH_KEYS_MAX) {
      const part = keys.slice(from, from + BATCH_KEYS_MAX).map((key) => this.#prefix + key);
      const ask = async () => {
        const all = isCluster
          ? await Promise.all(part.map((key) => commands.getBuffer(key)))
          : await commands.mgetBuffer(...part);
        return listOf(all, part.length).map(recordOf);
      };
      found.push(...(await this.#client.run('read from', ask)));
    }
    return found;
  }

  async #setMany(entries: readonly (readonly [string, Uint8Array])[]): Promise<void> {
    let batch: Promise<unknown>[] = [];
    let bytes = 0;
    for (const [i, [key, record]] of entries.entries()) {
      const expiry = expiryOf(record);
      const more = expiry === undefined ? [] : ['PXAT', expiry];
      const set = () => this.#client.commands.set(this.#prefix + key, record, ...more);
      batch.push(this.#client.run('write to', set, () => this.#late([key])));
      bytes += record.length;
      if (batch.length >= BATCH_KEYS_MAX || bytes >= BATCH_BYTES_MAX || i === entries.length - 1) {
        await allOf(batch);
        batch = [];
        bytes = 0;
      }
    }
  }

  /**
   * Sends at once, so that calls arrive in the order in which they were made, unless one of the keys is held: by a call that
   * takes several turns (`isLong`), or by one that waits for such a one. In a Cluster any call may be sent again, to another node
   * or when one is connected at last, so there each holds its keys.
   */
  #ordered<T>(keys: readonly string[], send: () => Promise<T>, isLong = false): Promise<T> {
    const held = this.#holds.size === 0 ? [] : keys.flatMap((key) => this.#holds.get(key) ?? []);
    const before = this.#clearing === undefined ? held : [...held, this.#clearing];
    const done = before.length === 0 ? send() : Promise.all(before).then(send);
    if (isLong || before.length > 0 || this.#client.isCluster) {
      const settled: Promise<void> = done.then(ignore, ignore).then(() => {
        for (const key of keys) if (this.#holds.get(key) === settled) this.#holds.delete(key);
      });
      for (const key of keys) this.#holds.set(key, settled);
    }
    return done;
  }

  /**
   * An own write that was given up has happened after all, or may have: nobody else tells of it, and what was read meanwhile
   * may be older.
   */
  #late(keys: readonly string[]): void {
    this.#watcher?.changed(keys);
  }

  /** After what takes several turns. */
  async #idle(): Promise<void> {
    await Promise.all([this.#clearing, ...this.#holds.values()]);
  }

  /** Keys of this store, some perhaps twice. Strings only: what has another type is somebody else's. */
  async *#scan(node: RedisCommands): AsyncGenerator<readonly string[]> {
    const pattern = `${this.#prefix.replace(/[\\*?[\]^]/g, '\\$&')}*`;
    const start = Buffer.byteLength(this.#prefix);
    let cursor = '0';
    for (let step = 0; step < SCAN_STEPS_MAX; step++) {
      const ask = async () => {
        const answer = await node.scanBuffer(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT, 'TYPE', 'string');
        const [next, found] = listOf(answer, 2);
        return [String(next), listOf(found).map(keyOf)] as const;
      };
      const [next, found] = await this.#client.run('list the keys of', ask);
      yield found.filter((key) => isUtf8(key)).map((key) => key.toString('utf8', start));
      cursor = next;
      if (cursor === '0') {
        return;
      }
    }
    await this.#client.run('list the keys of', () => Promise.reject(unexpected('a scan without an end')));
  }

  async #unlink(keys: readonly string[]): Promise<number> {
    const { commands, isCluster } = this.#client;
    const whole = keys.map((key) => this.#prefix + key);
    const late = () => this.#late(keys);
    if (!isCluster) {
      return Number(await this.#client.run('clear', () => commands.unlink(...whole), late));
    }
    const counts = await this.#client.run('clear', () => Promise.all(whole.map((key) => commands.unlink(key))), late);
    return counts.reduce((sum, count) => sum + Number(count), 0);
  }
}

/** What is no Redis may answer anything. Numbers of one may be text, where the user's client is told so (`stringNumbers`). */
function recordOf(answer: unknown): Buffer | undefined {
  return answer === null ? undefined : keyOf(answer);
}

function keyOf(answer: unknown): Buffer {
  if (!Buffer.isBuffer(answer)) {
    throw unexpected(typeof answer);
  }
  return answer;
}

function listOf(answer: unknown, length?: number): readonly unknown[] {
  if (!Array.isArray(answer) || (length !== undefined && answer.length !== length)) {
    throw unexpected(Array.isArray(answer) ? `a list of ${answer.length}` : typeof answer);
  }
  return answer;
}

function unexpected(what: string): Error {
  return new Error(`Unexpected answer: ${what}`);
}

/** For PXAT: whole milliseconds, none too early. */
function expiryOf(record: Uint8Array): number | undefined {
  const deadline = deadlineOf(record);
  return Number.isFinite(deadline) ? Math.max(1, Math.ceil(deadline)) : undefined;
}

/** A call that fails tells its caller; who only waits for its end is not concerned. */
function ignore(): void {}

/** All have settled; the first error is the one to tell. */
async function allOf(calls: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(calls)) {
    if (outcome.status === 'rejected') {
      throw outcome.reason;
    }
  }
}

export const redisEngine: EngineKind = {
  keeps: 'server',
  access: 'shared',
  options: ['url', 'cluster', 'client', 'commandTimeout'],
  open: async (place: Place) => new RedisEngine(await openRedisClient(place), place),
};
