/**
 * How a connection to a Redis, or a Cluster, is opened: what its options mean, and what ioredis is told so that nothing waits for a
 * connection that is not there.
 */
import { misuse } from '../../errors.ts';
import type { Place } from '../engine.ts';
import { loadPeer } from '../peer.ts';
import { amountOption } from '../place-options.ts';
import { OPEN_MS, type Pace, RECONNECT_MS_MAX, RECONNECT_STEP_MS, RedisClient, type RedisCommands } from './client.ts';

const COMMAND_MS = 5_000;
const COMMAND_MS_MAX = 600_000;
/** How long a connection that is given up may keep the process alive. */
const DISCONNECT_MS = 100;
/**
 * How much longer than a command a connection may be silent before it is given up: what nobody answers is kept until then, and a server
 * that says nothing for hours would otherwise fill the memory.
 */
const SILENT_MS = 100;
/** How often a server that is still loading what is on its disk is asked whether it has. */
const LOADING_MS = 100;
/** How often a Cluster is asked who has which slots: who only reads from memory never meets one that has moved. */
const SLOTS_MS = 5_000;
const DEFAULT_URL = 'redis://127.0.0.1:6379';
const DEFAULT_PORT = 6379;
/** The path of a URL. */
const DATABASE = /^\/?(\d{0,9})$/;

interface Ioredis {
  Redis: new (options: object, url: string) => RedisCommands;
  Cluster: new (nodes: readonly object[], options: object) => RedisCommands;
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
    return new RedisClient(commands, host === undefined ? 'the given `client`' : `${host}:${port}`, commandMs);
  }
  const servers = (cluster === undefined ? [url] : checkList(cluster)).map((server) =>
    parseServer(server, cluster === undefined ? 'url' : 'cluster'),
  );
  const ioredis = (await loadPeer('The engine `redis`', 'ioredis', () => import('ioredis'))) as unknown as Ioredis;
  const address = servers.map(({ host }) => host).join(', ');
  const [{ href, pathname } = new URL(DEFAULT_URL)] = servers;
  const pace: Pace = { pauseMsMax: RECONNECT_MS_MAX };
  const settings = { commandMs, reconnect: (tries: number) => Math.min(tries * RECONNECT_STEP_MS, pace.pauseMsMax) };
  const commands = cluster === undefined ? single(ioredis, href, settings) : ofCluster(ioredis, servers, settings);
  const opened = new RedisClient(commands, address, commandMs, pace);
  await opened.connect((cluster === undefined && DATABASE.exec(pathname)?.[1]) || '');
  return opened;
}

interface ConnectionSettings {
  readonly commandMs: number;
  readonly reconnect: (tries: number) => number;
}

/** Nothing waits for a connection, and nothing that was sent once is sent again. */
const COMMON = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  connectTimeout: OPEN_MS,
  disconnectTimeout: DISCONNECT_MS,
  maxLoadingRetryTime: LOADING_MS,
};

function single({ Redis }: Ioredis, url: string, { commandMs, reconnect }: ConnectionSettings): RedisCommands {
  // What comes first stands: a URL may have options, too.
  return new Redis({ ...COMMON, socketTimeout: commandMs + SILENT_MS, retryStrategy: reconnect }, url);
}

function ofCluster(
  { Cluster }: Ioredis,
  servers: readonly URL[],
  { commandMs, reconnect }: ConnectionSettings,
): RedisCommands {
  const nodes = servers.map(({ hostname, port }) => ({ host: hostname, port: Number(port || DEFAULT_PORT) }));
  const [{ username, password, protocol } = new URL(DEFAULT_URL)] = servers;
  const redisOptions = {
    connectTimeout: OPEN_MS,
    disconnectTimeout: DISCONNECT_MS,
    maxLoadingRetryTime: LOADING_MS,
    socketTimeout: commandMs + SILENT_MS,
    maxRetriesPerRequest: 0,
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== '' && { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' && { tls: {} }),
  };
  const modes = {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: reconnect,
    slotsRefreshInterval: SLOTS_MS,
  };
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
