// One more I/O thread by itself: what it asks the main thread, what it is told, and what happens when it dies.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { afterEach, describe, expect, test, vi } from "vitest";

import type { Cancellation } from "../cancellation.ts";
import { parseConfig } from "../config.ts";
import { InferenceError } from "../inference-error.ts";
import type { InferenceRequest, InferenceResult, Readiness, ServedModel } from "../models/served-model.ts";
import { StatisticsRecorder } from "../models/statistics.ts";
import { ONE_WORKER } from "../models/test-plan.ts";
import { recordingLog } from "../test-server.ts";
import { IoThreads, type IoThreadsOptions } from "./io-threads.ts";

vi.setConfig({ testTimeout: 30_000 });

const DEADLINE = { timeout: 20_000, interval: 10 };
const FAULTY = new URL("../testdata/faulty-io-thread.ts", import.meta.url);
const METADATA = {
  name: "m",
  version: "1",
  platform: "onnx_onnxv1",
  inputs: [{ name: "x", datatype: "FP32", shape: [-1] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1] }],
} as const;
const PLAN = { ...ONE_WORKER, ioThreads: 2 };

type Infer = (request: InferenceRequest, cancellation: Cancellation) => Promise<InferenceResult>;

const echo: Infer = async ({ inputs }) => ({ outputs: inputs.map((tensor) => ({ ...tensor, name: "y" })) });
const running: IoThreads[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((threads) => threads.close()));
});

/** A port that nobody listens on; the main thread's is not needed here. */
async function freePort(): Promise<number> {
  const server = createServer().listen({ port: 0, reusePort: true });
  await new Promise((resolve) => {
    server.once("listening", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}

async function make(options: Partial<IoThreadsOptions> = {}, infer = echo, modelPath = "/nonexistent") {
  const state = { readiness: { ready: true } as Readiness };
  const model = {
    infer,
    get readiness() {
      return state.readiness;
    },
  } as ServedModel;
  const port = await freePort();
  const { log, lines } = recordingLog();
  const threads = new IoThreads({
    settings: {
      threads: 2,
      board: new SharedArrayBuffer(1024),
      port,
      grpcPort: 0,
      config: parseConfig(["--model-name", "m", "--storage-uri", "x", "--log-level", "error"], () => undefined),
      metadata: METADATA,
      plan: PLAN,
      modelPath,
    },
    model,
    renderMetrics: async () => "all the metrics",
    calibration: async () => '{"of":"the main thread"}',
    statistics: async () => ({ ...new StatisticsRecorder().snapshot(), inferenceCount: 77 }),
    log,
    ...options,
  });
  running.push(threads);
  return { threads, state, lines, url: `http://127.0.0.1:${port}` };
}

const BODY = JSON.stringify({ inputs: [{ name: "x", shape: [2], datatype: "FP32", data: [1, 2] }] });

describe("what it asks the main thread", () => {
  test("inferences, metrics, calibration, statistics", async () => {
    const { threads, url } = await make();
    await threads.start();
    const answer = await fetch(`${url}/v2/models/m/infer`, { method: "POST", body: BODY });
    expect(await answer.json()).toMatchObject({ outputs: [{ name: "y", data: [1, 2] }] });
    expect(await (await fetch(`${url}/metrics`)).text()).toBe("all the metrics");
    expect(await (await fetch(`${url}/v2/models/m/calibration`)).json()).toEqual({ of: "the main thread" });
    expect(await (await fetch(`${url}/v2/models/m/stats`)).json()).toMatchObject({
      model_stats: [{ inference_count: 77 }],
    });
    const [figures] = await threads.collect();
    const received = figures?.series.find(({ name }) => name === "plimsoll_requests_received_total");
    expect(received?.values).toContainEqual(expect.objectContaining({ labels: { protocol: "v2-rest" }, value: 1 }));
  });

  test("refusals of the queue, as they are", async () => {
    const { threads, url } = await make({}, () =>
      Promise.reject(new InferenceError("UNAVAILABLE", "Exceeds maximum queue size")),
    );
    await threads.start();
    const answer = await fetch(`${url}/v2/models/m/infer`, { method: "POST", body: BODY });
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await answer.json()).toEqual({ error: "Exceeds maximum queue size" });
  });

  test("nothing more for clients that have left", async () => {
    const cancelled = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const { threads, url } = await make({}, async (_request, cancellation) => {
      asked.resolve();
      cancellation.listen(cancelled.resolve);
      await cancelled.promise;
      throw new InferenceError("CANCELLED", "gone");
    });
    await threads.start();
    const client = new AbortController();
    const left = fetch(`${url}/v2/models/m/infer`, { method: "POST", body: BODY, signal: client.signal });
    await asked.promise;
    client.abort();
    await expect(left).rejects.toThrow();
    await cancelled.promise;
  });
});

test("it says that it is not ready when the main thread's model is not, and answers again when it is", async () => {
  const { threads, state, url } = await make();
  await threads.start();
  const ready = async () => (await fetch(`${url}/v2/health/ready`)).status;
  expect(await ready()).toBe(200);
  state.readiness = { ready: false, reason: "the model's workers failed 3 times in a row" };
  await vi.waitFor(async () => expect(await ready()).toBe(503), DEADLINE);
  const refused = await fetch(`${url}/v2/models/m/infer`, { method: "POST", body: BODY });
  expect([refused.status, await refused.json()]).toEqual([
    503,
    { error: "the model's workers failed 3 times in a row" },
  ]);
  state.readiness = { ready: true };
  await vi.waitFor(async () => expect(await ready()).toBe(200), DEADLINE);
});

describe("a thread that dies", () => {
  test("is replaced, and its figures are left out meanwhile", async () => {
    const { threads, lines } = await make({ script: FAULTY });
    await threads.start();
    expect(await threads.collect()).toEqual([]);
    await vi.waitFor(async () => expect(await threads.collect()).toMatchObject([{ queueDepth: 1 }]), DEADLINE);
    expect(lines.map(({ message }) => message)).toEqual([
      "an I/O thread failed",
      "an I/O thread ended unexpectedly; replacing it",
    ]);
  });

  test("at the start fails the start", async () => {
    const { threads } = await make({ script: FAULTY }, echo, "dies while starting");
    await expect(threads.start()).rejects.toThrow("I/O thread 1 ended");
  });
});
