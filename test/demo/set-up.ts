// The demo's set-up on a cluster with an operator: the model's store and the InferenceService.

import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../cluster/running-cluster.ts";
import type { ServiceWatch } from "./watch-service.ts";

/** Where `model-store.ts` answers in the cluster's network; `inference-service.yaml` names it. */
export const storeHost = "10.10.0.1";
export const storePort = 8000;
export const modelPath = "ppocr-v4-rec/1/model.onnx";

export const checkout = join(import.meta.dirname, "..", "..");
export const serviceManifest = join(import.meta.dirname, "inference-service.yaml");

/** Something that the demo needs did not come up; the message says what was last seen of it. */
export class SetUpError extends Error {
  override readonly name = "SetUpError";
  readonly code = "SET_UP_FAILED";
}

/** Serves `onnx` at `modelPath` for as long as the cluster runs. */
export async function startModelStore(cluster: Cluster, onnx: Uint8Array): Promise<void> {
  const directory = join(cluster.directory, "model-store");
  await mkdir(join(directory, modelPath, ".."), { recursive: true });
  await writeFile(join(directory, modelPath), onnx);
  const program = join(import.meta.dirname, "model-store.ts");
  const store = cluster.spawn([process.execPath, program, storeHost, String(storePort), directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [first] = await Promise.race([
    once(createInterface({ input: store.stdout as NodeJS.ReadableStream }), "line"),
    once(store, "exit"),
  ]);
  if (typeof first !== "string") {
    throw new SetUpError("the model store ended at once; its message is above");
  }
}

/** @returns what was applied */
export async function applyService(cluster: Cluster): Promise<string> {
  await kubectl(cluster, ["apply", "-f", serviceManifest]);
  return readFile(serviceManifest, "utf8");
}

/**
 * Waits until the InferenceService is Ready.
 * @throws SetUpError after `timeoutSeconds`, with the conditions, the pods and what the model server last said.
 */
export async function waitUntilReady(cluster: Cluster, watch: ServiceWatch, options: WaitOptions): Promise<void> {
  const deadlineMs = options.nowMs() + options.timeoutSeconds * 1000;
  while (options.nowMs() < deadlineMs) {
    const conditions = await watch.conditions(options.signal);
    if (conditions.some(({ type, status }) => type === "Ready" && status === "True")) {
      return;
    }
    await sleep(200, undefined, { signal: options.signal });
  }
  throw new SetUpError(
    `the InferenceService was not Ready within ${options.timeoutSeconds} s:\n${await describeService(cluster)}`,
  );
}

export interface WaitOptions {
  readonly timeoutSeconds: number;
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
}

/** What a person would look at when a service does not do what it should. */
export async function describeService(cluster: Cluster): Promise<string> {
  const looks = [
    ["get", "inferenceservices,hpa,deployments,pods", "-o", "wide"],
    ["get", "inferenceservices", "-o", "jsonpath={.items[*].status}"],
    ["logs", "--selector=serving.plimsoll.dev/inference-service", "--tail=10", "--prefix"],
    ["logs", "deployment/plimsoll-operator", "--namespace=plimsoll-system", "--tail=20"],
  ];
  const answers: string[] = [];
  for (const look of looks) {
    const { stdout, stderr } = await cluster.kubectl(look);
    answers.push(`$ kubectl ${look.join(" ")}\n${stdout}${stderr}`);
  }
  return answers.join("\n");
}

/** Runs kubectl; @returns what it printed. @throws SetUpError when it fails. */
export async function kubectl(cluster: Cluster, args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await cluster.kubectl(args);
  if (exitCode !== 0) {
    throw new SetUpError(`kubectl ${args.join(" ")} failed: ${stderr.trim() || stdout.trim()}`);
  }
  return stdout;
}
