// Reading InferenceServices: defaults filled in, fields of the future ignored, and whatever is wrong named.

import { describe, expect, test } from "vitest";
import { z } from "zod";
import { parseInferenceService } from "./inference-service.ts";

const smallest = {
  apiVersion: "serving.plimsoll.dev/v1alpha1",
  kind: "InferenceService",
  metadata: { name: "resnet", namespace: "vision", uid: "u1" },
  spec: {
    predictor: { model: { modelFormat: { name: "onnx" }, storageUri: "https://models.example.com/resnet.onnx" } },
  },
};

/** The smallest service with `value` at a path such as `spec.predictor.minReplicas`. */
function withValue(path: string, value: unknown): Record<string, unknown> {
  const copy = structuredClone(smallest) as Record<string, unknown>;
  const names = path.split(".");
  const last = names.pop() ?? "";
  let at = copy;
  for (const name of names) at = (at[name] ??= {}) as Record<string, unknown>;
  if (value === undefined) delete at[last];
  else at[last] = value;
  return copy;
}

test("the smallest service gets every default", () => {
  const parsed = parseInferenceService(smallest);
  expect(parsed.data?.spec.predictor).toEqual({
    model: {
      ...smallest.spec.predictor.model,
      startupProbe: { periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 1800 },
      readinessProbe: { periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 2 },
      livenessProbe: { periodSeconds: 10, timeoutSeconds: 10, failureThreshold: 6 },
    },
    minReplicas: 1,
    maxReplicas: 10,
    deploymentStrategy: { type: "RollingUpdate" },
    drainSeconds: 30,
    autoScaling: {
      mode: "HPA",
      metrics: [{ type: "QueueDepth", target: 4 }],
      behavior: { scaleDown: { stabilizationWindowSeconds: 300 } },
    },
  });
});

test("the short form of KServe is a metric", () => {
  const spec = { predictor: { ...smallest.spec.predictor, scaleMetric: "rps", scaleTarget: 50 } };
  const { predictor } = parseInferenceService({ ...smallest, spec }).data?.spec ?? {};
  expect(predictor?.autoScaling.metrics).toEqual([{ type: "RequestRate", target: 50 }]);
});

test("fields that are passed on to pods are kept whole", () => {
  const fields = {
    affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
    tolerations: [{ key: "batch", operator: "Exists" }],
    volumes: [{ name: "own", emptyDir: { sizeLimit: "1Gi" } }],
  };
  const spec = { predictor: { ...smallest.spec.predictor, ...fields } };
  expect(parseInferenceService({ ...smallest, spec }).data?.spec.predictor).toMatchObject(fields);
});

describe("what is given stays as it is", () => {
  test.each([
    ["a count of GPUs left out is 1", "spec.predictor.accelerator", { product: "NVIDIA-L4" }, { count: 1 }],
    [
      "a target may be text",
      "spec.predictor.autoScaling.metrics",
      [{ type: "RequestRate", target: "2500m" }],
      undefined,
    ],
    [
      "a target may be a number",
      "spec.predictor.autoScaling.metrics",
      [{ type: "RequestRate", target: 50 }],
      undefined,
    ],
    [
      "quantities may be numbers or text",
      "spec.predictor.model.resources",
      { limits: { cpu: 1, memory: "1Gi" } },
      undefined,
    ],
    [
      "a stabilisation window of 0 is not left out",
      "spec.predictor.autoScaling.behavior",
      { scaleDown: { stabilizationWindowSeconds: 0 } },
      undefined,
    ],
    ["a count of 0 in mode External is not left out", "spec.predictor.replicas", 0, undefined],
  ])("%s", (_sentence, path, value, added) => {
    const parsed = parseInferenceService(withValue(path, value));
    const read = path.split(".").reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], parsed.data);
    expect(read).toEqual(added === undefined ? value : { ...Object(value), ...added });
  });

  test("all of the metadata is kept", () => {
    const metadata = { ...smallest.metadata, generation: 3, labels: { team: "a" }, finalizers: ["x/y"] };
    expect(parseInferenceService({ ...smallest, metadata }).data?.metadata).toEqual(metadata);
  });
});

