/** Memos that several threads or processes have: each call is computed once. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { memoize } from 'shardstash/memo';
import { expect, test } from 'vitest';
import { memoFolder } from '../support/memos.ts';

const run = promisify(execFile);
const support = (name: string) => fileURLToPath(new URL(`../support/${name}`, import.meta.url));
const folder = memoFolder();

test('two threads that miss the same call at once run the function once, and both hear of its error', async () => {
  const threads = [0, 1].map(() => {
    const handle = folder.cache.handle();
    return new Worker(support('memoizing-thread.mjs'), { workerData: handle, transferList: handle.transfer });
  });
  const answers = async (n: number | 'run') => {
    const heard = threads.map(async (thread) => (await once(thread, 'message'))[0]);
    for (const thread of threads) thread.postMessage(n);
    return await Promise.all(heard);
  };
  await Promise.all(threads.map((thread) => once(thread, 'message')));
  const made = await answers(21);
  expect(made.map(({ value }) => value)).toEqual([42, 42]);
  expect(made[0].ran + made[1].ran).toBe(1);
  const failed = await answers(-1);
  expect(failed.map(({ code }) => code)).toEqual(['NEGATIVE', 'NEGATIVE']);
  expect(failed[0].ran + failed[1].ran).toBe(1);
  // By the thread that has opened the cache, on its pool.
  const [first, second] = await answers('run');
  expect([first, second].every((id) => id > 0 && threads.every(({ threadId }) => threadId !== id))).toBe(true);
  const ends = threads.map((thread) => once(thread, 'exit'));
  for (const thread of threads) thread.postMessage('close');
  await Promise.all(ends);
});

test('two processes on one file run each of 100 calls once, and others find them', {
  timeout: 60_000,
}, async () => {
  const file = join(folder.root, 'work.log');
  const runs = join(folder.root, 'runs');
  const opener = folder.closing(memoize(() => 1, { filename: 'opens the folder' }));
  await opener();
  const process_ = (seed: number) =>
    run(process.execPath, [support('memoizing-process.mjs'), file, runs, '100', String(seed)], { timeout: 50_000 });
  const both = await Promise.all([process_(1), process_(2)]);
  const told = both.map(({ stdout }) => JSON.parse(stdout));
  expect(told.map(({ sound }) => sound)).toEqual([true, true]);
  const ran = readFileSync(runs, 'utf8').trim().split('\n');
  expect(ran.length).toBe(100);
  expect(new Set(ran).size).toBe(100);
  expect(told[0].miss + told[1].miss).toBe(100);
  async function work(n: number) {
    return { n, text: 'not computed' };
  }
  const here = folder.closing(memoize(work, { filename: file }));
  for (let n = 0; n < 100; n++) {
    expect(await here.callWithStatus(n)).toEqual({ value: { n, text: 'x'.repeat(n) }, status: 'disk' });
  }
});

test('a memo that nobody closes keeps no process alive, and has kept what it was to keep', async () => {
  const memo = new URL('../../dist/main/memo/index.js', import.meta.url).href;
  const script = `
    import { memoize } from '${memo}';
    const f = memoize(async (n) => ({ n }), { filename: '${join(folder.root, 'open.log')}' });
    console.log((await f(5)).n);`;
  const node = ['--input-type=module', '-e', script];
  const { stdout } = await run(process.execPath, node, { timeout: 20_000 });
  expect(stdout).toBe('5\n');
  const f = folder.closing(memoize(async (n: number) => ({ n }), { filename: join(folder.root, 'open.log') }));
  expect(await f.callWithStatus(5)).toEqual({ value: { n: 5 }, status: 'disk' });
});
