// Scaling from end to end: real requests, real Prometheus, the real HPA controller, the operator as a pod.

import type { HorizontalPodAutoscaler } from "kubernetes-types/autoscaling/v2.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Reflector } from "../../operator/kube/reflector.ts";
import { deployments, horizontalPodAutoscalers } from "../../operator/kube/resource-types.ts";
import { Store } from "../../operator/kube/store.ts";
import { createLogger } from "../../operator/observability/logger.ts";
import { installOperator } from "../cluster/install.ts";
import { type Fault, PrometheusProxy } from "./prometheus-proxy.ts";
import { RequestLoad } from "./request-load.ts";
import { namespace, Stage } from "./stage.ts";
import { until } from "./until.ts";

const name = "echo";

let stage: Stage;
let proxy: PrometheusProxy;
let load: RequestLoad;
/** Every value that spec.replicas of the service's Deployment has had. */
const replicasSeen: number[] = [];
const watching = new AbortController();

beforeAll(async () => {
  stage = await Stage.start("scaling");
  proxy = await PrometheusProxy.start(stage.cluster);
  await installOperator(stage.cluster, { prometheusAddress: proxy.address });
  await stage.apply(
    stage.manifest(name, {
      minReplicas: 1,
      maxReplicas: 5,
      autoScaling: {
        metrics: [
          { type: "RequestRate", target: 10 },
          { type: "QueueDepth", target: 4 },
        ],
        behavior: { scaleDown: { stabilizationWindowSeconds: 5 } },
      },
    }),
  );
  watchReplicas();
  await stage.condition(name, "Ready", { status: "True" });
  const gate = await stage.cluster.forwardService({ namespace, name: `${name}-predictor`, port: 80 });
  load = new RequestLoad(new URL(`http://127.0.0.1:${gate.port}/v2/models/${name}/infer`), {
    inputs: [{ name: "x", shape: [1], datatype: "FP32", data: [1] }],
  });
});

afterAll(async () => {
  load?.setRate(0);
  watching.abort();
  await proxy?.stop();
  await stage?.stop();
});

function watchReplicas(): void {
  const store = new Store({ onListenerError: (error) => expect.fail(String(error)) });
  store.subscribe((_before, after) => {
    if (after?.metadata?.name !== `${name}-predictor`) return;
    replicasSeen.push((after as { spec?: { replicas?: number } }).spec?.replicas ?? 0);
  });
  const logger = createLogger("error");
  void new Reflector({ client: stage.client, type: deployments, store, logger, namespace }).run(watching.signal);
}

function hpa(): Promise<HorizontalPodAutoscaler | undefined> {
  return stage.client.get(horizontalPodAutoscalers, { namespace, name: `${name}-predictor` });
}

function replicas(wanted: number, timeoutSeconds = 60): Promise<boolean> {
  return until(async () => (await stage.replicas(name)) === wanted, { what: `${wanted} replicas`, timeoutSeconds });
}

/** The HPA's own condition: it says whether its last look at our metrics worked. */
function hpaScalingActive(status: string): Promise<unknown> {
  const active = async () =>
    (await hpa())?.status?.conditions?.some(
      (condition) => condition.type === "ScalingActive" && condition.status === status,
    );
  return until(active, { what: `the HPA's ScalingActive is ${status}` });
}

describe("the number of replicas", () => {
  test("rises with the request rate, in one step and at once", async () => {
    await stage.condition(name, "MetricsAvailable", { status: "True" });
    load.setRate(25);
    await replicas(3);
    const { autoScaling } = (await stage.service(name))?.status ?? {};
    expect(autoScaling?.lastChanges?.[0]?.reason).toMatch(/^RequestRate [\d.]+\/s at 10\/s per replica asks for \d/);
  });

  test("is seen by the real HPA controller through both of our metrics", async () => {
    await hpaScalingActive("True");
    const metrics = await until(
      async () => {
        const current = (await hpa())?.status?.currentMetrics;
        return current?.every((metric) => metric.external?.current.averageValue !== undefined) ? current : undefined;
      },
      { what: "both metrics have values" },
    );
    expect(metrics.map((metric) => metric.external?.metric.name ?? "").toSorted()).toEqual([
      "plimsoll_queue_depth",
      "plimsoll_request_rate",
    ]);
  });

  test("falls when the load falls: the HPA lowers it, and the status says why", async () => {
    load.setRate(5);
    await replicas(1, 90);
    const { stdout } = await stage.cluster.kubectl([
      "get",
      "events",
      "-o",
      "jsonpath={range .items[*]}{.reason} {.message}{'\\n'}{end}",
    ]);
    expect(stdout).toMatch(/SuccessfulRescale New size: 1; reason: All metrics below target/);
    await until(async () => (await stage.service(name))?.status?.autoScaling?.lastChanges?.[0]?.to === 1, {
      what: "the change is in the status",
    });
  });
});

describe("without usable metrics", () => {
  beforeAll(async () => {
    load.setRate(25);
    await replicas(3);
    await stage.condition(name, "ScalingActive", { status: "True", reason: "Scaling" });
  });

  const faults: readonly [Fault | "stopped", string][] = [
    ["stopped", "PrometheusError|PrometheusUnreachable"],
    ["refused", "PrometheusUnreachable"],
    ["empty", "NoSamples"],
    ["nan", "InvalidSamples"],
    ["html", "PrometheusError"],
    ["slow", "PrometheusUnreachable"],
    ["error", "PrometheusError"],
  ];
  test.each(faults)(
    "(Prometheus %s) replicas stay, the condition says %s, and recovery is automatic",
    async (fault, reasons) => {
      await hpaScalingActive("True");
      replicasSeen.length = 0;
      await begin(fault);
      const condition = await stage.condition(name, "MetricsAvailable", { status: "False" });
      expect(condition.reason).toMatch(new RegExp(`^(${reasons})$`));
      // The HPA has looked, and got nothing that it could have acted on.
      await hpaScalingActive("False");
      await end(fault);
      await stage.condition(name, "MetricsAvailable", { status: "True" });
      await hpaScalingActive("True");
      await stage.condition(name, "ScalingActive", { status: "True", reason: "Scaling" });
      expect(await stage.replicas(name)).toBeGreaterThanOrEqual(3);
      expect(Math.min(3, ...replicasSeen)).toBe(3);
    },
  );

  test("nothing was lost meanwhile, and scaling down works again", async () => {
    load.setRate(2);
    await replicas(1, 90);
    expect(load.failures).toEqual([]);
    expect(load.rejected).toBe(0);
    expect(load.answered).toBeGreaterThan(100);
  });
});

async function begin(fault: Fault | "stopped"): Promise<void> {
  if (fault === "stopped") await stage.cluster.stopPrometheus();
  else proxy.fault = fault;
}

async function end(fault: Fault | "stopped"): Promise<void> {
  if (fault === "stopped") await stage.cluster.startPrometheus();
  else proxy.fault = "pass";
}