describe("fields that this version does not know are ignored: a newer CRD does not break an older operator", () => {
  test.each([
    "spec.transformer",
    "spec.predictor.batcher",
    "spec.predictor.model.runtime",
    "spec.predictor.autoScaling.schedule",
    "status.coldStart",
  ])("%s", (path) => {
    const parsed = parseInferenceService(withValue(path, { some: "thing" }));
    expect(parsed.success).toBe(true);
    expect(JSON.stringify(parsed.data)).not.toContain("thing");
  });
});

describe("what is wrong is named", () => {
  test.each([
    ["a service without a spec", "spec", undefined, "spec"],
    ["a model without an address", "spec.predictor.model.storageUri", undefined, "spec.predictor.model.storageUri"],
    [
      "a format that nothing serves",
      "spec.predictor.model.modelFormat.name",
      "pickle",
      "spec.predictor.model.modelFormat.name",
    ],
    ["fewer than one replica", "spec.predictor.minReplicas", 0, "spec.predictor.minReplicas"],
    ["half a replica", "spec.predictor.maxReplicas", 1.5, "spec.predictor.maxReplicas"],
    [
      "no GPU of a kind",
      "spec.predictor.accelerator",
      { product: "NVIDIA-L4", count: 0 },
      "spec.predictor.accelerator.count",
    ],
    ["a mode that does not exist", "spec.predictor.autoScaling.mode", "KEDA", "spec.predictor.autoScaling.mode"],
    ["no metric at all", "spec.predictor.autoScaling.metrics", [], "spec.predictor.autoScaling.metrics"],
    [
      "a signal that does not exist",
      "spec.predictor.autoScaling.metrics",
      [{ type: "CPU", target: 1 }],
      "metrics[0].type",
    ],
    [
      "a target that is no quantity",
      "spec.predictor.autoScaling.metrics",
      [{ type: "QueueDepth", target: "many" }],
      "metrics[0].target",
    ],
    [
      "a target of 0",
      "spec.predictor.autoScaling.metrics",
      [{ type: "QueueDepth", target: "0m" }],
      "metrics[0].target",
    ],
    [
      "a target that no double holds",
      "spec.predictor.autoScaling.metrics",
      [{ type: "QueueDepth", target: "1e400" }],
      "metrics[0].target",
    ],
    [
      "a window of two hours",
      "spec.predictor.autoScaling.behavior.scaleDown.stabilizationWindowSeconds",
      7200,
      "stabilizationWindowSeconds",
    ],
    ["a metric that KServe has and this does not", "spec.predictor.scaleMetric", "cpu", "spec.predictor.scaleMetric"],
    ["volumes that are no list", "spec.predictor.volumes", { name: "own" }, "spec.predictor.volumes"],
    ["a volume that is no object", "spec.predictor.volumes", ["own"], "spec.predictor.volumes[0]"],
    ["an affinity that is no object", "spec.predictor.affinity", "zone", "spec.predictor.affinity"],
    ["another kind", "kind", "Deployment", "kind"],
    ["another version", "apiVersion", "serving.plimsoll.dev/v2", "apiVersion"],
    ["an object that was never stored", "metadata.uid", undefined, "metadata"],
  ])("%s", (_sentence, path, value, named) => {
    const parsed = parseInferenceService(withValue(path, value));
    expect(parsed.error && z.prettifyError(parsed.error)).toMatch(new RegExp(`at \\S*${RegExp.escape(named)}$`, "m"));
  });
});

test("a status that cannot be read is as good as none: it is written anew", () => {
  const parsed = parseInferenceService(withValue("status", { replicas: "many" }));
  expect(parsed).toMatchObject({ success: true, data: { status: undefined } });
});

test("a status that can be read is kept, with its numbers", () => {
  const parsed = parseInferenceService(withValue("status", { autoScaling: { desiredReplicas: 7 } }));
  expect(parsed.data?.status?.autoScaling?.desiredReplicas).toBe(7);
});
