// One service through ticks: what is written, in which order, and what is served, with writes that fail or lag.

import { expect, test } from "vitest";
import { apiVersion, kind } from "../api/group.ts";
import type { InferenceService } from "../api/inference-service.ts";
import { inferenceServiceSpecSchema } from "../api/inference-service-spec.ts";
import { createLogger } from "../observability/logger.ts";
import type { Signal } from "../scaling/signal.ts";
import { unknownSignal } from "../scaling/signal.ts";
import { Autoscaler } from "./autoscaler.ts";
import type { AutoscalingStatus } from "./status.ts";

const startMs = Date.parse("2026-01-01T00:00:00Z");
const settings = { scrapeIntervalSeconds: 2 };
const never = new AbortController().signal;

function makeService(overrides: object = {}): InferenceService {
  return {
    apiVersion,
    kind,
    metadata: { name: "resnet", namespace: "vision", uid: "u1", generation: 1 },
    spec: inferenceServiceSpecSchema.parse({
      predictor: {
        model: { modelFormat: { name: "onnx" }, storageUri: "pvc://models/resnet.onnx" },
        minReplicas: 1,
        maxReplicas: 10,
        autoScaling: {
          metrics: [{ type: "RequestRate", target: 10 }],
          behavior: { scaleDown: { stabilizationWindowSeconds: 20 } },
          ...overrides,
        },
      },
    }),
  };
}

/** A cluster of one service; `lagging` keeps the caches as they are although writes succeed. */
class Stage {
  nowMs = startMs;
  service = makeService();
  replicas = 1;
  version = 1;
  floor = 1;
  rate: Signal = { known: true, value: 5, reportingPods: 1 };
  readyPods = 1;
  lagging = false;
  refuse = new Set<string>();
  leads = true;
  readonly writes: string[] = [];
  statuses: AutoscalingStatus[] = [];

  readonly autoscaler = new Autoscaler({
    world: {
      services: () => [this.service],
      deploymentOf: () => ({
        metadata: { name: "d", resourceVersion: `${this.version}` },
        spec: this.#deploymentSpec(),
      }),
      autoscalerOf: () => ({
        spec: { minReplicas: this.floor, maxReplicas: 10, scaleTargetRef: { kind: "", name: "" } },
      }),
      podsOf: () => Array.from({ length: this.readyPods }, () => readyPod),
    },
    collect: async () => ({
      atMs: this.nowMs,
      signalsOf: () => ({ RequestRate: this.rate, QueueDepth: unknownSignal("NoSamples", "not asked") }),
    }),
    actuator: {
      setBounds: async (_hpa, bounds) =>
        this.#write("bounds", `floor ${bounds.minReplicas}`, () => (this.floor = bounds.minReplicas)),
      setReplicas: async (_deployment, replicas) =>
        this.#write("replicas", `replicas ${replicas}`, () => {
          this.replicas = replicas;
          this.version++;
        }),
      setStatus: async (_service, status) => {
        this.statuses.push(status);
        this.service = { ...this.service, status: { ...status, conditions: [...status.conditions] } };
        return true;
      },
    },
    mayWrite: () => this.leads,
    settings,
    now: () => this.nowMs,
    logger: createLogger("error", { write: () => undefined }),
    foreignProvider: () => undefined,
    onChange: (_service, { from, to }) => this.writes.push(`event ${from} -> ${to}`),
  });

  async tick(seconds = 2): Promise<void> {
    this.nowMs += seconds * 1000;
    await this.autoscaler.tick(never);
  }

  /** Ticks until a minute has passed, so that the windows are full. */
  async settle(): Promise<void> {
    for (let tick = 0; tick < 30; tick++) await this.tick();
    this.writes.length = 0;
    this.statuses.length = 0;
  }

  #deploymentSpec() {
    return { replicas: this.replicas, selector: {}, template: {} };
  }

  async #write(what: string, line: string, effect: () => void): Promise<boolean> {
    if (this.refuse.has("fail")) throw new Error("the API server is away");
    if (this.refuse.has(what)) return false;
    this.writes.push(line);
    if (!this.lagging) effect();
    return true;
  }
}

