// Holds the cluster of `up`: starts it, installs what this checkout has to install, and ends it when told to.

import { copyFile } from "node:fs/promises";
import type { Server } from "node:http";
import { join } from "node:path";
import { claimState, kubeconfigFile, modelFolder, removeState, writeState } from "./background-state.ts";
import { startCluster } from "./cluster.ts";
import { ClusterError } from "./errors.ts";
import { installDefinitions, installOperator } from "./install.ts";
import { describeLogEnd } from "./log-tail.ts";
import { makeModelClaim } from "./model-claim.ts";
import { openModelPort } from "./model-port.ts";
import type { Cluster } from "./running-cluster.ts";

/** What this process tells `up`. */
export type BackgroundMessage =
  | { readonly type: "log"; readonly line: string }
  | { readonly type: "ready" }
  | { readonly type: "failed"; readonly message: string };

function tell(message: BackgroundMessage): void {
  if (process.connected) process.send?.(message);
}

function log(line: string): void {
  console.log(line);
  tell({ type: "log", line });
}

/** Everything that `up` promises besides the bare cluster. Rejects soon after `signal` aborts. */
async function furnish(cluster: Cluster, signal: AbortSignal): Promise<Server> {
  try {
    log("installing the custom resource definition and the operator");
    await installDefinitions(cluster, signal);
    await installOperator(cluster, {}, signal);
    await makeModelClaim(cluster, modelFolder, signal);
    const { port, server } = await openModelPort(cluster);
    await copyFile(cluster.kubeconfig, kubeconfigFile);
    await writeState({
      pid: process.pid,
      starting: false,
      directory: cluster.directory,
      kubectl: cluster.kubectlPath,
      prometheusAddress: cluster.prometheusAddress,
      modelPort: port,
    });
    return server;
  } catch (cause) {
    throw signal.aborted ? new ClusterError("START_ABORTED", "starting was given up", { cause }) : cause;
  }
}

/** Resolves with how the cluster ended: because `signal` aborted, or unasked. */
async function hold(cluster: Cluster, signal: AbortSignal): Promise<"asked" | "unasked"> {
  const asked = new Promise<"asked">((resolve) => {
    if (signal.aborted) resolve("asked");
    signal.addEventListener("abort", () => resolve("asked"));
  });
  return Promise.race([asked, cluster.ended.then(() => "unasked" as const)]);
}

/** Starts a cluster and holds it until it ends or the process is told to end it. */
async function run(ending: AbortController): Promise<"asked" | "unasked"> {
  const { signal } = ending;
  const end = (): void => ending.abort();
  // Until it is ready the cluster belongs to `up`; then `up` leaves.
  process.on("disconnect", end);
  if (!process.connected) end();
  await using cluster = await startCluster({ name: "up", log, signal });
  const server = await furnish(cluster, signal);
  process.off("disconnect", end);
  tell({ type: "ready" });
  const reason = await hold(cluster, signal);
  server.close();
  server.closeAllConnections();
  // The logs go with the cluster's folder.
  if (reason === "unasked") {
    console.error(`The cluster ended unasked. ${await describeLogEnd(join(cluster.directory, "logs"), "inside")}`);
  }
  return reason;
}

async function main(): Promise<number> {
  const ending = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, () => ending.abort());
  await claimState(process.pid);
  let reason: "asked" | "unasked" | "failed" = "failed";
  try {
    reason = await run(ending);
  } finally {
    // The note of a cluster that ended unasked stays: it tells the next `up` or `down`.
    if (reason !== "unasked") await removeState(process.pid);
  }
  return reason === "asked" ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error);
  tell({ type: "failed", message: (error as Error).message });
  process.exitCode = 1;
}
if (process.connected) process.disconnect();
