import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { TIER_ENGINES, TIER_VARIABLE } from './test/support/tiers.ts';

/** Tests that start threads or processes of their own: two cores are few, and files that do so would starve each other. */
const THREADS = [
  'test/e2e/**/*.test.ts',
  'test/cli/**/*.test.ts',
  'test/worker/torture.test.ts',
  'test/worker/filter/race.test.ts',
];

/** What holds for a cache, and over any tier: `npm run long -- tiers` runs all of them over each, `npm test` the first. */
const TIERED = [
  'operations',
  'order',
  'keys',
  'batching',
  'increment',
  'iteration',
  'compute',
  'shared-compute',
  'expiry',
  'values',
  'hostile',
  'death',
  'attach',
  'near-cache',
  'wake',
];
const TIERED_BRIEFLY = TIERED.slice(0, 1);
const tiered = (process.env[`${TIER_VARIABLE}_SUITES`] === 'all' ? TIERED : TIERED_BRIEFLY).map(
  (name) => `test/e2e/${name}.test.ts`,
);

export default defineConfig({
  // Threads are tested from the built package, under the name that users import.
  resolve: {
    alias: {
      'shardstash/codec': fileURLToPath(new URL('dist/main/codec/index.js', import.meta.url)),
      'shardstash/filters': fileURLToPath(new URL('dist/main/filters/index.js', import.meta.url)),
      'shardstash/memo': fileURLToPath(new URL('dist/main/memo/index.js', import.meta.url)),
      'shardstash/simulation': fileURLToPath(new URL('dist/main/simulation.js', import.meta.url)),
      'shardstash/snapshot': fileURLToPath(new URL('dist/main/snapshot/index.js', import.meta.url)),
      'shardstash/store': fileURLToPath(new URL('dist/main/stores/index.js', import.meta.url)),
      'shardstash/testing': fileURLToPath(new URL('dist/main/testing.js', import.meta.url)),
      shardstash: fileURLToPath(new URL('dist/main/index.js', import.meta.url)),
    },
  },
  test: {
    testTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'core',
          include: ['test/**/*.test.ts'],
          exclude: THREADS,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'threads', include: THREADS, fileParallelism: false, sequence: { groupOrder: 1 } },
      },
      ...TIER_ENGINES.map((engine, i) => ({
        extends: true as const,
        test: {
          name: `over ${engine}`,
          include: tiered,
          env: { [TIER_VARIABLE]: engine },
          // What hundreds of tests have written to files takes its time to remove.
          hookTimeout: 60_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 + i },
        },
      })),
    ],
  },
});
