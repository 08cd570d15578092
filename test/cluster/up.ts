// Command line `up`: brings a cluster up in the background, and says how to use it.

import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import type { BackgroundMessage } from "./background.ts";
import { type BackgroundState, findBackground, kubeconfigFile, logFile, stateFolder } from "./background-state.ts";

function instructions(state: BackgroundState): string {
  const model = "/api/v1/namespaces/NAMESPACE/services/NAME-predictor:http/proxy/v2/health/ready";
  return `
  export KUBECONFIG=${kubeconfigFile}
  ${state.kubectl} get nodes                      # this cluster's kubectl; any of version 1.35 to 1.37 will do

Reach a model named NAME:
  curl http://127.0.0.1:${state.modelPort}/NAMESPACE/NAME-predictor/v2/health/ready
  kubectl get --raw ${model}

Prometheus:  ${state.prometheusAddress}
Logs:        ${join(state.directory, "logs")}
Stop it:     make down
`;
}

/** Starts the process that holds the cluster, and resolves with whether it became ready. */
function startBackground(): Promise<boolean> {
  mkdirSync(stateFolder, { recursive: true });
  const log = openSync(logFile, "w");
  const child = spawn(process.execPath, [join(import.meta.dirname, "background.ts")], {
    stdio: ["ignore", log, log, "ipc"],
    detached: true,
  });
  closeSync(log);
  // Losing the channel ends a cluster that is not ready yet.
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => child.kill("SIGTERM"));
  return new Promise((resolve) => {
    child.on("message", (message: BackgroundMessage) => {
      if (message.type === "log") console.log(message.line);
      if (message.type === "failed") console.error(message.message);
      if (message.type !== "ready") return;
      child.disconnect();
      child.unref();
      resolve(true);
    });
    child.once("exit", () => resolve(false));
  });
}

const running = await findBackground();
if (running !== undefined) console.log("A cluster is running already.");
const ready = running !== undefined || (await startBackground());
const state = await findBackground();
if (ready && state !== undefined) {
  console.log(instructions(state));
} else {
  console.error(`The cluster did not come up; everything that was said is in ${logFile}.`);
  process.exitCode = 1;
}
