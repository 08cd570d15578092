// The custom resource definition in a real API server: accepted as structural, and refusing bad manifests clearly.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { customResourceDefinitions } from "../../operator/kube/resource-types.ts";
import { type ServiceManifest, Stage } from "./stage.ts";
import { until } from "./until.ts";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.start("api");
});

afterAll(async () => {
  await stage?.stop();
});

function predictor(overrides: Readonly<Record<string, unknown>>): ServiceManifest {
  return stage.manifest("candidate", overrides);
}

function model(overrides: Readonly<Record<string, unknown>>): ServiceManifest {
  return predictor({ model: { modelFormat: { name: "onnx" }, storageUri: "pvc://models/m.onnx", ...overrides } });
}

function named(name: string): ServiceManifest {
  const manifest = stage.manifest(name);
  return { apiVersion: "serving.plimsoll.dev/v1alpha1", kind: "InferenceService", ...manifest };
}

/** The API server's answer to `kubectl create`, without creating anything. */
async function create(manifest: ServiceManifest): Promise<string> {
  const object = { apiVersion: "serving.plimsoll.dev/v1alpha1", kind: "InferenceService", ...manifest };
  const result = await stage.cluster.kubectl(["create", "--dry-run=server", "-f", "-"], JSON.stringify(object));
  return result.stdout + result.stderr;
}

describe("the custom resource definition", () => {
  test("is established and structural", async () => {
    const name = "inferenceservices.serving.plimsoll.dev";
    const conditions = await until(
      async () => (await stage.client.get(customResourceDefinitions, { name }))?.status?.conditions,
      { what: "conditions of the CRD" },
    );
    expect(conditions).toContainEqual(expect.objectContaining({ type: "Established", status: "True" }));
    expect(conditions.map((condition) => condition.type)).not.toContain("NonStructuralSchema");
  });

  test("makes kubectl explain the manual", async () => {
    const explain = ["explain", "inferenceservice.spec.predictor.autoScaling.metrics"];
    const explained = async () => {
      const { stdout } = await stage.cluster.kubectl(explain);
      return stdout.includes("What one replica should carry: requests per second");
    };
    // The API server publishes the schema a moment after the definition is established.
    await until(explained, { what: "the field is explained", timeoutSeconds: 30 });
  });

  test("fills in the defaults", async () => {
    await stage.apply(stage.manifest("defaults"));
    const stored = await stage.service("defaults");
    expect(stored?.spec?.predictor).toMatchObject({
      minReplicas: 1,
      maxReplicas: 10,
      autoScaling: {
        mode: "HPA",
        metrics: [{ type: "QueueDepth", target: 4 }],
        behavior: { scaleDown: { stabilizationWindowSeconds: 300 } },
      },
    });
  });
});

