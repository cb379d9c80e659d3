/** The compute pool: functions of modules on threads of their own, by itself, without a cache. */
import { execFile } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Worker } from 'node:worker_threads';
import { CacheError } from 'shardstash';
import { afterEach, describe, expect, test } from 'vitest';
import { withThreads } from '../support/threads.ts';

type Compute = typeof import('../../src/main/compute.ts');
type Pool = InstanceType<Compute['ComputePool']>;
type Config = ConstructorParameters<Compute['ComputePool']>[0];

const execute = promisify(execFile);
/** Built: Node 20 starts no thread from a .ts file. */
const built = (name: string) => new URL(`../../dist/main/${name}.js`, import.meta.url).href;
const { ComputePool, resolveTask } = (await import(built('compute'))) as Compute;
const { createCodec } = (await import(
  built('serializers/index')
)) as typeof import('../../src/main/serializers/index.ts');
const TASKS = new URL('../support/tasks.mjs', import.meta.url);
const NEVER = new AbortController().signal;

const open: Pool[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((pool) => pool.close()));
});

function poolOf(
  config: Partial<Config> = {},
  serializer: ConstructorParameters<Compute['ComputePool']>[1] = 'msgpack',
) {
  const faults: unknown[] = [];
  const pool = new ComputePool({ threads: 1, queue: 16, idleTimeout: 10_000, ...config }, serializer, (fault) =>
    faults.push(fault),
  );
  open.push(pool);
  return { pool, faults };
}

const taskOf = (name: string, ...args: unknown[]) => resolveTask({ module: TASKS, export: name, args });

async function madeBy(pool: Pool, name: string, ...args: unknown[]): Promise<unknown> {
  const { tag, bytes } = await pool.run(taskOf(name, ...args), [], NEVER);
  return createCodec('msgpack').decode(tag, bytes, bytes.length);
}

function errorOf(call: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  return call.then(
    () => {
      throw new Error('expected an error');
    },
    (error) => error,
  );
}

/** A task that has begun, and goes on until it is let go. */
async function hold(pool: Pool, signal = NEVER) {
  const gate = new SharedArrayBuffer(8);
  const words = new Int32Array(gate);
  const run = pool.run(taskOf('held', gate), [], signal);
  run.catch(() => {});
  await Atomics.waitAsync(words, 0, 0).value;
  const letGo = () => {
    Atomics.store(words, 1, 1);
    Atomics.notify(words, 1);
  };
  return { run, letGo };
}

describe('a task', () => {
  test('is a module, the name of an export and arguments', () => {
    expect(resolveTask({ module: TASKS })).toEqual({ module: TASKS.href, export: 'default', args: [] });
    expect(taskOf('burn', 1)).toEqual({ module: TASKS.href, export: 'burn', args: [1] });
  });

  test.each<[unknown, string]>([
    [undefined, 'task'],
    ['./tasks.mjs', 'task'],
    [{ export: 'burn' }, 'task'],
    [{ module: './tasks.mjs' }, 'task'],
    [{ module: TASKS, export: '' }, 'task'],
    [{ module: TASKS, args: 'one' }, 'task'],
    [{ module: TASKS, arg: [] }, 'task'],
  ])('%j is none', (task, option) => {
    expect(() => resolveTask(task)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', option }));
  });

  test('runs in another thread, with copies of its arguments', async () => {
    const { pool } = poolOf();
    const arg = { list: [1, new Date(5)], map: new Map([['a', 1n]]) };
    expect(await madeBy(pool, 'default', 1, arg)).toEqual({ args: [1, arg] });
    expect(await madeBy(pool, 'where')).toBeGreaterThan(0);
  });

  test('may be async, and may make nothing', async () => {
    const { pool } = poolOf();
    expect(await madeBy(pool, 'later', 1, { made: true })).toEqual({ made: true });
    expect(await madeBy(pool, 'later', 1, null)).toBe(null);
    expect(await madeBy(pool, 'later', 1)).toBe(undefined);
  });

  test('leaves the calling thread free', async () => {
    const { pool } = poolOf();
    await madeBy(pool, 'default');
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    await madeBy(pool, 'burn', 300);
    clearInterval(timer);
    // Sixty on an idle machine. The task in this thread would have left none.
    expect(ticks).toBeGreaterThan(10);
  });

  test('knows which keys wait for it, and so does what it awaits', async () => {
    const { pool } = poolOf();
    const { bytes, tag } = await pool.run(taskOf('chainSeenBy', built('computing')), ['one', 'two'], NEVER);
    const chain = ['one', 'two'];
    expect(createCodec('msgpack').decode(tag, bytes, bytes.length)).toEqual([chain, chain]);
    expect(await madeBy(pool, 'chainSeenBy', built('computing'))).toEqual([[], []]);
  });

  test('encodes with the serializer of the cache, a module of the user too', async () => {
    const json = await poolOf({}, 'json').pool.run(taskOf('default', 1), [], NEVER);
    expect(createCodec('json').decode(json.tag, json.bytes, json.bytes.length)).toEqual({ args: [1] });
    const shout = { module: new URL('../support/shout.mjs', import.meta.url).href, export: 'default' };
    const loud = await poolOf({}, shout).pool.run(taskOf('later', 1, 'hey'), [], NEVER);
    expect(loud.bytes.toString()).toContain('HEY');
  });

  test('needs a serializer that its thread can load', async () => {
    const error = await errorOf(poolOf({}, 'mine').pool.run(taskOf('default'), [], NEVER));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: 'INVALID_CONFIG', option: 'task' });
    expect(error.message).toMatch(/'mine' is an object of functions/);
  });
});

