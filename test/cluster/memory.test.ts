// The memory of a tree of processes.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { measureMemory } from "./memory.ts";

test("children and their children count, and the sums are those of the processes", async () => {
  const child = spawn("sh", ["-c", "sleep 600 & echo ready; wait"], {
    stdio: ["ignore", "pipe", "ignore"],
    detached: true,
  });
  await once(child.stdout, "data");
  const root = child.pid!;
  // The shell's child is a shell itself for a moment.
  const programs = async () => (await measureMemory([root])).byProcess.map(({ command }) => command.split(" ")[0]);
  await expect.poll(programs).toEqual(["sh", "sleep"]);
  const use = await measureMemory([root]);
  process.kill(-root, "SIGKILL");
  expect(use.residentBytes).toBe(use.byProcess.reduce((sum, { residentBytes }) => sum + residentBytes, 0));
  expect(use.proportionalBytes).toBeGreaterThan(0);
  expect(use.proportionalBytes).toBeLessThanOrEqual(use.residentBytes);
});

test("a process that does not exist uses nothing", async () => {
  expect((await measureMemory([2 ** 30])).byProcess).toEqual([]);
});
