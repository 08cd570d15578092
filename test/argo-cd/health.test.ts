// The health script for Argo CD in a real Lua interpreter, on statuses as the operator writes them.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Deployment } from "kubernetes-types/apps/v1.js";
import type { Pod } from "kubernetes-types/core/v1.js";
import { beforeAll, describe, expect, test } from "vitest";
import { LuaFactory } from "wasmoon";
import { parse } from "yaml";
import { failureReasons, finding } from "../../operator/api/conditions.ts";
import { revisionLabel } from "../../operator/api/group.ts";
import { makeInferenceService } from "../../operator/api/testing.ts";
import { computeStatus, type StatusInput } from "../../operator/inference-service/status.ts";

const patch = readFileSync(join(import.meta.dirname, "../../install/argo-cd/argocd-cm.yaml"), "utf8");
const { data } = parse(patch) as { data: Record<string, string> };
const script = data["resource.customizations.health.serving.plimsoll.dev_InferenceService"] ?? "";
const factory = new LuaFactory();

interface Health {
  readonly status: string;
  readonly message: string;
}

beforeAll(async () => {
  // The interpreter is compiled once.
  await factory.getLuaModule();
});

/** What Argo CD does: the object is the global `obj`, the result is what the script returns. */
async function healthOf(object: object): Promise<Health> {
  const lua = await factory.createEngine();
  try {
    // A table of Lua's own, as Argo CD makes it: a JavaScript array is no sequence to ipairs.
    await lua.doString(`obj = ${luaTable(object)}`);
    return (await lua.doString(script)) as Health;
  } finally {
    lua.global.close();
  }
}

function luaTable(value: unknown): string {
  if (Array.isArray(value)) return `{${value.map(luaTable).join(",")}}`;
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    return `{${fields.map(([key, field]) => `[${luaString(key)}]=${luaTable(field)}`).join(",")}}`;
  }
  return typeof value === "string" ? luaString(value) : JSON.stringify(value);
}

function luaString(text: string): string {
  return `"${[...Buffer.from(text)].map((byte) => `\\${String(byte).padStart(3, "0")}`).join("")}"`;
}

const revision = "0123456789";
const now = new Date("2026-03-01T12:00:00Z");

interface Counts {
  replicas?: number;
  updatedReplicas?: number;
  readyReplicas?: number;
  availableReplicas?: number;
  progressing?: string;
}

function makeDeployment({ progressing, ...counts }: Counts): Deployment {
  const template = { metadata: { labels: { [revisionLabel]: revision } } };
  const conditions = progressing === undefined ? [] : [{ type: "Progressing", status: "False", reason: progressing }];
  return {
    metadata: { generation: 2 },
    spec: { replicas: 1, selector: {}, template },
    status: { observedGeneration: 2, ...counts, conditions },
  };
}

function failedPod(code: string): Pod {
  const message = JSON.stringify({ code, message: "no", phase: "download" });
  const state = { terminated: { exitCode: 2, message } };
  const container = { name: "server", ready: false, image: "", imageID: "", restartCount: 0, state };
  return { metadata: { labels: { [revisionLabel]: revision } }, status: { containerStatuses: [container] } };
}

const serving = { replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1 };
const rollingOut = { ...serving, replicas: 2 };

/** The service with the status that the operator writes for it. */
function serviceWith(input: Omit<StatusInput, "service">, generation = 2) {
  const service = makeInferenceService({ generation });
  return { ...service, status: computeStatus({ service, ...input }, now) };
}

describe("an InferenceService is", () => {
  test.each<[string, object, string, RegExp]>([
    ["new", makeInferenceService(), "Progressing", /^waiting for Plimsoll/],
    ["coming up", serviceWith({ deployment: makeDeployment({}) }), "Progressing", /^NoReadyReplicas: 0 of at least 1/],
    ["serving", serviceWith({ deployment: makeDeployment(serving) }), "Healthy", /^Serving: 1 replica is ready$/],
    [
      "serving, and has been edited a moment ago",
      { ...serviceWith({ deployment: makeDeployment(serving) }), metadata: { generation: 3 } },
      "Progressing",
      /^waiting for Plimsoll/,
    ],
    [
      "rolling out",
      serviceWith({ deployment: makeDeployment(rollingOut) }),
      "Progressing",
      /^ServingEarlierRevision: /,
    ],
    [
      "serving the new spec, with earlier pods left",
      serviceWith({ deployment: makeDeployment({ ...rollingOut, readyReplicas: 2 }) }),
      "Healthy",
      /^Serving: /,
    ],
    [
      "serving an earlier revision, since the newest has no model",
      serviceWith({ deployment: makeDeployment(rollingOut), pods: [failedPod("MODEL_NOT_FOUND")] }),
      "Degraded",
      /^ModelNotFound: the model could not be downloaded/,
    ],
    [
      "not serving, since there is no model",
      serviceWith({ deployment: makeDeployment({}), pods: [failedPod("MODEL_NOT_FOUND")] }),
      "Degraded",
      /^ModelNotFound: /,
    ],
    [
      "waiting for a storage that is away",
      serviceWith({ deployment: makeDeployment({}), pods: [failedPod("STORAGE_UNAVAILABLE")] }),
      "Progressing",
      /^StorageUnavailable: /,
    ],
    [
      "out of time",
      serviceWith({ deployment: makeDeployment({ ...rollingOut, progressing: "ProgressDeadlineExceeded" }) }),
      "Degraded",
      /^ProgressDeadlineExceeded: /,
    ],
    [
      "not valid",
      serviceWith({ blocked: finding("Ready", "False", "InvalidSpec", "spec.x") }),
      "Degraded",
      /^InvalidSpec: spec\.x$/,
    ],
    [
      "forbidden for now",
      serviceWith({ blocked: finding("Ready", "False", "ChildRefused", "quota") }),
      "Progressing",
      /^ChildRefused: quota$/,
    ],
    [
      "paused",
      {
        metadata: { generation: 2 },
        status: {
          observedGeneration: 2,
          conditions: [
            { type: "Ready", status: "True", observedGeneration: 2, reason: "Serving", message: "1 replica is ready" },
            { type: "RolloutComplete", status: "Unknown", reason: "Paused", message: "an annotation" },
          ],
        },
      },
      "Suspended",
      /^Paused: an annotation$/,
    ],
  ])("%s", async (_sentence, object, status, message) => {
    expect(await healthOf(object)).toEqual({ status, message: expect.stringMatching(message) });
  });
});

test("the reasons that may pass are reasons", () => {
  const passing = [...script.matchAll(/^\s+(\w+) = true,$/gm)].map(([, reason = ""]) => reason);
  expect(passing.length).toBeGreaterThan(5);
  expect(passing.filter((reason) => !(reason in failureReasons))).toEqual([]);
});
