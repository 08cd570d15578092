// The performance on a prepared cluster: one reading, the load with its ups and downs, the HPA's own words.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster } from "../cluster/running-cluster.ts";
import type { DemoRecord } from "./checks.ts";
import type { Dictionary } from "./ctc.ts";
import type { Narrator } from "./narrator.ts";
import { play } from "./play.ts";
import { parseInferResponse, type Reading, toInferRequest } from "./reading.ts";
import { kubectl } from "./set-up.ts";
import { type Change, type Plot, Story } from "./story.ts";
import type { TextLine } from "./text-line.ts";
import type { ServiceRef, ServiceWatch } from "./watch-service.ts";

export interface Performer {
  readonly cluster: Cluster;
  readonly watch: ServiceWatch;
  readonly service: ServiceRef;
  readonly narrator: Narrator;
  readonly line: TextLine;
  readonly dictionary: Dictionary;
  readonly plot: Plot;
  readonly signal: AbortSignal;
}

/** Sends the picture once, from outside the cluster, as a person would. @throws Error when no reading comes back. */
export async function readOnce({ cluster, service, line, dictionary, signal }: Performer): Promise<Reading> {
  const gate = await cluster.forwardService({
    namespace: service.namespace,
    name: `${service.name}-predictor`,
    port: 80,
  });
  const response = await fetch(`http://${gate.host}:${gate.port}/v2/models/${service.name}/infer`, {
    method: "POST",
    headers: { "content-type": "application/json", connection: "close" },
    body: toInferRequest(line),
    signal,
  });
  const body = await response.text();
  await gate.close();
  if (!response.ok) {
    throw new Error(`the model answered ${response.status}: ${body.slice(0, 500)}`);
  }
  return parseInferResponse(body, dictionary);
}

/** Runs the load generator in the cluster's network through the whole story. */
export async function performLoad(
  performer: Performer,
  reading: Reading,
): Promise<{ seen: ReturnType<Story["finish"]>; changes: readonly Change[] }> {
  const { cluster, watch, narrator, plot, signal } = performer;
  const generator = cluster.spawn(await generatorCommand(performer, reading), { stdio: ["pipe", "pipe", "inherit"] });
  if (generator.stdin === null || generator.stdout === null) {
    throw new Error("the load generator was started without pipes");
  }
  const story = new Story(plot);
  const last = await play({
    generator: { stdin: generator.stdin, stdout: generator.stdout },
    story,
    narrator,
    usualPerSecond: plot.usualPerSecond,
    view: () => watch.view(signal),
    onPhaseEnd: async (phase) => {
      if (phase === "risen") {
        await showAutoscaler(performer);
      }
    },
    nowMs: () => performance.now(),
    signal,
  });
  return { seen: story.finish(last), changes: story.changes };
}

/** Prints what `kubectl get hpa` says, and @returns the values that it shows. */
export async function showAutoscaler({
  cluster,
  watch,
  service,
  narrator,
  signal,
}: Performer): Promise<DemoRecord["hpaMetrics"]> {
  narrator.line();
  narrator.line("    $ kubectl get hpa");
  narrator.block(await kubectl(cluster, ["get", "hpa", "--namespace", service.namespace]));
  narrator.line();
  return watch.hpaMetrics(signal);
}

async function generatorCommand({ cluster, service, line }: Performer, { classes }: Reading): Promise<string[]> {
  const body = join(cluster.directory, "infer-request.json");
  const expected = join(cluster.directory, "expected-classes.json");
  await writeFile(body, toInferRequest(line));
  await writeFile(expected, JSON.stringify(classes));
  const address = await kubectl(cluster, [
    "get",
    "service",
    `${service.name}-predictor`,
    "--namespace",
    service.namespace,
    "--output=jsonpath={.spec.clusterIP}",
  ]);
  const url = `http://${address}/v2/models/${service.name}/infer`;
  return [process.execPath, join(import.meta.dirname, "load.ts"), url, body, expected];
}
