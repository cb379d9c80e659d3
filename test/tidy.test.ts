/** Rules about the repository, checked like any other promise. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LINES_MAX = 350;

/** Files above LINES_MAX, and why they are still one noun. */
const LONG_FILES: Record<string, string> = {
  'src/main/cache.ts': 'the public class: half of it is the documentation of its methods',
  'src/worker/entries.ts':
    'the order in which map, arena, policy, wheel and filter are consulted: one door in, one out',
  'src/main/stores/store.ts': 'the public class: half of it is the documentation of its methods',
  'src/main/options.ts': 'every option with its documentation, default and error',
  'src/worker/arena.ts': 'one allocator: bins, blocks and moves know each other',
};

/** Names that say nothing about what a file holds. */
const EMPTY_NAMES = /^(utils?|helpers?|commons?|types?|constants?|misc|shared)$/;

/** Parts of the core that know nothing of each other. */
const LEAVES = [
  'src/worker/eviction/',
  'src/worker/filter/',
  'src/worker/keeper/',
  'src/worker/arena.ts',
  'src/worker/blocks.ts',
  'src/worker/events.ts',
  'src/worker/expired-marks.ts',
  'src/worker/frame-clock.ts',
  'src/worker/leases.ts',
  'src/worker/map.ts',
  'src/worker/radix-sort.ts',
  'src/worker/scan.ts',
  'src/worker/slots.ts',
  'src/worker/wheel.ts',
];

/**
 * The core of src/main: the cache and what it is made of. Any other file or folder there is an optional feature, a client
 * like any other, which may use what the package publishes of the core, its own folder and nothing else.
 */
const CORE = [
  'src/main/index.ts',
  'src/main/advice.ts',
  'src/main/attach.ts',
  'src/main/attachment.ts',
  'src/main/cache.ts',
  'src/main/client.ts',
  'src/main/connection.ts',
  'src/main/compute.ts',
  'src/main/compute-task.ts',
  'src/main/computing.ts',
  'src/main/backlog.ts',
  'src/main/batch.ts',
  'src/main/pages.ts',
  'src/main/entry-options.ts',
  'src/main/event-batch.ts',
  'src/main/engines/',
  'src/main/events.ts',
  'src/main/eviction.ts',
  'src/main/flight.ts',
  'src/main/flights.ts',
  'src/main/manual-clock.ts',
  'src/main/testing.ts',
  'src/main/near-cache.ts',
  'src/main/near-options.ts',
  'src/main/notices.ts',
  'src/main/option-errors.ts',
  'src/main/options.ts',
  'src/main/worker-death.ts',
  'src/main/call.ts',
  'src/main/lane.ts',
  'src/main/lane-listener.ts',
  'src/main/outbox.ts',
  'src/main/own-writes.ts',
  'src/main/shard-thread.ts',
  'src/main/shard-view.ts',
  'src/main/shards.ts',
  'src/main/simulation.ts',
  'src/main/simulation-options.ts',
  'src/main/subscription.ts',
  'src/main/metrics.ts',
  'src/main/gathering.ts',
  'src/main/handle.ts',
  'src/main/plain-tree.ts',
  'src/main/plugin.ts',
  'src/main/reception.ts',
  'src/main/refusals.ts',
  'src/main/roster.ts',
  'src/main/runs.ts',
  'src/main/policy-facts.ts',
  'src/main/policy-rehearsal.ts',
  'src/main/snapshot/',
  'src/main/supervisor.ts',
  'src/main/thrown.ts',
  'src/main/tier/',
  'src/main/units.ts',
  'src/main/views.ts',
  'src/main/wake-connection.ts',
  'src/main/watchdog.ts',
  'src/main/serializers/',
];

/** The doors of the core: what users import by the name of the package. */
const PUBLISHED = [
  'src/main/index.ts',
  'src/main/codec/index.ts',
  'src/main/memo/index.ts',
  'src/main/simulation.ts',
  'src/main/snapshot/index.ts',
  'src/main/stores/index.ts',
  'src/main/testing.ts',
];

/**
 * Optional features that are no clients of a cache: they offer by itself what the protocol is made of, so they may use that,
 * their own folder, and the parts of the core that are listed here.
 */
