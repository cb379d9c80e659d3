import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Tests that start threads or processes of their own: two cores are few, and files that do so would starve each other. */
const THREADS = [
  'test/e2e/**/*.test.ts',
  'test/cli/**/*.test.ts',
  'test/worker/torture.test.ts',
  'test/worker/filter/race.test.ts',
];

export default defineConfig({
  // Threads are tested from the built package, under the name that users import.
  resolve: {
    alias: {
      'shardstash/codec': fileURLToPath(new URL('dist/main/codec/index.js', import.meta.url)),
      'shardstash/filters': fileURLToPath(new URL('dist/main/filters/index.js', import.meta.url)),
      'shardstash/simulation': fileURLToPath(new URL('dist/main/simulation.js', import.meta.url)),
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
    ],
  },
});
