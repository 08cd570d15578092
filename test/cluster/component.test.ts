// A component's life: started, ended by itself, stopped, started again.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Component, type ComponentExitedError } from "./component.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "component-test-"));
});
afterEach(() => rm(folder, { recursive: true }));

function component(script: string, onExit: (error: ComponentExitedError) => void = () => {}): Component {
  const spec = { name: "thing", command: "sh", args: ["-c", script], environment: { GREETING: "hello" } };
  return new Component(spec, join(folder, "thing.log"), onExit);
}

/** Resolves with what is reported when the script ends unasked. */
function untilExit(script: string): Promise<ComponentExitedError> {
  return new Promise((resolve) => component(script, resolve).start());
}

async function logHolds(text: string): Promise<void> {
  await expect.poll(() => readFile(join(folder, "thing.log"), "utf8")).toContain(text);
}

test("an unasked end is reported with the code and the log's path", async () => {
  const error = await untilExit("exit 3");
  expect(error.message).toBe(`thing ended unasked with code 3; its log: ${join(folder, "thing.log")}`);
});

test("a program that does not exist is reported", async () => {
  const error = await new Promise<ComponentExitedError>((resolve) =>
    new Component({ name: "thing", command: "/no/such/program", args: [] }, join(folder, "thing.log"), resolve).start(),
  );
  expect(error.message).toMatch(/could not be started: .*ENOENT/);
});

test("output of both kinds goes to the log, with the component's environment", async () => {
  await untilExit("echo $GREETING; echo trouble >&2");
  expect(await readFile(join(folder, "thing.log"), "utf8")).toBe("hello\ntrouble\n");
});

test("stop ends it without a report, and it can be started again", async () => {
  const reports: string[] = [];
  const thing = component("echo started; exec sleep 600", (error) => reports.push(error.message));
  thing.start();
  await logHolds("started\n");
  const first = thing.pid;
  await thing.stop();
  expect([thing.running, reports]).toEqual([false, []]);
  thing.start();
  await logHolds("started\nstarted\n");
  expect(thing.pid).not.toBe(first);
  await thing.stop();
});

test("a program that ignores SIGTERM is killed after its grace", async () => {
  const thing = component("trap '' TERM; echo ready; while :; do sleep 0.05; done");
  thing.start();
  await logHolds("ready");
  const pid = thing.pid!;
  await thing.stop(10);
  expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
});
