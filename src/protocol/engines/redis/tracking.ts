/**
 * What one server tells of the changes that others make, by client tracking in its broadcasting mode: the connection that sends
 * the commands asks for it, and a second one, subscribed to a channel, hears of every key that begins with the prefix.
 *
 *     commands    CLIENT TRACKING ON REDIRECT id BCAST PREFIX NAME: NOLOOP       each time that either is new
 *     subscriber  SUBSCRIBE __redis__:invalidate  <-- keys, or nothing for "all" (FLUSHALL, FLUSHDB of any database)
 *
 * NOLOOP leaves out what the commands' connection has changed itself, except by a script (seen with 7.0.15): an own `update` is told.
 * What expires or is evicted is told, too. One attempt at a time goes through connecting, subscribing and asking for
 * the tracking; then it is held until either connection ends.
 *
 * Trust is what this is about: while it is trusted, no change of others goes untold. It ends when a connection ends, with one
 * exception. Where the server is the only one there is, an attempt to connect that is REFUSED shows that nobody writes to
 * it, so trust goes on for as long as one attempt after the other is refused, at least every ATTEMPT_MS_MAX; the first one that
 * connects, or ends or lasts in any other way, ends it. The first attempt is made as soon as a connection ends, so on a
 * loopback no change of others is missed for longer than ATTEMPT_PAUSE_MS and the time that an attempt takes.
 *
 * That holds of a server that is killed, too, since it sends what it tells in the same turn as the answer to who has made the
 * change, and before it: of all that get output in a turn the last is the first that it is sent to. What is told is put out last, except to
 * a subscriber that had an answer of its own coming. So one that had no answer when its connection ended trusts
 * nothing any more (of 60 servers killed under load with a question every millisecond 9 had not told what they had acknowledged,
 * with one every 250 ms none); and nor does one of a server that sends by several threads (`io-threads`), in any order.
 *
 * A server that says nothing (it is stopped or busy, or a network swallows what is sent) is asked every BEAT_MS, and
 * distrusted when it is silent for SILENT_MS: so long at most, both together, can a change that others see go unheard. A process that
 * is stopped acknowledges nothing to anybody, so only the network can make it that late. A link that is so full that an answer takes
 * as long is distrusted, too.
 *
 * A watch that nobody needs took 0.4 % of a core, one whose server is away 5 %.
 */
import { isUtf8 } from 'node:buffer';
import { isIP } from 'node:net';
import { type RedisCommands, within } from './client.ts';

const CHANNEL = '__redis__:invalidate';
/** Between two attempts to connect, when the one before was refused. */
const ATTEMPT_PAUSE_MS = 25;
/** How long an attempt may last before nobody knows any more whether others have got through. */
const ATTEMPT_MS_MAX = 50;
/** Between two attempts, when the one before was not. */
const AGAIN_PAUSE_MS = 50;
/** Connecting, subscribing and asking, together. */
const SETUP_MS_MAX = 5_000;
const BEAT_MS = 400;
const SILENT_MS = 600;

export interface TrackingEars {
  changed(keys: readonly string[] | undefined): void;
  /** It has become so, or is no longer. */
  trusted(isTrusted: boolean): void;
  /** Why it could not be tracked, each time that an attempt fails; it goes on trying. */
  failed(cause: unknown): void;
}

export class Tracking {
  readonly #commands: RedisCommands;
  readonly #prefix: string;
  readonly #isAlone: boolean;
  /** Whether trust goes on while the server refuses every connection. */
  #outlivesRefusal = false;
  readonly #ears: TrackingEars;
  readonly #stop = new AbortController();
  #isTrusted = false;
  readonly #ended: Promise<void>;

  /** `isAlone`: no other server may take its place. */
  constructor(commands: RedisCommands, prefix: string, isAlone: boolean, ears: TrackingEars) {
    this.#commands = commands;
    this.#prefix = prefix;
    // A name may be that of another machine by now.
    const host = String(commands.options?.host);
    this.#isAlone = isAlone && (host === 'localhost' || isIP(host) !== 0);
    this.#ears = ears;
    this.#ended = this.#run();
  }

  get isTrusted(): boolean {
    return this.#isTrusted;
  }

