import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: process.env.TENDRIL_FULL === '1' ? 1_800_000 : 240_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // One for each core: the default leaves one out, which is half of a small machine.
    maxWorkers: '100%',
  },
});
