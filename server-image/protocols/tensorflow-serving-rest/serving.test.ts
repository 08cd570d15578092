// TensorFlow Serving's REST interface over real HTTP against real models.

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { startTestServer, type TestServer, testModel } from "../../test-server.ts";

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

const servers = new Map<string, TestServer>();
const MODELS = ["add-sub", "identity-rows", "identity-int64", "identity-bytes", "identity-fp16", "divide", "scalar"];

beforeAll(async () => {
  await Promise.all(
    MODELS.map(async (name) => {
      const server = await startTestServer(testModel(name), { versionLabels: ["stable"] });
      servers.set(name, server);
      await server.loaded;
    }),
  );
});

afterAll(async () => {
  await Promise.all([...servers.values()].map((server) => server.stop()));
});

function serverOf(name: string): TestServer {
  return servers.get(name)!;
}

const ONES = Array.from({ length: 16 }, () => 1);

describe("predict", () => {
  const cases: [string, string, string, number, string][] = [
    [
      "rows",
      "identity-rows",
      '{"instances": [[1, 2, 3], [4.5, 0.1, NaN]]}',
      200,
      '{"predictions":[[1.0,2.0,3.0],[4.5,0.1,NaN]]}',
    ],
    ["columns", "identity-rows", '{"inputs": {"x": [[1, 2, 3]]}}', 200, '{"outputs":[[1.0,2.0,3.0]]}'],
    [
      "exact integers",
      "identity-int64",
      '{"instances": [9007199254740993, -1]}',
      200,
      '{"predictions":[9007199254740993,-1]}',
    ],
    [
      "strings and base64",
      "identity-bytes",
      '{"instances": ["ä", {"b64": "aGVsbG8="}]}',
      200,
      '{"predictions":["ä","hello"]}',
    ],
    [
      "infinities",
      "divide",
      '{"inputs": {"a": [0, 1, -1, 1], "b": [0, 0, 0, 2]}}',
      200,
      '{"outputs":[NaN,Infinity,-Infinity,0.5]}',
    ],
    ["a scalar in a column", "scalar", '{"inputs": 3}', 200, '{"outputs":9.0}'],
    [
      "several inputs and outputs in rows, first dimension fixed",
      "add-sub",
      JSON.stringify({ instances: [{ INPUT0: ONES, INPUT1: ONES }] }),
      200,
      JSON.stringify({ predictions: [{ OUTPUT0: ONES.map(() => 2), OUTPUT1: ONES.map(() => 0) }] }),
    ],
    [
      "several inputs and outputs in columns",
      "add-sub",
      JSON.stringify({ inputs: { INPUT0: [ONES], INPUT1: [ONES] } }),
      200,
      JSON.stringify({ outputs: { OUTPUT0: [ONES.map(() => 2)], OUTPUT1: [ONES.map(() => 0)] } }),
    ],
    [
      "1.0 for an integer",
      "identity-int64",
      '{"inputs": [1.0]}',
      400,
      '{"error":"JSON Value: 1.0 Type: Number is not of expected type: int64"}',
    ],
    ["half floats", "identity-fp16", '{"inputs": [1]}', 501, '{"error":"Conversion of JSON Value: 1 to type: half"}'],
    [
      "a scalar in rows",
      "scalar",
      '{"instances": [3]}',
      400,
      '{"error":"input \\"x\\": shape is [1]; the model takes []"}',
    ],
  ];
  test.each(cases)("%s", async (...[, model, body, status, expected]) => {
    const answer = await serverOf(model).post("/v1/models/m/labels/stable:predict", body);
    expect(answer.text).toBe(expected);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toBe("application/json");
  });
});

test("regress where the model has one value per row", async () => {
  const answer = await serverOf("divide").post("/v1/models/m:regress", {
    examples: [
      { a: 1.5, b: 2 },
      { a: 3, b: 4 },
    ],
  });
  expect(answer.json).toEqual({ results: [0.75, 0.75] });
});

test("classify where the model has scores", async () => {
  const answer = await serverOf("identity-rows").post("/v1/models/m:classify", { examples: [{ x: [0.5, 0.25, 1.5] }] });
  expect(answer.json).toEqual({
    results: [
      [
        ["", 0.5],
        ["", 0.25],
        ["", 1.5],
      ],
    ],
  });
});

test("status and metadata", async () => {
  expect((await serverOf("scalar").get("/v1/models/m")).json).toMatchObject({
    model_version_status: [{ version: "1", state: "AVAILABLE" }],
  });
  expect((await serverOf("scalar").get("/v1/models/m/versions/1/metadata")).json).toMatchObject({
    model_spec: { name: "m", version: "1" },
    metadata: {
      signature_def: {
        signature_def: { serving_default: { inputs: { x: { dtype: "DT_FLOAT", tensor_shape: { dim: [] } } } } },
      },
    },
  });
});

test("requests are counted, and the figures are at TensorFlow Serving's path too", async () => {
  const server = serverOf("identity-rows");
  await server.post("/v1/models/nobody:predict", "{}");
  const [own, theirs] = await Promise.all([server.get("/metrics"), server.get("/monitoring/prometheus/metrics")]);
  expect(theirs.headers.get("content-type")).toBe(own.headers.get("content-type"));
  expect(theirs.text).toMatch(/^plimsoll_requests_total\{protocol="tfs-rest",code="404"\} 1$/m);
  expect(theirs.text).toMatch(/^plimsoll_requests_received_total\{protocol="tfs-rest"\} [1-9]/m);
});

test("a deep body is refused and the server goes on", async () => {
  const server = serverOf("identity-rows");
  const deep = await server.post("/v1/models/m:predict", `{"instances": ${"[".repeat(250_000)}`);
  expect(deep).toMatchObject({ status: 400, json: { error: "the body's JSON is nested deeper than 100 levels" } });
  expect(await server.get("/v1/models/m")).toMatchObject({ status: 200 });
});

test("with leave for all origins a browser may call", async () => {
  const server = await startTestServer(testModel("scalar"), { corsAllowOrigin: "*" });
  await server.loaded;
  const url = `${server.url}/v1/models/m:predict`;
  const headers = { origin: "https://app.example.com" };
  const preflight = await fetch(url, { method: "OPTIONS", headers });
  expect(preflight.status).toBe(200);
  expect(preflight.headers.get("access-control-allow-origin")).toBe("*");
  expect((await fetch(url, { method: "OPTIONS" })).status).toBe(400);
  const answer = await fetch(url, { method: "POST", headers, body: '{"inputs": 2}' });
  expect(answer.headers.get("access-control-allow-origin")).toBe("*");
  expect(await answer.text()).toBe('{"outputs":4.0}');
  await server.stop();
});

test("with leave for some origins a compressed answer varies by both", async () => {
  const server = await startTestServer(testModel("identity-rows"), { corsAllowOrigin: ["https://app.example.com"] });
  await server.loaded;
  const headers = { origin: "https://app.example.com", "accept-encoding": "gzip" };
  const response = await fetch(`${server.url}/v2/models/m/openapi.json`, { headers });
  expect(response.headers.get("content-encoding")).toBe("gzip");
  expect(response.headers.get("vary")).toBe("Origin, accept-encoding");
  expect(response.headers.get("access-control-allow-origin")).toBe("https://app.example.com");
  await server.stop();
});

test("without leave nothing is said of origins", async () => {
  const response = await fetch(`${serverOf("scalar").url}/v1/models/m`, { headers: { origin: "https://a.b" } });
  expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
});
