// The reconciler against a real control plane: children, edits by hand, roll-outs, restarts of either side.

import type { HorizontalPodAutoscaler } from "kubernetes-types/autoscaling/v2.js";
import type { Service } from "kubernetes-types/core/v1.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  deployments,
  horizontalPodAutoscalers,
  podDisruptionBudgets,
  services,
} from "../../operator/kube/resource-types.ts";
import type { KubeObject, ResourceType } from "../../operator/kube/types.ts";
import { OperatorProcess } from "./operator-process.ts";
import { asTester, inferenceServices, namespace, Stage } from "./stage.ts";
import { until } from "./until.ts";

let stage: Stage;
let operator: OperatorProcess;

beforeAll(async () => {
  stage = await Stage.start("operator");
  operator = await startOperator();
});

afterAll(async () => {
  await stage?.stop();
});

function startOperator(): Promise<OperatorProcess> {
  return OperatorProcess.start(stage.cluster, { prometheusAddress: stage.cluster.insidePrometheusAddress });
}

const childTypes: readonly ResourceType<KubeObject>[] = [
  deployments,
  services,
  horizontalPodAutoscalers,
  podDisruptionBudgets,
];

function child<T extends KubeObject>(type: ResourceType<T>, name: string): Promise<T | undefined> {
  return stage.client.get(type, { namespace, name: `${name}-predictor` });
}

