/** A tier outlives the process: what was acknowledged is there for the next one. */
import { afterAll, expect, test } from 'vitest';
import { type MortalCache, restart } from '../support/restarts.ts';
import { TIER_ENGINES, Tiers } from '../support/tiers.ts';

const tiers = TIER_ENGINES.map((engine) => ({ engine, through: new Tiers(engine), behind: new Tiers(engine) }));
afterAll(() => Promise.all(tiers.flatMap(({ through, behind }) => [through.end(), behind.end()])));

async function throughAll(): Promise<MortalCache[]> {
  return await Promise.all(
    tiers.map(async ({ engine, through }) => ({ name: `${engine} through`, tier: await through.fresh() })),
  );
}

async function behindAll(flushInterval: number | string): Promise<MortalCache[]> {
  return await Promise.all(
    tiers.map(async ({ engine, behind }) => ({
      name: `${engine} behind`,
      tier: { ...(await behind.fresh()), write: 'behind' as const, flushInterval },
    })),
  );
}

test('after a kill all that was written through is there, and of what was written behind all but the last interval', async () => {
  const { acknowledged, faults } = await restart([...(await throughAll()), ...(await behindAll(20))]);
  expect(faults).toEqual([]);
  expect(acknowledged).toBeGreaterThan(1_000);
});

test('after close() everything is there that was written behind', async () => {
  const { acknowledged, faults } = await restart(await behindAll('1h'), 100);
  expect(faults).toEqual([]);
  expect(acknowledged).toBe(tiers.length * 100);
});
