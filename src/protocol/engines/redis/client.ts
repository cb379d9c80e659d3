/**
 * A connection to a Redis or Valkey, or to a Cluster of them, through the optional peer `ioredis`: its own, or one that the user
 * has and keeps. Its own reconnects for as long as it is open, and queues nothing meanwhile: a call while the server is away fails
 * at once, and the first one after it is back succeeds.
 *
 * Every wait is bounded here and not only by options of ioredis, whose clients of other people may have none: an opening
 * takes OPEN_MS at most, a command `commandTimeout`. What times out may still happen.
 */
import { describeThrown } from '../../describe.ts';
import { CacheError, misuse } from '../../errors.ts';
import type { Place } from '../engine.ts';
import { loadPeer } from '../peer.ts';
import { amountOption } from '../place-options.ts';

const OPEN_MS = 5_000;
const COMMAND_MS = 5_000;
const COMMAND_MS_MAX = 600_000;
/** How long a connection that is given up may keep the process alive. */
const DISCONNECT_MS = 100;
/**
 * How much longer than a command a connection may be silent before it is given up: what nobody answers is kept until then, and a server
 * that says nothing for hours would otherwise fill the memory.
 */
const SILENT_MS = 100;
const RECONNECT_STEP_MS = 50;
const RECONNECT_MS_MAX = 1_000;
const DEFAULT_URL = 'redis://127.0.0.1:6379';
const DEFAULT_PORT = 6379;
/** The path of a URL. */
const DATABASE = /^\/?(\d{0,9})$/;

export type Bytes = string | Uint8Array;

/** As much of an ioredis as is used, of a Cluster, and of one node of it. */
export interface RedisCommands {
  readonly status: string;
  getBuffer(key: string): Promise<Buffer | null>;
  mgetBuffer(...keys: string[]): Promise<(Buffer | null)[]>;
  set(key: string, value: Bytes, ...more: (string | number)[]): Promise<unknown>;
  exists(key: string): Promise<number>;
  unlink(...keys: string[]): Promise<number>;
  eval(script: string, keyCount: number, ...rest: (Bytes | number)[]): Promise<unknown>;
  scanBuffer(cursor: string, ...options: (string | number)[]): Promise<[cursor: Buffer, keys: Buffer[]]>;
  nodes?(role: 'master'): RedisCommands[];
  /** Of a Cluster: by slot, 'host:port' of its master and then of the replicas. */
  readonly slots?: readonly (readonly string[] | undefined)[];
  connect(): Promise<void>;
  quit(): Promise<unknown>;
  select(database: number): Promise<unknown>;
  disconnect(): void;
  on(event: 'error' | 'node error', listener: (error: unknown) => void): unknown;
  readonly options?: { readonly keyPrefix?: string | undefined; readonly host?: unknown; readonly port?: unknown };
}

interface Ioredis {
  Redis: new (options: object, url: string) => RedisCommands;
  Cluster: new (nodes: readonly object[], options: object) => RedisCommands;
}