describe("an InferenceService", () => {
  test("gets its children, owned by it, and answers requests", async () => {
    const { metadata } = await stage.apply(stage.manifest("first", { minReplicas: 2 }));
    await stage.condition("first", "Ready", { status: "True" });
    for (const type of childTypes) {
      const owners = (await child(type, "first"))?.metadata?.ownerReferences;
      expect(owners, type.kind).toMatchObject([{ uid: metadata?.uid, controller: true, kind: "InferenceService" }]);
    }
    const status = (await stage.service("first"))?.status;
    expect(status).toMatchObject({
      url: "http://first-predictor.default.svc",
      readyReplicas: 2,
      observedGeneration: 1,
    });
    const gate = await stage.cluster.forwardService({ namespace, name: "first-predictor", port: 80 });
    const answer = await fetch(`http://127.0.0.1:${gate.port}/v2/models/first/infer`, {
      method: "POST",
      body: JSON.stringify({ inputs: [{ name: "x", shape: [3], datatype: "FP32", data: [1, 2.5, -3] }] }),
    });
    expect(await answer.json()).toMatchObject({ model_name: "first", outputs: [{ name: "y", data: [1, 2.5, -3] }] });
    await gate.close();
  });

  test("that is deleted leaves nothing behind", async () => {
    await stage.apply(stage.manifest("gone"));
    await stage.condition("gone", "Ready", { status: "True" });
    await stage.client.delete(inferenceServices, { namespace, name: "gone" });
    for (const type of childTypes) {
      await until(async () => (await child(type, "gone")) === undefined, { what: `the ${type.kind} is collected` });
    }
    const pods = ["get", "pods", "-o", "name", "-l", "serving.plimsoll.dev/inference-service=gone"];
    await until(async () => (await stage.cluster.kubectl(pods)).stdout === "", { what: "the pods are gone" });
  });

  test("whose model changes rolls the Deployment, and reverting brings the earlier revision back", async () => {
    const original = stage.manifest("rolling");
    await stage.apply(original);
    await stage.condition("rolling", "RolloutComplete", { status: "True" });
    const revision = (await stage.service("rolling"))?.status?.model?.revision;
    const model = { modelFormat: { name: "onnx" }, storageUri: stage.models.uri("identity-fp64.onnx") };
    await stage.apply(stage.manifest("rolling", { model }));
    await stage.condition("rolling", "RolloutComplete", { status: "True" });
    expect((await stage.service("rolling"))?.status?.model?.revision).not.toBe(revision);
    await stage.apply(original);
    await stage.condition("rolling", "RolloutComplete", { status: "True" });
    expect((await stage.service("rolling"))?.status?.model?.revision).toBe(revision);
  });

  test("whose new model cannot be loaded goes on being served by the old one", async () => {
    const original = stage.manifest("broken");
    await stage.apply(original);
    await stage.condition("broken", "RolloutComplete", { status: "True" });
    const model = { modelFormat: { name: "onnx" }, storageUri: stage.models.uri("missing.onnx") };
    await stage.apply(stage.manifest("broken", { model }));
    await stage.condition("broken", "RolloutComplete", { status: "False", reason: "RolledBack" });
    expect((await stage.service("broken"))?.status?.readyReplicas).toBe(1);
    await stage.apply(original);
    await stage.condition("broken", "RolloutComplete", { status: "True" });
  });

  test("that is paused keeps its children as they are, and goes on when it no longer is", async () => {
    await stage.apply(stage.manifest("paused"));
    await stage.condition("paused", "RolloutComplete", { status: "True" });
    const annotate = (change: string) =>
      stage.cluster.kubectl(["annotate", "inferenceservice", "paused", `serving.plimsoll.dev/paused${change}`]);
    const strategy = async () => (await stage.deployment("paused"))?.spec?.strategy?.type;
    await annotate("=true");
    await stage.condition("paused", "RolloutComplete", { status: "Unknown", reason: "Paused" });
    await stage.apply(stage.manifest("paused", { deploymentStrategy: { type: "Recreate" } }));
    // The condition is about the edited spec: it was looked at, and left.
    await stage.condition("paused", "RolloutComplete", { status: "Unknown", reason: "Paused" });
    expect(await strategy()).toBe("RollingUpdate");
    await annotate("-");
    await stage.condition("paused", "RolloutComplete", { status: "True" });
    expect(await strategy()).toBe("Recreate");
  });

  test("asks for a GPU where its spec does, and is placed where there is one", async () => {
    await stage.apply(stage.manifest("accelerated", { accelerator: { product: "NVIDIA-L4" } }));
    await stage.condition("accelerated", "Ready", { status: "True" });
    const pods = ["get", "pods", "-l", "serving.plimsoll.dev/inference-service=accelerated", "-o"];
    const { stdout } = await stage.cluster.kubectl([...pods, "jsonpath={.items[0].spec.nodeName}"]);
    expect(stdout).toBe("node-gpu");
  });

  test("in mode External takes its replicas from kubectl scale and has no HPA", async () => {
    const external = { autoScaling: { mode: "External" }, replicas: 1 };
    await stage.apply(stage.manifest("external"));
    await until(() => child(horizontalPodAutoscalers, "external"), { what: "the HPA of mode HPA" });
    await stage.apply(stage.manifest("external", external));
    await until(async () => (await child(horizontalPodAutoscalers, "external")) === undefined, { what: "no HPA" });
    const scaled = await stage.cluster.kubectl(["scale", "inferenceservice/external", "--replicas=3"]);
    expect(scaled.stdout).toContain("scaled");
    await until(async () => (await stage.replicas("external")) === 3, { what: "three replicas" });
  });

  test("under whose name a stranger's Deployment exists leaves it alone and says so", async () => {
    const stranger = {
      metadata: { name: "taken-predictor", namespace },
      spec: {
        replicas: 0,
        selector: { matchLabels: { app: "stranger" } },
        template: { metadata: { labels: { app: "stranger" } }, spec: { containers: [{ name: "c", image: "none" }] } },
      },
    };
    await stage.client.create(deployments, stranger, asTester);
    await stage.apply(stage.manifest("taken"));
    const { message } = await stage.condition("taken", "Ready", { status: "False", reason: "ChildNotControlled" });
    expect(message).toMatch(/taken-predictor/);
    expect((await child(deployments, "taken"))?.spec?.selector.matchLabels).toEqual({ app: "stranger" });
  });
});

describe("a service that serves already", () => {
  test("says that a child cannot be made any more, and what its pods do meanwhile", async () => {
    await stage.apply(stage.manifest("robbed"));
    await stage.condition("robbed", "RolloutComplete", { status: "True" });
    operator.pause();
    const ref = { namespace, name: "robbed-predictor" };
    await stage.client.delete(horizontalPodAutoscalers, ref);
    const scaleTargetRef = { apiVersion: "apps/v1", kind: "Deployment", name: "elsewhere" };
    await stage.client.create(
      horizontalPodAutoscalers,
      { metadata: ref, spec: { maxReplicas: 1, scaleTargetRef } },
      asTester,
    );
    operator.resume();
    await stage.condition("robbed", "Ready", { status: "False", reason: "ChildNotControlled" });
    expect((await stage.service("robbed"))?.status).toMatchObject({ readyReplicas: 1, replicas: 1 });
    await stage.client.delete(horizontalPodAutoscalers, ref);
    await stage.condition("robbed", "Ready", { status: "True" });
  });
});

