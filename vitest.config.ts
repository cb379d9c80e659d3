import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Threads are tested from the built package, and two cores are few: files that start shards would starve each other.
    fileParallelism: false,
    testTimeout: 60_000,
  },
});
