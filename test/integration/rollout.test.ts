// Roll-outs on the real controllers, with pods that run: under load, with a model that is missing, and without a spare GPU.

import type { Deployment } from "kubernetes-types/apps/v1.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rollOutAttemptsAnnotation } from "../../operator/api/group.ts";
import { OperatorProcess } from "./operator-process.ts";
import { RequestLoad } from "./request-load.ts";
import { namespace, Stage } from "./stage.ts";
import { until } from "./until.ts";

let stage: Stage;
let operator: OperatorProcess;

beforeAll(async () => {
  stage = await Stage.start("rollout");
  operator = await startOperator();
});

afterAll(async () => {
  await stage?.stop();
});

function startOperator(): Promise<OperatorProcess> {
  return OperatorProcess.start(stage.cluster, { prometheusAddress: stage.cluster.insidePrometheusAddress });
}

/** The folder changes the revision, the file is the same. */
function model(file: string) {
  return { modelFormat: { name: "onnx" }, storageUri: stage.models.uri(file) };
}

const request = { inputs: [{ name: "x", shape: [1], datatype: "FP32", data: [1] }] };

function argumentsOf(deployment: Deployment | undefined): string {
  return deployment?.spec?.template.spec?.containers[0]?.args?.join(" ") ?? "";
}

/** What a person would compare: without what the controllers count. */
function snapshot(deployment: Deployment | undefined) {
  const { "deployment.kubernetes.io/revision": _, ...annotations } = deployment?.metadata?.annotations ?? {};
  return { spec: deployment?.spec, annotations };
}

