// The end of a log.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { describeLogEnd } from "./log-tail.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tail-"));
});
afterEach(() => rm(folder, { recursive: true }));

const lines = (first: number, last: number): string =>
  Array.from({ length: last - first + 1 }, (_, index) => `line ${first + index}`).join("\n");

test.each([
  ["a short log is shown whole", `${lines(1, 2)}\n`, `The end of etcd's log:\n${lines(1, 2)}`],
  ["of a long log the last 15 lines are shown", `${lines(1, 40)}\n`, `The end of etcd's log:\n${lines(26, 40)}`],
  ["an empty log is said to be empty", "", "The log of etcd is empty."],
])("%s", async (_sentence, content, expected) => {
  await writeFile(join(folder, "etcd.log"), content);
  expect(await describeLogEnd(folder, "etcd")).toBe(expected);
});

test("a log that is not there counts as empty", async () => {
  expect(await describeLogEnd(folder, "etcd")).toBe("The log of etcd is empty.");
});
