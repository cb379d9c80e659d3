/**
 * Hit ratios through the command against references. With one shard and one client the rule is the references' own: get, on
 * a miss set, one request after the other, so there is nothing to tolerate but the rounding of a printed figure.
 *
 * The made-up workload is checked against a model of a dozen lines. Real traces need a folder, named by SHARDSTASH_TRACES,
 * with what two independent simulators agree on in golden.csv (trace,policy,cache_size_objects,hit_ratio); they are
 * skipped without it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ReplayResult } from '../../src/main/cli/result.ts';
import { ZIPF, ZipfSampler } from '../../src/main/cli/workload.ts';
import { runCommand } from './run-command.ts';

const { SHARDSTASH_TRACES } = process.env;
const TOLERANCE = 1e-6;
const TIMEOUT_MS = 300_000;
/** All sizes of the traces of less than 200,000 requests. Each miss costs a hop, so this file takes a minute. */
const SMALL = ['web07', 'adaptsize_web', 'corda', 'lirs_gli', 'lirs_multi2', 'lirs_sprite'];
/** Cells of larger traces: those with few misses, since each costs a hop. */
const LARGE = ['arc_oltp,LRU,37376', 'synth_ttl_c29,LRU,21010', 'synth_ttl_c29,FIFO,21010'];

interface Cell {
  readonly trace: string;
  readonly entries: string;
  readonly hitRatio: number;
}

test.each(['lru', 'fifo'])('the made-up workload has the hits of a plain %s', async (policy) => {
  const entries = 1_000;
  const limit = 30_000;
  const sampler = new ZipfSampler(ZIPF);
  const kept = new Set<number>();
  let hits = 0;
  for (let i = 0; i < limit; i++) {
    const key = sampler.next();
    const isHit = kept.has(key);
    hits += isHit ? 1 : 0;
    if (!isHit && kept.size === entries) {
      kept.delete(kept.values().next().value ?? Number.NaN);
    }
    if (isHit && policy === 'lru') {
      kept.delete(key);
    }
    kept.add(key);
  }
  const bounds = ['--max-entries', `${entries}`, '--eviction', policy, '--limit', `${limit}`];
  expect(await replayed(bounds)).toMatchObject({ requests: limit, hits });
});

describe.skipIf(SHARDSTASH_TRACES === undefined).concurrent('with SHARDSTASH_TRACES set', () => {
  // Two at a time: one replay of one client leaves half of two cores idle.
  for (const policy of ['LRU', 'FIFO']) {
    test(`${policy} has the hit ratios of the reference`, { timeout: TIMEOUT_MS }, async () => {
      const folder = SHARDSTASH_TRACES ?? '';
      const cells = cellsOf(readFileSync(join(folder, 'golden.csv'), 'utf8'), policy);
      expect(cells.length).toBeGreaterThan(20);
      const disagreements: object[] = [];
      for (const { trace, entries, hitRatio } of cells) {
        const measured = await measure(join(folder, `${trace}.txt.gz`), policy, entries);
        if (!(Math.abs(measured - hitRatio) <= TOLERANCE)) {
          disagreements.push({ trace, entries, hitRatio, measured });
        }
      }
      expect(disagreements).toEqual([]);
    });
  }
});

async function measure(path: string, policy: string, entries: string): Promise<number> {
  const bounds = ['--max-entries', entries, '--max-bytes', '1gb', '--eviction', policy.toLowerCase(), '--no-ttl'];
  return (await replayed([path, ...bounds])).hitRatio;
}

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

function cellsOf(csv: string, wanted: string): Cell[] {
  return csv.split('\n').flatMap((line) => {
    const [trace = '', policy, entries = '', hitRatio] = line.trim().split(',');
    const isChosen = SMALL.includes(trace) || LARGE.includes(`${trace},${policy},${entries}`);
    return policy === wanted && isChosen ? [{ trace, entries, hitRatio: Number(hitRatio) }] : [];
  });
}
