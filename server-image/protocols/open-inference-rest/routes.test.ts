// The Open Inference Protocol over real HTTP against real models: answers, and every way to be refused.

import { connect } from "node:net";

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import packageJson from "../../package.json" with { type: "json" };
import { ocrModel, startTestServer, type TestServer, testModel } from "../../test-server.ts";

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

const servers = new Map<string, TestServer>();
const MODELS = ["add-sub", "identity-rows", "identity-int64", "identity-bytes", "identity-fp16", "divide", "scalar"];

async function open(
  name: string,
  ...rest: Parameters<typeof startTestServer> extends [string, ...infer R] ? R : never
) {
  const server = await startTestServer(testModel(name), ...rest);
  servers.set(name, server);
  await server.loaded;
  return server;
}

function serverOf(name: string): TestServer {
  const server = servers.get(name);
  if (server === undefined) {
    throw new Error(`no server for ${name}`);
  }
  return server;
}

beforeAll(async () => {
  await Promise.all(MODELS.map((name) => open(name)));
});

afterAll(async () => {
  await Promise.all([...servers.values()].map((server) => server.stop()));
});

const ADD_SUB = ["INPUT0", "INPUT1"].map((name) => ({
  name,
  shape: [1, 16],
  datatype: "INT32",
  data: Array.from({ length: 16 }).fill(1),
}));
const ROWS = { name: "x", shape: [2, 3], datatype: "FP32", data: [1, 2, 3, 4, 5, 6] };

