// Tests of termination messages.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readTerminationLog, terminationMessage } from "./termination-message.ts";

describe("readTerminationLog", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "termination-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test("is empty without a file", async () => {
    expect(await readTerminationLog(join(folder, "missing"))).toBe("");
  });

  test("keeps the last 4 KiB, without half a character at the cut", async () => {
    const path = join(folder, "log");
    await writeFile(path, `begin${"é".repeat(2100)}.`);
    const text = await readTerminationLog(path);
    expect(text).toBe(`${"é".repeat(2047)}.`);
  });
});

describe("terminationMessage", () => {
  const outputLines = ["starting", "panic: no model"];
  test.each([
    ["the log wins", { policy: "FallbackToLogsOnError", exitCode: 1, terminationLog: "said" }, "said"],
    [
      "a failed container's output stands in",
      { policy: "FallbackToLogsOnError", exitCode: 1, terminationLog: "" },
      "starting\npanic: no model",
    ],
    ["success has no message", { policy: "FallbackToLogsOnError", exitCode: 0, terminationLog: "" }, ""],
    ["the default policy reads the log only", { policy: "File", exitCode: 1, terminationLog: "" }, ""],
  ])("%s", (_sentence, input, expected) => {
    expect(terminationMessage({ ...input, outputLines })).toBe(expected);
  });

  test("output is cut to 80 lines and 2 KiB", () => {
    const cut = (lines: string[]): string =>
      terminationMessage({ policy: "FallbackToLogsOnError", exitCode: 1, terminationLog: "", outputLines: lines });
    expect(cut(Array.from({ length: 100 }, (_, index) => `${index}`)).split("\n")).toHaveLength(80);
    expect(cut(["x".repeat(5000)])).toHaveLength(2048);
  });
});