export class RedisClient {
  readonly commands: RedisCommands;
  /** host:port, or several. */
  readonly address: string;
  readonly #commandMs: number;
  readonly #isOwn: boolean;
  readonly #inFlight = new Set<Promise<unknown>>();
  /** What the connection met last, which says more than that it is not there. */
  #lastError: unknown;
  readonly #listener = (error: unknown) => {
    // A Cluster that finds none of its nodes has what the last of them met.
    this.#lastError = (error as { lastNodeError?: unknown } | null)?.lastNodeError ?? error;
  };

  constructor(commands: RedisCommands, address: string, commandMs: number, isOwn: boolean) {
    this.commands = commands;
    this.address = address;
    this.#commandMs = commandMs;
    this.#isOwn = isOwn;
    // Without a listener ioredis prints. One of the user's is the user's to listen to, and may be that of many stores.
    if (isOwn) {
      commands.on('error', this.#listener);
      commands.on('node error', this.#listener);
    }
  }

  get isCluster(): boolean {
    return this.commands.nodes !== undefined;
  }

  /** Those that have keys. Throws ENGINE_ERROR where one of a Cluster is away: ioredis leaves it out, and its keys would be none. */
  nodes(): readonly RedisCommands[] {
    const nodes = this.commands.nodes?.('master') ?? [this.commands];
    if (nodes.length === 0) {
      throw this.#error(LISTING, new Error('none of its nodes is connected'));
    }
    const there = new Set(nodes.map(({ options }) => `${options?.host}:${options?.port}`));
    for (const [master] of this.commands.slots?.filter((owners) => owners !== undefined) ?? []) {
      if (master !== undefined && !there.has(master)) {
        throw this.#error(LISTING, new Error(`its node ${master} is away`));
      }
    }
    return nodes;
  }

  /** Rejects with ENGINE_ERROR when it cannot be reached within OPEN_MS. */
  async connect(database: string): Promise<void> {
    try {
      await within(OPEN_MS, this.commands.connect());
      // ioredis goes on with database 0 where the server has no such one.
      if (database !== '') await within(OPEN_MS, this.commands.select(Number(database)));
    } catch (cause) {
      this.commands.disconnect();
      throw this.#error(CONNECTING, cause);
    }
  }

  /** One command, or several that were sent together: settles within `commandTimeout`. */
  async run<T>(doing: string, send: () => Promise<T>): Promise<T> {
    let sent: Promise<T> | undefined;
    try {
      sent = send();
      this.#inFlight.add(sent);
      return await within(this.#commandMs, sent);
    } catch (cause) {
      throw this.#error(doing, cause);
    } finally {
      if (sent !== undefined) this.#inFlight.delete(sent);
    }
  }

  /** After what was sent has been answered. A user's own client stays as it is. */
  async close(): Promise<void> {
    await within(this.#commandMs, Promise.allSettled(this.#inFlight)).catch(() => {
      // Whoever waits for those has been told.
    });
    if (this.#isOwn) {
      try {
        await within(this.#commandMs, this.commands.quit());
      } catch {
        // It is not connected. Nothing was promised that is not on the server.
      }
      this.commands.disconnect();
    }
  }

  #error(doing: string, cause: unknown): Error {
    if (cause instanceof CacheError) {
      return cause;
    }
    const path = this.address;
    const isAway = this.commands.status !== 'ready' && this.#lastError !== undefined;
    const what = isAway ? `no connection (${describeThrown(this.#lastError)})` : describeThrown(cause);
    const foreign = /WRONGTYPE/.test(what);
    const next =
      nextStep(what) ?? (doing === CONNECTING ? `${REACH}, and open the store again` : `${REACH}; ${GOES_ON}`);
    const message = `Cannot ${doing} the Redis at ${path}: ${what}. Next: ${next}`;
    return new CacheError(foreign ? 'STORE_FOREIGN' : 'ENGINE_ERROR', message, { path, cause });
  }
}

const CONNECTING = 'connect to';
const LISTING = 'list the keys of';
const REACH = 'see that the server is up and can be reached from here';
const GOES_ON = 'the store goes on when it is back';
const NEXT_STEPS: readonly (readonly [said: RegExp, next: string])[] = [
  [/WRONGTYPE/, 'another program keeps something under a key of this store: choose another `name`'],
  [/WRONGPASS|NOAUTH|AUTH/, 'give the right user and password in `url`: redis://user:password@host:port'],
  [/DB index/, 'end `url` with the number of a database that the server has'],
  [/NOPERM/, 'let this user run the command on these keys (ACL)'],
  [/READONLY/, 'it is a replica: give the address of the primary'],
  [/OOM/, 'it has reached its `maxmemory`: raise it, or let it evict'],
  [/Unknown RESP|Protocol error|Unexpected/i, 'something other than a Redis listens there: check the address'],
  [
    /MOVED|cluster support disabled/,
    'check whether it is a Cluster: give `cluster` for one, and `url` for a single server',
  ],
];

function nextStep(said: string): string | undefined {
  return NEXT_STEPS.find(([pattern]) => pattern.test(said))?.[1];
}

/** Settles as `promise` does, or rejects after `ms`. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Checks `url`, `cluster`, `client` and `commandTimeout`, of which one of the first three is enough. */
export async function openRedisClient({ options }: Place): Promise<RedisClient> {
  const range = 'a number of milliseconds';
  const commandMs = amountOption(options, 'commandTimeout', range, {
    from: 1,
    to: COMMAND_MS_MAX,
    otherwise: COMMAND_MS,
  });
  const { url = DEFAULT_URL, cluster, client } = options;
  if ([options['url'], cluster, client].filter((given) => given !== undefined).length > 1) {
    throw misuse('INVALID_CONFIG', 'one of `url`, `cluster` and `client`', options, { option: 'client' });
  }
  if (client !== undefined) {
    const commands = checkClient(client);
    const { host, port } = commands.options ?? {};
    return new RedisClient(commands, host === undefined ? 'the given `client`' : `${host}:${port}`, commandMs, false);
  }
  const servers = (cluster === undefined ? [url] : checkList(cluster)).map((server) =>
    parseServer(server, cluster === undefined ? 'url' : 'cluster'),
  );
  const ioredis = (await loadPeer('The engine `redis`', 'ioredis', () => import('ioredis'))) as unknown as Ioredis;
  const address = servers.map(({ host }) => host).join(', ');
  const [{ href, pathname } = new URL(DEFAULT_URL)] = servers;
  const commands = cluster === undefined ? single(ioredis, href, commandMs) : ofCluster(ioredis, servers, commandMs);
  const opened = new RedisClient(commands, address, commandMs, true);
  await opened.connect((cluster === undefined && DATABASE.exec(pathname)?.[1]) || '');
  return opened;
}

const reconnect = (tries: number) => Math.min(tries * RECONNECT_STEP_MS, RECONNECT_MS_MAX);
/** Nothing waits for a connection, and nothing that was sent once is sent again. */
const COMMON = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  connectTimeout: OPEN_MS,
  disconnectTimeout: DISCONNECT_MS,
};

