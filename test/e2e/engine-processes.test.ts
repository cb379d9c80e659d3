/** Engines that processes share, or that processes die with: from the built package. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { engines } from '../../src/protocol/engines/index.ts';
import { diskFiles } from '../../src/protocol/files.ts';

const PROGRAM = fileURLToPath(new URL('../support/engine-process.mjs', import.meta.url));
const WRITES = 150;
const ACKNOWLEDGED_BEFORE_DEATH = 60;
/** What a file may grow to in the test of a full disk, in the shell's blocks of 1,024 bytes. */
const FILE_BLOCKS_MAX = 2_000;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

describe.each(['lmdb', 'sqlite'] as const)('the engine %s', (name) => {
  const folder = () => {
    const directory = mkdtempSync(join(tmpdir(), 'shardstash-processes-'));
    cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
    return directory;
  };
  const open = async (directory: string) => {
    const engine = await engines[name].open({ name: 'test', directory, options: {}, files: diskFiles, warn() {} });
    cleanups.push(() => engine.close());
    return engine;
  };
  const start = (...args: string[]) => {
    const child = spawn(process.execPath, [PROGRAM, name, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    cleanups.push(() => child.kill('SIGKILL'));
    return child;
  };
  const textOf = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString();

  test('loses no write of two processes and a thread that write at once', async () => {
    const directory = folder();
    const children = ['one', 'other'].map((prefix) => start(directory, 'write', prefix, String(WRITES)));
    const thread = new Worker(PROGRAM, { workerData: [name, directory, 'write', 'thread', WRITES] });
    const ended = [...children, thread].map((each) => once(each, 'exit'));
    const opened = [...children.map(({ stdout }) => once(stdout, 'data')), once(thread, 'message')];
    const engine = await open(directory);
    // Nobody writes until all are there: whoever opens an LMDB file may undo what another process commits just then (lmdb 3.5.6).
    await Promise.all(opened);
    await engine.set('go', Buffer.from('x'));
    for (const [code] of await Promise.all(ended)) expect(code).toBe(0);
    expect(textOf(await engine.get('count'))).toBe(String(3 * WRITES));
    expect(await engine.size()).toBe(3 * WRITES + 2);
    for (const prefix of ['one', 'other', 'thread']) {
      for (let i = 0; i < WRITES; i++) expect(textOf(await engine.get(`${prefix} ${i}`))).toBe(`${prefix} ${i}`);
    }
    // The thread has ended without a close; here it goes on.
    await engine.set('after', Buffer.from('x'));
    expect((await engine.get('after')) !== undefined).toBe(true);
  });

  test('has all that it acknowledged when the process is killed', async () => {
    const directory = folder();
    const child = start(directory, 'endless');
    let acknowledged = -1;
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged = Number(line);
      if (acknowledged === ACKNOWLEDGED_BEFORE_DEATH) child.kill('SIGKILL');
    }
    expect(acknowledged).toBeGreaterThanOrEqual(ACKNOWLEDGED_BEFORE_DEATH);
    const engine = await open(directory);
    for (let i = 0; i <= acknowledged; i++) {
      expect(Buffer.alloc(300, i).equals((await engine.get(`key ${i}`)) as Uint8Array)).toBe(true);
    }
    const findings: string[] = [];
    for await (const finding of engine.verify?.() ?? []) findings.push(finding);
    expect(findings).toEqual([]);
    await engine.set('key 0', Buffer.from('x'));
  });

  test.skipIf(process.platform === 'win32')('goes on after a write for which there was no room', async () => {
    const directory = folder();
    const command = `ulimit -f ${FILE_BLOCKS_MAX} && exec "$0" "$@"`;
    // Node's own SQLite says of itself that it is experimental.
    const program = ['--disable-warning=ExperimentalWarning', PROGRAM, name, directory, 'fill'];
    const child = spawn('bash', ['-c', command, process.execPath, ...program]);
    let [told, printed] = ['', ''];
    child.stdout.on('data', (text) => {
      told += text;
    });
    child.stderr.on('data', (text) => {
      printed += text;
    });
    const [code] = await once(child, 'close');
    expect({ code, printed }).toEqual({ code: 0, printed: '' });
    const met = JSON.parse(told);
    expect(met).toMatchObject({ code: 'ENGINE_ERROR', first: 50_000, again: true });
    expect(met.stored).toBeGreaterThan(10);
    expect(met.size).toBe(met.stored);
    expect(await (await open(directory)).size()).toBe(met.stored - 10 + 1);
  });
});
