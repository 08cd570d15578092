// Tests of container logs on real files.

import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ContainerLog, type LogReadOptions } from "./container-log.ts";

let folder: string;
let time: number;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "log-"));
  time = Date.parse("2026-01-01T00:00:00Z");
});
afterEach(() => rm(folder, { recursive: true }));

const newLog = (maxBytes?: number): ContainerLog =>
  new ContainerLog(join(folder, "0.log"), () => new Date(time), maxBytes);

async function read(log: ContainerLog, options?: LogReadOptions): Promise<string> {
  let text = "";
  for await (const part of log.read(options)) text += part;
  return text;
}

describe("container log", () => {
  test("joins chunks into lines, and keeps a last line without an end", async () => {
    const log = newLog();
    log.append("stdout", "one\ntw");
    log.append("stderr", "warning\n");
    log.append("stdout", "o\nthree");
    await log.close();
    expect(await read(log)).toBe("one\nwarning\ntwo\nthree\n");
  });

  test.each<[string, LogReadOptions, string]>([
    ["the last lines", { tailLines: 2 }, "b\nc\n"],
    ["more lines than there are", { tailLines: 9 }, "a\nb\nc\n"],
    ["no lines", { tailLines: 0 }, ""],
    ["with times", { tailLines: 1, timestamps: true }, "2026-01-01T00:00:02.000Z c\n"],
    ["since a time", { sinceMs: Date.parse("2026-01-01T00:00:01Z") }, "b\nc\n"],
    ["so many bytes", { limitBytes: 3 }, "a\nb"],
  ])("reads %s", async (_sentence, options, expected) => {
    const log = newLog();
    for (const line of ["a", "b", "c"]) {
      log.append("stdout", `${line}\n`);
      time += 1000;
    }
    expect(await read(log, options)).toBe(expected);
    await log.close();
    expect(await log.lastLines(2)).toEqual(["b", "c"]);
  });

  test("follows until the container ends", async () => {
    const log = newLog();
    log.append("stdout", "before\n");
    const reader = log.read({ follow: true, tailLines: 10 }).getReader();
    expect(await reader.read()).toEqual({ done: false, value: "before\n" });
    log.append("stdout", "after\n");
    expect(await reader.read()).toEqual({ done: false, value: "after\n" });
    await log.close();
    expect((await reader.read()).done).toBe(true);
  });

  test("a follower of a container that has ended gets what there is", async () => {
    const log = newLog();
    log.append("stdout", "all\n");
    await log.close();
    expect(await read(log, { follow: true })).toBe("all\n");
  });

  test("following ends at the byte limit and when it is cancelled", async () => {
    const log = newLog();
    log.append("stdout", "12345\n");
    const limited = read(log, { follow: true, limitBytes: 8 });
    const reader = log.read({ follow: true }).getReader();
    await reader.read();
    await reader.cancel();
    log.append("stdout", "67890\n");
    expect(await limited).toBe("12345\n67");
  });

  test("a follower that leaves before it has been given the lines so far hears of no later one", async () => {
    const log = newLog();
    const reader = log.read({ follow: true, tailLines: 0 }).getReader();
    await reader.cancel();
    // Reading comes after the snapshot of the one that has left.
    await read(log);
    expect(() => log.append("stdout", "later\n")).not.toThrow();
    await log.close();
  });

  test("a follower misses and repeats nothing, whenever it comes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 3 }), async (joinAt, turns) => {
        const log = newLog();
        await log.remove();
        let following: Promise<string> = Promise.resolve("");
        for (let line = 0; line < 20; line += 1) {
          if (line === joinAt) following = read(log, { follow: true });
          log.append("stdout", `${line}\n`);
          for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        }
        if (joinAt === 20) following = read(log, { follow: true });
        await log.close();
        expect((await following).trimEnd().split("\n")).toEqual(Array.from({ length: 20 }, (_, line) => `${line}`));
      }),
      { numRuns: 40 },
    );
  });

  test("files stay within the limit, and the newest lines are kept", async () => {
    const log = newLog(1000);
    for (let line = 0; line < 200; line += 1) {
      log.append("stdout", `line ${line}\n`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await log.close();
    for (const name of await readdir(folder)) expect((await stat(join(folder, name))).size).toBeLessThanOrEqual(1000);
    expect(await log.lastLines(3)).toEqual(["line 197", "line 198", "line 199"]);
    await log.remove();
    expect(await readdir(folder)).toEqual([]);
  });

  test("a line without end is cut into pieces", async () => {
    const log = newLog();
    log.append("stdout", "x".repeat(40_000));
    await log.close();
    expect((await read(log)).split("\n").map(({ length }) => length)).toEqual([16_384, 16_384, 7232, 0]);
  });
});
