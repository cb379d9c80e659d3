/**
 * A process that ends at a chosen call of the file system, thousands of times a minute: an engine is driven until its files
 * answer nothing any more, left as it is, and what it has left is opened by another. Every acknowledged write has to be
 * there, and what was under way may be.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { diskEngine } from '../../src/protocol/engines/disk/index.ts';
import type { Engine, EngineKind } from '../../src/protocol/engines/engine.ts';
import { fileEngine } from '../../src/protocol/engines/file/index.ts';
import { jsonEngine } from '../../src/protocol/engines/json/index.ts';
import { logEngine } from '../../src/protocol/engines/log/index.ts';
import { diskFiles, type Files } from '../../src/protocol/files.ts';
import { FaultyFiles } from './faulty-files.ts';
import { Random } from './random.ts';

const STEPS = 120;
const KEYS = 24;

export interface Mortal {
  readonly kind: EngineKind;
  readonly options: Readonly<Record<string, unknown>>;
  /** The largest record. */
  readonly recordMax: number;
  /** Entries may be gone that nobody deleted, and all files together stay below this. */
  readonly maxBytes?: number;
}

/** Those whose crashes are looked at. */
export const MORTALS: Readonly<Record<string, Mortal>> = {
  log: { kind: logEngine, options: { segmentBytes: 4_096 }, recordMax: 3_000 },
  'log, synced': { kind: logEngine, options: { segmentBytes: 4_096, sync: true }, recordMax: 3_000 },
  disk: { kind: diskEngine, options: { maxBytes: 64 * 2 ** 20 }, recordMax: 60_000 },
  'disk, full': { kind: diskEngine, options: { maxBytes: 2 ** 20 }, recordMax: 120_000, maxBytes: 2 ** 20 },
  file: { kind: fileEngine, options: {}, recordMax: 80_000 },
  json: { kind: jsonEngine, options: {}, recordMax: 3_000 },
};

/** Files of which those that are open can be closed behind the back of whoever has them. */
function mortalFiles(disk: FaultyFiles): { files: Files; bury: () => void } {
  const open = new Set<number>();
  // What is synced makes no difference to a process that ends: a call like any other, without the milliseconds.
  const sync = (fd: number) => void disk.files.fstatSync(fd);
  const files: Files = {
    ...disk.files,
    fsyncSync: sync,
    fsync: async (fd) => sync(fd),
    fdatasync: async (fd) => sync(fd),
    openSync: (...args: Parameters<Files['openSync']>) => {
      const fd = disk.files.openSync(...args);
      open.add(fd);
      return fd;
    },
    closeSync: (fd: number) => {
      disk.files.closeSync(fd);
      open.delete(fd);
    },
  };
  const bury = () => {
    for (const fd of open) diskFiles.closeSync(fd);
    open.clear();
  };
  return { files, bury };
}

/** Calls of the file system that a whole run makes, so that crash points can be drawn. */
export async function callsOf(mortal: Mortal, seed: number): Promise<number> {
  const { calls } = await crashAt(mortal, seed, Number.POSITIVE_INFINITY);
  return calls;
}

