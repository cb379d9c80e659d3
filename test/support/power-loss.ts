/**
 * A machine that ends at a chosen call of the file system, with a disk that then forgets what was not synced (volatile-disk.ts):
 * a store with `sync: true` is made and written to by several at once until that call, and what the disk has kept is opened again.
 * Every write that was acknowledged before has to be there.
 */
import { directoryOf, prepareDirectory } from '../../src/protocol/engines/directory.ts';
import { diskEngine } from '../../src/protocol/engines/disk/index.ts';
import type { Engine } from '../../src/protocol/engines/engine.ts';
import { fileEngine } from '../../src/protocol/engines/file/index.ts';
import { jsonEngine } from '../../src/protocol/engines/json/index.ts';
import { logEngine } from '../../src/protocol/engines/log/index.ts';
import { CacheError } from '../../src/protocol/errors.ts';
import type { Files } from '../../src/protocol/files.ts';
import type { Mortal } from './crash-points.ts';
import { Random } from './random.ts';
import { VolatileDisk } from './volatile-disk.ts';

const KEYS = 12;
const STEPS = 60;
const ROOT = '/var/root';

/** Those whose losses are looked at. */
export const SYNCED: Readonly<Record<string, Mortal>> = {
  log: { kind: logEngine, options: { segmentBytes: 4_096, sync: true }, recordMax: 2_000 },
  disk: { kind: diskEngine, options: { maxBytes: 64 * 2 ** 20, sync: true }, recordMax: 60_000 },
  'disk, full': { kind: diskEngine, options: { maxBytes: 2 ** 20, sync: true }, recordMax: 120_000, maxBytes: 2 ** 20 },
  file: { kind: fileEngine, options: { sync: true }, recordMax: 4_000 },
  json: { kind: jsonEngine, options: { sync: true }, recordMax: 500 },
};
const MANIFEST = { serializer: 'json', compression: false, base64: false, appendMode: false, strict: false } as const;

/** What a key may say: what was acknowledged last, or anything that was called after that. */
class Expected {
  readonly #calls: { text: string | undefined; isAcknowledged: boolean }[] = [
    { text: undefined, isAcknowledged: true },
  ];

  /** Returns what acknowledges it. */
  called(text: string | undefined): () => void {
    const call = { text, isAcknowledged: false };
    this.#calls.push(call);
    return () => {
      call.isAcknowledged = true;
    };
  }

  get texts(): (string | undefined)[] {
    const from = this.#calls.findLastIndex((call) => call.isAcknowledged);
    return this.#calls.slice(from).map(({ text }) => text);
  }
}

/** Loses the power at so many calls, drawn at random; answers what is wrong afterwards. */
export async function losePowerOften(mortal: Mortal, points: number, random: Random): Promise<string[]> {
  const seed = random.word();
  const { calls } = await losePowerAt(mortal, seed, Number.POSITIVE_INFINITY, false);
  const faults: string[] = [];
  for (let point = 0; point < points; point++) {
    faults.push(...(await losePowerAt(mortal, seed, random.below(calls), random.oneIn(2))).faults);
  }
  return faults;
}

interface Loss {
  readonly calls: number;
  readonly faults: string[];
}

/** The options must have `sync: true`. `isHarsh`: what survives of a file may have holes. */
async function losePowerAt(mortal: Mortal, seed: number, call: number, isHarsh: boolean): Promise<Loss> {
  const disk = new VolatileDisk();
  const random = new Random(seed);
  const expected = new Map(Array.from({ length: KEYS }, (_, i) => [`key ${i}`, new Expected()]));
  disk.callsLeft = call;
  let after: VolatileDisk | undefined;
  let allowed: [string, (string | undefined)[]][] = [];
  disk.onCrash = () => {
    after = disk.afterCrash(new Random(seed + call), { isHarsh });
    allowed = Array.from(expected, ([key, { texts }]) => [key, texts]);
  };
  try {
    // More than once, so that notes of a closing are there, too.
    for (let opening = 0; opening < 3; opening++) {
      const engine = await open(mortal, disk.files);
      await drive(engine, random, mortal, expected);
      await engine.close();
    }
  } catch (error) {
    if (after === undefined) throw error;
  }
  if (after === undefined) disk.onCrash();
  const faults = await judge(mortal, (after as unknown as VolatileDisk).files, allowed);
  return { calls: disk.calls, faults: faults.map((fault) => `seed ${seed}, call ${call}: ${fault}`) };
}

