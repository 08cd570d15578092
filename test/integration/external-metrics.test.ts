// external.metrics.k8s.io through the real aggregation layer: the real HPA controller reads what the server serves.

import { KubeConfig } from "@kubernetes/client-node";
import type { HorizontalPodAutoscaler } from "kubernetes-types/autoscaling/v2.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inferenceServiceLabel } from "../../operator/api/group.ts";
import { ExternalMetrics } from "../../operator/external-metrics/external-metrics.ts";
import type { MetricSample } from "../../operator/external-metrics/source.ts";
import { type ClosableKubeClient, createKubeClient } from "../../operator/kube/client.ts";
import { systemClock } from "../../operator/kube/clock.ts";
import { apiServices, deployments, horizontalPodAutoscalers, namespaces } from "../../operator/kube/resource-types.ts";
import { silentLogger } from "../../operator/kube/testing.ts";
import { startCluster } from "../cluster/cluster.ts";
import type { Cluster, Gate } from "../cluster/running-cluster.ts";
import { freePort } from "../free-port.ts";
import { until } from "./until.ts";

const operatorNamespace = "plimsoll-system";
const userAgent = "external-metrics-test";
const asTester = { fieldManager: "integration-test" } as const;
const apiService = { name: "v1beta1.external.metrics.k8s.io" };
const path = "/apis/external.metrics.k8s.io/v1beta1";
const rate = `${path}/namespaces/default/plimsoll_request_rate`;
const ofEcho = `?labelSelector=${encodeURIComponent(`${inferenceServiceLabel}=echo`)}`;
const insidePort = 16_543;

/** What the source knows of the service `echo` in `default`; undefined: nothing. */
let requestRate: number | undefined;
/** How often the server has looked at the APIService. */
let checks = 0;
let cluster: Cluster;
let client: ClosableKubeClient;
let gate: Gate;
let port: number;
let metrics: ExternalMetrics;
let controller: AbortController;
let running: Promise<void>;

beforeAll(async () => {
  cluster = await startCluster({ name: "external-metrics", horizontalPodAutoscalerSyncPeriodSeconds: 2 });
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(cluster.kubeconfig);
  client = createKubeClient({
    kubeConfig,
    userAgent,
    onRequest: ({ verb, resource }) => {
      if (verb === "get" && resource === "apiservices") checks += 1;
    },
  });
  await client.create(namespaces, { metadata: { name: operatorNamespace } }, asTester);
  port = await freePort();
  gate = await cluster.reverse({ port, insidePort });
  start();
  await serving();
});

afterAll(async () => {
  controller?.abort();
  await running;
  client?.close();
  await cluster?.stop();
});

function start(): void {
  controller = new AbortController();
  const sample = (): MetricSample | undefined =>
    requestRate === undefined ? undefined : { value: requestRate, atMs: Date.now(), windowSeconds: 10 };
  metrics = new ExternalMetrics({
    client,
    source: {
      metricNames: ["plimsoll_request_rate"],
      value: (namespace, serviceName) => (namespace === "default" && serviceName === "echo" ? sample() : undefined),
      list: () => [sample()].flatMap((known) => (known === undefined ? [] : { serviceName: "echo", ...known })),
    },
    namespace: operatorNamespace,
    reach: { endpoint: { ip: gate.host, port: insidePort } },
    listen: { host: "127.0.0.1", port },
    maxSampleAgeMs: 30_000,
    mayWrite: () => true,
    clock: systemClock,
    now: Date.now,
    logger: silentLogger,
    checkIntervalMs: 500,
  });
  running = metrics.run(controller.signal);
}

function serving(): Promise<unknown> {
  return until(() => metrics.state().kind === "serving", { what: "external metrics are served" });
}

interface Answer {
  ok: boolean;
  text: string;
}

async function raw(target: string, as?: string): Promise<Answer> {
  const { exitCode, stdout, stderr } = await cluster.kubectl([
    "get",
    "--raw",
    target,
    ...(as === undefined ? [] : ["--as", as]),
  ]);
  return exitCode === 0 ? { ok: true, text: stdout } : { ok: false, text: stderr };
}

