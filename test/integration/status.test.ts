// What people and programs read in the status, on a real control plane: waiting after an edit, crashes, pods that no node takes.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { killModelServers } from "./model-process.ts";
import { OperatorProcess } from "./operator-process.ts";
import { Stage } from "./stage.ts";
import { until } from "./until.ts";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.start("status");
  await OperatorProcess.start(stage.cluster, { prometheusAddress: stage.cluster.insidePrometheusAddress });
});

afterAll(async () => {
  await stage?.stop();
});

/** The real `kubectl wait`; resolves with whether it was satisfied in time. */
async function kubectlWait(name: string, condition: string, timeoutSeconds: number): Promise<boolean> {
  const wait = ["wait", `--for=condition=${condition}`, `isvc/${name}`, `--timeout=${timeoutSeconds}s`];
  const { stdout, stderr } = await stage.cluster.kubectl(wait);
  if (stdout.includes("condition met")) return true;
  expect(stderr).toContain("timed out");
  return false;
}

/** Revisions of the service's ready pods. */
async function readyRevisions(name: string): Promise<readonly string[]> {
  const { stdout } = await stage.cluster.kubectl([
    "get",
    "pods",
    `--selector=serving.plimsoll.dev/inference-service=${name}`,
    "--output=json",
  ]);
  const { items } = JSON.parse(stdout) as {
    items: {
      metadata: { labels: Record<string, string> };
      status: { conditions?: { type: string; status: string }[] };
    }[];
  };
  return items
    .filter(({ status }) => status.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True"))
    .map(({ metadata }) => metadata.labels["serving.plimsoll.dev/revision"] ?? "");
}

async function statusOf(name: string) {
  const status = (await stage.service(name))?.status;
  const conditions = Object.fromEntries(status?.conditions?.map((condition) => [condition.type, condition]) ?? []);
  return { status, conditions };
}

/** `TYPE REASON` of the service's events. */
async function eventsOf(name: string): Promise<readonly string[]> {
  const selector = `--field-selector=involvedObject.kind=InferenceService,involvedObject.name=${name}`;
  const { stdout } = await stage.cluster.kubectl(["get", "events", selector, "--output=json"]);
  const { items } = JSON.parse(stdout) as { items: { type: string; reason: string }[] };
  return items.map(({ type, reason }) => `${type} ${reason}`);
}

const model = (file: string) => ({ model: { modelFormat: { name: "onnx" }, storageUri: stage.models.uri(file) } });

describe("kubectl wait for Ready", () => {
  test("after an edit returns when a pod of the new revision is ready, and not before", async () => {
    await stage.apply(stage.manifest("edited"));
    expect(await kubectlWait("edited", "Ready", 60)).toBe(true);
    const earlier = (await statusOf("edited")).status?.model?.revision;
    await stage.apply(stage.manifest("edited", model("identity-fp64.onnx")));
    expect(await kubectlWait("edited", "Ready", 60)).toBe(true);
    const newest = (await statusOf("edited")).status?.model?.revision;
    expect(newest).not.toBe(earlier);
    expect(await readyRevisions("edited")).toContain(newest);
    await stage.condition("edited", "RolloutComplete", { status: "True" });
    const { status } = await statusOf("edited");
    const { scheduleSeconds = 0, containerSeconds = 0, modelSeconds = 0, totalSeconds } = status?.coldStart ?? {};
    expect(status?.coldStart?.revision).toBe(newest);
    expect(totalSeconds).toBe(scheduleSeconds + containerSeconds + modelSeconds);
    expect(totalSeconds).toBeLessThan(120);
    await until(
      async () => (await eventsOf("edited")).filter((event) => event === "Normal RolloutCompleted").length === 2,
      {
        what: "an event for each roll-out",
      },
    );
  });

  test("after an edit that changes no pod returns as well", async () => {
    await stage.apply(stage.manifest("resized"));
    await stage.condition("resized", "RolloutComplete", { status: "True" });
    await stage.apply(stage.manifest("resized", { maxReplicas: 7 }));
    expect(await kubectlWait("resized", "Ready", 60)).toBe(true);
  });

  test("after a broken edit waits, while the earlier revision serves and the status says what failed", async () => {
    await stage.apply(stage.manifest("broken"));
    await stage.condition("broken", "RolloutComplete", { status: "True" });
    await stage.apply(stage.manifest("broken", model("missing.onnx")));
    const waited = kubectlWait("broken", "Ready", 12);
    await stage.condition("broken", "RolloutComplete", { status: "False", reason: "RolledBack" });
    await stage.condition("broken", "ModelReady", { status: "False", reason: "ModelNotFound" });
    expect(await waited).toBe(false);
    const { status, conditions } = await statusOf("broken");
    expect(conditions["Ready"]).toMatchObject({
      status: "True",
      reason: "ServingEarlierRevision",
      observedGeneration: 1,
    });
    expect(status?.observedGeneration).toBe(2);
    expect(status?.model?.lastFailure).toMatchObject({
      code: "MODEL_NOT_FOUND",
      revision: status?.model?.revision,
      message: expect.stringContaining("missing.onnx"),
    });
    await stage.apply(stage.manifest("broken"));
    expect(await kubectlWait("broken", "Ready", 60)).toBe(true);
    await stage.condition("broken", "RolloutComplete", { status: "True" });
    expect(Object.keys((await statusOf("broken")).conditions).join()).not.toMatch(/Reconciling|Stalled/);
    await until(async () => (await eventsOf("broken")).includes("Normal Recovered"), {
      what: "an event of the recovery",
    });
    const warnings = (await eventsOf("broken")).filter((event) => event.startsWith("Warning"));
    expect(new Set(warnings)).toEqual(new Set(["Warning ModelNotFound", "Warning RolledBack"]));
  });
});

test("Ready is False when all pods have crashed, and says of what; it is True again when they are back", async () => {
  const name = `doomed-${process.pid}`;
  await stage.apply(stage.manifest(name));
  await stage.condition(name, "RolloutComplete", { status: "True" });
  let isNoticed = false;
  const noticed = kubectlWait(name, "Ready=false", 60).then((met) => {
    isNoticed = met;
  });
  // Again and again: the first time may be over before kubectl has begun to watch.
  await until(
    async () => {
      await killModelServers(name);
      return isNoticed;
    },
    { what: "Ready is False" },
  );
  await noticed;
  await stage.condition(name, "Ready", { status: "True" });
  expect((await statusOf(name)).status?.model?.lastFailure).toMatchObject({
    reason: "ContainerCrashed",
    message: expect.stringContaining("exit code 137"),
  });
});

test("kubectl get shows what matters in one line, and the message when it may be wide", async () => {
  const columns = async (...flags: string[]) => {
    const { stdout } = await stage.cluster.kubectl(["get", "isvc", ...flags]);
    return stdout.split("\n")[0]?.trim().split(/\s+/);
  };
  await stage.apply(stage.manifest("listed"));
  const shown = ["NAME", "READY", "URL", "REPLICAS", "MODEL", "REASON", "AGE"];
  expect(await columns("listed")).toEqual(shown);
  expect(await columns("listed", "--output=wide")).toEqual([...shown, "MESSAGE"]);
});

describe("a pod that no node takes", () => {
  test.each([
    ["no-such-gpu", { accelerator: { product: "NVIDIA-H999" } }, "NoMatchingNode"],
    ["too-many-gpus", { accelerator: { product: "NVIDIA-L4", count: 3 } }, "AcceleratorsExhausted"],
    ["no-claim", { model: { modelFormat: { name: "onnx" }, storageUri: "pvc://none/model.onnx" } }, "VolumeNotBound"],
  ])("%s is told by the scheduler's reason", async (name, predictor, reason) => {
    await stage.apply(stage.manifest(name, predictor));
    const { message } = await stage.condition(name, "Ready", { status: "False", reason });
    expect(message).toMatch(/^0 of at least 1 replicas are ready: .*nodes are available/);
  });
});
