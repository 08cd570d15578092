// Two test projects: unit tests beside the code, and integration tests that start a real control plane.

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["operator/**/*.test.ts", "server-image/**/*.test.ts", "test/**/*.test.ts"],
          exclude: ["**/node_modules/**", "test/integration/**", "test/e2e/**"],
        },
      },
      {
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
