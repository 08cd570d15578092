// Command line `down`: ends the cluster of `up` and removes whatever is left of clusters that did not end in order.

import { setTimeout as sleep } from "node:timers/promises";
import { findBackground, removeState } from "./background-state.ts";
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
if (running !== undefined) await stop(running.pid);
const removed = await removeLeftovers();
await removeState();
for (const what of removed) console.log(`removed ${what}`);
console.log(running === undefined ? "No cluster was running." : "The cluster is down.");
