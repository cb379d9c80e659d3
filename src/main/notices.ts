/**
 * What a cache says beside results: to the `logger` it was given, and to whoever subscribes to a `diagnostics_channel`.
 * Both are silent unless somebody listens.
 *
 *     shardstash:open           { cache, config }              debug
 *     shardstash:close          { cache }                      debug
 *     shardstash:warning        { cache, message, cause }      warn
 *     shardstash:policy:fault   { cache, shard, cause }        error, of each shard at most one a second
 *     shardstash:shard:down     { cache, shard, cause }        error, an owner has died
 *     shardstash:shard:up       { cache, shard }               info, there is one again
 *     shardstash:shard:failed   { cache, shard }               error, there will be none any more
 *     shardstash:tier:down      { cache, message }             warn, the tier fails, and is not asked for a while
 *     shardstash:tier:up        { cache, message }             info, it works again
 *     shardstash:autosave:failed  { cache, message, cause }    warn, the next one tries again
 *
 * What becomes of shards is told once a thread, however many clients that has. Entries that leave have channels, too, but no
 * logger: see events.ts.
 */
import { type Channel, channel } from 'node:diagnostics_channel';

export const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

/** Takes a sentence and what belongs to it. `console` is one. */
export type CacheLogger = Readonly<Record<(typeof LEVELS)[number], (message: string, details?: unknown) => void>>;

const levels = {
  open: 'debug',
  close: 'debug',
  warning: 'warn',
  'policy:fault': 'error',
  'shard:down': 'error',
  'shard:up': 'info',
  'shard:failed': 'error',
  'tier:down': 'warn',
  'tier:up': 'info',
  'autosave:failed': 'warn',
} as const satisfies Record<string, (typeof LEVELS)[number]>;

type NoticeName = keyof typeof levels;
type ShardNotice = Extract<NoticeName, `shard:${string}`>;

const channels = Object.fromEntries(
  Object.keys(levels).map((name) => [name, channel(`shardstash:${name}`)]),
) as unknown as Record<NoticeName, Channel>;

export class Notices {
  /** How the cache calls itself. */
  readonly cache: string;
  /** Whether another client in this thread tells the channels what happens to all clients alike. */
  readonly isEcho: boolean;
  /** Hears what becomes of shards. */
  onShard: ((name: ShardNotice, shard: number, cause: unknown) => void) | undefined;
  readonly #logger: CacheLogger | undefined;

  constructor(logger: CacheLogger | undefined, cache: string, isEcho = false) {
    this.#logger = logger;
    this.cache = cache;
    this.isEcho = isEcho;
  }

  /** Of a shard: it is down, up again, or has failed. */
  tellOfShard(
    name: ShardNotice,
    message: string,
    shard: number,
    details: { code?: number; cause?: unknown } = {},
  ): void {
    this.#tell(name, message, { shard, ...details }, !this.isEcho);
    this.onShard?.(name, shard, details.cause);
  }

  tell(name: Exclude<NoticeName, ShardNotice>, message: string, details: object = {}): void {
    this.#tell(name, message, details, true);
  }

  /** A logger that throws is a warning of the process: it must not stand between a call and its answer. */
  #tell(name: NoticeName, message: string, details: object, publishes: boolean): void {
    const whole = { cache: this.cache, message, ...details };
    if (publishes) channels[name].publish(whole);
    try {
      this.#logger?.[levels[name]](message, whole);
    } catch (cause) {
      process.emitWarning(cause instanceof Error ? cause : String(cause));
    }
  }
}
