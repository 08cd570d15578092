// Binary tensors over real HTTP against real models: every datatype, mixed forms, compression, and the counts of both.

import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { deflateSync, gunzipSync, gzipSync, inflateSync } from "node:zlib";

import { describe, expect, test, vi } from "vitest";

import { encodeBinaryData } from "../../tensors/binary-encode.ts";
import { startTestServer, type TestServer, testModel } from "../../test-server.ts";
import { takeApart } from "./binary-answer.ts";
import { testServers } from "./test-servers.ts";

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

const serverOf = testServers();

interface Sent {
  readonly json: unknown;
  readonly binary?: readonly Uint8Array[];
  readonly headers?: Record<string, string>;
  /** Instead of JSON and binary. */
  readonly body?: Buffer;
}

/** Without what `fetch` adds and takes away by itself. */
async function send(server: TestServer, { json, binary = [], headers = {}, body }: Sent) {
  const text = Buffer.from(JSON.stringify(json));
  const length: Record<string, string> =
    binary.length > 0 ? { "Inference-Header-Content-Length": String(text.length) } : {};
  const request = httpRequest(`${server.url}/v2/models/m/infer`, {
    method: "POST",
    headers: { ...length, ...headers },
  });
  request.end(body ?? Buffer.concat([text, ...binary]));
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const headerLength = response.headers["inference-header-content-length"];
  return {
    status: response.statusCode,
    headers: response.headers,
    headerLength: typeof headerLength === "string" ? headerLength : null,
    rawHeaders: response.rawHeaders,
    body: Buffer.concat((await response.toArray()) as Buffer[]),
  };
}

const input = (name: string, datatype: string, shape: number[], bytes: Uint8Array) => ({
  name,
  shape,
  datatype,
  parameters: { binary_data_size: bytes.length },
});

const BINARY = { parameters: { binary_data_output: true } };
const hex = (text: string) => Buffer.from(text, "hex");

describe("every datatype through onnxruntime", () => {
  const cases: [string, string, Buffer][] = [
    ["bool", "BOOL", hex("0100")],
    ["int8", "INT8", hex("807f")],
    ["int16", "INT16", hex("0080ff7f")],
    ["int32", "INT32", hex("00000080ffffff7f")],
    ["int64", "INT64", hex("0000000000000080ffffffffffffff7f")],
    ["uint8", "UINT8", hex("00ff")],
    ["uint16", "UINT16", hex("0000ffff")],
    ["uint32", "UINT32", hex("00000000ffffffff")],
    ["uint64", "UINT64", hex("0000000000000000ffffffffffffffff")],
    // Smallest subnormal and infinity.
    ["fp16", "FP16", hex("0100007c")],
    // A NaN with a payload and the largest number.
    ["fp32", "FP32", hex("010ac07fffff7f7f")],
    ["fp64", "FP64", hex("0100000000000080000000000000f0ff")],
    ["bytes", "BYTES", Buffer.from(encodeBinaryData({ data: ["ä 漢 😀", ""] }))],
  ];
  test.each(cases)("%s", async (name, datatype, bytes) => {
    const server = await serverOf(`identity-${name}`);
    const answer = await send(server, {
      json: { id: "i", ...BINARY, inputs: [input("x", datatype, [2], bytes)] },
      binary: [bytes],
    });
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/octet-stream");
    expect(answer.rawHeaders).toContain("Inference-Header-Content-Length");
    const { head, binary } = takeApart(answer.body, answer.headerLength);
    expect(head).toEqual({
      model_name: "m",
      model_version: "1",
      id: "i",
      outputs: [{ name: "y", datatype, shape: [2], parameters: { binary_data_size: bytes.length } }],
    });
    expect(binary.get("y")?.toString("hex")).toBe(bytes.toString("hex"));
  });
});

const ONES = Array.from({ length: 16 }).fill(1);
const BYTES_OF_TWOS = Buffer.from(Int32Array.from({ length: 16 }, () => 2).buffer);
const INPUT0 = { name: "INPUT0", shape: [1, 16], datatype: "INT32", data: ONES };

