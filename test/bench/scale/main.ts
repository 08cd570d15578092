// `make bench-scale`: how the operator does with many InferenceServices, on a real API server, its pods or its whole Deployments faked.

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
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
import { until } from "../../integration/until.ts";
import { Figures, type Target } from "../server/figures.ts";
import { OptionError, readCount } from "../server/options.ts";
import { formatFigure, resultsJson, table } from "../server/report.ts";
import { percentile } from "../server/statistics.ts";
import { bundleOperator } from "./bundled-operator.ts";
import { type ControllerKind, fakeStatus } from "./fake-status.ts";
import { Fleet } from "./fleet.ts";
import { inParallel } from "./in-parallel.ts";
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
  /** Starts the operator. */
  readonly command: readonly string[];
  readonly fleet: Fleet;
  readonly count: number;
}

/** Of a thousand services. */
const targets: Readonly<Record<string, Target>> = {
  apply_all_seconds: { is: "at most", value: 60 },
  p99_seconds: { is: "at most", value: 2 },
  writes_at_rest: { is: "at most", value: 0 },
  cpu_cores_at_rest: { is: "at most", value: 0.02 },
  restart_writes: { is: "at most", value: 0 },
  restart_seconds: { is: "at most", value: 15 },
  rss_mb: { is: "at most", value: 350 },
  restart_rss_mb: { is: "at most", value: 350 },
  loop_block_ms: { is: "at most", value: 200 },
  restart_loop_block_ms: { is: "at most", value: 200 },
  delete_loop_block_ms: { is: "at most", value: 200 },
  left_over: { is: "at most", value: 0 },
};

const figures = new Figures();

function record(name: string, value: number): void {
  figures.record(name, value);
  log(`${name} = ${formatFigure(value)}`);
}

interface Running {
  readonly operator: OperatorProcess;
  readonly use: OperatorUse;
}

async function startOperator({ cluster, command }: Scene): Promise<Running> {
  const { insidePrometheusAddress: prometheusAddress } = cluster;
  const operator = await OperatorProcess.start(cluster, { prometheusAddress, flags: operatorFlags, command });
  return { operator, use: new OperatorUse(operator) };
}

async function measureApply({ cluster, fleet, count }: Scene, use: OperatorUse): Promise<void> {
  log(`applying ${count} services`);
  const startedAtMs = performance.now();
  await Promise.all([fleet.apply(count), fleet.settled(count, 60 + count)]);
  record("apply_all_seconds", (performance.now() - startedAtMs) / 1000);
  await fleet.ready(count, 60 + count);
  record("all_ready_seconds", (performance.now() - startedAtMs) / 1000);
  record("apply_writes_per_service", writesOf(await cluster.auditLog(), 0).length / count);
  record("rss_after_apply_mb", (await use.residentBytes()) / 1e6);
}

/** People edit services here and there, a few at a time. */
async function measureEdits({ fleet, count }: Scene): Promise<void> {
  log(`editing ${edits} services, ${editsAtATime} at a time`);
  const seconds: number[] = [];
  await inParallel(edits, editsAtATime, async (index) => {
    // A large prime: neighbours in time are not neighbours in name.
    seconds.push(await fleet.edit((index * 7919) % count, 2 + index, 60));
  });
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
  let seen = -1;
  let sinceMs = 0;
  const isQuiet = async () => {
    const { length } = writesOf(await cluster.auditLog(), 0);
    if (length !== seen) [seen, sinceMs] = [length, performance.now()];
    return performance.now() - sinceMs >= 5000;
  };
  await until(isQuiet, { what: "the operator writes nothing", timeoutSeconds: 120, intervalMs: 1000 });
}

