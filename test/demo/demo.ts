// The demo from start to end: what is shown in which order, and the verdict.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { createKubeClient } from "../../operator/kube/client.ts";
import { startCluster } from "../cluster/cluster.ts";
import { installDefinitions, installOperator } from "../cluster/install.ts";
import type { Cluster } from "../cluster/running-cluster.ts";
import { checkRecord, exitCode } from "./checks.ts";
import { MemoryPeak } from "./memory-peak.ts";
import type { Narrator } from "./narrator.ts";
import { type Performer, performLoad, readOnce, showAutoscaler } from "./perform.ts";
import { plotOf } from "./plot.ts";
import { loadRecognitionModel } from "./recognition-model.ts";
import { applyService, checkout, describeService, startModelStore, waitUntilReady } from "./set-up.ts";
import { showSummary } from "./summary.ts";
import { renderTextLine, type TextLine, toBlocks } from "./text-line.ts";
import { ServiceWatch } from "./watch-service.ts";

const service = { namespace: "default", name: "reader" };
const readyTimeoutSeconds = 90;

export interface DemoOptions {
  /** What the model is to read. */
  readonly text: string;
  /** Leaves the cluster up until the signal, for a person to play with. */
  readonly keep: boolean;
  readonly narrator: Narrator;
  /** Ends the demo early, everything cleaned up. */
  readonly signal: AbortSignal;
}

/**
 * @returns the exit code: 0 only if everything that the demo promises was seen
 * @throws Error when something does not come up, and when the signal aborts; then nothing is left running
 */
export async function runDemo(options: DemoOptions): Promise<number> {
  const { narrator, signal } = options;
  const line = renderTextLine(options.text);
  await introduce(narrator, line);
  const log = (text: string) => narrator.line(`    ${text}`);
  await using cluster = await narrator.step(
    "Start a Kubernetes control plane, two nodes and Prometheus",
    "15 s; up to 10 minutes the first time",
    () => startCluster({ name: "demo", log, signal }),
  );
  using peak = new MemoryPeak(cluster);
  const performer = await prepare(options, cluster, line);
  // Without await, the cluster would be gone before the show begins.
  return await show(performer, peak, options.keep);
}

async function introduce(narrator: Narrator, line: TextLine): Promise<void> {
  narrator.line(
    "Plimsoll keeps every model deployment below its load line. This shows it on a real Kubernetes control plane:",
  );
  narrator.line("a model reads a line of text, its load rises tenfold and falls again, and its replicas follow.");
  narrator.line("It takes about 3 minutes. Ctrl-C stops it and leaves nothing behind.");
  narrator.line();
  narrator.line("The model is to read this picture:");
  narrator.line();
  narrator.block(toBlocks(line));
  const file = join(checkout, ".plimsoll", "demo-input.png");
  await mkdir(join(file, ".."), { recursive: true });
  await writeFile(file, line.png);
  narrator.line();
  narrator.line(`    ${line.width} x 48 pixels, also in .plimsoll/demo-input.png`);
}

/** Everything up to a service that is Ready. */
async function prepare({ narrator, signal }: DemoOptions, cluster: Cluster, line: TextLine): Promise<Performer> {
  signal.addEventListener("abort", () => void cluster.stop(), { once: true });
  await narrator.step("Install the custom resource definition and the operator", "5 s", async () => {
    await installDefinitions(cluster);
    await installOperator(cluster);
  });
  const { onnx, dictionary } = await loadRecognitionModel();
  const megabytes = (onnx.length / 1e6).toFixed(1);
  await narrator.step(`Serve the model file over HTTP (PP-OCRv4 text recognition, ${megabytes} MB)`, "1 s", () =>
    startModelStore(cluster, onnx),
  );
  const watch = openWatch(cluster);
  const manifest = await narrator.step("Apply the InferenceService and wait until it is Ready", "15 s", async () => {
    const applied = await applyService(cluster);
    narrator.block(applied);
    await waitUntilReady(cluster, watch, {
      timeoutSeconds: readyTimeoutSeconds,
      signal,
      nowMs: () => performance.now(),
    });
    return applied;
  });
  return { cluster, watch, service, narrator, line, dictionary, plot: plotOf(manifest), signal };
}

function openWatch(cluster: Cluster): ServiceWatch {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(cluster.kubeconfig);
  const client = createKubeClient({ kubeConfig, userAgent: "plimsoll-demo" });
  return new ServiceWatch(client, cluster.prometheusAddress, service);
}

async function show(performer: Performer, peak: MemoryPeak, keep: boolean): Promise<number> {
  const { narrator, line, plot } = performer;
  const reading = await narrator.step("Send the picture to the model", "1 s", () => readOnce(performer));
  narrator.line(
    `    it read: ${reading.text}${reading.text === line.text ? "" : "   (not what was sent: the demo will fail)"}`,
  );
  const { usualPerSecond, risenPerSecond, neededReplicas } = plot;
  const title = `Load: ${usualPerSecond} requests/s, then ${risenPerSecond} (which needs ${neededReplicas} replicas), then ${usualPerSecond} until replicas are back`;
  const { seen, changes } = await narrator.step(title, "2 minutes", () => performLoad(performer, reading));
  const hpaMetrics = await showAutoscaler(performer);
  await peak.look();
  const record = {
    ...seen,
    textSent: line.text,
    textRead: reading.text,
    minReplicas: plot.minReplicas,
    neededReplicas,
    hpaMetrics,
    peakMemoryBytes: peak.bytes,
  };
  const checks = checkRecord(record);
  showSummary(narrator, record, changes, checks);
  if (exitCode(checks) !== 0) {
    narrator.line();
    narrator.block(await describeService(performer.cluster));
  }
  if (keep) {
    await keepUp(performer);
  }
  return exitCode(checks);
}

/** Tells how to use the cluster, and waits until the person has had enough. */
async function keepUp({ cluster, narrator, signal }: Performer): Promise<void> {
  const gate = await cluster.forwardService({ ...service, name: `${service.name}-predictor`, port: 80 });
  narrator.line();
  narrator.line("==> The cluster stays up (KEEP=1) until Ctrl-C here. In another terminal:");
  narrator.block(
    [
      `export KUBECONFIG=${cluster.kubeconfig}`,
      `${cluster.kubectlPath} get inferenceservices,hpa,pods`,
      `curl http://${gate.host}:${gate.port}/v2/models/${service.name}`,
    ].join("\n"),
  );
  await Promise.race([
    cluster.ended,
    new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
    }),
  ]);
}
