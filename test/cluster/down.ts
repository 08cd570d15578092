// Command line `down`: ends the cluster of `up`, also one that is still starting, and removes whatever is left of clusters that did not end in order.

import { setTimeout as sleep } from "node:timers/promises";
import { findBackground, findEnded, logFile, removeState } from "./background-state.ts";
import { removeLeftovers } from "./leftovers.ts";
import { isAlive } from "./process-alive.ts";

const graceMs = 15_000;
const pollMs = 50;

/** Asks the process that holds the cluster to end it; one that does not within the grace period is killed, and the cluster with it. */
async function stop(pid: number): Promise<void> {
  process.kill(pid, "SIGTERM");
  const deadlineMs = performance.now() + graceMs;
  while (isAlive(pid) && performance.now() < deadlineMs) await sleep(pollMs);
  if (!isAlive(pid)) return;
  process.kill(pid, "SIGKILL");
  while (isAlive(pid)) await sleep(pollMs);
}

const running = await findBackground();
const ended = await findEnded();
if (running !== undefined) await stop(running.pid);
const removed = await removeLeftovers();
for (const state of [running, ended]) if (state !== undefined) await removeState(state.pid);
for (const what of removed) console.log(`removed ${what}`);
if (running !== undefined) console.log("The cluster is down.");
else if (ended !== undefined) console.log(`The cluster had ended unasked; what it said last is in ${logFile}.`);
else console.log("No cluster was running.");