const readyPod = {
  metadata: {},
  status: { conditions: [{ type: "Ready", status: "True", lastTransitionTime: "2025-12-31T00:00:00Z" }] },
};

function known(value: number, reportingPods = 1): Signal {
  return { known: true, value, reportingPods };
}

test("a tenfold load raises the floor first, then the replicas, in one tick, and says why", async () => {
  const stage = new Stage();
  await stage.settle();
  stage.rate = known(50);
  await stage.tick();
  expect(stage.writes).toEqual(["floor 5", "replicas 5", "event 1 -> 5"]);
  const autoScaling = stage.statuses[0]?.autoScaling;
  expect(autoScaling).toMatchObject({ desiredReplicas: 5, winner: "RequestRate" });
  expect(autoScaling?.reason).toBe("RequestRate 50/s at 10/s per replica asks for 5");
  expect(autoScaling?.lastChanges).toMatchObject([{ from: 1, to: 5, time: "2026-01-01T00:01:02Z" }]);
});

test("without the fast path the floor rises, and the HPA raises the replicas", async () => {
  const stage = new Stage();
  stage.service = makeService({ fastPath: "Disabled" });
  await stage.settle();
  stage.rate = known(50);
  await stage.tick();
  expect(stage.writes).toEqual(["floor 5"]);
  expect(stage.statuses.at(-1)?.autoScaling?.desiredReplicas).toBe(5);
});

test("missing metrics raise replicas where the spec says so, and only after the time that it says", async () => {
  const stage = new Stage();
  stage.service = makeService({ onMissingMetrics: { policy: "ScaleTo", replicas: 4, afterSeconds: 10 } });
  await stage.settle();
  stage.rate = unknownSignal("PrometheusUnreachable", "connection refused");
  for (let tick = 0; tick < 5; tick++) await stage.tick();
  expect(stage.writes).toEqual([]);
  await stage.tick();
  expect(stage.writes).toEqual(["floor 4", "replicas 4", "event 1 -> 4"]);
  expect(stage.statuses.at(-1)?.autoScaling?.reason).toBe(
    "signals are missing (connection refused): onMissingMetrics asks for 4",
  );
});

test("at a steady load nothing is written", async () => {
  const stage = new Stage();
  await stage.settle();
  for (let tick = 0; tick < 100; tick++) {
    stage.rate = known(5 + (tick % 3));
    await stage.tick();
  }
  expect(stage.writes).toEqual([]);
  expect(stage.statuses).toEqual([]);
});

test("after a restart at a steady load nothing is written", async () => {
  const before = new Stage();
  await before.settle();
  const after = new Stage();
  after.service = before.service;
  after.nowMs = before.nowMs;
  for (let tick = 0; tick < 30; tick++) await after.tick();
  expect(after.writes).toEqual([]);
  expect(after.statuses).toEqual([]);
});

test("when the load falls only the floor is lowered, after the stabilisation window; the replicas are left to the HPA", async () => {
  const stage = new Stage();
  await stage.settle();
  stage.rate = known(50);
  await stage.tick();
  stage.readyPods = 5;
  stage.rate = known(5, 5);
  stage.writes.length = 0;
  for (let tick = 0; tick < 9; tick++) await stage.tick();
  expect(stage.writes).toEqual([]);
  await stage.tick();
  expect(stage.writes).toEqual(["floor 1"]);
  expect(stage.replicas).toBe(5);
});

test("replicas lowered by the HPA are reported with the reason", async () => {
  const stage = new Stage();
  await stage.settle();
  stage.replicas = 4;
  stage.floor = 4;
  stage.rate = known(5);
  await stage.settle();
  stage.replicas = 1;
  stage.version++;
  await stage.tick();
  expect(stage.writes).toEqual(["event 4 -> 1"]);
  expect(stage.statuses[0]?.autoScaling?.lastChanges?.[0]).toMatchObject({ from: 4, to: 1 });
});

