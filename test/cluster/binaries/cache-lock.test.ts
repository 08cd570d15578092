// The lock of the cache: one holder at a time, and none that is dead.

import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withCacheLock } from "./cache-lock.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lock-test-"));
});
afterEach(() => rm(folder, { recursive: true }));

const quiet = { log: () => {} };

test("two who want it have it one after the other, and the second is told what it waits for", async () => {
  const lines: string[] = [];
  const happened: string[] = [];
  const firstMayEnd = Promise.withResolvers<void>();
  const firstHas = Promise.withResolvers<void>();
  const first = withCacheLock(folder, quiet, async () => {
    happened.push("first begins");
    firstHas.resolve();
    await firstMayEnd.promise;
    happened.push("first ends");
  });
  await firstHas.promise;
  const second = withCacheLock(
    folder,
    {
      log: (line) => {
        lines.push(line);
        firstMayEnd.resolve();
      },
    },
    async () => happened.push("second begins"),
  );
  await Promise.all([first, second]);
  expect(happened).toEqual(["first begins", "first ends", "second begins"]);
  expect(lines).toEqual([`waiting for process ${process.pid}, which is fetching the same programs`]);
});

test("the lock of a process that has died is taken over", async () => {
  const { pid } = spawnSync("true");
  await writeFile(join(folder, ".lock"), `${pid}\n`);
  expect(await withCacheLock(folder, quiet, async () => "done")).toBe("done");
});

test("a failure gives the lock back", async () => {
  const failing = withCacheLock(folder, quiet, async () => {
    throw new Error("no");
  });
  await expect(failing).rejects.toThrow("no");
  expect(await readdir(folder)).toEqual([]);
});
