// `make bench-scale`: how the operator does with many InferenceServices, on a real API server with Deployment status faked.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { KubeConfig } from "@kubernetes/client-node";
import { createKubeClient } from "../../../operator/kube/client.ts";
import { createLogger } from "../../../operator/observability/logger.ts";
import type { AuditEntry } from "../../cluster/audit-log.ts";
import { startCluster } from "../../cluster/cluster.ts";
import { installDefinitions } from "../../cluster/install.ts";
import type { Cluster } from "../../cluster/running-cluster.ts";
import { OperatorProcess } from "../../integration/operator-process.ts";
import { percentile } from "../server/statistics.ts";
import { fakeDeploymentStatus } from "./fake-deployments.ts";
import { Fleet } from "./fleet.ts";
import { OperatorUse } from "./operator-use.ts";

const root = join(import.meta.dirname, "..", "..", "..");
const startedAt = performance.now();
/** Its writes are the operator's: the cluster's other programs have other names. */
const operatorAgent = "plimsoll-operator";
const restSeconds = 60;
const edits = 200;
const editsAtATime = 4;
/** The autoscaler ticks as by default; tests have it faster. */
const operatorFlags = ["--tick-interval=2"];

function log(line: string): void {
  process.stdout.write(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s  ${line}\n`);
}

function readCount(name: string, standard: number): number {
  const text = process.env[name] || String(standard);
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 99_999) {
    throw new RangeError(`${name} is ${JSON.stringify(text)}: allowed are whole numbers from 1 to 99999`);
  }
  return value;
}

/** The lease says who leads; a review asks whether somebody may read metrics, and is kept nowhere. */
const notAboutServices = ["leases", "subjectaccessreviews"];

/** Mutating requests of the operator since a number of entries. */
function writesOf(entries: readonly AuditEntry[], from: number): readonly AuditEntry[] {
  return entries.slice(from).filter(({ userAgent = "", objectRef }) => {
    return userAgent.startsWith(operatorAgent) && !notAboutServices.includes(objectRef?.resource ?? "");
  });
}

/** What it wrote by kind, for people. */
function byKind(writes: readonly AuditEntry[]): string {
  const kinds = writes.map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}/${objectRef?.subresource ?? ""}`);
  return Object.entries(Object.groupBy(kinds, (kind) => kind))
    .map(([kind, all = []]) => `${all.length} ${kind}`)
    .join(", ");
}

interface Scene {
  readonly cluster: Cluster;
  readonly fleet: Fleet;
  readonly count: number;
}

const figures: Record<string, number> = {};

function record(name: string, value: number): void {
  figures[name] = Number(value.toPrecision(4));
  log(`${name} = ${figures[name]}`);
}

function startOperator(cluster: Cluster): Promise<OperatorProcess> {
  return OperatorProcess.start(cluster, {
    prometheusAddress: cluster.insidePrometheusAddress,
    flags: operatorFlags,
  });
}

async function measureApply({ cluster, fleet, count }: Scene, use: OperatorUse): Promise<void> {
  log(`applying ${count} services`);
  const startedAtMs = performance.now();
  await Promise.all([fleet.apply(count), fleet.settled(count, 60 + count)]);
  record("apply_all_seconds", (performance.now() - startedAtMs) / 1000);
  record("apply_writes_per_service", writesOf(await cluster.auditLog(), 0).length / count);
  record("rss_after_apply_mb", (await use.residentBytes()) / 1e6);
}

/** People edit services here and there, a few at a time. */
async function measureEdits({ fleet, count }: Scene): Promise<void> {
  log(`editing ${edits} services, ${editsAtATime} at a time`);
  const seconds: number[] = [];
  let next = 0;
  const work = async () => {
    while (next < edits) {
      next += 1;
      seconds.push(await fleet.edit((next * 7919) % count, 1 + next, 60));
    }
  };
  await Promise.all(Array.from({ length: editsAtATime }, work));
  record("p50_seconds", percentile(seconds, 50));
  record("p99_seconds", percentile(seconds, 99));
}

