// The custom resource definition in a real API server: accepted as structural, and refusing bad manifests clearly.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { parseInferenceService } from "../../operator/api/inference-service.ts";
import { fieldSetDigest, fieldSetOf } from "../../operator/kube/field-set.ts";
import { ownershipDigest } from "../../operator/kube/managed-fields.ts";
import { customResourceDefinitions, deployments } from "../../operator/kube/resource-types.ts";
import { makeDeployment } from "../../operator/resources/deployment.ts";
import { everyField } from "./every-field.ts";
import { namespace, type ServiceManifest, Stage } from "./stage.ts";
import { until } from "./until.ts";

interface Refusal {
  readonly manifest: () => ServiceManifest;
  readonly field: string;
  readonly says: RegExp;
}

const examples = join(import.meta.dirname, "../../examples");

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

async function deploymentOf(overrides: Readonly<Record<string, unknown>>) {
  const service = await stage.apply(stage.manifest("rendered", overrides));
  const parsed = parseInferenceService(service);
  if (!parsed.success) throw parsed.error;
  return makeDeployment(parsed.data, { serverImage: "plimsoll/server:dev" });
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
      },
      drainSeconds: 30,
      deploymentStrategy: { type: "RollingUpdate" },
      model: { startupProbe: { periodSeconds: 1, failureThreshold: 1800 } },
    });
  });

  test("keeps every field, and adds nothing to those of Kubernetes", async () => {
    const written = stage.manifest("every", everyField);
    await stage.apply(written);
    expect((await stage.service("every"))?.spec?.predictor).toMatchObject(everyField);
    expect((await stage.service("every"))?.spec?.predictor["volumes"]).toEqual(everyField["volumes"]);
  });
});

describe("a Deployment", () => {
  const corpus: Record<string, Readonly<Record<string, unknown>>> = {
    "every field": everyField,
    "an image as the model": { model: { modelFormat: { name: "onnx" }, storageUri: "oci://example.com/m:7" } },
    "a MIG device": { accelerator: { migProfile: "1g.5gb" } },
    nothing: {},
  };
  test.each(Object.entries(corpus))("of a service with %s is owned as was foreseen", async (_what, overrides) => {
    const deployment = await deploymentOf(overrides);
    const applied = await stage.client.apply(deployments, deployment, { fieldManager: "plimsoll" });
    const owned = ownershipDigest(applied, { manager: "plimsoll", operation: "Apply" });
    expect(owned).toBe(fieldSetDigest(fieldSetOf(deployment, deployments.structure)));
    await stage.client.delete(deployments, { namespace, name: "rendered-predictor" });
  });

  test("can change its strategy to Recreate and back", async () => {
    const apply = async (type: string) =>
      stage.client.apply(deployments, await deploymentOf({ deploymentStrategy: { type } }), {
        fieldManager: "plimsoll",
      });
    await apply("RollingUpdate");
    expect((await apply("Recreate")).spec?.strategy).toEqual({ type: "Recreate" });
    expect((await apply("RollingUpdate")).spec?.strategy?.rollingUpdate).toEqual({
      maxSurge: "25%",
      maxUnavailable: 0,
    });
    await stage.client.delete(deployments, { namespace, name: "rendered-predictor" });
  });
});

