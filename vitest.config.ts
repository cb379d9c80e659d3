import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Threads are tested from the built package, under the name that users import.
  resolve: {
    alias: {
      'shardstash/filters': fileURLToPath(new URL('dist/main/filters/index.js', import.meta.url)),
      'shardstash/simulation': fileURLToPath(new URL('dist/main/simulation.js', import.meta.url)),
      'shardstash/testing': fileURLToPath(new URL('dist/main/testing.js', import.meta.url)),
      shardstash: fileURLToPath(new URL('dist/main/index.js', import.meta.url)),
    },
  },
  test: {
    include: ['test/**/*.test.ts'],
    // Two cores are few: files that start shards would starve each other.
    fileParallelism: false,
    testTimeout: 60_000,
  },
});
