/**
 * Hit ratios through the command against references. With one shard and one client the rule is the references' own: get, on
 * a miss set, one request after the other, so there is nothing to tolerate but the rounding of a printed figure, and
 * chance where victims are drawn by lot.
 *
 * The made-up workload is checked against the model of the fuzzers. Real traces need a folder, named by SHARDSTASH_TRACES,
 * with what two independent simulators agree on in golden.csv (trace,policy,cache_size_objects,hit_ratio); they are
 * skipped without it.
 */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ReplayResult } from '../../src/main/cli/result.ts';
import { mulberry32, ZIPF, ZipfSampler } from '../../src/main/cli/workload.ts';
import { CacheModel } from '../support/cache-model.ts';
import { differenceMax, GOLDEN, type Golden } from '../support/golden.ts';
import { type Cell, goldenCells, hasTraces, NO_TRACES, TRACES } from '../support/traces.ts';
import { runCommand } from './run-command.ts';

const TIMEOUT_MS = 600_000;
/** One size of some short traces: each miss costs a hop. test/worker takes all sizes of these and more, without the command. */
const SMALL = ['web07@4097', 'lirs_gli@1264', 'lirs_multi2@2842'];
/** One policy of each way in which it hears of hits. */
const POLICIES = ['LRU', 'FIFO', 'SIEVE', 'Random'];
/** Cells in which even a single run is within the difference allowed, by four standard deviations or more. */
const RANDOM = ['lirs_sprite,Random,354', 'lirs_sprite,Random,3538'];

test.each(['lru', 'fifo', 'sieve'] as const)('the made-up workload has the hits of a plain %s', async (policy) => {
  const entries = 1_000;
  const limit = 30_000;
  const sampler = new ZipfSampler(ZIPF, mulberry32(ZIPF.seed));
  const model = new CacheModel(policy, entries);
  let hits = 0;
  for (let i = 0; i < limit; i++) {
    const key = `${sampler.next()}`;
    if (model.get(key, 0) === undefined) {
      model.set(key, '', 0, false, 0);
    } else {
      hits++;
    }
  }
  const bounds = ['--max-entries', `${entries}`, '--eviction', policy, '--limit', `${limit}`];
  expect(await replayed(bounds)).toMatchObject({ requests: limit, hits });
});

describe.skipIf(!hasTraces()).concurrent(`real traces (skipped where ${NO_TRACES})`, () => {
  // Beside each other: one replay of one client leaves half of two cores idle.
  for (const policy of POLICIES) {
    const golden = GOLDEN[policy] as Golden;
    test(`${policy} has the hit ratios of the reference`, { timeout: TIMEOUT_MS }, async () => {
      const cells = goldenCells([golden.reference]).filter(isChosen);
      expect(cells.length).toBeGreaterThanOrEqual(policy === 'Random' ? RANDOM.length : SMALL.length);
      const disagreements: object[] = [];
      for (const cell of cells) {
        const trace = join(TRACES, `${cell.trace}.txt.gz`);
        const bounds = [
          '--max-entries',
          `${cell.entries}`,
          '--max-bytes',
          '1gb',
          '--eviction',
          golden.name,
          '--no-ttl',
        ];
        const measured = await replayed([trace, ...bounds]);
        if (!(Math.abs(measured.hitRatio - cell.hitRatio) <= differenceMax(golden, cell.entries, measured.requests))) {
          disagreements.push({ ...cell, measured: measured.hitRatio });
        }
      }
      expect(disagreements).toEqual([]);
    });
  }
});

async function replayed(args: readonly string[]): Promise<ReplayResult> {
  const { code, stdout, stderr } = await runCommand([
    'replay',
    ...args,
    '--shards',
    '1',
    '--concurrency',
    '1',
    '--json',
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

function isChosen({ trace, policy, entries }: Cell): boolean {
  const name = `${trace},${policy},${entries}`;
  if (policy === 'Random') {
    return RANDOM.includes(name);
  }
  return SMALL.includes(`${trace}@${entries}`);
}
