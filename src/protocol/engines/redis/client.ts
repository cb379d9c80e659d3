/**
 * A connection to a Redis or Valkey, or to a Cluster of them, through the optional peer `ioredis`: its own, or one that the user
 * has and keeps. Its own reconnects for as long as it is open, and queues nothing meanwhile: a call while the server is away fails
 * at once, and the first one after it is back succeeds.
 *
 * Every wait is bounded here and not only by options of ioredis, whose clients of other people may have none: an opening
 * takes OPEN_MS at most, a command `commandTimeout`. What times out may still happen.
 */
import { describeThrown } from '../../describe.ts';
import { CacheError, type Outcome } from '../../errors.ts';

export const OPEN_MS = 5_000;
export const RECONNECT_STEP_MS = 50;
export const RECONNECT_MS_MAX = 1_000;

export type Bytes = string | Uint8Array;

type RedisEvent =
  | 'connect'
  | 'ready'
  | 'close'
  | 'end'
  | 'error'
  | 'messageBuffer'
  /** Of a Cluster. */
  | 'node error'
  | '+node'
  | '-node'
  | 'refresh';

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
  client(...args: string[]): Promise<unknown>;
  config(...args: string[]): Promise<unknown>;
  subscribe(channel: string): Promise<unknown>;
  ping(): Promise<unknown>;
  /** Another connection to the same server. A Cluster has it, too, but with other arguments. */
  duplicate(options: object): RedisCommands;
  /** Of a Cluster: asks which node has which slots. */
  refreshSlotsCache?(done: (error: unknown) => void): void;
  on(event: RedisEvent, listener: (...args: unknown[]) => void): unknown;
  off(event: RedisEvent, listener: (...args: unknown[]) => void): unknown;
  readonly options?: { readonly keyPrefix?: string | undefined; readonly host?: unknown; readonly port?: unknown };
}

/** Of the attempts to connect again. */
export interface Pace {
  pauseMsMax: number;
}

export class RedisClient {
  readonly commands: RedisCommands;
  /** host:port, or several. */
  readonly address: string;
  readonly #commandMs: number;
  /** Not one of the user's. */
  readonly isOwn: boolean;
  readonly #inFlight = new Set<Promise<unknown>>();
  /** What the connection met last, which says more than that it is not there. */
  #lastError: unknown;
  readonly #listener = (error: unknown) => {
    // A Cluster that finds none of its nodes has what the last of them met.
    this.#lastError = (error as { lastNodeError?: unknown } | null)?.lastNodeError ?? error;
  };

  readonly #pace: Pace;

  constructor(commands: RedisCommands, address: string, commandMs: number, pace?: Pace) {
    const isOwn = pace !== undefined;
    this.#pace = pace ?? { pauseMsMax: RECONNECT_MS_MAX };
    this.commands = commands;
    this.address = address;
    this.#commandMs = commandMs;
    this.isOwn = isOwn;
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

  /** What starts a watch. From now on a connection that is lost is sought at once, and again and again. */
  async watchBy(start: () => Promise<void>): Promise<void> {
    this.#pace.pauseMsMax = RECONNECT_STEP_MS;
    try {
      await start();
    } catch (cause) {
      throw this.#error('watch', cause);
    }
  }

  /**
   * One command, or several that were sent together: settles within `commandTimeout`. Writes have a `late`, called when one
   * that was given up is answered after all.
   */
  async run<T>(doing: string, send: () => Promise<T>, late?: () => void): Promise<T> {
    let sent: Promise<T> | undefined;
    const isConnected = !this.isOwn || this.commands.status === 'ready';
    let isSettled = false;
    try {
      sent = send();
      this.#inFlight.add(sent);
      const settled = () => {
        isSettled = true;
      };
      sent.then(settled, settled);
      return await within(this.#commandMs, sent);
    } catch (cause) {
      if (late === undefined) throw this.#error(doing, cause);
      if (!isSettled) sent?.then(late, late);
      throw this.#error(doing, cause, outcomeOf(cause, isConnected));
    } finally {
      if (sent !== undefined) this.#inFlight.delete(sent);
    }
  }

  /** After what was sent has been answered. A user's own client stays as it is. */
  async close(): Promise<void> {
    await within(this.#commandMs, Promise.allSettled(this.#inFlight)).catch(() => {
      // Whoever waits for those has been told.
    });
    if (this.isOwn) {
      try {
        await within(this.#commandMs, this.commands.quit());
      } catch {
        // It is not connected. Nothing was promised that is not on the server.
      }
      this.commands.disconnect();
    }
  }

  #error(doing: string, cause: unknown, outcome?: Outcome): Error {
    if (cause instanceof CacheError) {
      return cause;
    }
    const path = this.address;
    const isAway = this.commands.status !== 'ready' && this.#lastError !== undefined;
    const what = isAway ? `no connection (${describeThrown(this.#lastError)})` : describeThrown(cause);
    const foreign = /WRONGTYPE/.test(what);
    const next =
      nextStep(what) ?? (doing === CONNECTING ? `${REACH}, and open the store again` : `${REACH}; ${GOES_ON}`);
    const unknown = outcome === 'unknown' ? ' Whether it was done is not known.' : '';
    const message = `Cannot ${doing} the Redis at ${path}: ${what}.${unknown} Next: ${next}`;
    return new CacheError(foreign ? 'STORE_FOREIGN' : 'ENGINE_ERROR', message, { path, cause, outcome });
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

/** Of a write that has failed. What the server itself refuses was not done, and needs no word. */
function outcomeOf(cause: unknown, isConnected: boolean): Outcome | undefined {
  if (!isConnected) {
    return 'not-sent';
  }
  return (cause as Error | null)?.name === 'ReplyError' ? undefined : 'unknown';
}

function nextStep(said: string): string | undefined {
  return NEXT_STEPS.find(([pattern]) => pattern.test(said))?.[1];
}

/** Settles as `promise` does, or rejects after `ms`. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
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