  /** Nothing is told any more. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      let pauseMs = 0;
      const subscriber = this.#newSubscriber();
      try {
        await within(SETUP_MS_MAX, Promise.race([this.#setUp(subscriber), subscriber.broken.then(refuse)]));
        this.#trust(true);
        await this.#hold(subscriber);
        // The next attempt, which is made at once, says whether the server is still there.
        if (!this.#outlivesRefusal) this.#trust(false);
      } catch (cause) {
        const isRefused = (subscriber.met as { code?: unknown } | undefined)?.code === 'ECONNREFUSED';
        if (!isRefused || !this.#outlivesRefusal) this.#trust(false);
        if (!this.#stop.signal.aborted) this.#ears.failed(subscriber.met ?? cause);
        pauseMs = isRefused ? ATTEMPT_PAUSE_MS : AGAIN_PAUSE_MS;
      } finally {
        subscriber.end();
      }
      if (pauseMs > 0) await this.#pause(pauseMs);
    }
  }

  async #setUp(subscriber: Subscriber): Promise<void> {
    const { connection } = subscriber;
    const inTime = this.#distrustAfter(ATTEMPT_MS_MAX);
    try {
      connection.on('connect', () => this.#trust(false));
      await connection.connect();
    } finally {
      inTime();
    }
    this.#trust(false);
    // From here on: until a server is there, this one meets what the other has met.
    this.#commands.on('close', subscriber.end);
    this.#outlivesRefusal = this.#isAlone && (await sendsInOrder(connection));
    const id = await connection.client('ID');
    await connection.subscribe(CHANNEL);
    await whenReady(this.#commands);
    if (subscriber.isBroken) {
      // Another attempt may be on, and this one would undo what that has asked for.
      refuse();
    }
    // A prefix is refused that is there already: the same one of before, to a subscriber that is gone.
    const off = this.#commands.client('TRACKING', 'OFF');
    const options = ['REDIRECT', String(id), 'BCAST', 'PREFIX', this.#prefix, 'NOLOOP'];
    const on = this.#commands.client('TRACKING', 'ON', ...options);
    await Promise.all([off, on, this.#commands.ping(), connection.ping()]);
  }

  /** Until a connection ends. */
  async #hold(subscriber: Subscriber): Promise<void> {
    const { connection, broken } = subscriber;
    while (!subscriber.isBroken) {
      await Promise.race([broken, this.#pause(BEAT_MS)]);
      if (subscriber.isBroken) {
        return;
      }
      const inTime = this.#distrustAfter(SILENT_MS);
      let isOpen = true;
      const heard = connection.ping().then(() => {
        isOpen = false;
      });
      const answers = Promise.all([heard, this.#commands.ping()]);
      const isAnswered = await Promise.race([broken, answers]).then(Array.isArray, () => false);
      inTime();
      if (isAnswered && !subscriber.isBroken) {
        // What was told before the answers has been heard, so nothing has been missed.
        this.#trust(true);
      } else if (isOpen) {
        this.#trust(false);
      }
    }
  }

  /** Unless what it returns is called before. */
  #distrustAfter(ms: number): () => void {
    let distrust: NodeJS.Immediate | undefined;
    const timer = setTimeout(() => {
      // Once more around the loop: if it is late, what was waited for may have come long ago.
      distrust = setImmediate(() => this.#trust(false));
    }, ms);
    return () => {
      clearTimeout(timer);
      clearImmediate(distrust);
    };
  }

  #newSubscriber(): Subscriber {
    const connection = this.#commands.duplicate({
      lazyConnect: true,
      enableOfflineQueue: false,
      // A new one each time: it has another id.
      retryStrategy: null,
      autoResubscribe: false,
      // It may hear while the server is still loading.
      enableReadyCheck: false,
      // With RESP3 ioredis keeps what it hears to itself.
      protocol: 2,
    });
    let end = () => {};
    const broken = new Promise<void>((resolve) => {
      end = () => {
        subscriber.isBroken = true;
        this.#commands.off('close', end);
        this.#stop.signal.removeEventListener('abort', end);
        connection.disconnect();
        resolve();
      };
    });
    const subscriber: Subscriber = { connection, broken, end, isBroken: false, met: undefined };
    connection.on('close', end);
    this.#stop.signal.addEventListener('abort', end);
    connection.on('error', (error) => {
      subscriber.met ??= error;
    });
    connection.on('messageBuffer', (_channel, keys) => {
      if (!this.#stop.signal.aborted) this.#hear(keys);
    });
    return subscriber;
  }

  #hear(keys: unknown): void {
    if (!Array.isArray(keys)) {
      this.#ears.changed(undefined);
      return;
    }
    const start = Buffer.byteLength(this.#prefix);
    const own = (keys as readonly unknown[]).flatMap((key) =>
      Buffer.isBuffer(key) && isUtf8(key) ? [key.toString('utf8', start)] : [],
    );
    if (own.length > 0) this.#ears.changed(own);
  }

  #trust(isTrusted: boolean): void {
    if (isTrusted !== this.#isTrusted && !this.#stop.signal.aborted) {
      this.#isTrusted = isTrusted;
      this.#ears.trusted(isTrusted);
    }
  }

  /** Ends early when it is stopped. */
  #pause(ms: number): Promise<void> {
    if (this.#stop.signal.aborted) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#stop.signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#stop.signal.addEventListener('abort', done);
    });
  }
}

interface Subscriber {
  readonly connection: RedisCommands;
  /** Resolves when it, or the connection of the commands, has ended, or nobody wants to know any more. */
  readonly broken: Promise<void>;
  isBroken: boolean;
  readonly end: () => void;
  /** The first error that its connection met. */
  met: unknown;
}

/** Whether one thread sends all that the server says. One that does not tell is not believed to. */
async function sendsInOrder(connection: RedisCommands): Promise<boolean> {
  try {
    const answer = await connection.config('GET', 'io-threads');
    return Array.isArray(answer) && String(answer[1]) === '1';
  } catch {
    return false;
  }
}

/** Rejects when it ends for good; one that reconnects may take its time. */
function whenReady(commands: RedisCommands): Promise<void> {
  if (commands.status === 'ready') {
    return Promise.resolve();
  }
  if (commands.status === 'wait') {
    return commands.connect();
  }
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => () => {
      commands.off('ready', ready);
      commands.off('end', end);
      act();
    };
    const ready = settle(resolve);
    const end = settle(() => reject(new Error('The connection has ended')));
    commands.on('ready', ready);
    commands.on('end', end);
  });
}

function refuse(): never {
  throw new Error('The connection has ended');
}
