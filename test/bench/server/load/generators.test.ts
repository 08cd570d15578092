// Load generators that are there, and those that cannot be had.

import { chmod, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ensureGenerators, GeneratorError, generators } from "./generators.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "generators-test-"));
  await symlink("/bin/sh", join(folder, "sh"));
});
afterEach(() => rm(folder, { recursive: true }));

test("nothing is done where all are there", async () => {
  for (const program of Object.keys(generators)) {
    await writeFile(join(folder, program), "");
    await chmod(join(folder, program), 0o755);
  }
  const told: string[] = [];
  await ensureGenerators((line) => told.push(line), { environment: { PATH: folder } });
  expect(told).toEqual([]);
});

test("where they cannot be installed the error says how to", async () => {
  const ensuring = ensureGenerators(() => undefined, { environment: { PATH: folder } });
  await expect(ensuring).rejects.toThrow(GeneratorError);
  await expect(ensuring).rejects.toThrow("sudo apt-get install wrk nghttp2-client");
});
