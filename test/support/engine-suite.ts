/**
 * What every engine must keep, run against each: the contract of src/protocol/engines/engine.ts, and a walk beside a Map. With
 * `withFaults` the same behind a disk that fails: nothing that was acknowledged is lost, and what was refused is either
 * there or not.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type Engine, type EngineKind, KEYS_PER_PAGE } from '../../src/protocol/engines/engine.ts';
import { CacheError } from '../../src/protocol/errors.ts';
import { diskFiles, type Files } from '../../src/protocol/files.ts';
import { sealRecord } from '../../src/protocol/record.ts';
import { TAG_ASCII, TAG_BUFFER } from '../../src/protocol/value-tags.ts';
import { always, type FaultCode, FaultyFiles, OPENS, READS, SYNCS, WRITES } from './faulty-files.ts';
import { seededRandom } from './random.ts';

export interface EngineSuite {
  readonly kind: EngineKind;
  readonly options?: Readonly<Record<string, unknown>>;
  /** Where the engine has no directory: gives each test a name that no other has. */
  readonly freshName?: () => string;
  /** Where the directories are made. Default: where the system keeps what is temporary. */
  readonly root?: string;
  /** The files that faults stand before; left out where the engine does not go through Files. */
  readonly faults?: readonly Fault[];
  /** What is skipped, and why. */
  readonly skip?: readonly { readonly test: string; readonly reason: string }[];
}

type Fault = 'full' | 'broken' | 'unreadable' | 'out of files' | 'unsynced' | 'slow';

const record = (text: string) =>
  sealRecord(
    { tag: TAG_ASCII, compression: 0, base64: false, expiresAtMs: Number.POSITIVE_INFINITY },
    Buffer.from(text, 'latin1'),
  );
const bytesOf = (bytes: Uint8Array) =>
  sealRecord({ tag: TAG_BUFFER, compression: 0, base64: false, expiresAtMs: Number.POSITIVE_INFINITY }, bytes);
const same = (got: Uint8Array | undefined, expected: Uint8Array | undefined) =>
  expect(got === undefined ? undefined : Buffer.from(got).toString('base64')).toBe(
    expected === undefined ? undefined : Buffer.from(expected).toString('base64'),
  );

/** Keys that some medium might take for something else. */
const ODD_KEYS = [
  '',
  ' ',
  '.',
  '..',
  '../x',
  '/etc/passwd',
  'a/b\\c:d*e?f"g<h>i|j',
  'CON',
  '__proto__',
  'constructor',
  '\0n1.5',
  '\0nNaN',
  '\0xCwEBYQ',
  '\0s\0odd',
  'with\0nul',
  'line\nbreak\r',
  'ключ',
  '🗝️',
  'é',
  'e\u0301',
  '[a-z]*?',
  '{tag}',
  'quote\'s "both"',
  'x'.repeat(511),
  'x'.repeat(512),
  'x'.repeat(2_000),
  `${'y'.repeat(60_000)}1`,
  `${'y'.repeat(60_000)}2`,
];

