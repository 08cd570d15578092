// Health, metadata, configuration, statistics and the repository index over real HTTP, ready and not ready.

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import packageJson from "../../package.json" with { type: "json" };
import { startTestServer, type TestServer, testModel } from "../../test-server.ts";
import { testServers } from "./test-servers.ts";

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

const serverOf = testServers();

const SERVER = {
  name: "plimsoll-server",
  version: packageJson.version,
  extensions: ["binary_tensor_data", "model_configuration", "model_repository", "schedule_policy", "statistics"],
};
const MODEL = {
  name: "m",
  versions: ["1"],
  platform: "onnx_onnxv1",
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 3] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 3] }],
  parameters: { execution_provider: "cpu" },
};
const NOT_FOUND = { error: "Not Found" };
const NO_MODEL = { error: 'model "n" is not found; this server has "m"' };
const noVersion = (version: string) => ({
  error: `version "${version}" of model "m" is not found; this server has "1"`,
});

describe("a ready server", () => {
  const cases: [string, string, number, unknown][] = [
    ["the server", "/v2", 200, SERVER],
    ["the server, with a slash", "/v2/", 200, SERVER],
    ["live", "/v2/health/live", 200, { live: true }],
    ["ready", "/v2/health/ready", 200, { ready: true }],
    ["all models", "/v2/models", 200, { models: ["m"] }],
    ["a model that is ready", "/v2/models/m/ready", 200, { name: "m", ready: true }],
    ["its version", "/v2/models/m/versions/1/ready", 200, { name: "m", ready: true }],
    ["a model", "/v2/models/m", 200, MODEL],
    ["a model's version", "/v2/models/m/versions/1", 200, MODEL],
    ["a query is ignored", "/v2/health/live?verbose=1", 200, { live: true }],
    ["an unknown path", "/v2/nothing", 404, NOT_FOUND],
    ["an unknown path outside", "/v3", 404, NOT_FOUND],
    ["an unknown health", "/v2/health/alive", 404, NOT_FOUND],
    ["an unknown verb", "/v2/models/m/explain", 404, NOT_FOUND],
    ["more behind a verb", "/v2/models/m/ready/now", 404, NOT_FOUND],
    ["a version that is not said", "/v2/models/m/versions", 404, NOT_FOUND],
    ["shared memory", "/v2/systemsharedmemory/status", 404, NOT_FOUND],
    ["another model", "/v2/models/n", 404, NO_MODEL],
    ["another model's readiness", "/v2/models/n/ready", 404, NO_MODEL],
    ["another model's configuration", "/v2/models/n/config", 404, NO_MODEL],
    ["another model's statistics", "/v2/models/n/stats", 404, NO_MODEL],
    ["another version", "/v2/models/m/versions/2", 404, noVersion("2")],
    ["a version that is no number", "/v2/models/m/versions/v1", 404, noVersion("v1")],
    ["another version's statistics", "/v2/models/m/versions/2/stats", 404, noVersion("2")],
    ["a path that cannot be decoded", "/v2/models/%zz", 400, { error: "the path is not a valid URL path" }],
  ];
  test.each(cases)("%s", async (_name, path, status, body) => {
    const answer = await (await serverOf("identity-rows")).get(path);
    expect(answer.json).toEqual(body);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toBe("application/json");
  });

  test.each([
    ["GET", "/v2/models/m/infer", "POST"],
    ["PUT", "/v2/models/m/versions/1/infer", "POST"],
    ["POST", "/v2/models/m", "GET, HEAD"],
    ["POST", "/v2/models/m/stats", "GET, HEAD"],
    ["POST", "/v2/models/stats", "GET, HEAD"],
    ["POST", "/v2/models/m/config", "GET, HEAD"],
    ["GET", "/v2/repository/index", "POST"],
    ["GET", "/v2/repository/models/m/load", "POST"],
    ["DELETE", "/v2/health/live", "GET, HEAD"],
    ["POST", "/metrics", "GET, HEAD"],
  ])("%s %s is not allowed", async (method, path, allow) => {
    const response = await fetch(`${(await serverOf("identity-rows")).url}${path}`, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe(allow);
    expect(await response.json()).toEqual({ error: "Method Not Allowed" });
  });

  test("a model's name may need encoding", async () => {
    const server = await startTestServer(testModel("scalar"), { modelName: 'a/b c:"ä"' });
    await server.loaded;
    const path = `/v2/models/${encodeURIComponent('a/b c:"ä"')}`;
    expect((await server.get(path)).json).toMatchObject({ name: 'a/b c:"ä"' });
    const inputs = [{ name: "x", shape: [], datatype: "FP32", data: [3] }];
    const answer = await server.post(`${path}/infer`, { inputs });
    expect(answer.json).toMatchObject({ model_name: 'a/b c:"ä"', outputs: [{ data: [9] }] });
    await server.stop();
  });
});

describe("the repository", () => {
  const READY = [{ name: "m", version: "1", state: "READY", reason: "" }];
  test.each([
    ["without a body", "", READY],
    ["with an empty object", "{}", READY],
    ["ready ones only", '{"ready":true}', READY],
    ["null for what is left out", '{"ready":null}', READY],
    ["fields that nobody knows", '{"all":true}', READY],
  ])("index %s", async (_name, body, expected) => {
    const answer = await (await serverOf("identity-rows")).post("/v2/repository/index", body);
    expect(answer.json).toEqual(expected);
    expect(answer.status).toBe(200);
  });

  test.each([
    ["no JSON", "ready", /the body is not valid JSON/],
    ["a list", "[]", /the body must be a JSON object; it may have the field "ready"/],
    ["text for ready", '{"ready":"yes"}', /"ready" must be true or false/],
  ])("index refused: %s", async (_name, body, message) => {
    const answer = await (await serverOf("identity-rows")).post("/v2/repository/index", body);
    expect((answer.json as { error: string }).error).toMatch(message);
    expect(answer.status).toBe(400);
  });

  test.each(["load", "unload"])("%s is not allowed", async (verb) => {
    const answer = await (await serverOf("identity-rows")).post(`/v2/repository/models/m/${verb}`, {});
    expect((answer.json as { error: string }).error).toMatch(/^explicit model load \/ unload is not allowed/);
    expect(answer.status).toBe(501);
  });

  test("nothing else is there", async () => {
    expect((await (await serverOf("identity-rows")).post("/v2/repository/models/m/reload", {})).status).toBe(404);
  });
});

describe("configuration", () => {
  test("of a model that is not batched", async () => {
    const answer = await (await serverOf("add-sub")).get("/v2/models/m/config");
    const tensor = (name: string) => ({ name, data_type: "TYPE_INT32", dims: [1, 16] });
    expect(answer.json).toMatchObject({
      name: "m",
      platform: "onnxruntime_onnx",
      backend: "onnxruntime",
      max_batch_size: 0,
      input: [tensor("INPUT0"), tensor("INPUT1")],
      output: [tensor("OUTPUT0"), tensor("OUTPUT1")],
      instance_group: [{ name: "m_0", kind: "KIND_CPU", count: 1, gpus: [] }],
      parameters: { execution_provider: { string_value: "cpu" }, intra_op_thread_count: { string_value: "1" } },
    });
    expect(answer.json).not.toHaveProperty("dynamic_batching");
  });

  test("texts have Triton's name", async () => {
    const answer = await (await serverOf("identity-bytes")).get("/v2/models/m/versions/1/config");
    expect(answer.json).toMatchObject({ input: [{ name: "x", data_type: "TYPE_STRING" }] });
  });
});

test("statistics count rows, runs and failures", async () => {
  const server = await startTestServer(testModel("identity-rows"), { maxBatchSize: 8 });
  await server.loaded;
  const read = async (path: string) => (await server.get(path)).json as { model_stats: Record<string, unknown>[] };
  const none = { count: 0, ns: 0 };
  const [before] = (await read("/v2/models/m/stats")).model_stats;
  expect(before).toMatchObject({ name: "m", version: "1", inference_count: 0, execution_count: 0 });
  expect(before).toMatchObject({ last_inference: 0, inference_stats: { success: none, fail: none }, batch_stats: [] });
  const startedAt = Date.now();
  const rows = (count: number) => [
    { name: "x", shape: [count, 3], datatype: "FP32", data: Array.from({ length: 3 * count }).fill(1) },
  ];
  await server.infer({ inputs: rows(2) });
  await server.infer({ inputs: rows(5) });
  const [after] = (await read("/v2/models/stats")).model_stats;
  expect(after).toMatchObject({
    inference_count: 7,
    execution_count: 2,
    inference_stats: { success: { count: 2 }, fail: none, queue: { count: 2 }, cache_hit: none, cache_miss: none },
    batch_stats: [
      { batch_size: 2, compute_infer: { count: 1 } },
      { batch_size: 5, compute_infer: { count: 1 } },
    ],
  });
  expect(after?.["last_inference"]).toBeGreaterThanOrEqual(startedAt);
  expect(after).toMatchObject({
    inference_stats: { success: { ns: expect.toSatisfy(isWholeAndPositive) as unknown } },
  });
  expect(await read("/v2/models/m/versions/1/stats")).toEqual({ model_stats: [after] });
  await server.stop();
});

function isWholeAndPositive(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) > 0;
}

