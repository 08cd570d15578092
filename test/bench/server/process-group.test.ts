// Programs as children: what they print, how they end, and that none is left.

import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { allowedList } from "./cores.ts";
import { ProcessGroup } from "./process-group.ts";

/** One is enough, and every machine has it. */
const core = Number.parseInt(allowedList(readFileSync("/proc/self/status", "utf8")), 10);
const group = new ProcessGroup();
afterEach(() => group.stopAll());

function start(script: string) {
  return group.start({ name: "the child", command: [process.execPath, "--eval", script], cores: [core] });
}

test("a program answers lines with lines", async () => {
  const child = start("process.stdin.on('data', (text) => console.log(`got ${text}`.trim()))");
  const answer = child.next((line) => (line.startsWith("got ") ? line.slice(4) : undefined), 10_000);
  child.write("7");
  expect(await answer).toBe("7");
});

test("a program is kept to its core", async () => {
  const child = start("console.log(os.availableParallelism()); setInterval(() => {}, 1000)");
  expect(await child.next(Number, 10_000)).toBe(1);
});

test("whoever waits for a program that ends is told how, with its last words", async () => {
  const child = start("console.error('no such model'); process.exitCode = 3");
  await expect(child.next(() => undefined, 10_000)).rejects.toThrow(/the child ended with code 3.*no such model/s);
});

test("a program that cannot be started says so", async () => {
  const child = group.start({ name: "the child", command: ["/nowhere/program"], cores: [core] });
  await expect(child.next(() => undefined, 10_000)).rejects.toThrow(/the child ended with code 127/);
});

test("at the end all programs are gone", async () => {
  const child = start("console.log('up'); setInterval(() => {}, 1000)");
  await child.next((line) => line, 10_000);
  const { pid } = child;
  await group.stopAll();
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
});