describe('what goes wrong', () => {
  test('an error of the task arrives with class, name, message, code, properties and causes', async () => {
    const { pool } = poolOf();
    const error = await errorOf(madeBy(pool, 'fail'));
    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({ name: 'Refusal', message: 'none left', code: 'NO_STOCK', details: { left: 0 } });
    expect(error.stack).toMatch(/tasks\.mjs/);
    expect(Object.keys(error).sort()).toEqual(['code', 'details']);
    expect(error.cause).toBeInstanceOf(TypeError);
    expect(error.cause).toMatchObject({ message: 'deep', cause: { why: 'deeper' } });
    expect(await madeBy(pool, 'later', 1, 'goes on')).toBe('goes on');
  });

  test('an AggregateError arrives with its errors', async () => {
    const error = await errorOf(madeBy(poolOf().pool, 'failAll'));
    expect(error).toMatchObject({ name: 'AggregateError', errors: [{ message: 'one' }, { code: 'TWO' }] });
  });

  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a string', 'why'],
    ['an object', { why: 1 }],
  ])('%s that is thrown arrives', async (_what, thrown) => {
    await expect(madeBy(poolOf().pool, 'failWith', thrown)).rejects.toEqual(thrown);
  });

  test('what cannot be cloned stays behind', async () => {
    const { pool } = poolOf();
    expect(await errorOf(madeBy(pool, 'failWithFunctions'))).toMatchObject({
      message: 'whole',
      cause: expect.any(Error),
    });
    expect((await errorOf(madeBy(pool, 'failWithSymbol'))).message).toMatch(/Symbol\(no\)/);
    expect(await errorOf(madeBy(pool, 'failInCircle'))).toMatchObject({ message: 'round' });
  });

  test('a value that cannot be stored is a SERIALIZATION_ERROR', async () => {
    const error = await errorOf(madeBy(poolOf().pool, 'unstorable'));
    expect(error).toBeInstanceOf(TypeError);
    expect(error['code']).toBe('SERIALIZATION_ERROR');
  });

  test('arguments that cannot be copied are INVALID_CONFIG', async () => {
    const error = await errorOf(madeBy(poolOf().pool, 'default', () => {}));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: 'INVALID_CONFIG', option: 'args' });
  });

  test('a module or a function that is not there is an UNKNOWN_PLUGIN', async () => {
    const { pool } = poolOf();
    const nowhere = resolveTask({ module: new URL('./nowhere.mjs', TASKS) });
    const noModule = await errorOf(pool.run(nowhere, [], NEVER));
    expect(noModule).toMatchObject({ code: 'UNKNOWN_PLUGIN', option: 'task', cause: { code: 'ERR_MODULE_NOT_FOUND' } });
    expect(noModule.message).toMatch(/Expected `task\.module` to be a module .*nowhere\.mjs/);
    const noExport = await errorOf(madeBy(pool, 'brun'));
    expect(noExport).toBeInstanceOf(TypeError);
    expect(noExport).toMatchObject({ code: 'UNKNOWN_PLUGIN', available: expect.arrayContaining(['burn', 'default']) });
    expect(noExport.message).toMatch(/got 'brun'. Its exports: .*burn/);
    expect((await errorOf(madeBy(pool, 'notAFunction'))).message).toMatch(/to be a function .*, got 1 \(number\)/);
  });

  test('a task that ends its thread is a COMPUTE_ERROR, and the next has another', async () => {
    const { pool } = poolOf();
    const first = await madeBy(pool, 'where');
    const error = await errorOf(madeBy(pool, 'exit', 3));
    expect(error).toBeInstanceOf(CacheError);
    expect(error).toMatchObject({ code: 'COMPUTE_ERROR', cause: { message: 'worker exited with code: 3' } });
    expect(await madeBy(pool, 'where')).not.toBe(first);
  });

  test('what a task leaves behind ends an idle thread, and somebody hears of it', async () => {
    const { pool, faults } = poolOf();
    expect(await madeBy(pool, 'leaveBomb')).toBe('done');
    await expect.poll(() => faults).toEqual([expect.objectContaining({ message: 'left behind' })]);
    expect(await madeBy(pool, 'later', 1, 'goes on')).toBe('goes on');
  });
});

