import { afterAll, describe, expect, test } from 'vitest';
import { openStore, registerEngine } from '../../../src/main/stores/index.ts';
import { runStoreSuite } from '../../support/store-suite.ts';

const module = new URL('../../support/engine-of-ones-own.mjs', import.meta.url);
registerEngine('own', { module });

runStoreSuite({ engine: 'own' });

describe('an engine of one’s own', () => {
  const opened: { close(): Promise<void> }[] = [];
  afterAll(async () => {
    for (const store of opened) await store.close();
  });

  test('is named by its module, too', async () => {
    const store = await openStore.tmp<number>({ engine: { module }, colour: 'blue' });
    opened.push(store);
    await store.set('a', 1);
    expect([await store.get('a'), store.config.engine]).toEqual([1, 'module:default']);
  });

  test('is registered once, under a name that is free', () => {
    for (const name of ['own', 'file', 'pairtree']) {
      expect(() => registerEngine(name, { module })).toThrow(expect.objectContaining({ code: 'DUPLICATE_PLUGIN' }));
    }
    for (const name of ['', 'Own', '../x', 7 as unknown as string]) {
      expect(() => registerEngine(name, { module })).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
    }
  });

  test('is told what it lacks, and is looked for once more when it is asked for again', async () => {
    for (const engine of [
      { module, export: 'none' },
      { module, export: 'missing' },
      { module: 'file:///no/such.mjs' },
    ]) {
      await expect(openStore.tmp({ engine })).rejects.toMatchObject({ code: 'INVALID_CONFIG', option: 'engine' });
    }
  });
});
