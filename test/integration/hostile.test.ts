// InferenceServices that mean harm: the API server names the field or the status says why, and nobody else notices.

import { type AddressInfo, createServer, type Server } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inferenceServiceLabel } from "../../operator/api/group.ts";
import { ApiError } from "../../operator/kube/errors.ts";
import { deployments, services } from "../../operator/kube/resource-types.ts";
import { Scene } from "../faults/scene.ts";
import { Subject } from "../faults/subject.ts";
import { inferenceServices, type ServiceManifest } from "./stage.ts";
import { until } from "./until.ts";

const canary = "canary-7f1d0c5e9b";
const person = { fieldManager: "person" } as const;
const hostileText = [
  "__proto__",
  "constructor",
  "'; DROP TABLE models; --",
  '"} or vector(1e9) or up{x="',
  "line\nbreak\r\n",
  "\u0000",
  "../../etc/passwd",
  "${HOME}$(id)`id`",
  "\u202e\ud83d\ude00",
  "x".repeat(70_000),
];
const hostileNumbers = [-1, 0, 0.5, 2 ** 31, 2 ** 31 - 1, 2 ** 53, -(2 ** 63), 1e308];

let scene: Scene;
let listener: Server;
let connections = 0;
let hostile: string;
let innocent: string;
let pid: number;

beforeAll(async () => {
  scene = await Scene.start({ name: "hostile", token: canary, flags: ["--log-level=debug"] });
  listener = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  await scene.startOperator();
  await scene.operatorAtWork();
  pid = scene.subject.pid;
  innocent = await scene.newNamespace();
  hostile = await scene.newNamespace();
});

afterAll(async () => {
  listener?.close();
  await scene?.[Symbol.asyncDispose]();
});

function manifest(name: string, namespace: string, predictor: object = {}): ServiceManifest {
  const { port } = listener.address() as AddressInfo;
  const model = { modelFormat: { name: "onnx" }, storageUri: `http://127.0.0.1:${port}/model.onnx` };
  return { metadata: { name, namespace }, spec: { predictor: { model, ...predictor } } };
}

/** True when it was taken; throws unless the refusal is the API server's and says something. */
async function offer(service: ServiceManifest): Promise<boolean> {
  try {
    await scene.client.create(inferenceServices, service, person);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(ApiError);
    const { status, message } = error as ApiError;
    expect(status, message).toBeGreaterThanOrEqual(400);
    expect(status, message).toBeLessThan(500);
    expect(message).toMatch(/spec|metadata|name|json|Invalid|too (long|large)/i);
    return false;
  }
}

/** The status describes the service as it is now. */
async function observed(name: string, namespace: string): Promise<ServiceManifest> {
  return until(
    async () => {
      const service = await scene.client.get(inferenceServices, { namespace, name });
      return service?.status?.observedGeneration === service?.metadata?.generation ? service : undefined;
    },
    { what: `the status of ${namespace}/${name} is current` },
  );
}

/** Somebody else's service goes on being cared for by the same process. */
async function innocentIsServed(minReplicas: number): Promise<void> {
  await scene.client.apply(inferenceServices, manifest("innocent", innocent, { minReplicas }), person);
  await observed("innocent", innocent);
  await until(
    async () => {
      const found = await scene.client.get(deployments, { namespace: innocent, name: "innocent-predictor" });
      return found?.spec?.replicas === minReplicas;
    },
    { what: `the innocent service has ${minReplicas} replicas` },
  );
  expect(scene.subject.isRunning).toBe(true);
  expect(scene.subject.pid).toBe(pid);
}