describe('bounds', () => {
  test('more tasks than threads wait in order, and more than the queue holds are OVERLOADED', async () => {
    const { pool } = poolOf({ queue: 3 });
    const { run, letGo } = await hold(pool);
    const order: number[] = [];
    const waiting = [1, 2, 3].map(async (n) => {
      await pool.run(taskOf('default', n), [], NEVER);
      order.push(n);
    });
    const error = await errorOf(madeBy(pool, 'default', 4));
    expect(error).toBeInstanceOf(CacheError);
    expect(error).toMatchObject({ code: 'OVERLOADED', outcome: 'not-sent' });
    letGo();
    await run;
    await Promise.all(waiting);
    expect(order).toEqual([1, 2, 3]);
  });

  test('there are never more threads than asked for', async () => {
    const { pool } = poolOf({ threads: 2 });
    const { result, threads } = await withThreads(() =>
      Promise.all(Array.from({ length: 8 }, () => madeBy(pool, 'where'))),
    );
    expect(threads.length).toBeLessThanOrEqual(2);
    expect(new Set(result).size).toBeLessThanOrEqual(2);
  });

  test('a task whose signal aborts loses its thread, and the pool goes on', async () => {
    const { pool } = poolOf();
    const { threads } = await withThreads(async () => {
      await madeBy(pool, 'default');
      const abort = new AbortController();
      const looping = pool.run(taskOf('forEver'), [], abort.signal);
      const next = madeBy(pool, 'later', 1, 'next');
      setTimeout(() => abort.abort(new Error('too long')), 100);
      expect((await errorOf(looping)).message).toBe('too long');
      expect(await next).toBe('next');
    });
    expect(threads).toHaveLength(2);
    await expect.poll(() => (threads[0] as Worker).threadId).toBe(-1);
  });

  test('a signal that aborts before its task begins costs no thread', async () => {
    const { pool } = poolOf();
    const { run, letGo } = await hold(pool);
    const abort = new AbortController();
    const waiting = errorOf(pool.run(taskOf('default'), [], abort.signal));
    abort.abort(new Error('changed my mind'));
    expect((await waiting).message).toBe('changed my mind');
    expect((await errorOf(pool.run(taskOf('default'), [], abort.signal))).message).toBe('changed my mind');
    letGo();
    await run;
    expect(await madeBy(pool, 'later', 1, 'next')).toBe('next');
  });

  test('a signal that aborts while its thread starts is no more than that', async () => {
    const { pool } = poolOf();
    const abort = new AbortController();
    const starting = errorOf(pool.run(taskOf('default'), [], abort.signal));
    await pause(5);
    abort.abort(new Error('changed my mind'));
    expect((await starting).message).toBe('changed my mind');
    expect(await madeBy(pool, 'later', 1, 'next')).toBe('next');
  });

  test('an idle thread ends', async () => {
    const { pool } = poolOf({ idleTimeout: 20 });
    const { threads } = await withThreads(() => madeBy(pool, 'default'));
    await expect.poll(() => threads.map(({ threadId }) => threadId)).toEqual([-1]);
    expect(await madeBy(pool, 'later', 1, 'next')).toBe('next');
  });
});

describe('close', () => {
  test('ends what runs and what waits with CACHE_CLOSED, and the threads', async () => {
    const { pool } = poolOf();
    const { threads } = await withThreads(async () => {
      const { run } = await hold(pool);
      const waiting = errorOf(madeBy(pool, 'default'));
      const closing = pool.close();
      expect(pool.close()).toBe(closing);
      expect(await errorOf(run)).toMatchObject({ code: 'CACHE_CLOSED' });
      expect(await waiting).toMatchObject({ code: 'CACHE_CLOSED' });
      await closing;
      expect(await errorOf(madeBy(pool, 'default'))).toMatchObject({ code: 'CACHE_CLOSED' });
    });
    expect(threads.map(({ threadId }) => threadId)).toEqual([-1]);
  });

  test('of a pool that never ran anything starts nothing', async () => {
    const { pool } = poolOf();
    const { threads } = await withThreads(() => pool.close());
    expect(threads).toEqual([]);
  });

  test('while its first thread starts leaves none', async () => {
    const { pool } = poolOf();
    const { threads } = await withThreads(async () => {
      const starting = errorOf(madeBy(pool, 'forEver'));
      await pool.close();
      expect(await starting).toMatchObject({ code: 'CACHE_CLOSED' });
      await pause(50);
    });
    expect(threads.filter(({ threadId }) => threadId !== -1)).toEqual([]);
  });
});

describe('a process', () => {
  const script = (body: string) => {
    const source = `
      import { ComputePool, resolveTask } from ${JSON.stringify(built('compute'))};
      const pool = new ComputePool({ threads: 1, queue: 16, idleTimeout: 60_000 }, 'msgpack');
      const run = (name, ...args) =>
        pool.run(resolveTask({ module: ${JSON.stringify(TASKS.href)}, export: name, args }), [], new AbortController().signal);
      ${body}`;
    return execute(process.execPath, ['--input-type=module', '-e', source], { timeout: 10_000 });
  };

  test('ends while threads of the pool idle', async () => {
    const { stdout } = await script("await run('default'); console.log('done');");
    expect(stdout).toBe('done\n');
  });

  test('does not end while a task runs, or waits', async () => {
    const { stdout } = await script(`
      void run('later', 200).then(() => console.log('first'));
      void run('burn', 50).then(() => console.log('second'));`);
    expect(stdout).toBe('first\nsecond\n');
  });
});