describe("a pod, where the profile `restricted` is enforced, is admitted", () => {
  beforeAll(async () => {
    await stage.cluster.kubectl(["create", "namespace", "strict"]);
    await stage.cluster.kubectl(["label", "namespace", "strict", "pod-security.kubernetes.io/enforce=restricted"]);
    const account = ["get", "serviceaccount", "default", "--namespace=strict", "-o", "name"];
    await until(async () => (await stage.cluster.kubectl(account)).stdout !== "", { what: "the account of pods" });
  });

  const modelFormat = { name: "onnx" };
  test.each<[string, Readonly<Record<string, unknown>>]>([
    ["of the smallest service", {}],
    ["with a GPU", { accelerator: { product: "NVIDIA-L4" } }],
    ["with an image as its model", { model: { modelFormat, storageUri: "oci://example.com/m:7" } }],
    [
      "with credentials",
      { model: { modelFormat, storageUri: "s3://models/m.onnx", credentials: { secretName: "keys" } } },
    ],
  ])("%s", async (_what, overrides) => {
    const { spec } = (await deploymentOf(overrides)).spec?.template ?? {};
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "candidate", namespace: "strict" }, spec };
    const answer = await stage.cluster.kubectl(["create", "--dry-run=server", "-f", "-"], JSON.stringify(pod));
    expect(answer).toMatchObject({ stderr: "", stdout: expect.stringContaining("created (server dry run)") });
  });

  test("and one as root is not, so the profile is indeed enforced", async () => {
    const { spec } = (await deploymentOf({ securityContext: { runAsNonRoot: false } })).spec?.template ?? {};
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "candidate", namespace: "strict" }, spec };
    const { stderr } = await stage.cluster.kubectl(["create", "--dry-run=server", "-f", "-"], JSON.stringify(pod));
    expect(stderr).toContain("violates PodSecurity");
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
    "an image": () => model({ storageUri: "oci://registry.example.com:5000/models/resnet:7" }),
    "credentials for S3": () => model({ storageUri: "s3://models/m", credentials: { secretName: "keys" } }),
    "the short form of KServe": () => predictor({ scaleMetric: "rps", scaleTarget: 50 }),
    "replicas for missing metrics": () =>
      predictor({ autoScaling: { fastPath: "Disabled", onMissingMetrics: { policy: "ScaleTo", replicas: 10 } } }),
    "no spread": () => predictor({ topologySpreadConstraints: [] }),
    "one pod replaced at a time in place": () =>
      predictor({ deploymentStrategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } } }),
    "a long start-up with its deadline": () =>
      predictor({
        ...model({ startupProbe: { failureThreshold: 7200 } }).spec?.predictor,
        progressDeadlineSeconds: 8000,
      }),
    "a device of another make": () => predictor({ accelerator: { resourceName: "amd.com/gpu", count: 2 } }),
    "a name of 53 characters": () => named("a".repeat(53)),
  };
  test.each(Object.entries(accepted))("accepts %s", async (_what, manifest) => {
    expect(await create(manifest())).toMatch(/created \(server dry run\)/);
  });

  test.each(readdirSync(examples))("accepts examples/%s", async (file) => {
    const objects = parseAllDocuments(readFileSync(join(examples, file), "utf8")).length;
    const { stdout, stderr } = await stage.cluster.kubectl(["create", "--dry-run=server", "-f", join(examples, file)]);
    expect(stderr).toBe("");
    expect(stdout.match(/created \(server dry run\)/g)).toHaveLength(objects);
  });

  const refusedCombinations: Record<string, Refusal> = {
    "the short form beside the long one": {
      manifest: () =>
        predictor({
          scaleMetric: "rps",
          scaleTarget: 5,
          autoScaling: { metrics: [{ type: "QueueDepth", target: 4 }] },
        }),
      field: "spec.predictor.scaleMetric",
      says: /without autoScaling\.metrics: write \{type: RequestRate/,
    },
    "half of the short form": {
      manifest: () => predictor({ scaleTarget: 5 }),
      field: "spec.predictor.scaleMetric",
      says: /must be given together/,
    },
    "a metric of KServe that is not measured": {
      manifest: () => predictor({ scaleMetric: "concurrency", scaleTarget: 5 }),
      field: "spec.predictor.scaleMetric",
      says: /must be rps; instead of concurrency/,
    },
    "metrics that nobody reads in mode External": {
      manifest: () => predictor({ autoScaling: { mode: "External", metrics: [{ type: "QueueDepth", target: 4 }] } }),
      field: "spec.predictor.autoScaling",
      says: /must be left out with mode External/,
    },
    "a fast path that nobody takes in mode External": {
      manifest: () => predictor({ autoScaling: { mode: "External", fastPath: "Disabled" } }),
      field: "spec.predictor.autoScaling",
      says: /must be left out with mode External/,
    },
    "missing metrics that scale to nothing": {
      manifest: () => predictor({ autoScaling: { onMissingMetrics: { policy: "ScaleTo" } } }),
      field: "spec.predictor.autoScaling.onMissingMetrics.replicas",
      says: /say how many/,
    },
    "missing metrics that hold and scale": {
      manifest: () => predictor({ autoScaling: { onMissingMetrics: { policy: "Hold", afterSeconds: 5 } } }),
      field: "spec.predictor.autoScaling.onMissingMetrics.afterSeconds",
      says: /only be given with policy ScaleTo/,
    },
    "missing metrics that scale beyond the maximum": {
      manifest: () => predictor({ autoScaling: { onMissingMetrics: { policy: "ScaleTo", replicas: 11 } } }),
      field: "spec.predictor.autoScaling",
      says: /at most maxReplicas/,
    },
    "a checksum of a folder": {
      manifest: () => model({ storageUri: "s3://models/resnet/", sha256: "a".repeat(64) }),
      field: "spec.predictor.model.sha256",
      says: /one file or archive/,
    },
    "a checksum of an image": {
      manifest: () => model({ storageUri: "oci://example.com/resnet:7", sha256: "a".repeat(64) }),
      field: "spec.predictor.model.sha256",
      says: /@sha256:DIGEST/,
    },
    "credentials that nothing asks for": {
      manifest: () => model({ credentials: { secretName: "keys" } }),
      field: "spec.predictor.model.credentials",
      says: /only be given for s3:/,
    },
    "limits on a download that there is not": {
      manifest: () => model({ download: { timeoutSeconds: 5 } }),
      field: "spec.predictor.model.download",
      says: /is read in place/,
    },
    "a start-up shorter than the download": {
      manifest: () => model({ storageUri: "s3://models/m", startupProbe: { failureThreshold: 300 } }),
      field: "spec.predictor.model.startupProbe",
      says: /raise failureThreshold or lower download\.timeoutSeconds/,
    },
    "a deadline before the start-up's end": {
      manifest: () => predictor({ progressDeadlineSeconds: 600 }),
      field: "spec.predictor.progressDeadlineSeconds",
      says: /must be more seconds than model\.startupProbe allows/,
    },
    "a flag that the spec sets": {
      manifest: () => model({ args: ["--workers=3"] }),
      field: "spec.predictor.model.args",
      says: /use model\.server/,
    },
    "a variable of Plimsoll's own": {
      manifest: () => model({ env: [{ name: "PLIMSOLL_X", value: "1" }] }),
      field: "spec.predictor.model.env",
      says: /Plimsoll's own/,
    },
    "a volume of Plimsoll's own": {
      manifest: () => predictor({ volumes: [{ name: "tmp", emptyDir: {} }] }),
      field: "spec.predictor.volumes",
      says: /choose another name/,
    },
    "a volume that nothing mounts": {
      manifest: () => predictor({ volumes: [{ name: "own", emptyDir: {} }] }),
      field: "spec.predictor.volumes",
      says: /add it to model\.volumeMounts/,
    },
    "a mount of no volume": {
      manifest: () => model({ volumeMounts: [{ name: "own", mountPath: "/own" }] }),
      field: "spec.predictor.model.volumeMounts",
      says: /must name one of predictor\.volumes/,
    },
    "a mount over the server's own": {
      manifest: () => model({ volumeMounts: [{ name: "own", mountPath: "/tmp/" }] }),
      field: "spec.predictor.model.volumeMounts",
      says: /must not be \/, \/tmp/,
    },
    "a path of the node": {
      manifest: () => predictor({ volumes: [{ name: "own", hostPath: { path: "/" } }] }),
      field: "spec.predictor.volumes[0].hostPath",
      says: /unknown field/,
    },
    "several MIG devices": {
      manifest: () => predictor({ accelerator: { migProfile: "1g.5gb", count: 2 } }),
      field: "spec.predictor.accelerator.count",
      says: /must be 1 with migProfile/,
    },
    "a MIG device and another resource": {
      manifest: () => predictor({ accelerator: { migProfile: "1g.5gb", resourceName: "nvidia.com/gpu" } }),
      field: "spec.predictor.accelerator.resourceName",
      says: /must be left out with migProfile/,
    },
    "a product of another make": {
      manifest: () => predictor({ accelerator: { product: "MI300X", resourceName: "amd.com/gpu" } }),
      field: "spec.predictor.accelerator.product",
      says: /use accelerator\.nodeSelector instead/,
    },
    "a product said twice": {
      manifest: () =>
        predictor({ accelerator: { product: "NVIDIA-L4" }, nodeSelector: { "nvidia.com/gpu.product": "NVIDIA-A10" } }),
      field: "spec.predictor.nodeSelector",
      says: /leave one of them out/,
    },
    "GPUs among the resources too": {
      manifest: () =>
        predictor({
          ...model({ resources: { limits: { "nvidia.com/gpu": 1 } } }).spec?.predictor,
          accelerator: { product: "NVIDIA-L4" },
        }),
      field: "spec.predictor.model.resources",
      says: /say it in accelerator\.count/,
    },
    "a roll-out that cannot exchange anything": {
      manifest: () => predictor({ deploymentStrategy: { rollingUpdate: { maxSurge: "0%" } } }),
      field: "spec.predictor.deploymentStrategy.rollingUpdate",
      says: /set maxUnavailable: 1/,
    },
    "a surge without a rolling update": {
      manifest: () => predictor({ deploymentStrategy: { type: "Recreate", rollingUpdate: { maxSurge: 1 } } }),
      field: "spec.predictor.deploymentStrategy.rollingUpdate",
      says: /leave it out with Recreate/,
    },
    "a surge that is no percentage": {
      manifest: () => predictor({ deploymentStrategy: { rollingUpdate: { maxSurge: "a quarter" } } }),
      field: "spec.predictor.deploymentStrategy.rollingUpdate.maxSurge",
      says: /must be a number of pods/,
    },
  };

  const refused: Record<string, Refusal> = {
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
      says: /must be https:\/\/HOST\/PATH, http:\/\/HOST\/PATH, s3:\/\/BUCKET\/PATH, .* or oci:\/\/REGISTRY\/IMAGE/,
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
    ...refusedCombinations,
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