test("a cache that lags behind our own write is not taken for a change back", async () => {
  const stage = new Stage();
  await stage.settle();
  stage.lagging = true;
  stage.rate = known(50);
  await stage.tick();
  await stage.tick();
  expect(stage.writes.filter((line) => !line.startsWith("floor"))).toEqual(["replicas 5", "event 1 -> 5"]);
});

test("a raise that somebody else overtook is tried again at the next tick", async () => {
  const stage = new Stage();
  await stage.settle();
  stage.rate = known(50);
  stage.refuse.add("replicas");
  await stage.tick();
  expect(stage.writes).toEqual(["floor 5"]);
  stage.refuse.clear();
  await stage.tick();
  expect(stage.writes).toEqual(["floor 5", "replicas 5", "event 1 -> 5"]);
});

test("without Prometheus replicas and floor stay, nothing is served, and the condition says why", async () => {
  const stage = new Stage();
  stage.rate = known(45);
  stage.readyPods = 1;
  await stage.settle();
  expect(stage.autoscaler.servedValue("vision", "resnet", "RequestRate")).toMatchObject({ value: 45 });
  stage.rate = unknownSignal("PrometheusUnreachable", "connection refused");
  for (let tick = 0; tick < 300; tick++) await stage.tick();
  expect(stage.writes).toEqual([]);
  expect(stage.replicas).toBe(5);
  expect(stage.autoscaler.servedValue("vision", "resnet", "RequestRate")).toBeUndefined();
  expect(stage.statuses).toHaveLength(1);
  expect(stage.statuses[0]?.conditions[0]).toMatchObject({
    type: "MetricsAvailable",
    status: "False",
    reason: "PrometheusUnreachable",
    message: "connection refused",
  });
});

test("after an outage a low first rate lowers nothing until the windows are full again", async () => {
  const stage = new Stage();
  stage.rate = known(45);
  await stage.settle();
  stage.rate = unknownSignal("PrometheusUnreachable", "connection refused");
  for (let tick = 0; tick < 200; tick++) await stage.tick();
  stage.writes.length = 0;
  stage.rate = known(1);
  // 8 s of rate window and 20 s of stabilisation.
  for (let tick = 0; tick < 14; tick++) await stage.tick();
  expect(stage.writes).toEqual([]);
  await stage.tick();
  expect(stage.writes).toEqual(["floor 1"]);
});

test("a service made anew under the same name starts without memories of the old one", async () => {
  const stage = new Stage();
  stage.rate = known(45);
  await stage.settle();
  stage.service = { ...makeService(), metadata: { ...stage.service.metadata, uid: "u2" } };
  await stage.tick();
  expect(stage.autoscaler.servedValue("vision", "resnet", "RequestRate")).toBeUndefined();
});

test("in mode External nothing is decided, and the status says so once, without earlier decisions", async () => {
  const stage = new Stage();
  await stage.settle();
  const { status } = stage.service;
  stage.service = { ...makeService({ mode: "External" }), status };
  stage.rate = known(500);
  await stage.settle();
  expect(stage.replicas).toBe(1);
  expect(stage.writes).toEqual([]);
  stage.service = { ...makeService({ mode: "External" }), status };
  await stage.tick();
  await stage.tick();
  expect(stage.statuses).toHaveLength(1);
  expect(stage.statuses[0]).toMatchObject({
    conditions: [{ type: "ScalingActive", status: "False", reason: "External" }],
  });
  expect(stage.statuses[0]?.autoScaling).toBeUndefined();
});