/** From the start of its process until it has looked at every service. */
async function measureRestart(scene: Scene): Promise<Running> {
  const { cluster, count } = scene;
  log("a cold restart");
  const from = (await cluster.auditLog()).length;
  const startedAtMs = performance.now();
  const running = await startOperator(scene);
  const hasLooked = async () => (await running.use.reconciles()) >= count;
  await until(hasLooked, { what: "the operator has looked at every service", timeoutSeconds: 120, intervalMs: 100 });
  record("restart_seconds", (performance.now() - startedAtMs) / 1000);
  await untilQuiet(cluster);
  const writes = writesOf(await cluster.auditLog(), from);
  record("restart_writes", writes.length);
  if (writes.length > 0) log(`written after the restart: ${byKind(writes)}`);
  record("restart_loop_block_ms", await running.use.takeLongestBlockMs());
  return running;
}

async function measureDelete({ fleet, count }: Scene, use: OperatorUse): Promise<void> {
  log("deleting all");
  const startedAtMs = performance.now();
  await Promise.all([fleet.delete(count), fleet.gone(60 + count)]);
  record("delete_all_seconds", (performance.now() - startedAtMs) / 1000);
  record("left_over", fleet.left());
  record("delete_loop_block_ms", await use.takeLongestBlockMs());
}

async function stopOperator({ operator, use }: Running): Promise<void> {
  use.stop();
  await operator.stop("SIGTERM");
}

async function measureAll(scene: Scene): Promise<void> {
  const first = await startOperator(scene);
  await measureApply(scene, first.use);
  await measureEdits(scene);
  await measureRest(scene, first.use);
  record("rss_mb", (await first.use.peakResidentBytes()) / 1e6);
  record("loop_block_ms", await first.use.takeLongestBlockMs());
  await stopOperator(first);
  const second = await measureRestart(scene);
  await measureDelete(scene, second.use);
  record("restart_rss_mb", (await second.use.peakResidentBytes()) / 1e6);
  await stopOperator(second);
}

/** Pods and autoscalers are faked or absent; the garbage collector is real, and with CONTROLLER=real the Deployments'. */
const absentControllers = {
  faked: ["deployment-controller"],
  real: [],
} as const satisfies Record<ControllerKind, readonly string[]>;
const alwaysAbsent = [
  "replicaset-controller",
  "horizontal-pod-autoscaler-controller",
  "endpoints-controller",
  "endpointslice-controller",
  "disruption-controller",
];

function readControllerKind(text: string | undefined): ControllerKind {
  if (text === undefined || text === "" || text === "faked") return "faked";
  if (text === "real") return "real";
  throw new OptionError(`CONTROLLER is ${JSON.stringify(text)}: allowed are faked and real`);
}

async function main(): Promise<void> {
  const count = readCount(process.env, "SERVICES", { standard: 1000, most: 99_999 });
  const controllerKind = readControllerKind(process.env["CONTROLLER"]);
  const logger = createLogger("warn");
  await using cluster = await startCluster({
    name: "scale",
    controllerManagerRequestsPerSecond: 1000,
    controllerManagerBurst: 1000,
    controllers: ["*", ...[...absentControllers[controllerKind], ...alwaysAbsent].map((name) => `-${name}`)],
    log,
  });
  await installDefinitions(cluster);
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(cluster.kubeconfig);
  const client = createKubeClient({ kubeConfig, userAgent: "bench-scale" });
  const stop = new AbortController();
  const fleet = new Fleet(client, logger);
  const helpers = [fleet.watch(stop.signal), fakeStatus(client, controllerKind, logger, stop.signal)];
  await fleet.synced();
  const bundle = await mkdtemp(join(tmpdir(), "plimsoll-bench-scale-"));
  figures.record("services", count);
  try {
    await measureAll({ cluster, command: await bundleOperator(bundle), fleet, count });
  } finally {
    stop.abort();
    await Promise.allSettled(helpers);
    client.close();
    await rm(bundle, { recursive: true });
  }
  const folder = join(root, "bench-results");
  await mkdir(folder, { recursive: true });
  const variant = `${controllerKind === "real" ? "-real-controller" : ""}${count === 1000 ? "" : `-${count}`}`;
  const file = join(folder, `scale${variant}.json`);
  await writeFile(file, resultsJson(figures.values));
  process.stdout.write(`\n${table(figures.values, targets)}\n\n`);
  log(`written to ${file}`);
}

await main();
