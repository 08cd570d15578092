// How models are run, seen from outside: batches, failures inside them, the GPU that is not there, given calibrations.

import { afterEach, describe, expect, test, vi } from "vitest";

import type { Config } from "../config.ts";
import type { Machine } from "../machine.ts";
import { startTestServer, type TestServer, testModel } from "../test-server.ts";
import { publishedCalibration, TINY } from "./test-calibration.ts";

vi.setConfig({ testTimeout: 30_000 });

const servers: TestServer[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

async function start(
  name: string,
  settings: Partial<Config> = {},
  machine: Partial<Machine> = {},
): Promise<TestServer> {
  const server = await startTestServer(testModel(name), settings, machine);
  servers.push(server);
  return server;
}

async function metric(server: TestServer, series: string): Promise<string | undefined> {
  const { text } = await server.get("/metrics");
  return text
    .split("\n")
    .find((line) => line.startsWith(`${series} `))
    ?.slice(series.length + 1);
}

describe("batches", () => {
  const asking = (...data: number[]) => ({ inputs: [{ name: "x", shape: [data.length], datatype: "INT64", data }] });

  /** A run waits for 16 rows, as good as for ever. */
  async function startBatching(): Promise<TestServer> {
    const calibration = await publishedCalibration("lookup", { ...TINY, maxBatchSize: 16 }, 1);
    const server = await start("lookup", { calibration, maxBatchDelayMs: 3_000_000 });
    await server.loaded;
    return server;
  }

  async function runs(server: TestServer): Promise<unknown> {
    const { json } = await server.get("/v2/models/m/stats");
    const [{ inference_count, execution_count, inference_stats }] = (
      json as { model_stats: [{ inference_count: number; execution_count: number; inference_stats: object }] }
    ).model_stats;
    return { inference_count, execution_count, ...inference_stats };
  }

  test("requests are joined, and each gets its own rows", async () => {
    const server = await startBatching();
    const pairs = Array.from({ length: 8 }, (_, index) => [index, 9 - index]);
    const answers = await Promise.all(pairs.map((pair) => server.infer(asking(...pair))));
    for (const [index, { json }] of answers.entries()) {
      expect(json).toMatchObject({ outputs: [{ name: "y", shape: [2], data: [index ** 2, (9 - index) ** 2] }] });
    }
    expect(await runs(server)).toMatchObject({ inference_count: 16, execution_count: 1, success: { count: 8 } });
    expect(await metric(server, "plimsoll_batch_size_sum")).toBe("16");
    expect(await metric(server, "plimsoll_compute_duration_seconds_count")).toBe("1");
  });

  test("what fails inside a batch fails alone", async () => {
    const server = await startBatching();
    const all = Array.from({ length: 16 }, (_, index) => server.infer(asking(index === 5 ? 99 : index % 10)));
    const answers = await Promise.all(all);
    expect(answers.map(({ status }) => status)).toEqual(answers.map((_answer, index) => (index === 5 ? 500 : 200)));
    expect(answers[5]?.json).toEqual({
      error: expect.stringMatching(/^the model failed on this input: [^/]*99/) as string,
    });
    expect(await runs(server)).toMatchObject({
      inference_count: 15,
      execution_count: 15,
      success: { count: 15 },
      fail: { count: 1 },
      queue: { count: 16 },
    });
    expect((await server.get("/v2/health/ready")).status).toBe(200);
  });
});

describe("the GPU, where there is none", () => {
  test("asked for: the load fails and says so", async () => {
    const server = await start("scalar", { executionProvider: "cuda" });
    await expect(server.loaded).rejects.toMatchObject({
      code: "EXECUTION_PROVIDER_UNAVAILABLE",
      phase: "load",
      message: expect.stringContaining("cannot run on the GPU (--execution-provider)") as string,
    });
    expect((await server.get("/v2/health/ready")).status).toBe(503);
  });

  test("expected since the pod has one, but its libraries are missing: the load fails and says so", async () => {
    const server = await start("scalar", { executionProvider: "auto" }, { fileExists: () => true });
    await expect(server.loaded).rejects.toMatchObject({ code: "EXECUTION_PROVIDER_UNAVAILABLE" });
  });

  test("with leave to use the CPU: it serves there, and says so in the log, the configuration and the metrics", async () => {
    const server = await start("scalar", { executionProvider: "cuda", allowCpuFallback: true });
    await server.loaded;
    const answer = await server.infer({ inputs: [{ name: "x", shape: [], datatype: "FP32", data: [3] }] });
    expect(answer.json).toMatchObject({ outputs: [{ data: [9] }] });
    expect(server.lines).toContainEqual(
      expect.objectContaining({
        level: "warn",
        message: "the GPU cannot be used; running on the CPU, as was allowed",
      }),
    );
    expect((await server.get("/v2/models/m/config")).json).toMatchObject({
      instance_group: [{ kind: "KIND_CPU" }],
      parameters: { execution_provider: { string_value: "cpu" } },
    });
    expect(await metric(server, 'plimsoll_execution_provider_info{provider="cpu"}')).toBe("1");
    expect(await metric(server, 'plimsoll_execution_provider_info{provider="cuda"}')).toBeUndefined();
  });

  test("a model that no provider can load is a broken model, not a missing GPU, where the CPU is allowed", async () => {
    const server = await startTestServer(import.meta.filename, { executionProvider: "cuda", allowCpuFallback: true });
    servers.push(server);
    await expect(server.loaded).rejects.toMatchObject({ code: "MODEL_INVALID" });
  });
});

describe("a calibration from an earlier replica", () => {
  test("is used: nothing is measured, and what it says is done", async () => {
    const first = await start("identity-rows", { maxBatchSize: 2, calibrationSeconds: 0.5 });
    await first.loaded;
    const { text } = await first.get("/v2/models/m/calibration");
    const changed = JSON.parse(text) as { calibration: object; ioCpuSeconds: object };
    const calibration = JSON.stringify({
      ...changed,
      calibration: {
        ...changed.calibration,
        batchable: true,
        maxBatchSize: 37,
        rowsPerSecond: 123,
        cpuSecondsPerRow: 0,
      },
      ioCpuSeconds: { "v2-rest": 1e-6 },
      saturation: { "v2-rest": 123 },
    });
    const second = await start("identity-rows", { calibration, calibrationSeconds: 3600 });
    await second.loaded;
    expect(await metric(second, "plimsoll_max_batch_size")).toBe("37");
    expect(await metric(second, 'plimsoll_load_line_requests_per_second{protocol="v2-rest"}')).toBe("123");
    expect((await second.get("/v2/models/m/calibration")).json).toEqual(JSON.parse(calibration));
  });

  test.each([
    ["one for something else", '{"basis":{}}', "it lacks fields of a calibration that this server wrote"],
    ["none at all", "what?", "it is not valid JSON"],
  ])("is not used where it does not hold: %s", async (_name, calibration, reason) => {
    const server = await start("scalar", { calibration });
    await server.loaded;
    expect(server.lines).toContainEqual({
      level: "warn",
      message: "the given calibration does not hold here; measuring anew",
      fields: { reason },
    });
    const answer = await server.infer({ inputs: [{ name: "x", shape: [], datatype: "FP32", data: [3] }] });
    expect(answer.status).toBe(200);
  });
});
