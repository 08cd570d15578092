// Living, ended and uncollected processes.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isAlive } from "./process-alive.ts";

test("this process is alive", () => {
  expect(isAlive(process.pid)).toBe(true);
});

test("a process that has ended is not", () => {
  expect(isAlive(spawnSync("true").pid)).toBe(false);
});

test("a process that has ended and that nobody collects is not", async () => {
  // The shell starts a child, becomes a program that collects none, and the child ends.
  const parent = spawn("sh", ["-c", "sleep 0.01 & echo $!; exec sleep 600"], { stdio: ["ignore", "pipe", "ignore"] });
  const [chunk] = (await once(parent.stdout, "data")) as [Buffer];
  const child = Number(chunk.toString());
  await expect.poll(() => readFileSync(`/proc/${child}/stat`, "utf8")).toContain(") Z ");
  expect(isAlive(child)).toBe(false);
  parent.kill();
});
