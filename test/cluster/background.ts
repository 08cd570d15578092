// Holds the cluster of `up`: starts it, installs what this checkout has to install, and ends it when told to.

import { copyFile, mkdir } from "node:fs/promises";
import { kubeconfigFile, modelFolder, removeState, stateFolder, writeState } from "./background-state.ts";
import { startCluster } from "./cluster.ts";
import { installDefinitions, installOperator } from "./install.ts";
import { makeModelClaim } from "./model-claim.ts";
import { openModelPort } from "./model-port.ts";

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

async function main(): Promise<number> {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, end);
  // Until it is ready the cluster belongs to `up`; then `up` leaves.
  process.on("disconnect", end);
  await using cluster = await startCluster({ name: "up", log, signal: ending.signal });
  log("installing the custom resource definition and the operator");
  await installDefinitions(cluster);
  await installOperator(cluster);
  await makeModelClaim(cluster, modelFolder);
  const { port, server } = await openModelPort(cluster);
  await mkdir(stateFolder, { recursive: true });
  await copyFile(cluster.kubeconfig, kubeconfigFile);
  await writeState({
    pid: process.pid,
    directory: cluster.directory,
    kubectl: cluster.kubectlPath,
    prometheusAddress: cluster.prometheusAddress,
    modelPort: port,
  });
  process.off("disconnect", end);
  tell({ type: "ready" });
  const asked = new Promise<"asked">((resolve) => {
    if (ending.signal.aborted) resolve("asked");
    ending.signal.addEventListener("abort", () => resolve("asked"));
  });
  const reason = await Promise.race([asked, cluster.ended.then(() => "ended" as const)]);
  server.close();
  server.closeAllConnections();
  await removeState();
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