describe("forms", () => {
  test("JSON and binary inputs in one request, outputs of both forms in one answer", async () => {
    const inputs = [input("INPUT1", "INT32", [1, 16], BYTES_OF_TWOS), INPUT0];
    const outputs = [{ name: "OUTPUT0", parameters: { binary_data: true } }, { name: "OUTPUT1" }];
    const answer = await send(await serverOf("add-sub"), { json: { inputs, outputs }, binary: [BYTES_OF_TWOS] });
    const { head, binary } = takeApart(answer.body, answer.headerLength);
    expect(head.outputs).toMatchObject([
      { name: "OUTPUT0", parameters: { binary_data_size: 64 } },
      { name: "OUTPUT1", data: Array.from({ length: 16 }).fill(-1) },
    ]);
    expect(binary.get("OUTPUT0")).toEqual(Buffer.from(Int32Array.from({ length: 16 }, () => 3).buffer));
  });

  test("JSON inputs and binary outputs, as Triton's clients ask for where they name no outputs", async () => {
    const inputs = [INPUT0, { ...INPUT0, name: "INPUT1" }];
    const answer = await send(await serverOf("add-sub"), { json: { ...BINARY, inputs } });
    const { binary } = takeApart(answer.body, answer.headerLength);
    expect([...binary.keys()]).toEqual(["OUTPUT0", "OUTPUT1"]);
  });

  test("binary inputs and JSON outputs", async () => {
    const inputs = ["INPUT0", "INPUT1"].map((name) => input(name, "INT32", [1, 16], BYTES_OF_TWOS));
    const answer = await send(await serverOf("add-sub"), { json: { inputs }, binary: [BYTES_OF_TWOS, BYTES_OF_TWOS] });
    expect(answer.headerLength).toBeNull();
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      outputs: [{ data: Array.from({ length: 16 }).fill(4) }, {}],
    });
  });

  test("the header in small letters and a body in chunks, as KServe's client may send them", async () => {
    const bytes = Buffer.from(Float32Array.of(1, 2, 3).buffer);
    const text = JSON.stringify({ ...BINARY, inputs: [input("x", "FP32", [1, 3], bytes)] });
    const { url } = await serverOf("identity-rows");
    const response = await fetch(`${url}/v2/models/m/infer`, {
      method: "POST",
      headers: { "inference-header-content-length": String(text.length), "content-type": "application/octet-stream" },
      body: new Blob([text, bytes]).stream(),
      duplex: "half",
    });
    const body = Buffer.from(await response.arrayBuffer());
    const { binary } = takeApart(body, response.headers.get("inference-header-content-length"));
    expect(binary.get("y")).toEqual(bytes);
  });

  test("no rows: a size of 0 and the header", async () => {
    const json = { ...BINARY, inputs: [input("x", "FP32", [0, 3], Buffer.alloc(0))] };
    const answer = await send(await serverOf("identity-rows"), { json });
    const { head } = takeApart(answer.body, answer.headerLength);
    expect(head.outputs).toMatchObject([{ shape: [0, 3], parameters: { binary_data_size: 0 } }]);
  });

  test("no rows as KServe's client asks for them: data null beside a size of 0, without the header", async () => {
    const tensor = { ...input("x", "FP32", [0, 3], Buffer.alloc(0)), data: null };
    const answer = await (await serverOf("identity-rows")).infer({ inputs: [tensor] });
    expect(answer.json).toMatchObject({ outputs: [{ shape: [0, 3], data: [] }] });
  });

  test("a scalar", async () => {
    const bytes = Buffer.from(Float32Array.of(1.5).buffer);
    const answer = await send(await serverOf("scalar"), {
      json: { ...BINARY, inputs: [input("x", "FP32", [], bytes)] },
      binary: [bytes],
    });
    const { head, binary } = takeApart(answer.body, answer.headerLength);
    expect(head.outputs).toMatchObject([{ shape: [] }]);
    expect(binary.get("square")).toEqual(Buffer.from(Float32Array.of(2.25).buffer));
  });

  test("names that are awkward", async () => {
    const bytes = Buffer.from(Float32Array.of(4).buffer);
    const json = { ...BINARY, inputs: [input("__proto__", "FP32", [1], bytes)] };
    const answer = await send(await serverOf("odd-names"), { json, binary: [bytes] });
    expect(takeApart(answer.body, answer.headerLength).binary.get('{"1": "a/b c"}')).toEqual(bytes);
  });

  test("half precision as JSON is refused before the model runs", async () => {
    const bytes = hex("003c");
    const server = await serverOf("identity-fp16");
    const answer = await send(server, { json: { inputs: [input("x", "FP16", [1], bytes)] }, binary: [bytes] });
    expect(answer.status).toBe(400);
    expect(answer.body.toString()).toContain('output \\"y\\": FP16 has no JSON form');
  });

  test("a tensor of many packets", async () => {
    const floats = Float32Array.from({ length: 75_000 }, (_, index) => Math.sin(index));
    const bytes = Buffer.from(floats.buffer);
    const json = { ...BINARY, inputs: [input("x", "FP32", [25_000, 3], bytes)] };
    const answer = await send(await serverOf("identity-rows"), { json, binary: [bytes] });
    expect(takeApart(answer.body, answer.headerLength).binary.get("y")?.equals(bytes)).toBe(true);
  });
});

