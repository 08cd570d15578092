// Who holds the cluster of a checkout, with real processes as holders.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  claimState,
  findBackground,
  findEnded,
  type RunningState,
  removeState,
  writeState,
} from "./background-state.ts";

let folder: string;
const holders: ChildProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "state-"));
});
afterEach(async () => {
  for (const holder of holders.splice(0)) holder.kill("SIGKILL");
  await rm(folder, { recursive: true });
});

/** A process that looks like one that holds a cluster. */
async function startHolder(): Promise<number> {
  const program = "console.log(); setTimeout(() => {}, 600_000)";
  const holder = spawn(process.execPath, ["-e", program, "background.ts"], { stdio: ["ignore", "pipe", "ignore"] });
  holders.push(holder);
  await once(holder.stdout, "data");
  return holder.pid ?? 0;
}

async function endHolders(): Promise<void> {
  for (const holder of holders.splice(0)) {
    holder.kill("SIGKILL");
    await once(holder, "exit");
  }
}

const running = (pid: number): RunningState => ({
  pid,
  starting: false,
  directory: "/tmp/plimsoll-up.1",
  kubectl: "/usr/bin/kubectl",
  prometheusAddress: "http://127.0.0.1:9",
  modelPort: 10,
});

test("a cluster is found from the moment in which it begins to start", async () => {
  const pid = await startHolder();
  await claimState(pid, folder);
  expect(await findBackground(folder)).toEqual({ pid, starting: true });
  await writeState(running(pid), folder);
  expect(await findBackground(folder)).toEqual(running(pid));
  expect(await findEnded(folder)).toBeUndefined();
});

test("of many that start at once one gets the claim, and the others hear who it is", async () => {
  const pids = await Promise.all(Array.from({ length: 4 }, () => startHolder()));
  const results = await Promise.allSettled(pids.map((pid) => claimState(pid, folder)));
  const winner = pids[results.findIndex(({ status }) => status === "fulfilled")];
  expect(await findBackground(folder)).toEqual({ pid: winner, starting: true });
  const refusals = results.flatMap((result) => (result.status === "rejected" ? [result.reason as Error] : []));
  expect(refusals).toHaveLength(3);
  for (const { message } of refusals) expect(message).toContain(`process ${winner} holds a cluster`);
  expect(await readdir(folder)).toEqual(["cluster.json"]);
});

test("one whose process is gone has ended, and its claim can be taken over", async () => {
  const dead = await startHolder();
  await claimState(dead, folder);
  await writeState(running(dead), folder);
  await endHolders();
  expect(await findBackground(folder)).toBeUndefined();
  expect(await findEnded(folder)).toEqual(running(dead));
  const pid = await startHolder();
  await claimState(pid, folder);
  expect(await findBackground(folder)).toEqual({ pid, starting: true });
  expect(await findEnded(folder)).toBeUndefined();
});

test("nobody removes the note of another process", async () => {
  const pid = await startHolder();
  await claimState(pid, folder);
  await writeFile(join(folder, "kubeconfig"), "");
  await removeState(pid + 1, folder);
  expect(await readdir(folder)).toEqual(["cluster.json", "kubeconfig"]);
  await removeState(pid, folder);
  expect(await readdir(folder)).toEqual([]);
});