export function runEngineSuite(name: string, suite: EngineSuite): void {
  const { kind, options = {} } = suite;
  const cleanups: (() => void | Promise<void>)[] = [];
  afterEach(async () => {
    for (const clean of cleanups.splice(0).reverse()) await clean();
  });

  const folder = () => {
    const directory = mkdtempSync(join(suite.root ?? tmpdir(), 'shardstash-engine-'));
    cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
    return directory;
  };
  const place = () => ({ name: suite.freshName?.() ?? `test-${randomBytes(6).toString('hex')}`, directory: folder() });
  const open = async (where = place(), files: Files = diskFiles, extra: object = {}): Promise<Engine> => {
    const engine = await kind.open({ ...where, options: { ...options, ...extra }, files, warn: () => {} });
    let closed = false;
    const close = engine.close.bind(engine);
    const once = async () => {
      if (!closed) {
        closed = true;
        await close();
      }
    };
    cleanups.push(async () => {
      // After `close` nothing is called any more.
      if (!closed) {
        await engine.clear();
        await once();
      }
    });
    return Object.assign(engine, { close: once });
  };
  const keysOf = async (engine: Engine) => {
    const keys: string[] = [];
    for await (const page of engine.keys()) {
      expect(page.length).toBeLessThanOrEqual(KEYS_PER_PAGE);
      keys.push(...page);
    }
    return keys;
  };
  const fact = (title: string, body: () => Promise<void>) => {
    const skipped = suite.skip?.find((entry) => entry.test === title);
    test.skipIf(skipped !== undefined)(skipped === undefined ? title : `${title} (${skipped.reason})`, body);
  };

  describe(`the engine ${name}`, () => {
    fact('answers what was set, and undefined for what was not', async () => {
      const engine = await open();
      await engine.set('a', record('one'));
      same(await engine.get('a'), record('one'));
      expect(await engine.get('b')).toBe(undefined);
      expect([(await engine.get('a')) !== undefined, (await engine.get('b')) !== undefined]).toEqual([true, false]);
      expect(await engine.size()).toBe(1);
    });

    fact('replaces what was set before', async () => {
      const engine = await open();
      await engine.set('a', record('one'));
      await engine.set('a', record('two, which is longer'));
      same(await engine.get('a'), record('two, which is longer'));
      await engine.set('a', record('3'));
      same(await engine.get('a'), record('3'));
      expect(await engine.size()).toBe(1);
    });

    fact('says once that it deleted an entry', async () => {
      const engine = await open();
      await engine.set('a', record('one'));
      expect(await engine.delete('a')).toBe(true);
      expect(await engine.delete('a')).toBe(false);
      expect(await engine.get('a')).toBe(undefined);
      expect(await engine.size()).toBe(0);
    });

    fact('keeps every key apart from every other', async () => {
      const engine = await open();
      for (const key of ODD_KEYS)
        await engine.set(key, record(`of ${key.length} ${key.slice(-1)}`.replace(/[^ -~]/g, '?')));
      expect(await engine.size()).toBe(ODD_KEYS.length);
      expect((await keysOf(engine)).sort()).toEqual([...ODD_KEYS].sort());
      for (const key of ODD_KEYS) {
        same(await engine.get(key), record(`of ${key.length} ${key.slice(-1)}`.replace(/[^ -~]/g, '?')));
      }
      for (const key of ODD_KEYS) expect(await engine.delete(key)).toBe(true);
      expect(await keysOf(engine)).toEqual([]);
    });

    fact('keeps bytes of every length as they are', async () => {
      const engine = await open();
      const sizes = [0, 1, 7, 4_095, 4_096, 32_768, 65_535, 65_536, 65_537, 300_000, 2_000_000];
      const values = sizes.map((size) => bytesOf(randomBytes(size)));
      for (const [i, value] of values.entries()) await engine.set(`size ${sizes[i]}`, value);
      for (const [i, value] of values.entries()) same(await engine.get(`size ${sizes[i]}`), value);
    });

    fact('has copied what it was given when the call returns', async () => {
      const engine = await open();
      const bytes = record('before');
      const expected = Buffer.from(bytes);
      const written = engine.set('a', bytes);
      bytes.fill(0);
      await written;
      same(await engine.get('a'), expected);
      const batch = record('in a batch');
      const alsoExpected = Buffer.from(batch);
      const many = engine.setMany([['b', batch]]);
      batch.fill(0);
      await many;
      same(await engine.get('b'), alsoExpected);
    });

    fact('takes calls on one key in their order, awaited or not', async () => {
      const engine = await open();
      const calls: unknown[] = [];
      for (let i = 0; i < 20; i++) calls.push(engine.set('a', record(`write ${i}`)));
      const answer = engine.get('a');
      const seen = answer instanceof Promise ? answer : answer && Buffer.from(answer);
      calls.push(engine.delete('a'), engine.set('a', record('last')));
      const read = await seen;
      if (read !== undefined) expect(Buffer.from(read).toString('latin1')).toContain('write 19');
      await Promise.all(calls);
      same(await engine.get('a'), record('last'));
    });

    fact('gets and sets many at once', async () => {
      const engine = await open();
      const entries = Array.from({ length: 2_500 }, (_, i) => [`key ${i}`, record(`value ${i}`)] as const);
      await engine.setMany(entries);
      await engine.setMany([]);
      expect(await engine.size()).toBe(entries.length);
      const got = await engine.getMany([...entries.map(([key]) => key), 'none', 'key 7']);
      expect(got.length).toBe(entries.length + 2);
      for (const [i, [, value]] of entries.entries()) same(got[i], value);
      same(got.at(-2), undefined);
      same(got.at(-1), record('value 7'));
      expect(await engine.getMany([])).toEqual([]);
    });

    fact('keeps the last of a batch that names a key twice', async () => {
      const engine = await open();
      await engine.setMany([
        ['a', record('one')],
        ['b', record('other')],
        ['a', record('two')],
      ]);
      same(await engine.get('a'), record('two'));
      expect(await engine.size()).toBe(2);
    });

    fact('updates an entry from what it is', async () => {
      const engine = await open();
      const seen: (string | undefined)[] = [];
      const becoming = (after: (before: Uint8Array | undefined) => Uint8Array | undefined) =>
        engine.update('a', (before) => {
          seen.push(before && Buffer.from(before).toString('base64'));
          return after(before);
        });
      await becoming(() => record('new'));
      same(await engine.get('a'), record('new'));
      await becoming((before) => before);
      same(await engine.get('a'), record('new'));
      await becoming(() => undefined);
      expect(await engine.get('a')).toBe(undefined);
      await becoming(() => undefined);
      const text = record('new').toString('base64');
      expect(seen).toEqual([undefined, text, text, undefined]);
    });

    fact('loses no update of many at once', async () => {
      const engine = await open();
      const add = (before: Uint8Array | undefined) => bytesOf(Buffer.alloc((before?.length ?? 8) - 8 + 1));
      await Promise.all(Array.from({ length: 60 }, async () => await engine.update('count', add)));
      same(await engine.get('count'), bytesOf(Buffer.alloc(60)));
    });

    fact('changes nothing when an update throws', async () => {
      const engine = await open();
      await engine.set('a', record('kept'));
      const fail = async () =>
        await engine.update('a', () => {
          throw new RangeError('no');
        });
      await expect(fail()).rejects.toThrow(RangeError);
      same(await engine.get('a'), record('kept'));
      await engine.set('a', record('still works'));
      same(await engine.get('a'), record('still works'));
    });

    fact('is empty after a clear, and goes on', async () => {
      const engine = await open();
      await engine.setMany(Array.from({ length: 1_500 }, (_, i) => [`key ${i}`, record('x')] as const));
      expect(await engine.clear()).toBe(1_500);
      expect(await engine.clear()).toBe(0);
      expect([await engine.size(), await keysOf(engine)]).toEqual([0, []]);
      await engine.set('key 1', record('again'));
      same(await engine.get('key 1'), record('again'));
    });

    fact('lists every key that stays exactly once while others come and go', async () => {
      const engine = await open();
      const stay = Array.from({ length: 2_200 }, (_, i) => `stays ${i}`);
      const go = Array.from({ length: 800 }, (_, i) => `goes ${i}`);
      await engine.setMany([...stay, ...go].map((key) => [key, record(key)] as const));
      const seen: string[] = [];
      let page = 0;
      for await (const keys of engine.keys()) {
        seen.push(...keys);
        for (const key of go.slice(page * 200, (page + 1) * 200)) await engine.delete(key);
        await engine.setMany([
          [`comes ${page}`, record('x')],
          [stay[page] as string, record('rewritten')],
        ]);
        page++;
      }
      expect(new Set(seen).size).toBe(seen.length);
      const known = new Set(seen);
      expect(stay.filter((key) => !known.has(key))).toEqual([]);
    });

    fact('lists nothing twice for two who list at once', async () => {
      const engine = await open();
      const all = Array.from({ length: 1_300 }, (_, i) => `key ${i}`);
      await engine.setMany(all.map((key) => [key, record(key)] as const));
      const [one, other] = await Promise.all([keysOf(engine), keysOf(engine)]);
      expect(one?.sort()).toEqual([...all].sort());
      expect(other?.sort()).toEqual([...all].sort());
    });

    fact('tells numbers of itself', async () => {
      const engine = await open();
      await engine.set('a', record('one'));
      const facts = await engine.facts();
      expect(facts.bytes === undefined || facts.bytes > 0).toBe(true);
    });

    fact('finds nothing wrong with itself', async () => {
      const engine = await open();
      await engine.setMany(Array.from({ length: 200 }, (_, i) => [`key ${i}`, record(`value ${i}`)] as const));
      await engine.delete('key 3');
      const findings: string[] = [];
      if (engine.verify) for await (const finding of engine.verify()) findings.push(finding);
      expect(findings).toEqual([]);
    });

    fact('keeps what lives through a compaction, with writes meanwhile', async () => {
      const engine = await open();
      if (engine.compact === undefined) return;
      for (let i = 0; i < 600; i++) await engine.set(`key ${i % 50}`, record(`value ${i}`));
      for (let i = 0; i < 25; i++) await engine.delete(`key ${i}`);
      const compacted = engine.compact();
      await engine.set('meanwhile', record('kept'));
      await engine.delete('key 30');
      await compacted;
      expect(await engine.size()).toBe(25);
      same(await engine.get('meanwhile'), record('kept'));
      same(await engine.get('key 49'), record('value 599'));
      expect([(await engine.get('key 3')) !== undefined, (await engine.get('key 30')) !== undefined]).toEqual([
        false,
        false,
      ]);
    });

    fact('is a Map, for a thousand steps of any kind', async () => {
      const chance = seededRandom(`the walk of ${name}`);
      const pick = (count: number) => Math.floor(chance.fraction() * count);
      const engine = await open();
      const model = new Map<string, Buffer>();
      const keys = Array.from({ length: 40 }, (_, i) => ODD_KEYS[i] ?? `key ${i}`);
      for (let step = 0; step < 1_000; step++) {
        const key = keys[pick(keys.length)] as string;
        const value = record(`step ${step} ${'x'.repeat(pick(200))}`);
        switch (pick(8)) {
          case 0:
          case 1:
          case 2:
            await engine.set(key, value);
            model.set(key, value);
            break;
          case 3:
            expect(await engine.delete(key)).toBe(model.delete(key));
            break;
          case 4:
            await engine.update(key, (before) => (before === undefined ? value : undefined));
            if (!model.delete(key)) model.set(key, value);
            break;
          case 5: {
            const batch = keys.slice(0, pick(6)).map((other) => [other, value] as const);
            await engine.setMany(batch);
            for (const [other] of batch) model.set(other, value);
            break;
          }
          default:
            same(await engine.get(key), model.get(key));
            expect((await engine.get(key)) !== undefined).toBe(model.has(key));
        }
      }
      expect(await engine.size()).toBe(model.size);
      expect((await keysOf(engine)).sort()).toEqual([...model.keys()].sort());
    });

    if (kind.keeps !== 'nothing') {
      fact('has everything again after it was closed and opened', async () => {
        const where = place();
        const first = await open(where);
        await first.setMany(Array.from({ length: 1_200 }, (_, i) => [`key ${i}`, record(`value ${i}`)] as const));
        await first.set('key 7', record('replaced'));
        await first.delete('key 8');
        await first.close();
        const second = await open(where);
        expect(await second.size()).toBe(1_199);
        same(await second.get('key 7'), record('replaced'));
        same(await second.get('key 8'), undefined);
        same(await second.get('key 1199'), record('value 1199'));
        expect((await keysOf(second)).length).toBe(1_199);
        const findings: string[] = [];
        if (second.verify) for await (const finding of second.verify()) findings.push(finding);
        expect(findings).toEqual([]);
      });

      fact('finishes what was begun before it was closed', async () => {
        const where = place();
        const first = await open(where);
        const writes = Array.from({ length: 50 }, async (_, i) => await first.set(`key ${i}`, record(`value ${i}`)));
        await first.close();
        await Promise.all(writes);
        const second = await open(where);
        expect(await second.size()).toBe(50);
      });

      fact(
        kind.access === 'exclusive'
          ? 'refuses a second opener, until the first has closed'
          : 'is one store for two openers',
        async () => {
          const where = place();
          const first = await open(where);
          await first.set('a', record('one'));
          if (kind.access === 'exclusive') {
            await expect(open(where)).rejects.toMatchObject({ code: 'LOCKED', path: where.directory });
            same(await first.get('a'), record('one'));
            await first.close();
            const second = await open(where);
            same(await second.get('a'), record('one'));
          } else {
            const second = await open(where);
            same(await second.get('a'), record('one'));
            await second.set('a', record('two'));
            same(await first.get('a'), record('two'));
            await second.close();
            await first.set('a', record('three'));
            same(await first.get('a'), record('three'));
          }
        },
      );
    }

    for (const fault of suite.faults ?? []) {
      fact(`loses nothing acknowledged on a disk that is ${fault}`, async () => await survives(fault));
    }
  });

  /** Some hundred writes, of which every third meets the fault; afterwards all is as it was acknowledged. */
  async function survives(kindOfFault: Fault): Promise<void> {
    const chance = seededRandom(`${name} on a disk that is ${kindOfFault}`);
    const next = () => chance.fraction();
    const where = place();
    const disk = new FaultyFiles();
    const { code, calls, partOf } = faultOf(kindOfFault);
    const engine = await open(where, disk.files, kindOfFault === 'unsynced' ? { sync: true } : {});
    const known = new Map<string, Set<string | undefined>>();
    const steps = kindOfFault === 'slow' ? 12 : 150;
    for (let step = 0; step < steps; step++) {
      const key = `key ${Math.floor(next() * 20)}`;
      const isDelete = next() < 0.2;
      const value = record(`step ${step} ${'x'.repeat(Math.floor(next() * (step % 10 === 0 ? 80_000 : 100)))}`);
      const after = isDelete ? undefined : value.toString('base64');
      disk.slowMs = kindOfFault === 'slow' ? 2 : 0;
      const strikes = kindOfFault !== 'slow' && step % 3 === 0;
      disk.fault = strikes
        ? { code, calls, strikes: always, partOf: partOf === undefined ? 0 : Math.floor(next() * partOf) }
        : undefined;
      try {
        await (isDelete ? engine.delete(key) : engine.set(key, value));
        known.set(key, new Set([after]));
      } catch (error) {
        expect(error).toBeInstanceOf(CacheError);
        expect(error).toMatchObject({ code: 'ENGINE_ERROR' });
        expect((error as CacheError).path).toContain(where.directory);
        const before = known.get(key) ?? new Set([undefined]);
        known.set(key, new Set([...before, after]));
      } finally {
        disk.fault = undefined;
      }
      if (kindOfFault !== 'unsynced') {
        const got = await engine.get(key);
        expect([...(known.get(key) as Set<string | undefined>)]).toContain(got && Buffer.from(got).toString('base64'));
      }
    }
    disk.slowMs = 0;
    if (kindOfFault === 'unsynced') {
      expect(disk.struck).toBeGreaterThan(0);
    }
    try {
      await engine.close();
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENGINE_ERROR' });
    }
    const again = await open(where);
    for (const [key, allowed] of known) {
      const got = await again.get(key);
      expect([...allowed]).toContain(got && Buffer.from(got).toString('base64'));
    }
    const findings: string[] = [];
    if (again.verify) for await (const finding of again.verify()) findings.push(finding);
    expect(findings).toEqual([]);
  }
}

function faultOf(fault: Fault): { code: FaultCode; calls: readonly (keyof Files)[]; partOf?: number } {
  switch (fault) {
    case 'full':
      return { code: 'ENOSPC', calls: ['writeSync', 'mkdirSync'], partOf: 60 };
    case 'broken':
      return { code: 'EIO', calls: [...WRITES, 'unlinkSync'], partOf: 200 };
    case 'unreadable':
      return { code: 'EIO', calls: READS };
    case 'out of files':
      return { code: 'EMFILE', calls: OPENS };
    case 'unsynced':
      return { code: 'EIO', calls: SYNCS };
    case 'slow':
      return { code: 'EIO', calls: [] };
  }
}