describe("raw requests", () => {
  const raw = { "Inference-Header-Content-Length": "0" };

  test("numbers in, binary out", async () => {
    const body = Buffer.from(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);
    const answer = await send(await serverOf("identity-rows"), { json: {}, headers: raw, body });
    const { head, binary } = takeApart(answer.body, answer.headerLength);
    expect(head.outputs).toMatchObject([{ name: "y", shape: [2, 3] }]);
    expect(binary.get("y")).toEqual(body);
  });

  test("a text in, its binary form out", async () => {
    const answer = await send(await serverOf("identity-bytes"), { json: {}, headers: raw, body: Buffer.from("hällo") });
    const { head, binary } = takeApart(answer.body, answer.headerLength);
    expect(head.outputs).toMatchObject([{ datatype: "BYTES", shape: [1] }]);
    expect(binary.get("y")).toEqual(Buffer.from(encodeBinaryData({ data: ["hällo"] })));
  });
});

describe("compression", () => {
  const bytes = Buffer.alloc(3 * 4 * 1000, "abcd");
  const json = { ...BINARY, inputs: [input("x", "FP32", [1000, 3], bytes)] };
  const text = Buffer.from(JSON.stringify(json));
  const plain = Buffer.concat([text, bytes]);

  test.each([
    ["gzip", gzipSync, gunzipSync],
    ["deflate", deflateSync, inflateSync],
  ])("%s both ways: the headers count the JSON text as it is uncompressed", async (encoding, compress, decompress) => {
    const headers = {
      "Inference-Header-Content-Length": String(text.length),
      "content-encoding": encoding,
      "accept-encoding": encoding,
    };
    const answer = await send(await serverOf("identity-rows"), { json, headers, body: compress(plain) });
    expect(answer.headers["content-encoding"]).toBe(encoding);
    expect(Number(answer.headers["content-length"])).toBe(answer.body.length);
    expect(answer.body.length).toBeLessThan(bytes.length / 2);
    const { binary } = takeApart(decompress(answer.body), answer.headerLength);
    expect(binary.get("y")?.equals(bytes)).toBe(true);
  });

  test("a client that does not ask gets its answer uncompressed", async () => {
    const answer = await send(await serverOf("identity-rows"), { json, binary: [bytes] });
    expect(answer.headers["content-encoding"]).toBeUndefined();
  });

  test("compressed JSON in and out", async () => {
    const data = Array.from({ length: 1500 }, (_, index) => index);
    const body = gzipSync(JSON.stringify({ inputs: [{ name: "x", shape: [500, 3], datatype: "FP32", data }] }));
    const headers = { "content-encoding": "gzip", "accept-encoding": "gzip, deflate" };
    const answer = await send(await serverOf("identity-rows"), { json: {}, headers, body });
    expect(JSON.parse(gunzipSync(answer.body).toString())).toMatchObject({ outputs: [{ data }] });
  });
});

test("requests are counted by their form when they arrive, refused ones too", async () => {
  const server = await startTestServer(testModel("identity-rows"));
  await server.loaded;
  const bytes = Buffer.alloc(12);
  const inputs = [input("x", "FP32", [1, 3], bytes)];
  expect((await send(server, { json: { inputs }, binary: [bytes] })).status).toBe(200);
  expect((await send(server, { json: { inputs }, binary: [bytes, bytes] })).status).toBe(400);
  expect((await send(server, { json: {}, headers: { "Inference-Header-Content-Length": "x" } })).status).toBe(400);
  expect(
    (await send(server, { json: { inputs: [{ ...inputs[0], parameters: {}, data: [1, 2, 3] }], ...BINARY } })).status,
  ).toBe(200);
  const { text } = await server.get("/metrics");
  expect(text).toContain('plimsoll_requests_received_total{protocol="v2-rest-binary"} 3');
  expect(text).toContain('plimsoll_requests_total{protocol="v2-rest-binary",code="200"} 1');
  expect(text).toContain('plimsoll_requests_total{protocol="v2-rest-binary",code="400"} 2');
  expect(text).toContain('plimsoll_requests_received_total{protocol="v2-rest"} 1');
  await server.stop();
});