/** Looks at the Deployment all the time. @returns the fewest that were ready, and all counts of replicas, when called */
function watchCapacity(name: string) {
  const ready: number[] = [];
  const replicas = new Set<number | undefined>();
  const end = new AbortController();
  const looking = (async () => {
    while (!end.signal.aborted) {
      const deployment = await stage.deployment(name);
      ready.push(deployment?.status?.readyReplicas ?? 0);
      replicas.add(deployment?.spec?.replicas);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  return async () => {
    end.abort();
    await looking;
    return { fewestReady: Math.min(...ready), replicas: [...replicas] };
  };
}

describe("a new model", () => {
  test("takes over without a lost request, and never with fewer pods than before", async () => {
    const bounds = { minReplicas: 2, maxReplicas: 2 };
    await stage.apply(stage.manifest("steady", { ...bounds, model: model("1/identity-fp32.onnx") }));
    const { servingRevision: first } = await completed("steady");
    const gate = await stage.cluster.forwardService({ namespace, name: "steady-predictor", port: 80 });
    const load = new RequestLoad(new URL(`http://127.0.0.1:${gate.port}/v2/models/steady/infer`), request);
    load.setRate(20);
    const capacity = watchCapacity("steady");
    await stage.apply(stage.manifest("steady", { ...bounds, model: model("2/identity-fp32.onnx") }));
    const { servingRevision: second } = await completed("steady");
    const seen = load.answered;
    await until(() => load.answered > seen + 40, { what: "answers of the new revision" });
    load.setRate(0);
    expect(await capacity()).toEqual({ fewestReady: 2, replicas: [2] });
    expect({ failures: load.failures, rejected: load.rejected }).toEqual({ failures: [], rejected: 0 });
    expect(second).not.toBe(first);
    await gate.close();
  });

  test("that is missing gives way to the one that served, is tried again, and reverting leaves no trace", async () => {
    const original = stage.manifest("broken", { model: model("1/identity-fp32.onnx") });
    await stage.apply(original);
    const { servingRevision } = await completed("broken");
    const before = snapshot(await stage.deployment("broken"));
    const capacity = watchCapacity("broken");
    await stage.apply(stage.manifest("broken", { model: model("missing.onnx") }));
    const { message } = await stage.condition("broken", "RolloutComplete", { status: "False", reason: "RolledBack" });
    expect(message).toMatch(/^revision \w+ failed \(once\), \w+ goes on serving; it is tried again at .*404/);
    await until(async () => argumentsOf(await stage.deployment("broken")).includes("1/identity-fp32.onnx"), {
      what: "the template of the serving revision",
    });
    const { status } = (await stage.service("broken")) ?? {};
    expect(status?.model).toMatchObject({
      servingRevision,
      pendingRevision: status?.model?.revision,
      attempts: 1,
      lastFailure: { reason: "ModelNotFound", revision: status?.model?.revision },
    });
    const ready = status?.conditions?.find(({ type }) => type === "Ready");
    expect(ready).toMatchObject({ status: "True", reason: "ServingEarlierRevision", observedGeneration: 1 });
    expect(status?.conditions).toContainEqual(
      expect.objectContaining({ type: "ModelReady", status: "False", reason: "ModelNotFound" }),
    );

    // Another operator goes on where this one stopped.
    await operator.stop();
    operator = await startOperator();
    await until(async () => (await stage.service("broken"))?.status?.model?.attempts === 2, {
      what: "the second attempt has failed",
      timeoutSeconds: 120,
    });
    expect(await capacity()).toMatchObject({ fewestReady: 1, replicas: [1] });

    await stage.apply(original);
    expect(await completed("broken")).toMatchObject({ servingRevision, revision: servingRevision });
    const after = await stage.deployment("broken");
    expect(snapshot(after)).toEqual(before);
    expect(after?.metadata?.annotations).not.toHaveProperty(rollOutAttemptsAnnotation);
  });
});

test("a new model that does not pass its smoke test never takes a request", async () => {
  const tested = (expected: number) => ({
    ...model("1/identity-fp32.onnx"),
    contract: { inputs: [{ name: "x", datatype: "FP32", shape: [-1] }] },
    smokeTest: { request: JSON.stringify(request), expected: JSON.stringify([{ name: "y", data: [expected] }]) },
  });
  await stage.apply(stage.manifest("tested", { model: tested(1) }));
  const { servingRevision } = await completed("tested");
  await stage.apply(stage.manifest("tested", { model: tested(2) }));
  const { message } = await stage.condition("tested", "RolloutComplete", { status: "False", reason: "RolledBack" });
  expect(message).toContain('output "y" is [1] [1]; expected was [1] [2]');
  const { model: status } = (await stage.service("tested"))?.status ?? {};
  expect(status).toMatchObject({
    servingRevision,
    lastFailure: { reason: "SmokeTestFailed", code: "SMOKE_TEST_FAILED" },
  });
  await stage.apply(stage.manifest("tested", { model: tested(1) }));
  await completed("tested");
});

test("without a spare GPU, pods are replaced in place, and afterwards there is a surge again", async () => {
  // The cluster has two of them.
  const fixed = { minReplicas: 2, maxReplicas: 2, accelerator: { product: "NVIDIA-L4" } };
  await stage.apply(stage.manifest("full", { ...fixed, model: model("1/identity-fp32.onnx") }));
  await completed("full");
  const { spec } = (await stage.deployment("full")) ?? {};
  const capacity = watchCapacity("full");
  await stage.apply(stage.manifest("full", { ...fixed, model: model("2/identity-fp32.onnx") }));
  await stage.condition("full", "RolloutComplete", { status: "False", reason: "ReplacingInPlace" });
  await completed("full");
  await until(async () => (await stage.deployment("full"))?.spec?.strategy?.rollingUpdate?.maxUnavailable === 0, {
    what: "the strategy of before",
  });
  expect((await stage.deployment("full"))?.spec?.strategy).toEqual(spec?.strategy);
  expect(await capacity()).toEqual({ fewestReady: 1, replicas: [2] });
});

/** @returns what the status says of the model once the roll-out is complete */
async function completed(name: string) {
  await stage.condition(name, "RolloutComplete", { status: "True", timeoutSeconds: 120 });
  const { status } = await until(
    async () => {
      const service = await stage.service(name);
      return service?.status?.model?.servingRevision === service?.status?.model?.revision ? service : undefined;
    },
    { what: `${name} serves its newest revision` },
  );
  return status?.model ?? {};
}