async function measureRest({ cluster }: Scene, use: OperatorUse): Promise<void> {
  await untilQuiet(cluster);
  log(`at rest for ${restSeconds} s`);
  const from = (await cluster.auditLog()).length;
  const cpuBefore = await use.cpuSeconds();
  await sleep(restSeconds * 1000);
  record("cpu_cores_at_rest", ((await use.cpuSeconds()) - cpuBefore) / restSeconds);
  const writes = writesOf(await cluster.auditLog(), from);
  record("writes_at_rest", writes.length);
  if (writes.length > 0) log(`written at rest: ${byKind(writes)}`);
}

/** Until nothing was written for five seconds. */
async function untilQuiet(cluster: Cluster): Promise<void> {
  for (let quiet = 0, seen = -1; quiet < 5; ) {
    const { length } = writesOf(await cluster.auditLog(), 0);
    quiet = length === seen ? quiet + 1 : 0;
    seen = length;
    await sleep(1000);
  }
}

/** Resolves when it has looked at every service once. */
async function measureRestart({ cluster, count }: Scene): Promise<OperatorProcess> {
  log("a cold restart");
  const from = (await cluster.auditLog()).length;
  const startedAtMs = performance.now();
  const operator = await startOperator(cluster);
  const reconciled = () => operator.metric("plimsoll_operator_reconcile_total");
  while (((await reconciled()) ?? 0) < count) await sleep(100);
  record("restart_seconds", (performance.now() - startedAtMs) / 1000);
  await untilQuiet(cluster);
  const writes = writesOf(await cluster.auditLog(), from);
  record("restart_writes", writes.length);
  if (writes.length > 0) log(`written after the restart: ${byKind(writes)}`);
  return operator;
}

async function measureAll(scene: Scene): Promise<void> {
  const { cluster, fleet, count } = scene;
  let operator = await startOperator(cluster);
  let use = OperatorUse.of(operator);
  await measureApply(scene, use);
  await measureEdits(scene);
  await measureRest(scene, use);
  record("rss_mb", (await use.peakBytes()) / 1e6);
  record("loop_block_ms", use.stop());
  await operator.stop("SIGTERM");
  operator = await measureRestart(scene);
  use = OperatorUse.of(operator);
  log("deleting all");
  const startedAtMs = performance.now();
  await Promise.all([fleet.delete(count), fleet.gone(60 + count)]);
  record("delete_all_seconds", (performance.now() - startedAtMs) / 1000);
  record("left_over", fleet.left());
  record("restart_rss_mb", (await use.peakBytes()) / 1e6);
  record("restart_loop_block_ms", use.stop());
  await operator.stop("SIGTERM");
}

async function main(): Promise<void> {
  const count = readCount("SERVICES", 1000);
  const logger = createLogger("warn");
  // Deployments, pods and autoscalers are faked or absent; the garbage collector is real.
  await using cluster = await startCluster({
    name: "scale",
    controllerManagerRequestsPerSecond: 1000,
    controllerManagerBurst: 1000,
    controllers: [
      "*",
      "-deployment-controller",
      "-replicaset-controller",
      "-horizontal-pod-autoscaler-controller",
      "-endpoints-controller",
      "-endpointslice-controller",
      "-disruption-controller",
    ],
    log,
  });
  await installDefinitions(cluster);
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(cluster.kubeconfig);
  const client = createKubeClient({ kubeConfig, userAgent: "bench-scale" });
  const stop = new AbortController();
  const fleet = new Fleet(client, logger);
  const helpers = [fleet.watch(stop.signal), fakeDeploymentStatus(client, logger, stop.signal)];
  await fleet.synced();
  figures["services"] = count;
  try {
    await measureAll({ cluster, fleet, count });
  } finally {
    stop.abort();
    await Promise.allSettled(helpers);
    client.close();
  }
  const folder = join(root, "bench-results");
  await mkdir(folder, { recursive: true });
  const file = join(folder, count === 1000 ? "scale.json" : `scale-${count}.json`);
  await writeFile(file, `${JSON.stringify(figures, undefined, 2)}\n`);
  process.stdout.write(`\n${await readFile(file, "utf8")}`);
}

await main();
