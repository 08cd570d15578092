// Requests that are refused over real HTTP: each with its status and a message that says what is allowed.

import { connect } from "node:net";
import { gzipSync } from "node:zlib";

import { describe, expect, test, vi } from "vitest";

import { testServers } from "./test-servers.ts";

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

const serverOf = testServers();

const ADD_SUB = ["INPUT0", "INPUT1"].map((name) => ({
  name,
  shape: [1, 16],
  datatype: "INT32",
  data: Array.from({ length: 16 }).fill(1),
}));
const ROWS = { name: "x", shape: [2, 3], datatype: "FP32", data: [1, 2, 3, 4, 5, 6] };

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
    [
      "a priority that is no number",
      "identity-rows",
      { inputs: [ROWS], parameters: { priority: "high" } },
      /the request: parameter "priority" must be an integer from 0/,
    ],
    [
      "a timeout that is no number",
      "identity-rows",
      { inputs: [ROWS], parameters: { timeout: false } },
      /the request: parameter "timeout" must be an integer from 0/,
    ],
    ["a number for an id", "identity-rows", { id: 5, inputs: [ROWS] }, /"id" must be a string/],
    [
      "a prototype's name for an input",
      "identity-rows",
      '{"inputs":[{"name":"__proto__","shape":[1],"datatype":"FP32","data":[1]}]}',
      /input "__proto__": the model has no such input/,
    ],
    ["a prototype for the request", "identity-rows", '{"__proto__":{"inputs":[]}}', /missing "x"/],
    [
      "data and a size of binary data",
      "identity-rows",
      { inputs: [{ ...ROWS, parameters: { binary_data_size: 24 } }] },
      /both "data" and the parameter "binary_data_size" are given/,
    ],
    [
      "half precision",
      "identity-fp16",
      { inputs: [{ name: "x", shape: [1], datatype: "FP16", data: [1] }] },
      /FP16 has no JSON form/,
    ],
  ];
  const binary = (text: string, size: number) => Buffer.concat([Buffer.from(text), Buffer.alloc(size)]);
  const x = (size: number) =>
    JSON.stringify({ inputs: [{ ...ROWS, data: undefined, parameters: { binary_data_size: size } }] });
  const BINARY: [string, string, Buffer, RegExp][] = [
    ["a binary tensor cut off", String(x(24).length), binary(x(24), 23), /should have 24 bytes .* but 23 are left/],
    ["bytes too many", String(x(24).length), binary(x(24), 25), /unexpected additional input data: 1 byte\(s\)/],
    [
      "a size that does not fit",
      String(x(20).length),
      binary(x(20), 20),
      /has 20 bytes; 6 element\(s\) of FP32 take 24/,
    ],
    ["a header beyond the body", "9999", binary(x(24), 24), /Inference-Header-Content-Length is "9999"; it must be/],
    ["a header beyond integers", "99999999999", binary(x(24), 24), /Length is "99999999999"; it must be/],
    ["a negative header", "-5", binary(x(24), 24), /Length is "-5"; it must be/],
    ["a header that is no number", "abc", binary(x(24), 24), /Length is "abc"; it must be/],
    ["a header inside the JSON", "10", binary(x(24), 24), /the body is not valid JSON/],
    ["part of a raw row", "0", Buffer.alloc(16), /a raw request must have a multiple of 3 element\(s\) of FP32/],
  ];
  test.each(BINARY)("%s", async (_name, length, body, message) => {
    const server = await serverOf("identity-rows");
    const answer = await server.infer(body, { "inference-header-content-length": length });
    expect((answer.json as { error: string }).error).toMatch(message);
    expect(answer.status).toBe(400);
    expect((await server.get("/v2/health/live")).status).toBe(200);
  });

  test.each(cases)("%s", async (_name, model, body, message) => {
    const answer = await (await serverOf(model)).infer(body);
    const { error } = answer.json as { error: string };
    expect(error).toMatch(message);
    expect(answer.status).toBe(400);
    expect(error).not.toMatch(/\bat .*\.ts:\d+/);
  });
});

describe("refused otherwise", () => {
  test("a body above the limit, announced", async () => {
    const answer = await (await serverOf("identity-rows")).infer("x".repeat(1024 * 1024 + 1));
    expect(answer.json).toEqual({ error: "the request body is larger than 1048576 bytes, which is the limit" });
    expect(answer.status).toBe(413);
  });

  test("a body above the limit, in chunks without an announcement", async () => {
    const { url } = await serverOf("identity-rows");
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

  test("an encoding that nobody takes here", async () => {
    const answer = await (await serverOf("identity-rows")).infer({}, { "content-encoding": "br" });
    expect(answer.json).toEqual({
      error: 'Content-Encoding "br" is not supported; send the body as gzip, deflate or uncompressed',
    });
    expect(answer.status).toBe(415);
    expect(answer.headers.get("accept-encoding")).toBe("gzip, deflate");
  });

  test("a bomb: small on the way, above the limit when decompressed", async () => {
    const bomb = gzipSync(Buffer.alloc(200 * 1024 ** 2));
    const server = await serverOf("identity-rows");
    expect((await server.infer(bomb, { "content-encoding": "gzip" })).status).toBe(413);
    expect((await server.get("/v2/health/live")).status).toBe(200);
  });

  test("shared memory", async () => {
    const parameters = { shared_memory_region: "r", shared_memory_byte_size: 24 };
    const answer = await (await serverOf("identity-rows")).infer({
      inputs: [{ ...ROWS, data: undefined, parameters }],
    });
    expect(answer.json).toEqual({
      error: 'input "x": parameter "shared_memory_region" is not supported by this server',
    });
    expect(answer.status).toBe(501);
  });

  test("a run that the model itself refuses", async () => {
    const server = await serverOf("needs-77");
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
    const socket = connect((await serverOf("identity-rows")).port, "127.0.0.1");
    socket.end("HELLO\r\n\r\n");
    const chunks: string[] = [];
    for await (const chunk of socket.setEncoding("utf8")) {
      chunks.push(chunk as string);
    }
    expect(chunks.join("")).toMatch(/^HTTP\/1.1 400 Bad Request\r\n[^]*\{"error":"this is no valid HTTP request"\}$/);
  });
});
