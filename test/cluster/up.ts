// Command line `up`: brings a cluster up in the background, and says how to use it.

import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { BackgroundMessage } from "./background.ts";
import {
  findBackground,
  findEnded,
  kubeconfigFile,
  logFile,
  modelFolder,
  previousLogFile,
  type RunningState,
  stateFolder,
} from "./background-state.ts";

const pollMs = 100;

function instructions(state: RunningState): string {
  const model = `http://127.0.0.1:${state.modelPort}/default/add-sub-predictor/v2/models/add-sub`;
  const vector = '"shape":[1,16],"datatype":"INT32","data":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]';
  const request = `{"inputs":[{"name":"INPUT0",${vector}},{"name":"INPUT1",${vector}}]}`;
  return `
  export KUBECONFIG=${kubeconfigFile}
  alias kubectl=${state.kubectl}     # any kubectl of version 1.35 to 1.37 will do

Serve a model:
  kubectl apply -f examples/add-sub.yaml
  kubectl wait --for=condition=Ready isvc/add-sub
  curl ${model}/infer -d '${request}'
  kubectl get isvc,hpa,pods
  kubectl logs -f deployment/add-sub-predictor

Models of your own: put FILE into ${modelFolder} and say storageUri: pvc://models/FILE.
Any service:        http://127.0.0.1:${state.modelPort}/NAMESPACE/SERVICE/PATH, or kubectl proxy
Prometheus:         ${state.prometheusAddress}
Logs:               ${join(state.directory, "logs")}
Stop it:            make down
`;
}

/** Starts the process that holds the cluster, and resolves with whether it became ready. */
function startBackground(): Promise<boolean> {
  mkdirSync(stateFolder, { recursive: true });
  // Appending, so that another `up` which comes in the same moment writes beside this one and not over it.
  writeFileSync(logFile, "");
  const log = openSync(logFile, "a");
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

/** Resolves with the cluster of another `up` once that is ready, or with `undefined` when there is none or it gave up. */
async function findReady(): Promise<RunningState | undefined> {
  let state = await findBackground();
  if (state?.starting === true) console.log(`A cluster is starting already (process ${state.pid}); waiting for it.`);
  while (state?.starting === true) {
    await sleep(pollMs);
    state = await findBackground();
  }
  return state;
}

const ended = await findEnded();
if (ended !== undefined) {
  await copyFile(logFile, previousLogFile);
  console.log(`The cluster before ended unasked; what it said last is in ${previousLogFile}.`);
}
const running = await findReady();
if (running !== undefined) console.log("A cluster is running already.");
const ready = running !== undefined || (await startBackground());
const state = await findBackground();
if (ready && state?.starting === false) {
  console.log(instructions(state));
} else {
  console.error(`The cluster did not come up; everything that was said is in ${logFile}.`);
  process.exitCode = 1;
}