describe("a server whose model is not there", () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer(testModel("no-such-model"));
    await expect(server.loaded).rejects.toThrow();
  });
  afterAll(async () => server.stop());

  test.each([
    ["the server", "/v2", 200, SERVER],
    ["live", "/v2/health/live", 200, { live: true }],
    ["not ready", "/v2/health/ready", 503, { ready: false, error: expect.any(String) as unknown }],
    ["the model's name", "/v2/models", 200, { models: ["m"] }],
    [
      "the model is not ready",
      "/v2/models/m/ready",
      503,
      { name: "m", ready: false, error: expect.any(String) as unknown },
    ],
    ["another model", "/v2/models/n/ready", 404, NO_MODEL],
    ["the model", "/v2/models/m", 503, { error: expect.any(String) as unknown }],
    ["its version", "/v2/models/m/versions/1/ready", 503, { error: expect.any(String) as unknown }],
    ["its configuration", "/v2/models/m/config", 503, { error: expect.any(String) as unknown }],
    ["its statistics", "/v2/models/m/stats", 503, { error: expect.any(String) as unknown }],
  ])("%s", async (_name, path, status, body) => {
    const answer = await server.get(path);
    expect(answer.json).toEqual(body);
    expect(answer.status).toBe(status);
  });

  test("inference: unavailable, to be tried again", async () => {
    const answer = await server.infer({ inputs: [] });
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).toBe("1");
  });

  test("the index names it without a version, and not among those that are ready", async () => {
    const all = await server.post("/v2/repository/index", {});
    expect(all.json).toEqual([{ name: "m", state: "UNAVAILABLE", reason: expect.any(String) as unknown }]);
    expect((await server.post("/v2/repository/index", { ready: true })).json).toEqual([]);
  });
});