/** Writes by the server since the audit log had `skip` entries. A SubjectAccessReview is a question. */
async function writes(skip: number): Promise<string[]> {
  const entries = (await cluster.auditLog()).slice(skip);
  return entries
    .filter((entry) => entry.userAgent === userAgent && entry.objectRef?.resource !== "subjectaccessreviews")
    .map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}/${objectRef?.name}`);
}

describe("through the aggregation layer", () => {
  test("discovery lists the metric", async () => {
    const { stdout } = await cluster.kubectl(["api-resources", "--api-group=external.metrics.k8s.io", "-o", "name"]);
    expect(stdout).toContain("plimsoll_request_rate.external.metrics.k8s.io");
  });

  test.each<[sentence: string, value: number | undefined, query: string, items: string[]]>([
    ["a named service has its value", 10.5, ofEcho, ["10500m"]],
    ["a service without load has 0", 0, ofEcho, ["0"]],
    ["an unknown value is no item", undefined, ofEcho, []],
    ["without a selector every known service is listed", 10.5, "", ["10500m"]],
  ])("%s", async (_sentence, value, query, items) => {
    requestRate = value;
    const { text } = await raw(`${rate}${query}`);
    const list = JSON.parse(text) as { items: { value: string }[] };
    expect(list.items.map((item) => item.value)).toEqual(items);
  });

  test.each<[sentence: string, target: string, message: string]>([
    ["an unknown path", `${path}/plimsoll_request_rate`, "NotFound"],
    ["a bad selector", `${rate}?labelSelector=a%20b`, "BadRequest"],
  ])("%s is answered as Kubernetes does", async (_sentence, target, message) => {
    expect(await raw(target)).toEqual({ ok: false, text: expect.stringContaining(message) as string });
  });

  test("a user without permission is refused, and the HPA controller is not", async () => {
    const refused = await raw(rate, "somebody");
    expect(refused).toEqual({ ok: false, text: expect.stringContaining("Forbidden") as string });
    expect((await raw(rate, "system:serviceaccount:kube-system:horizontal-pod-autoscaler")).ok).toBe(true);
  });
});

describe("the HPA controller", () => {
  const ref = { namespace: "default", name: "echo-predictor" };
  const replicas = async () => (await client.get(deployments, ref))?.status?.replicas;

  async function scaledTo(count: number): Promise<void> {
    await until(async () => (await replicas()) === count, { what: `${count} replicas` });
  }

  /** As the HPA controller last saw it. */
  async function condition(type: string): Promise<{ status: string; reason?: string } | undefined> {
    return (await client.get(horizontalPodAutoscalers, ref))?.status?.conditions?.find((entry) => entry.type === type);
  }

  beforeAll(async () => {
    requestRate = 2;
    const labels = { app: ref.name };
    // No node has the label: replicas count, pods need not run.
    const podSpec = { nodeSelector: { nowhere: "true" }, containers: [{ name: "server", image: "none" }] };
    const template = { metadata: { labels }, spec: podSpec };
    await client.create(
      deployments,
      { metadata: ref, spec: { replicas: 1, selector: { matchLabels: labels }, template } },
      asTester,
    );
    const metric = {
      name: "plimsoll_request_rate",
      selector: { matchLabels: { [inferenceServiceLabel]: "echo" } },
    };
    const autoscaler: HorizontalPodAutoscaler = {
      metadata: ref,
      spec: {
        minReplicas: 1,
        maxReplicas: 10,
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: ref.name },
        metrics: [{ type: "External", external: { metric, target: { type: "AverageValue", averageValue: "2" } } }],
        behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
      },
    };
    await client.create(horizontalPodAutoscalers, autoscaler, asTester);
    await until(async () => (await condition("ScalingActive"))?.status === "True", { what: "the HPA is active" });
  });

  test("scales to what the value asks for, up and down", async () => {
    requestRate = 9.5;
    await scaledTo(5);
    requestRate = 3;
    await scaledTo(2);
  });

  test("keeps the replicas while the value is unknown, and says why", async () => {
    requestRate = 9.5;
    await scaledTo(5);
    requestRate = undefined;
    await until(async () => (await condition("ScalingActive"))?.reason === "FailedGetExternalMetric", {
      what: "the HPA misses the metric",
    });
    expect(await replicas()).toBe(5);
    requestRate = 0;
    await scaledTo(1);
  });
});

describe("the registration", () => {
  test("comes back when it is deleted", async () => {
    await client.delete(apiServices, apiService);
    await until(() => client.get(apiServices, apiService), { what: "the APIService is back" });
    await serving();
    await until(async () => (await raw(rate)).ok, { what: "metrics are served again" });
  });

  test("gives way to another provider and returns when that is gone", async () => {
    const service = { namespace: "keda", name: "keda-operator-metrics-apiserver" };
    await client.patch(apiServices, apiService, { spec: { service } }, asTester);
    await until(() => metrics.state().kind === "foreign", { what: "the other provider is noticed" });
    expect(metrics.state()).toEqual({ kind: "foreign", owner: "keda/keda-operator-metrics-apiserver" });
    const [entries, present] = [await cluster.auditLog(), await client.get(apiServices, apiService)];
    const seen = checks;
    await until(() => checks >= seen + 4, { what: "the server has looked again several times" });
    expect(await writes(entries.length)).toEqual([]);
    expect((await client.get(apiServices, apiService))?.spec).toEqual(present?.spec);
    await client.delete(apiServices, apiService);
    await serving();
  });

  test("is not written again by a restarted operator", async () => {
    controller.abort();
    await running;
    const { length } = await cluster.auditLog();
    start();
    await serving();
    await until(async () => (await raw(rate)).ok, { what: "metrics are served again" });
    expect(await writes(length)).toEqual([]);
  });

  test("outlives a restart of the API server, without a write", async () => {
    const { length } = await cluster.auditLog();
    await cluster.restartApiServer();
    await until(async () => (await raw(rate)).ok, { what: "metrics are served again" });
    await serving();
    expect(await writes(length)).toEqual([]);
  });
});