/** Runs until the call number `call`, and answers what is wrong with what is there then. */
export async function crashAt(
  mortal: Mortal,
  seed: number,
  call: number,
): Promise<{ calls: number; faults: string[]; acknowledged: number }> {
  const directory = mkdtempSync(join(tmpdir(), 'shardstash-crash-'));
  try {
    const disk = new FaultyFiles();
    disk.callsLeft = call;
    const { files, bury } = mortalFiles(disk);
    const allowed = new Map<string, Set<string | undefined>>();
    const faults: string[] = [];
    let acknowledged = 0;
    try {
      const engine = await open(mortal, directory, files);
      acknowledged = await drive(engine, new Random(seed), mortal, allowed, directory, faults);
      await engine.close();
    } catch (error) {
      if (call === Number.POSITIVE_INFINITY) throw error;
      // It is dead: what counts is what it has left.
    }
    // Whatever it still had under way is refused as well, before its files are closed for it.
    await new Promise((resolve) => setImmediate(resolve));
    bury();
    for (const name of readdirSync(directory).filter((name) => name.startsWith('.lock.')))
      rmSync(join(directory, name));
    faults.push(...(await judge(mortal, directory, allowed)));
    return { calls: disk.calls, faults: faults.map((fault) => `seed ${seed}, call ${call}: ${fault}`), acknowledged };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function open(mortal: Mortal, directory: string, files: Files): Promise<Engine> {
  return await mortal.kind.open({ name: 'mortal', directory, options: mortal.options, files, warn: () => {} });
}

async function drive(
  engine: Engine,
  random: Random,
  { recordMax, maxBytes }: Mortal,
  allowed: Map<string, Set<string | undefined>>,
  directory: string,
  faults: string[],
): Promise<number> {
  const record = (step: number) => Buffer.from(`${step}:${'x'.repeat(random.logUniform(1, recordMax))}`, 'latin1');
  for (let step = 0; step < STEPS; step++) {
    const key = `key ${random.below(KEYS)}`;
    const change = new Map<string, string | undefined>();
    let call: () => unknown;
    if (random.oneIn(5)) {
      change.set(key, undefined);
      call = () => engine.delete(key);
    } else if (random.oneIn(8)) {
      const batch = Array.from({ length: 4 }, (_, i) => [`key ${random.below(KEYS)}`, record(step + i / 10)] as const);
      for (const [name, bytes] of batch) {
        change.set(name, bytes.toString('latin1'));
        // A batch may be cut off between two entries of one key.
        allowed.set(name, new Set([...(allowed.get(name) ?? [undefined]), bytes.toString('latin1')]));
      }
      call = () => engine.setMany(batch);
    } else if (random.oneIn(50)) {
      for (const name of allowed.keys()) change.set(name, undefined);
      call = () => engine.clear();
    } else if (random.oneIn(20)) {
      // Awaited or not: others write meanwhile. What it fails with is found when the store is opened again.
      const compact = async () => await engine.compact?.();
      call = random.oneIn(2) ? compact : () => void compact().catch(() => 'found later');
    } else {
      const bytes = record(step);
      change.set(key, bytes.toString('latin1'));
      call = () => engine.set(key, bytes);
    }
    for (const [name, text] of change) {
      allowed.set(name, new Set([...(allowed.get(name) ?? [undefined]), text]));
    }
    await call();
    if (step % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    for (const [name, text] of change) allowed.set(name, new Set([text]));
    if (maxBytes !== undefined) {
      const bytes = bytesUnder(directory);
      if (bytes > maxBytes) faults.push(`${bytes} bytes on the disk after step ${step}, at most ${maxBytes} allowed`);
    }
  }
  return STEPS;
}

async function judge(
  mortal: Mortal,
  directory: string,
  allowed: Map<string, Set<string | undefined>>,
): Promise<string[]> {
  const faults: string[] = [];
  try {
    const engine = await open(mortal, directory, diskFiles);
    for (const [key, texts] of allowed) {
      const got = await engine.get(key);
      const text = got && Buffer.from(got).toString('latin1');
      const isEvicted = text === undefined && mortal.maxBytes !== undefined;
      if (!texts.has(text) && !isEvicted) {
        faults.push(
          `${key} is ${text?.slice(0, 12)}, expected ${Array.from(texts, (one) => one?.slice(0, 12)).join(' or ')}`,
        );
      }
    }
    if (engine.verify) for await (const finding of engine.verify()) faults.push(finding);
    await engine.set('after', Buffer.from('it goes on'));
    await engine.close();
    const again = await open(mortal, directory, diskFiles);
    if ((await again.get('after')) === undefined) faults.push('what was written after the crash is gone');
    await again.close();
  } catch (error) {
    faults.push(String((error as Error).stack));
  }
  return faults;
}

export function bytesUnder(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}
