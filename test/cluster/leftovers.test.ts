// What clusters leave behind: recognised by name, removed only when nobody owns it any more.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { clusterFolderName, removeLeftovers, starterOf } from "./leftovers.ts";

test.each([
  [clusterFolderName("up", 4711), 4711],
  [clusterFolderName("my-cluster-2", 12), 12],
  ["plimsoll-up", undefined],
  ["plimsoll-test-4711", undefined],
  ["other-up.4711", undefined],
  ["plimsoll-up.4711.old", undefined],
])("the starter in %s is %s", (name, pid) => {
  expect(starterOf(name)).toBe(pid);
});

test("the folder of a dead starter goes, that of a living one stays", async () => {
  const { pid: dead } = spawnSync("true");
  const left = join(tmpdir(), clusterFolderName("leftovers-test", dead));
  const used = join(tmpdir(), clusterFolderName("leftovers-test", process.pid));
  await mkdir(join(left, "logs"), { recursive: true });
  await mkdir(used, { recursive: true });
  await removeLeftovers();
  expect([existsSync(left), existsSync(used)]).toEqual([false, true]);
  await rm(used, { recursive: true });
});