test("a gap is remembered although every write of that tick fails", async () => {
  const stage = new Stage();
  stage.rate = known(45);
  await stage.settle();
  stage.refuse.add("fail");
  stage.rate = unknownSignal("PrometheusUnreachable", "connection refused");
  for (let tick = 0; tick < 200; tick++) await stage.tick();
  stage.refuse.clear();
  stage.rate = known(1);
  await stage.tick();
  expect(stage.writes.filter((line) => !line.startsWith("event"))).toEqual([]);
  expect(stage.autoscaler.servedValue("vision", "resnet", "RequestRate")).toBeUndefined();
});

test("without its floor nothing is raised and nothing served: the next tick tries again", async () => {
  const stage = new Stage();
  await stage.settle();
  stage.rate = known(50);
  stage.refuse.add("bounds");
  await stage.tick();
  expect(stage.writes).toEqual([]);
  expect(stage.autoscaler.servedValue("vision", "resnet", "RequestRate")).toBeUndefined();
  stage.refuse.clear();
  await stage.tick();
  expect(stage.writes).toEqual(["floor 5", "replicas 5", "event 1 -> 5"]);
});

test("a write that fails costs the served value of that service, and nothing that was learnt", async () => {
  const stage = new Stage();
  await stage.settle();
  stage.rate = known(50);
  stage.refuse.add("fail");
  await stage.tick();
  expect(stage.autoscaler.servedValue("vision", "resnet", "RequestRate")).toBeUndefined();
  stage.refuse.clear();
  await stage.tick();
  expect(stage.writes).toEqual(["floor 5", "replicas 5", "event 1 -> 5"]);
  expect(stage.autoscaler.servedValue("vision", "resnet", "RequestRate")).toMatchObject({ value: 50 });
});

test("a follower writes and reports nothing, and answers the HPA with what it saw itself", async () => {
  const stage = new Stage();
  stage.leads = false;
  await stage.settle();
  stage.rate = known(50);
  await stage.tick();
  expect([stage.writes, stage.statuses]).toEqual([[], []]);
  expect(stage.autoscaler.servedValue("vision", "resnet", "RequestRate")).toEqual({ value: 50, atMs: stage.nowMs });
  stage.service = makeService({ mode: "External" });
  await stage.tick();
  expect(stage.statuses).toEqual([]);
});

test("with the leader away a follower serves what raises, and nothing that could lower below the floor to come", async () => {
  const stage = new Stage();
  stage.leads = false;
  await stage.settle();
  stage.rate = known(50);
  await stage.tick();
  // The HPA has raised by itself; nobody has raised its floor.
  stage.replicas = 5;
  stage.version++;
  await stage.tick();
  expect(stage.autoscaler.servedValue("vision", "resnet", "RequestRate")?.value).toBe(50);
  stage.rate = known(20);
  await stage.tick();
  expect(stage.autoscaler.servedValue("vision", "resnet", "RequestRate")).toBeUndefined();
  stage.floor = 5;
  await stage.tick();
  expect(stage.autoscaler.servedValue("vision", "resnet", "RequestRate")?.value).toBe(20);
});

test("a follower that becomes the leader goes on from what the last one did, and reports none of it as its own", async () => {
  const stage = new Stage();
  stage.leads = false;
  await stage.settle();
  stage.rate = known(50);
  stage.replicas = 5;
  stage.floor = 5;
  stage.version++;
  await stage.tick();
  stage.leads = true;
  await stage.tick();
  expect(stage.writes).toEqual([]);
  stage.rate = known(70);
  await stage.tick();
  expect(stage.writes).toEqual(["floor 7", "replicas 7", "event 5 -> 7"]);
});

test("a follower that becomes the leader lowers nothing that its own windows still ask for", async () => {
  const stage = new Stage();
  stage.leads = false;
  stage.rate = known(50);
  stage.replicas = 5;
  stage.floor = 5;
  await stage.settle();
  stage.rate = known(5);
  await stage.tick();
  stage.leads = true;
  await stage.tick();
  expect(stage.writes).toEqual([]);
});
