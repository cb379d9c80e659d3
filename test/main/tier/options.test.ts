import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { registerEngine } from '../../../src/main/engines/engine-registry.ts';
import { resolveTier, type TierConfig, tierConfigOf } from '../../../src/main/tier/options.ts';

const own = new URL('../../support/engine-of-ones-own.mjs', import.meta.url);
const root = '/somewhere';

async function configOf(option: unknown): Promise<TierConfig> {
  const tier = await resolveTier(option);
  if (tier === undefined) throw new Error('expected a tier');
  return tierConfigOf(tier, tier.compression ?? false);
}

describe('the option `tier`', () => {
  test('is none where nothing is said', async () => {
    expect([await resolveTier(undefined), await resolveTier(false)]).toEqual([undefined, undefined]);
  });

  test('needs no more than an engine, and is frozen', async () => {
    const config = await configOf({ engine: 'log' });
    const name = 'cache';
    expect(config).toEqual({ engine: 'log', name, root: expect.any(String), compression: false, write: 'through' });
    if (process.platform === 'linux' && process.env['XDG_CACHE_HOME'] === undefined) {
      expect(config.root).toBe(join(homedir(), '.cache', 'shardstash'));
    }
    expect(Object.isFrozen(config)).toBe(true);
  });

  test('takes what its engine takes, in numbers', async () => {
    expect(
      await configOf({ engine: 'lmdb', root, name: 'a/b', mapSize: '1gb', sync: true, compression: true }),
    ).toEqual({
      engine: 'lmdb',
      root,
      name: 'a/b',
      mapSize: 2 ** 30,
      sync: true,
      compression: 'zlib',
      write: 'through',
    });
  });

  test('has a queue when it is written behind', async () => {
    const behind = { engine: 'log', root, name: 'cache', compression: false, write: 'behind' };
    expect(await configOf({ engine: 'log', root, write: 'behind' })).toEqual({
      ...behind,
      flushInterval: 1_000,
      queue: { entries: 65_536, bytes: 64 * 2 ** 20 },
    });
    const queue = { entries: 10, bytes: '1mb' };
    expect(await configOf({ engine: 'log', root, write: 'behind', flushInterval: '5m', queue })).toEqual({
      ...behind,
      flushInterval: 300_000,
      queue: { entries: 10, bytes: 2 ** 20 },
    });
  });

  test('can be given again as it is shown', async () => {
    registerEngine('own-tier', { module: own });
    for (const option of [
      { engine: 'sqlite', root, write: 'behind' },
      { engine: 'redis', url: 'redis://h:1', commandTimeout: '2s' },
      { engine: { module: own }, root, colour: 'red' },
      { engine: 'own-tier', root },
    ]) {
      const config = await configOf(option);
      expect(await configOf(config)).toEqual(config);
    }
  });

  test('has no password when it is shown', async () => {
    const tier = await resolveTier({ engine: 'redis', url: 'redis://me:secret@h:1' });
    expect(tier?.engineOptions['url']).toBe('redis://me:secret@h:1');
    expect(JSON.stringify(await configOf({ engine: 'redis', url: 'redis://me:secret@h:1' }))).not.toContain('secret');
  });

  test('tells another thread where to find an engine of one’s own', async () => {
    const tier = await resolveTier({ engine: { module: own, export: 'default' }, root });
    expect(tier?.found.source).toEqual({ name: 'module:default', module: own.href, export: 'default' });
  });

  test.each<[unknown, string]>([
    ['log', '`tier` to be an object'],
    [[], '`tier` to be an object'],
    [null, '`tier` to be an object'],
    [true, '`tier` to be an object'],
    [{}, '`tier.engine` to be'],
    [{ engine: 7 }, '`tier.engine` to be'],
    [{ engine: 'shelve' }, "'log' here"],
    [{ engine: 'mongo' }, 'file, json, log'],
    [{ engine: { module: own, export: 'none' } }, 'EngineKind'],
    [{ engine: { module: './it.mjs' } }, '`tier.engine.module` to be'],
    [{ engine: 'log', name: '../x' }, '`tier.name` to be'],
    [{ engine: 'log', root: '' }, '`tier.root` to be'],
    [{ engine: 'log', compression: 'bz2' }, '`tier.compression` to be'],
    [{ engine: 'log', compression: 5 }, '`tier.compression` to be'],
    [{ engine: 'log', serializer: 'json' }, "options of a tier with the engine 'log'"],
    [{ engine: 'log', base64: true }, "options of a tier with the engine 'log'"],
    [{ engine: 'log', strict: true }, 'options of a tier'],
    [{ engine: 'log', appendMode: false }, 'options of a tier'],
    [{ engine: 'log', mapSize: 5 }, 'options of a tier'],
    [{ engine: 'log', segmentBytes: 'many' }, '`tier.segmentBytes` to be'],
    [{ engine: 'redis', client: {} }, 'without `client`'],
    [{ engine: { module: own }, colour: () => 'red' }, '`tier.colour` to be something that can be sent'],
    [{ engine: 'log', write: 'back' }, "`tier.write` to be 'through' or 'behind'"],
    [{ engine: 'log', flushInterval: 5 }, "`tier.flushInterval` to be given with `write: 'behind'` only"],
    [{ engine: 'log', queue: {} }, "`tier.queue` to be given with `write: 'behind'` only"],
    [{ engine: 'log', write: 'behind', flushInterval: 0 }, '`tier.flushInterval` to be from 1 ms to 1 h'],
    [{ engine: 'log', write: 'behind', flushInterval: '2h' }, '`tier.flushInterval` to be from 1 ms to 1 h'],
    [{ engine: 'log', write: 'behind', queue: 5 }, '`tier.queue` to be an object'],
    [{ engine: 'log', write: 'behind', queue: { entries: 0 } }, '`entries`'],
    [{ engine: 'log', write: 'behind', queue: { bytes: '1.5b' } }, '`bytes`'],
    [{ engine: 'log', write: 'behind', queue: { length: 5 } }, '`tier.queue` to be an object of `entries` and `bytes`'],
  ])('%j is refused', async (option, says) => {
    const error = await resolveTier(option).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: expect.stringMatching(/INVALID_CONFIG|UNKNOWN_PLUGIN/), option: 'tier' });
    expect((error as Error).message).toContain(says);
  });
});