describe("health and metadata", () => {
  const cases: [string, string, number, unknown][] = [
    ["the server", "/v2", 200, { name: "plimsoll-server", version: packageJson.version, extensions: [] }],
    [
      "the server, with a slash",
      "/v2/",
      200,
      { name: "plimsoll-server", version: packageJson.version, extensions: [] },
    ],
    ["live", "/v2/health/live", 200, { live: true }],
    ["ready", "/v2/health/ready", 200, { ready: true }],
    ["all models", "/v2/models", 200, { models: ["m"] }],
    ["a model that is ready", "/v2/models/m/ready", 200, { name: "m", ready: true }],
    ["its version", "/v2/models/m/versions/1/ready", 200, { name: "m", ready: true }],
    [
      "a model",
      "/v2/models/m",
      200,
      {
        name: "m",
        versions: ["1"],
        platform: "onnx_onnxv1",
        inputs: [{ name: "x", datatype: "FP32", shape: [-1, 3] }],
        outputs: [{ name: "y", datatype: "FP32", shape: [-1, 3] }],
      },
    ],
    ["a query is ignored", "/v2/health/live?verbose=1", 200, { live: true }],
    ["an unknown path", "/v2/nothing", 404, { error: "Not Found" }],
    ["an unknown path outside", "/v3", 404, { error: "Not Found" }],
    ["the root", "/", 404, { error: "Not Found" }],
    ["an unknown health", "/v2/health/alive", 404, { error: "Not Found" }],
    ["an unknown verb", "/v2/models/m/explain", 404, { error: "Not Found" }],
    ["another model", "/v2/models/n", 404, { error: 'model "n" is not found; this server has "m"' }],
    ["another model's readiness", "/v2/models/n/ready", 404, { error: 'model "n" is not found; this server has "m"' }],
    [
      "another version",
      "/v2/models/m/versions/2",
      404,
      { error: 'version "2" of model "m" is not found; this server has "1"' },
    ],
    ["a path that cannot be decoded", "/v2/models/%zz", 400, { error: "the path is not a valid URL path" }],
  ];
  test.each(cases)("%s", async (_name, path, status, body) => {
    const answer = await serverOf("identity-rows").get(path);
    expect(answer.json).toEqual(body);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toBe("application/json");
  });

  test.each([
    ["GET", "/v2/models/m/infer", "POST"],
    ["POST", "/v2/models/m", "GET, HEAD"],
    ["DELETE", "/v2/health/live", "GET, HEAD"],
    ["POST", "/metrics", "GET, HEAD"],
  ])("%s %s is not allowed", async (method, path, allow) => {
    const response = await fetch(`${serverOf("identity-rows").url}${path}`, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe(allow);
    expect(await response.json()).toEqual({ error: "Method Not Allowed" });
  });

  test("a model's name may need encoding", async () => {
    const server = await startTestServer(testModel("scalar"), { modelName: "a/b c" });
    await server.loaded;
    expect((await server.get("/v2/models/a%2Fb%20c")).json).toMatchObject({ name: "a/b c" });
    await server.stop();
  });
});

describe("inference", () => {
  test("flat data", async () => {
    const answer = await serverOf("identity-rows").infer({ id: "my id", inputs: [ROWS] });
    expect(answer.json).toEqual({
      model_name: "m",
      model_version: "1",
      id: "my id",
      outputs: [{ name: "y", datatype: "FP32", shape: [2, 3], data: [1, 2, 3, 4, 5, 6] }],
    });
    expect(answer.status).toBe(200);
  });

  test("nested data", async () => {
    const nested = {
      ...ROWS,
      data: [
        [1, 2, 3],
        [4, 5, 6],
      ],
    };
    const answer = await serverOf("identity-rows").infer({ inputs: [nested] });
    expect(answer.json).toMatchObject({ outputs: [{ shape: [2, 3], data: [1, 2, 3, 4, 5, 6] }] });
  });

  test("an id is made where none is given", async () => {
    const answer = await serverOf("identity-rows").infer({ inputs: [ROWS] });
    expect(answer.json).toMatchObject({ id: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown });
  });

  test("the version in the path", async () => {
    const answer = await serverOf("identity-rows").post("/v2/models/m/versions/1/infer", { inputs: [ROWS] });
    expect(answer.status).toBe(200);
  });

  test("no rows give no rows", async () => {
    const answer = await serverOf("identity-rows").infer({ inputs: [{ ...ROWS, shape: [0, 3], data: [] }] });
    expect(answer.json).toMatchObject({ outputs: [{ shape: [0, 3], data: [] }] });
  });

  test("several inputs in any order, selected outputs in the order asked", async () => {
    const input = (name: string, start: number) => ({
      name,
      shape: [1, 16],
      datatype: "INT32",
      data: Array.from({ length: 16 }, (_, index) => start + index),
    });
    const inputs = [input("INPUT1", 1), input("INPUT0", 100)];
    const all = await serverOf("add-sub").infer({ inputs });
    expect(all.json).toMatchObject({ outputs: [{ name: "OUTPUT0" }, { name: "OUTPUT1" }] });
    const one = await serverOf("add-sub").infer({ inputs, outputs: [{ name: "OUTPUT1" }] });
    expect(one.json).toMatchObject({ outputs: [{ name: "OUTPUT1", data: Array.from({ length: 16 }).fill(99) }] });
    expect((one.json as { outputs: unknown[] }).outputs).toHaveLength(1);
  });

  test("64-bit integers keep every digit", async () => {
    const body =
      '{"inputs":[{"name":"x","shape":[2],"datatype":"INT64","data":[9007199254740993,-9223372036854775808]}]}';
    const answer = await serverOf("identity-int64").infer(body);
    expect(answer.text).toContain('"data":[9007199254740993,-9223372036854775808]');
  });

  test("texts", async () => {
    const data = ["", "ä 漢 😀", 'a "quoted" \\ word'];
    const answer = await serverOf("identity-bytes").infer({
      inputs: [{ name: "x", shape: [3], datatype: "BYTES", data }],
    });
    expect(answer.json).toMatchObject({ outputs: [{ datatype: "BYTES", data }] });
  });

  test("a scalar", async () => {
    const answer = await serverOf("scalar").infer({
      inputs: [{ name: "x", shape: [], datatype: "FP32", data: [1.5] }],
    });
    expect(answer.json).toMatchObject({ outputs: [{ name: "square", shape: [], data: [2.25] }] });
  });

  test("NaN and infinities go in and out as tokens", async () => {
    const input = (name: string, data: string) => `{"name":"${name}","shape":[4],"datatype":"FP32","data":${data}}`;
    const body = `{"inputs":[${input("a", "[0,1,-1,NaN]")},${input("b", "[0,0,0,1]")}]}`;
    const answer = await serverOf("divide").infer(body);
    expect(answer.status).toBe(200);
    expect(answer.text).toMatch(/"data":\[NaN,Infinity,-Infinity,NaN\]/);
  });

  test("names that are awkward", async () => {
    const server = await open("odd-names");
    const input = '{"inputs":[{"name":"__proto__","shape":[1],"datatype":"FP32","data":[4]}]}';
    const answer = await server.infer(input);
    expect(answer.json).toMatchObject({ outputs: [{ name: '{"1": "a/b c"}', data: [4] }] });
  });

  test("a model without inputs", async () => {
    const server = await open("constant");
    expect((await server.infer({ inputs: [] })).json).toMatchObject({ outputs: [{ name: "y", data: [7] }] });
    expect((await server.infer({})).json).toMatchObject({ outputs: [{ name: "y", data: [7] }] });
  });

  const DATATYPES: [string, string, unknown[]][] = [
    ["bool", "BOOL", [true, false]],
    ["int8", "INT8", [-128, 127]],
    ["int16", "INT16", [-32768, 32767]],
    ["int32", "INT32", [-2147483648, 2147483647]],
    ["uint8", "UINT8", [0, 255]],
    ["uint16", "UINT16", [0, 65535]],
    ["uint32", "UINT32", [0, 4294967295]],
    ["fp32", "FP32", [-1.5, 0.1]],
    ["fp64", "FP64", [-1.5, 0.1]],
  ];
  test.each(DATATYPES)("datatype %s through onnxruntime", async (name, datatype, data) => {
    const server = await open(`identity-${name}`);
    const answer = await server.infer({ inputs: [{ name: "x", shape: [2], datatype, data }] });
    expect(answer.json).toMatchObject({ outputs: [{ name: "y", datatype, shape: [2], data }] });
  });

  test("uint64 through onnxruntime", async () => {
    const server = await open("identity-uint64");
    const answer = await server.infer(
      '{"inputs":[{"name":"x","shape":[1],"datatype":"UINT64","data":[18446744073709551615]}]}',
    );
    expect(answer.text).toContain('"data":[18446744073709551615]');
  });

  test("a trained model: an image of one size and of another", async () => {
    const server = await startTestServer(ocrModel("ch_PP-OCRv4_rec_infer"));
    await server.loaded;
    for (const width of [48, 96]) {
      const shape = [1, 3, 48, width];
      const data = Array.from({ length: 3 * 48 * width }).fill(0.5);
      const answer = await server.infer({ inputs: [{ name: "x", shape, datatype: "FP32", data }] });
      const { outputs } = answer.json as { outputs: { shape: number[]; data: number[] }[] };
      expect(outputs[0]?.shape).toEqual([1, width / 8, 6625]);
      const firstStep = outputs[0]?.data.slice(0, 6625) ?? [];
      // A softmax: each step's probabilities add up to one.
      expect(firstStep.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 4);
    }
    await server.stop();
  });
});

describe("refused with 400 and a message that helps", () => {
  const ADD = { name: "INPUT0", shape: [1, 16], datatype: "INT32", data: [] };
  const cases: [string, string, unknown, RegExp][] = [
    ["no JSON", "identity-rows", "not json", /the body is not valid JSON/],
    ["an empty body", "identity-rows", "", /the body is not valid JSON/],
    ["a list", "identity-rows", [], /the body must be a JSON object with the field "inputs"/],
    ["null", "identity-rows", "null", /the body must be a JSON object/],
    ["deep JSON", "identity-rows", "[".repeat(250_000), /nested deeper than 100 levels/],
    ["no inputs", "identity-rows", {}, /missing "x" \(FP32 \[-1, 3\]\); the model takes "x" \(FP32 \[-1, 3\]\)/],
    ["inputs that are no list", "identity-rows", { inputs: ROWS }, /"inputs" must be a list of objects/],
    [
      "an input that is no object",
      "identity-rows",
      { inputs: [1] },
      /element 0 of "inputs" must be an object with a "name"/,
    ],
    [
      "one input of two",
      "add-sub",
      { inputs: [ADD] },
      /missing "INPUT1" \(INT32 \[1, 16\]\); the model takes "INPUT0"/,
    ],
    [
      "an unknown input",
      "identity-rows",
      { inputs: [{ ...ROWS, name: "z" }] },
      /input "z": the model has no such input/,
    ],
    [
      "an input twice",
      "add-sub",
      {
        inputs: [
          { ...ROWS, name: "INPUT0" },
          { ...ROWS, name: "INPUT0" },
        ],
      },
      /input "INPUT0" already exists in request/,
    ],
    [
      "more inputs than the model has",
      "identity-rows",
      { inputs: Array.from({ length: 9000 }, () => ROWS) },
      /"inputs" has 9000 elements; the model has 1 input\(s\): "x" \(FP32 \[-1, 3\]\)/,
    ],
    [
      "no shape",
      "identity-rows",
      { inputs: [{ ...ROWS, shape: undefined }] },
      /input "x": "shape" must be a list of integers/,
    ],
    [
      "a negative size",
      "identity-rows",
      { inputs: [{ ...ROWS, shape: [-1, 3] }] },
      /dimension 0 of "shape" must be an integer from 0/,
    ],
    [
      "a fractional size",
      "identity-rows",
      { inputs: [{ ...ROWS, shape: [1.5, 3] }] },
      /dimension 0 of "shape" must be/,
    ],
    [
      "a shape that overflows",
      "identity-rows",
      { inputs: [{ ...ROWS, shape: [2 ** 53 - 1, 3] }] },
      /too many elements/,
    ],
    [
      "a shape beyond integers",
      "identity-rows",
      { inputs: [{ ...ROWS, shape: [2 ** 60, 3] }] },
      /dimension 0 of "shape" must be/,
    ],
    [
      "many dimensions",
      "identity-rows",
      { inputs: [{ ...ROWS, shape: Array.from({ length: 99 }).fill(1) }] },
      /99 dimensions; at most 32/,
    ],
    [
      "the wrong rank",
      "identity-rows",
      { inputs: [{ ...ROWS, shape: [6] }] },
      /shape is \[6\]; the model takes \[-1, 3\] \(-1: any size\)/,
    ],
    [
      "the wrong size",
      "identity-rows",
      { inputs: [{ ...ROWS, shape: [3, 2] }] },
      /shape is \[3, 2\]; the model takes \[-1, 3\]/,
    ],
    ["no datatype", "identity-rows", { inputs: [{ ...ROWS, datatype: 1 }] }, /input "x": "datatype" must be a string/],
    [
      "the wrong datatype",
      "identity-rows",
      { inputs: [{ ...ROWS, datatype: "INT32" }] },
      /datatype is "INT32"; the model takes FP32/,
    ],
    ["no data", "identity-rows", { inputs: [{ ...ROWS, data: undefined }] }, /input "x": "data" is missing/],
    [
      "too little data",
      "identity-rows",
      { inputs: [{ ...ROWS, data: [1] }] },
      /"data" has 1 elements, but shape \[2, 3\] has 6/,
    ],
    [
      "ragged data",
      "identity-rows",
      { inputs: [{ ...ROWS, data: [[1, 2, 3], [4]] }] },
      /nested otherwise than its shape says/,
    ],
    [
      "a wrong element",
      "identity-rows",
      { inputs: [{ ...ROWS, data: [1, 2, 3, 4, 5, "6"] }] },
      /element 5 of "data" is "6"; FP32 takes/,
    ],
    [
      "an unknown output",
      "identity-rows",
      { inputs: [ROWS], outputs: [{ name: "z" }] },
      /output "z": the model has no such output; it gives "y"/,
    ],
    [
      "an output twice",
      "add-sub",
      { inputs: ADD_SUB, outputs: [{ name: "OUTPUT1" }, { name: "OUTPUT1" }] },
      /output "OUTPUT1" already exists/,
    ],
    [
      "more outputs than the model has",
      "identity-rows",
      { inputs: [ROWS], outputs: [{ name: "y" }, { name: "y" }] },
      /"outputs" has 2 elements; the model has 1 output\(s\): "y"/,
    ],
    ["outputs that are no list", "identity-rows", { inputs: [ROWS], outputs: "y" }, /"outputs" must be a list/],
    [
      "an output without a name",
      "identity-rows",
      { inputs: [ROWS], outputs: [{}] },
      /element 0 of "outputs" must be an object/,
    ],
    ["a number for an id", "identity-rows", { id: 5, inputs: [ROWS] }, /"id" must be a string/],
    [
      "half precision",
      "identity-fp16",
      { inputs: [{ name: "x", shape: [1], datatype: "FP16", data: [1] }] },
      /FP16 has no JSON form/,
    ],
  ];
  test.each(cases)("%s", async (_name, model, body, message) => {
    const answer = await serverOf(model).infer(body);
    const { error } = answer.json as { error: string };
    expect(error).toMatch(message);
    expect(answer.status).toBe(400);
    expect(error).not.toMatch(/\bat .*\.ts:\d+/);
  });
});

describe("refused otherwise", () => {
  test("a body above the limit, announced", async () => {
    const answer = await serverOf("identity-rows").infer("x".repeat(1024 * 1024 + 1));
    expect(answer.json).toEqual({ error: "the request body is larger than 1048576 bytes, which is the limit" });
    expect(answer.status).toBe(413);
  });

  test("a body above the limit, in chunks without an announcement", async () => {
    const { url } = serverOf("identity-rows");
    const body = new ReadableStream({
      start(controller) {
        for (let index = 0; index < 20; index += 1) {
          controller.enqueue(new Uint8Array(100_000));
        }
        controller.close();
      },
    });
    const response = await fetch(`${url}/v2/models/m/infer`, { method: "POST", body, duplex: "half" });
    expect(response.status).toBe(413);
  });

  test("a compressed body", async () => {
    const answer = await serverOf("identity-rows").infer({}, { "content-encoding": "gzip" });
    expect(answer.json).toEqual({ error: 'Content-Encoding "gzip" is not supported; send the body uncompressed' });
    expect(answer.status).toBe(415);
  });

  test("binary tensors", async () => {
    const answer = await serverOf("identity-rows").infer(
      { inputs: [ROWS] },
      { "inference-header-content-length": "10" },
    );
    expect(answer.json).toMatchObject({ error: expect.stringContaining("send the data as JSON") as unknown });
    expect(answer.status).toBe(501);
  });

  test("a run that the model itself refuses", async () => {
    const server = await open("needs-77");
    const input = (length: number) => ({
      name: "x",
      shape: [length],
      datatype: "FP32",
      data: Array.from({ length }).fill(1),
    });
    const answer = await server.infer({ inputs: [input(5)] });
    expect(answer.json).toMatchObject({ error: expect.stringContaining("requested shape:{7,11}") as unknown });
    expect(answer.status).toBe(500);
    expect((await server.infer({ inputs: [input(77)] })).status).toBe(200);
  });

  test("something that is not HTTP", async () => {
    const socket = connect(serverOf("identity-rows").port, "127.0.0.1");
    socket.end("HELLO\r\n\r\n");
    const chunks: string[] = [];
    for await (const chunk of socket.setEncoding("utf8")) {
      chunks.push(chunk as string);
    }
    expect(chunks.join("")).toMatch(/^HTTP\/1.1 400 Bad Request\r\n[^]*\{"error":"this is no valid HTTP request"\}$/);
  });
});