function single({ Redis }: Ioredis, url: string, commandMs: number): RedisCommands {
  // What comes first stands: a URL may have options, too.
  return new Redis({ ...COMMON, socketTimeout: commandMs + SILENT_MS, retryStrategy: reconnect }, url);
}

function ofCluster({ Cluster }: Ioredis, servers: readonly URL[], commandMs: number): RedisCommands {
  const nodes = servers.map(({ hostname, port }) => ({ host: hostname, port: Number(port || DEFAULT_PORT) }));
  const [{ username, password, protocol } = new URL(DEFAULT_URL)] = servers;
  const redisOptions = {
    connectTimeout: OPEN_MS,
    disconnectTimeout: DISCONNECT_MS,
    socketTimeout: commandMs + SILENT_MS,
    maxRetriesPerRequest: 0,
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== '' && { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' && { tls: {} }),
  };
  const modes = { lazyConnect: true, enableOfflineQueue: false, clusterRetryStrategy: reconnect };
  return new Cluster(nodes, { ...modes, redisOptions });
}

function checkClient(client: unknown): RedisCommands {
  const commands = client as Partial<RedisCommands> | null;
  if (typeof commands !== 'object' || typeof commands?.getBuffer !== 'function' || typeof commands.on !== 'function') {
    throw misuse('INVALID_CONFIG', '`client` to be a Redis or a Cluster of ioredis', client, { option: 'client' });
  }
  // It would stand before the keys that are asked for, but not before those that a scan finds.
  if (commands.options?.keyPrefix) {
    throw misuse('INVALID_CONFIG', '`client` to have no `keyPrefix`', commands.options.keyPrefix, { option: 'client' });
  }
  return commands as RedisCommands;
}

function checkList(cluster: unknown): readonly unknown[] {
  if (!Array.isArray(cluster) || cluster.length === 0) {
    throw misuse('INVALID_CONFIG', '`cluster` to be a list of servers', cluster, { option: 'cluster' });
  }
  return cluster;
}

function isMalformed(text: string): boolean {
  try {
    decodeURIComponent(text);
    return false;
  } catch {
    return true;
  }
}

/** 'redis://host:port', 'rediss://...', or 'host:port'. */
function parseServer(server: unknown, option: string): URL {
  const text = String(server);
  const whole = typeof server === 'string' && !/^[a-z]+:\/\//i.test(text) ? `redis://${text}` : text;
  if (typeof server !== 'string' || !URL.canParse(whole) || !/^rediss?:$/.test(new URL(whole).protocol)) {
    // A message may be logged: it has no password.
    const shown = typeof server === 'string' ? server.replace(/\/\/[^/]*@/, '//***@') : server;
    throw misuse('INVALID_CONFIG', `\`${option}\` to be like 'redis://127.0.0.1:6379'`, shown, { option });
  }
  const parsed = new URL(whole);
  if (parsed.searchParams.has('keyPrefix')) {
    throw misuse('INVALID_CONFIG', `\`${option}\` to have no keyPrefix`, parsed.search, { option });
  }
  if (!DATABASE.test(parsed.pathname)) {
    throw misuse('INVALID_CONFIG', `\`${option}\` to end with the number of a database`, parsed.pathname, { option });
  }
  if (isMalformed(parsed.username) || isMalformed(parsed.password)) {
    const expected = `\`${option}\` to have user and password as encodeURIComponent writes them`;
    throw misuse('INVALID_CONFIG', expected, '***', { option });
  }
  return parsed;
}