const LIBRARIES: Record<string, readonly string[]> = {
  'src/main/codec/': ['src/main/serializers/', 'src/main/plugin.ts'],
  'src/main/filters/': [],
  'src/main/memo/file/': ['src/main/codec/', 'src/main/memo/tier.ts', 'src/main/serializers/'],
  'src/main/memo/tier.ts': [],
  // Clients of the public cache and of stores. Beside that they make files, which take what stores are made of, and tell who
  // computes what, so that a function that waits for itself is told.
  'src/main/memo/': [
    'src/main/index.ts',
    'src/main/stores/index.ts',
    'src/main/codec/',
    'src/main/serializers/',
    'src/main/computing.ts',
    'src/main/engines/place.ts',
    'src/main/option-errors.ts',
    'src/main/options.ts',
    'src/main/units.ts',
  ],
  'src/main/stores/': [
    'src/main/codec/',
    'src/main/computing.ts',
    'src/main/engines/',
    'src/main/serializers/',
    'src/main/snapshot/',
    'src/main/plugin.ts',
    'src/main/units.ts',
  ],
};

interface Source {
  /** From the root, with slashes. */
  readonly path: string;
  readonly text: string;
  /** Modules as they are written: types, values, side effects and lazy ones. */
  readonly imports: readonly string[];
}

const sources = filesUnder('src');
const tests = [...filesUnder('test'), ...filesUnder('bench')];

function filesUnder(folder: string): Source[] {
  let entries: ReturnType<typeof listed>;
  try {
    entries = listed(folder);
  } catch {
    return [];
  }
  return entries.map((path) => {
    const text = readFileSync(join(ROOT, path), 'utf8');
    return { path, text, imports: importsOf(text) };
  });
}

function listed(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).split(sep).join('/'));
}

function importsOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const pattern = /(?:^\s*(?:import|export)\s[^;]*?\bfrom\s*|^\s*import\s*|\bimport\(\s*)'([^']+)'/gm;
  return Array.from(code.matchAll(pattern), ([, module]) => module as string);
}

/** Files that a file imports, from the root; packages are left out. */
function targetsOf({ path, imports }: Source): string[] {
  return imports.filter((module) => module.startsWith('.')).map((module) => posix.join(dirname(path), module));
}

/** Every import that `allowed` forbids, as a line to read. */
function forbidden(from: (path: string) => boolean, allowed: (target: string, path: string) => boolean): string[] {
  return sources
    .filter(({ path }) => from(path))
    .flatMap((source) =>
      targetsOf(source)
        .filter((target) => !allowed(target, source.path))
        .map((target) => `${source.path} imports ${target}`),
    );
}

test('the scanner sees every form of import', () => {
  const text = `
    import a from './a.ts';
    import {
      b,
      type B,
    } from './b.ts';
    import type { C } from './c.ts';
    import './d.ts';
    export { e } from './e.ts';
    export * from './f.ts';
    const g = await import('./g.ts');
    type H = import('./h.ts').H;
    // import i from './i.ts';
    /** import j from './j.ts'; */`;
  expect(importsOf(text)).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => `./${name}.ts`));
  expect(sources.length).toBeGreaterThan(20);
});

