/**
 * npm run long -- tiers [--engines log,lmdb,sqlite,file,redis]
 *
 * Does all that holds for a cache hold over a tier? Runs the suites of the cache, each cache of them over a fresh tier, engine by
 * engine. What a suite skips over a tier it says beside the test.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { packageRoot } from '../support/package-root.ts';
import { TIER_ENGINES, TIER_VARIABLE } from '../support/tiers.ts';

/** As much of what vitest reports as is used. */
interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly success: boolean;
}

export async function tiers(args: string[]): Promise<boolean> {
  const { values } = parseArgs({ args, options: { engines: { type: 'string', default: TIER_ENGINES.join(',') } } });
  const folder = mkdtempSync(join(tmpdir(), 'shardstash-tiers-'));
  let isGreen = true;
  try {
    for (const engine of values.engines.split(',')) {
      const beganMs = performance.now();
      const { numPassedTests, numFailedTests, numPendingTests, success } = await run(engine, join(folder, engine));
      const seconds = ((performance.now() - beganMs) / 1_000).toFixed(0);
      const counts = `${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`;
      console.log(`over ${engine.padEnd(7)} ${counts}, ${seconds} s${success ? '' : ': not green'}`);
      isGreen &&= success && numPassedTests > 0;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return isGreen;
}

async function run(engine: string, report: string): Promise<VitestReport> {
  const options = [
    '--project',
    `over ${engine}`,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ];
  const child = spawn('npx', ['vitest', 'run', ...options], {
    cwd: fileURLToPath(packageRoot()),
    env: { ...process.env, [`${TIER_VARIABLE}_SUITES`]: 'all' },
    // What it prints goes beside the result.
    stdio: ['ignore', 2, 2],
  });
  await once(child, 'exit');
  return JSON.parse(readFileSync(report, 'utf8')) as VitestReport;
}