describe("a child", () => {
  beforeAll(async () => {
    await stage.apply(stage.manifest("tended", { minReplicas: 1, maxReplicas: 5 }));
    await stage.condition("tended", "RolloutComplete", { status: "True" });
  });

  test.each(childTypes.map((type) => [type.kind, type] as const))(
    "%s that is deleted by hand comes back",
    async (_kind, type) => {
      const uid = (await child(type, "tended"))?.metadata?.uid;
      await stage.client.delete(type, { namespace, name: "tended-predictor" });
      await until(
        async () => {
          const again = await child(type, "tended");
          return again !== undefined && again.metadata?.uid !== uid;
        },
        { what: "a new one" },
      );
      await stage.condition("tended", "Ready", { status: "True" });
    },
  );

  test("edited by hand is put right", async () => {
    const patch = (type: ResourceType<KubeObject>, change: object) =>
      stage.client.patch(type, { namespace, name: "tended-predictor" }, change, asTester);
    await patch(services, { spec: { selector: { "serving.plimsoll.dev/inference-service": "other" } } });
    await patch(horizontalPodAutoscalers, { spec: { behavior: { scaleDown: { stabilizationWindowSeconds: 7 } } } });
    await patch(deployments, { spec: { progressDeadlineSeconds: 17 } });
    await until(
      async () =>
        (await child<Service>(services, "tended"))?.spec?.selector?.["serving.plimsoll.dev/inference-service"] ===
        "tended",
      { what: "the selector" },
    );
    await until(
      async () =>
        (await child<HorizontalPodAutoscaler>(horizontalPodAutoscalers, "tended"))?.spec?.behavior?.scaleDown
          ?.stabilizationWindowSeconds === 300,
      { what: "the behavior" },
    );
    await until(async () => (await stage.deployment("tended"))?.spec?.progressDeadlineSeconds === 2400, {
      what: "the deadline",
    });
  });

  test("keeps a field that somebody else added, and its replicas", async () => {
    const ref = { namespace, name: "tended-predictor" };
    await stage.client.patch(deployments, ref, { metadata: { annotations: { "example.com/note": "mine" } } }, asTester);
    await stage.client.patch(
      horizontalPodAutoscalers,
      ref,
      { spec: { behavior: { scaleUp: { stabilizationWindowSeconds: 9 } } } },
      asTester,
    );
    await until(
      async () =>
        (await child<HorizontalPodAutoscaler>(horizontalPodAutoscalers, "tended"))?.spec?.behavior?.scaleUp
          ?.stabilizationWindowSeconds === 0,
      { what: "our field is put right" },
    );
    expect((await stage.deployment("tended"))?.metadata?.annotations?.["example.com/note"]).toBe("mine");
  });
});

describe("what happens while the operator does not look", () => {
  beforeAll(async () => {
    await stage.apply(stage.manifest("away"));
    await stage.condition("away", "RolloutComplete", { status: "True" });
  });

  test("is reconciled after the API server was restarted", async () => {
    operator.pause();
    await stage.cluster.restartApiServer();
    await until(() => stage.client.delete(services, { namespace, name: "away-predictor" }), {
      what: "the API server takes writes",
    });
    await stage.apply(stage.manifest("away", { minReplicas: 2 }));
    operator.resume();
    await until(() => child(services, "away"), { what: "the Service is back" });
    await until(async () => (await stage.replicas("away")) === 2, { what: "two replicas" });
    await stage.condition("away", "Ready", { status: "True" });
  });

  test("and when nothing happened, a killed and restarted operator writes nothing", async () => {
    await stage.condition("away", "RolloutComplete", { status: "True" });
    await stage.condition("away", "MetricsAvailable", { status: "True" });
    await operator.ticks(15);
    await operator.stop("SIGKILL");
    const before = (await operatorWrites()).length;
    operator = await startOperator();
    await until(
      async () => ((await operator.metric("controller_runtime_reconcile_total", 'result="success"')) ?? 0) > 0,
      { what: "reconciles" },
    );
    await operator.ticks(15);
    expect((await operatorWrites()).slice(before)).toEqual([]);
  });

  test("SIGTERM ends the operator in order", async () => {
    expect(await operator.stop("SIGTERM")).toBe(0);
    operator = await startOperator();
  });
});

/** Mutating requests of the operator, but for the questions it asks by a create request. */
async function operatorWrites(): Promise<readonly string[]> {
  const entries = await stage.cluster.auditLog();
  return entries
    .filter((entry) => entry.userAgent?.startsWith("plimsoll-operator") === true)
    .filter((entry) => entry.objectRef?.resource !== "subjectaccessreviews")
    .map((entry) => `${entry.verb} ${entry.requestURI}`);
}