describe('the arrows: main -> protocol <- worker', () => {
  test('protocol imports neither side', () => {
    expect(forbidden(inFolder('src/protocol/'), inFolder('src/protocol/'))).toEqual([]);
  });

  test('worker imports itself and protocol', () => {
    const allowed = (target: string) => inFolder('src/worker/')(target) || inFolder('src/protocol/')(target);
    expect(forbidden(inFolder('src/worker/'), allowed)).toEqual([]);
  });

  test('main imports itself and protocol, and knows the worker only as a URL', () => {
    const allowed = (target: string) => inFolder('src/main/')(target) || inFolder('src/protocol/')(target);
    expect(forbidden(inFolder('src/main/'), allowed)).toEqual([]);
    const knowing = sources.filter(({ path, text }) => inFolder('src/main/')(path) && text.includes('../worker/'));
    // One for the cache's threads, one for those of a simulation, one for that of a tier.
    expect(knowing.map(({ path }) => path).sort()).toEqual([
      'src/main/shard-thread.ts',
      'src/main/simulation.ts',
      'src/main/tier/keeper-thread.ts',
    ]);
  });

  test('the parts of the core do not import what consults them, nor each other', () => {
    for (const leaf of LEAVES) {
      const isOwn = inFolder(leaf);
      const allowed = (target: string) => isOwn(target) || inFolder('src/protocol/')(target);
      expect(forbidden(isOwn, allowed)).toEqual([]);
    }
  });

  test('an optional feature uses the public cache and its own files', () => {
    const isCore = (path: string) => CORE.some((part) => inFolder(part)(path));
    const isLibrary = (path: string) => Object.keys(LIBRARIES).some((part) => inFolder(part)(path));
    const allowed = (target: string, path: string) =>
      PUBLISHED.includes(target) || (dirname(path) !== 'src/main' && inFolder(featureOf(path))(target));
    const isFeature = (path: string) => inFolder('src/main/')(path) && !isCore(path) && !isLibrary(path);
    expect(forbidden(isFeature, allowed)).toEqual([]);
  });

  test('a library uses the protocol, its own files and what it is allowed of the core', () => {
    for (const [library, parts] of Object.entries(LIBRARIES)) {
      const own = ['src/protocol/', library, ...parts];
      const allowed = (target: string) => own.some((part) => inFolder(part)(target));
      expect(forbidden(inFolder(library), allowed)).toEqual([]);
    }
  });

  test('the core does not import optional features', () => {
    const isCore = (path: string) => CORE.some((part) => inFolder(part)(path));
    expect(forbidden(isCore, (target) => isCore(target) || inFolder('src/protocol/')(target))).toEqual([]);
  });

  test('what optional features may use of the core is what the package publishes', () => {
    const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const published = Object.values(exports as Record<string, { default?: string }>).map((entry) => entry.default);
    for (const door of PUBLISHED) {
      expect(published).toContain(`./${door.replace('src/', 'dist/').replace(/\.ts$/, '.js')}`);
    }
  });

  test('what the rules name is there', () => {
    for (const part of [...CORE, ...LEAVES, ...Object.entries(LIBRARIES).flat(2)]) {
      expect(sources.some(({ path }) => inFolder(part)(path))).toBe(true);
    }
  });
});

describe('files', () => {
  test('are named after what they hold', () => {
    const named = [...sources, ...tests].map(({ path }) => path);
    const empty = named.filter((path) => path.split('/').some((part) => EMPTY_NAMES.test(part.replace(/\..*$/, ''))));
    // test/types is what its compiler checks, not a drawer.
    expect(empty.filter((path) => !path.startsWith('test/types/'))).toEqual([]);
    expect(named.filter((path) => !/^[a-z0-9./-]+$/.test(path))).toEqual([]);
  });

  test(`are ${LINES_MAX} lines at most, or listed with a reason`, () => {
    const long = sources.filter(({ text }) => text.split('\n').length - 1 > LINES_MAX).map(({ path }) => path);
    expect(long.filter((path) => LONG_FILES[path] === undefined)).toEqual([]);
    expect(Object.keys(LONG_FILES).filter((path) => sources.every((source) => source.path !== path))).toEqual([]);
  });

  test('open with what they are', () => {
    const silent = sources.filter(({ text }) => !/^(#!.*\n)?\/[*/]/.test(text));
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  test('import each other by their full names', () => {
    const wrong = [...sources, ...tests].flatMap(({ path, imports }) =>
      imports
        .filter((module) => module.startsWith('.') && !/\.(ts|json)$/.test(module))
        .map((module) => `${path}: ${module}`),
    );
    expect(wrong).toEqual([]);
  });

  test('sleep only in test/e2e', () => {
    const sleeping = tests.filter(
      ({ path, text }) =>
        path.startsWith('test/') &&
        path.endsWith('.test.ts') &&
        !path.startsWith('test/e2e/') &&
        /timers\/promises/.test(text),
    );
    expect(sleeping.map(({ path }) => path).filter((path) => path !== 'test/tidy.test.ts')).toEqual([]);
  });
});

/** Whether a path is that file, or in that folder, whose name ends in a slash. */
function inFolder(part: string): (path: string) => boolean {
  return (path) => (part.endsWith('/') ? path.startsWith(part) : path === part);
}

/** The folder of an optional feature: the one directly under src/main. */
function featureOf(path: string): string {
  return `${path.split('/').slice(0, 3).join('/')}/`;
}
