import { afterEach, expect, test } from 'vitest';
import { openStore } from '../../../src/main/stores/index.ts';

let turns = 0;
let next: NodeJS.Immediate | undefined;
const count = () => {
  turns++;
  next = setImmediate(count);
};
afterEach(() => clearImmediate(next));

test('what goes through many entries lets others have their turn, also with an engine that answers at once', async () => {
  const store = await openStore({ name: 'turns', engine: 'memory' });
  const keys = Array.from({ length: 3_000 }, (_, i) => i);
  next = setImmediate(count);
  const works = {
    setMany: () => store.setMany(keys.map((key) => [key, key] as const)),
    getMany: () => store.getMany(keys),
    toMap: () => store.toMap(),
    cleanup: () => store.cleanup(),
    deleteMany: () => store.deleteMany(keys),
  };
  for (const [name, work] of Object.entries(works)) {
    turns = 0;
    await work();
    expect([name, turns > 1]).toEqual([name, true]);
  }
  await store.close();
});