describe("the API server", () => {
  const accepted: Record<string, () => ServiceManifest> = {
    "the smallest manifest": () => predictor({}),
    "a target as a quantity": () => predictor({ autoScaling: { metrics: [{ type: "RequestRate", target: "2500m" }] } }),
    "replicas in mode External": () => predictor({ replicas: 3, autoScaling: { mode: "External" } }),
    "an https URI": () => model({ storageUri: "https://models.example.com/a/model.onnx" }),
    "a folder in S3": () => model({ storageUri: "s3://models/resnet/" }),
    "a file of Hugging Face": () => model({ storageUri: "hf://owner/repo@main/onnx/model.onnx" }),
    "a name of 53 characters": () => named("a".repeat(53)),
  };
  test.each(Object.entries(accepted))("accepts %s", async (_what, manifest) => {
    expect(await create(manifest())).toMatch(/created \(server dry run\)/);
  });

  const refused: Record<string, { manifest: () => ServiceManifest; field: string; says: RegExp }> = {
    "negative replicas": {
      manifest: () => predictor({ minReplicas: -1 }),
      field: "spec.predictor.minReplicas",
      says: /greater than or equal to 1/,
    },
    "more replicas at least than at most": {
      manifest: () => predictor({ minReplicas: 5, maxReplicas: 2 }),
      field: "spec.predictor.maxReplicas",
      says: /must be at least minReplicas/,
    },
    "more replicas at least than the default maximum": {
      manifest: () => predictor({ minReplicas: 50 }),
      field: "spec.predictor.maxReplicas",
      says: /default 10/,
    },
    "a huge number of replicas": {
      manifest: () => predictor({ maxReplicas: 2 ** 40 }),
      field: "spec.predictor.maxReplicas",
      says: /less than or equal to 10000/,
    },
    "a fraction of a replica": {
      manifest: () => predictor({ maxReplicas: 2.5 }),
      field: "spec.predictor.maxReplicas",
      says: /integer/,
    },
    "an unknown scheme": {
      manifest: () => model({ storageUri: "ftp://host/model.onnx" }),
      field: "spec.predictor.model.storageUri",
      says: /must be https:\/\/HOST\/PATH, http:\/\/HOST\/PATH, s3:\/\/BUCKET\/PATH, .* or pvc:\/\/CLAIM\/PATH/,
    },
    "a password in the URI": {
      manifest: () => model({ storageUri: "https://me:secret@host/model.onnx" }),
      field: "spec.predictor.model.storageUri",
      says: /without user name or password/,
    },
    "a way out of the claim": {
      manifest: () => model({ storageUri: "pvc://claim/../../etc/passwd" }),
      field: "spec.predictor.model.storageUri",
      says: /'\.\.' segment/,
    },
    "an empty URI": {
      manifest: () => model({ storageUri: "" }),
      field: "spec.predictor.model.storageUri",
      says: /at least 1 chars/,
    },
    "an unknown format": {
      manifest: () => model({ modelFormat: { name: "pickle" } }),
      field: "spec.predictor.model.modelFormat.name",
      says: /supported values: "onnx"/,
    },
    "no model": {
      manifest: () => ({ metadata: { name: "candidate" }, spec: { predictor: {} } }),
      field: "spec.predictor.model",
      says: /Required value/,
    },
    "an empty name": { manifest: () => named(""), field: "metadata.name", says: /name or generateName is required/ },
    "a name of 300 characters": {
      manifest: () => named("a".repeat(300)),
      field: "metadata.name",
      says: /no more than 253 characters/,
    },
    "a name too long for the Service": {
      manifest: () => named("a".repeat(54)),
      field: "metadata.name",
      says: /at most 53 characters/,
    },
    "a name that no Service may have": {
      manifest: () => named("1st.model"),
      field: "metadata.name",
      says: /start with a letter/,
    },
    "a target of 0": {
      manifest: () => predictor({ autoScaling: { metrics: [{ type: "RequestRate", target: 0 }] } }),
      field: "spec.predictor.autoScaling.metrics[0].target",
      says: /above 0/,
    },
    "a target that is no quantity": {
      manifest: () => predictor({ autoScaling: { metrics: [{ type: "RequestRate", target: "many" }] } }),
      field: "spec.predictor.autoScaling.metrics[0].target",
      says: /above 0/,
    },
    "the same signal twice": {
      manifest: () =>
        predictor({
          autoScaling: {
            metrics: [
              { type: "QueueDepth", target: 1 },
              { type: "QueueDepth", target: 2 },
            ],
          },
        }),
      field: "spec.predictor.autoScaling.metrics[1]",
      says: /Duplicate value/,
    },
    "replicas that would have no effect": {
      manifest: () => predictor({ replicas: 3 }),
      field: "spec.predictor.replicas",
      says: /set minReplicas and maxReplicas instead/,
    },
    "an amount that is no quantity": {
      manifest: () => model({ resources: { limits: { cpu: "two" } } }),
      field: "spec.predictor.model.resources.limits[cpu]",
      says: /must be a quantity/,
    },
    "a request above its limit": {
      manifest: () => model({ resources: { requests: { cpu: 2 }, limits: { cpu: "500m" } } }),
      field: "spec.predictor.model.resources",
      says: /at most the limit/,
    },
    "no GPU at all": {
      manifest: () => predictor({ accelerator: { product: "NVIDIA-L4", count: 0 } }),
      field: "spec.predictor.accelerator.count",
      says: /greater than or equal to 1/,
    },
    "a field that does not exist": {
      manifest: () => predictor({ maxReplica: 3 }),
      field: "spec.predictor.maxReplica",
      says: /unknown field/,
    },
  };
  test.each(Object.entries(refused))("refuses %s", async (_what, { manifest, field, says }) => {
    const answer = await create(manifest());
    expect(answer).not.toMatch(/created/);
    expect(answer).toContain(field);
    expect(answer).toMatch(says);
  });
});
