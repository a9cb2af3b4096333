import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['*.e2e.ts'],
    globalSetup: ['./tollgate.ts'],
    fileParallelism: false,
    testTimeout: 90_000,
    hookTimeout: 60_000,
    // One browser against one server: a test that hangs must not hide the others' results.
    bail: 0,
  },
});