/** What the machine's end leaves in a segment that was full is damage, which a repair mends. */
async function openOrRepair(mortal: Mortal, files: Files): Promise<Engine> {
  try {
    return await open(mortal, files);
  } catch (error) {
    const mends =
      error instanceof CacheError && error.code === 'STORE_CORRUPT' && mortal.kind.options.includes('repair');
    if (!mends) throw error;
    return await open({ ...mortal, options: { ...mortal.options, repair: true } }, files);
  }
}

async function open({ kind, options }: Mortal, files: Files): Promise<Engine> {
  prepareDirectory(files, ROOT, 'store', { engine: 'any', ...MANIFEST });
  const place = { name: 'store', directory: directoryOf(ROOT, 'store'), options, files, warn: () => {} };
  return await kind.open(place);
}

async function drive(engine: Engine, random: Random, mortal: Mortal, expected: Map<string, Expected>): Promise<void> {
  const underWay = new Set<Promise<void>>();
  for (let step = 0; step < STEPS; step++) {
    const run = one(engine, random, mortal, expected, step);
    underWay.add(run);
    const over = () => void underWay.delete(run);
    run.then(over, over);
    if (underWay.size > 4 || random.oneIn(3)) await Promise.race(underWay);
  }
  await Promise.all(underWay);
}

async function one(
  engine: Engine,
  random: Random,
  { recordMax }: Mortal,
  expected: Map<string, Expected>,
  step: number,
): Promise<void> {
  const keys = Array.from(expected.keys());
  const key = keys[random.below(KEYS)] as string;
  const texts = new Map<string, string | undefined>();
  const text = () => `${step}:${random.word()}:${'x'.repeat(random.logUniform(1, recordMax))}`;
  let call: () => unknown;
  switch (random.below(12)) {
    case 0:
    case 1:
      texts.set(key, undefined);
      call = () => engine.delete(key);
      break;
    case 2: {
      for (let i = 0; i < 3; i++) texts.set(keys[random.below(KEYS)] as string, text());
      const batch = Array.from(texts, ([name, body]) => [name, Buffer.from(body as string)] as const);
      call = () => engine.setMany(batch);
      break;
    }
    case 3:
      call = () => engine.compact?.();
      break;
    case 4: {
      const body = text();
      texts.set(key, body);
      call = () => engine.update(key, () => Buffer.from(body));
      break;
    }
    default: {
      const body = text();
      texts.set(key, body);
      call = () => engine.set(key, Buffer.from(body));
    }
  }
  const acknowledgements = Array.from(texts, ([name, body]) => (expected.get(name) as Expected).called(body));
  // A deletion that found nothing says what was seen, which may not be on the medium yet.
  if ((await call()) === false) return;
  for (const acknowledge of acknowledgements) acknowledge();
}

async function judge(
  mortal: Mortal,
  files: Files,
  allowed: readonly (readonly [string, (string | undefined)[]])[],
): Promise<string[]> {
  const faults: string[] = [];
  try {
    const engine = await openOrRepair(mortal, files);
    for (const [key, texts] of allowed) {
      const isEvicted = mortal.maxBytes !== undefined;
      try {
        const got = await engine.get(key);
        const text = got && Buffer.from(got).toString('latin1');
        if (!texts.includes(text) && !(text === undefined && isEvicted)) {
          const wanted = texts.map((one) => one?.slice(0, 16)).join(' or ');
          faults.push(`${key} is ${text?.slice(0, 16)}, expected ${wanted}`);
        }
      } catch (error) {
        faults.push(
          `${key}: ${(error as Error).message}, expected ${texts.map((one) => one?.slice(0, 16)).join(' or ')}`,
        );
      }
    }
    await engine.set('after', Buffer.from('it goes on'));
    await engine.close();
  } catch (error) {
    faults.push(String((error as Error).stack));
  }
  return faults;
}