type Spoil = (value: string | number) => object;
const fields: readonly (readonly [string, Spoil])[] = [
  ["minReplicas", (value) => ({ minReplicas: value })],
  ["maxReplicas", (value) => ({ maxReplicas: value })],
  ["replicas", (value) => ({ replicas: value, autoScaling: { mode: "External" } })],
  ["accelerator", (value) => ({ accelerator: { product: String(value), count: value } })],
  ["a metric's target", (value) => ({ autoScaling: { metrics: [{ type: "RequestRate", target: value }] } })],
  ["storageUri", (value) => ({ model: { modelFormat: { name: "onnx" }, storageUri: `https://h/${value}` } })],
  [
    "a resource's name and amount",
    (value) => ({
      model: {
        modelFormat: { name: "onnx" },
        storageUri: "https://h/m",
        resources: { limits: { [String(value)]: value } },
      },
    }),
  ],
];

test.each(fields)(
  "hostile values of %s are refused or told of",
  async (field, spoil) => {
    for (const value of [...hostileText, ...hostileNumbers]) {
      const taken = await offer(manifest("spoilt", hostile, spoil(value)));
      if (!taken) continue;
      await observed("spoilt", hostile);
      await scene.client.delete(inferenceServices, { namespace: hostile, name: "spoilt" });
    }
    await innocentIsServed(1 + fields.findIndex(([name]) => name === field));
  },
  240_000,
);

test("a spec of any shape is refused or told of", async () => {
  const shape = fc.sample(fc.dictionary(fc.constantFrom(...fieldNames), fc.jsonValue({ maxDepth: 3 })), {
    numRuns: 60,
    seed: 7,
  });
  for (const spec of shape) {
    if (!(await offer(manifest("shapeless", hostile, spec)))) continue;
    await observed("shapeless", hostile);
    await scene.client.delete(inferenceServices, { namespace: hostile, name: "shapeless" });
  }
  await innocentIsServed(8);
}, 240_000);

const fieldNames = [
  "model",
  "minReplicas",
  "maxReplicas",
  "replicas",
  "autoScaling",
  "accelerator",
  "__proto__",
  "extra",
];

test("keys that JavaScript knows, and annotations as large as they may be, disturb nobody", async () => {
  const keys = { constructor: "x", toString: "y", hasOwnProperty: "z" };
  const annotations = { ...keys, "example.com/large": "x".repeat(255_000) };
  const large = { ...manifest("large", hostile), metadata: { name: "large", namespace: hostile, annotations } };
  expect(await offer(large)).toBe(true);
  await observed("large", hostile);
  const tooLarge = { "example.com/large": "x".repeat(2 ** 20) };
  const refused = { ...large, metadata: { name: "larger", namespace: hostile, annotations: tooLarge } };
  expect(await offer(refused)).toBe(false);
  await innocentIsServed(9);
});

test("a service gets nothing into another namespace, and its address is asked for nothing", async () => {
  expect(await offer(manifest("calling", hostile))).toBe(true);
  await observed("calling", hostile);
  await scene.subject.atWork(4);
  const { items } = await scene.client.list(services, { labelSelector: inferenceServiceLabel });
  const homes = items.map(({ metadata }) => `${metadata?.namespace}/${metadata?.labels?.[inferenceServiceLabel]}`);
  expect(homes.filter((home) => !home.startsWith(`${hostile}/`))).toEqual([`${innocent}/innocent`]);
  expect(connections).toBe(0);
});

test("a storageUri with a password is refused", async () => {
  for (const scheme of ["https", "s3", "hf", "pvc"]) {
    const storageUri = `${scheme}://user:${canary}@models.example.com/a/model.onnx`;
    const model = { modelFormat: { name: "onnx" }, storageUri };
    expect(await offer(manifest("secretive", hostile, { model })), storageUri).toBe(false);
  }
});

test("the operator's token is in its requests, and in no log, event or status", async () => {
  expect(scene.proxy.authorization).toBe(`Bearer ${canary}`);
  expect(await Subject.log(scene.log)).not.toContain(canary);
  const everything = await scene.cluster.kubectl(["get", "inferenceservices,events", "-A", "-o", "json"]);
  expect(everything.exitCode).toBe(0);
  expect(everything.stdout).toContain("innocent");
  expect(everything.stdout).not.toContain(canary);
});
