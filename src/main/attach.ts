/** Joins a cache that another thread has opened: what comes with a handle, and the clients of this thread. */
import { receiveMessageOnPort } from 'node:worker_threads';
import type { CacheKey } from '../protocol/cache-key.ts';
import { CacheError, misuse } from '../protocol/errors.ts';
import { Attachment } from './attachment.ts';
import { Cache, nameOf } from './cache.ts';
import { type CacheFacts, type CacheHandle, isHandle, type ToClient } from './handle.ts';
import { type NearCacheOptions, resolveNearCache } from './near-options.ts';
import { type CacheLogger, Notices } from './notices.ts';
import { unknownOption } from './option-errors.ts';
import { resolveLogger } from './options.ts';
import { createCodec, loadSerializer, resolveSerializer } from './serializers/index.ts';
import { isOpenedHere } from './shards.ts';

export interface AttachOptions {
  /** Hears what the cache has to say beside results in this thread. Default: nobody does. */
  logger?: CacheLogger;
  /**
   * Whether this thread keeps what it reads often, as the option of `openCache` says. Default false. What the first handle of
   * a cache in this thread was attached with stands.
   */
  nearCache?: boolean | NearCacheOptions;
}

const KNOWN = ['logger', 'nearCache'];

/** The clients of this thread, by cache, each with the port that it came by. */
const attached = new Map<string, { readonly port: CacheHandle['port']; readonly cache: Promise<Cache> }>();

/**
 * The same cache from another thread: read from shared memory, and written by ways of its own, straight to the shards. Once
 * a thread: with every further handle of that cache it is the same client, and the handle is given back.
 *
 * Rejects with INVALID_CONFIG for what is no handle, and CACHE_CLOSED for one that was used or whose cache is closed.
 *
 * @example
 * // In the thread that opened the cache:
 * const handle = cache.handle();
 * worker.postMessage({ handle }, handle.transfer);
 * // In the other one:
 * const cache = await attachCache(handle);
 * await cache.get('user:1');
 */
export async function attachCache<V = unknown, K extends CacheKey = CacheKey>(
  handle: CacheHandle,
  options: AttachOptions = {},
): Promise<Cache<V, K>> {
  checkOptions(options);
  if (!isHandle(handle)) {
    const expected =
      '`handle` to be what `cache.handle()` made, sent by `postMessage({ handle }, handle.transfer)`, or as a task of Piscina ' +
      'with `transferList: handle.transfer`';
    throw misuse('INVALID_CONFIG', expected, handle, { option: 'handle' });
  }
  const { cacheId, port } = handle;
  const known = attached.get(cacheId);
  if (known !== undefined) {
    const client = await known.cache.catch(() => undefined);
    if (client === undefined) {
      // That was for want of a better handle, which this one may be.
      return attachCache(handle, options);
    }
    // Unless it is the one that the client lives by.
    if (known.port !== port) port.close();
    return client as unknown as Cache<V, K>;
  }
  // The next client of this cache may have come when this one is told that it has left.
  const leave = () => {
    if (attached.get(cacheId) === place) attached.delete(cacheId);
  };
  const place = { port, cache: join(handle, options, leave) };
  attached.set(cacheId, place);
  place.cache.catch(leave);
  return (await place.cache) as unknown as Cache<V, K>;
}

async function join(
  { port }: CacheHandle,
  { logger, nearCache = false }: AttachOptions,
  leave: () => void,
): Promise<Cache> {
  try {
    const facts = factsFrom(port, nearCache);
    const codec = createCodec(await loadSerializer(resolveSerializer(facts.config.serializer)));
    const notices = new Notices(logger, nameOf(facts.config), isOpenedHere(facts.id));
    const home = new Attachment(facts, port, notices, leave);
    return new Cache(home, codec, home.clock, notices);
  } catch (error) {
    // So that the opener does not wait for it.
    port.close();
    throw error;
  }
}

function checkOptions(options: AttachOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw misuse('INVALID_CONFIG', 'an object of options', options, { option: 'options' });
  }
  const stranger = Object.keys(options).find((name) => !KNOWN.includes(name));
  if (stranger !== undefined) {
    throw unknownOption(stranger, KNOWN);
  }
  resolveLogger(options.logger);
  resolveNearCache(options.nearCache ?? false, 'shared');
}

/** What came with a handle, and what this client is to have of its own. */
function factsFrom(port: CacheHandle['port'], nearCache: AttachOptions['nearCache']): CacheFacts {
  const first = receiveMessageOnPort(port) as { message: ToClient } | undefined;
  if (first?.message.is !== 'facts') {
    const message =
      'This handle has been used, or its cache was closed. Make one for each thread with `cache.handle()`';
    throw new CacheError('CACHE_CLOSED', message, { outcome: 'not-sent' });
  }
  const { facts } = first.message;
  if (Atomics.load(new Int32Array(facts.state), 0) === 1) {
    throw new CacheError('CACHE_CLOSED', 'The cache was closed before this handle was used', { outcome: 'not-sent' });
  }
  const { config } = facts;
  return { ...facts, config: Object.freeze({ ...config, nearCache: resolveNearCache(nearCache, config.reads) }) };
}
