// onnxruntime as it is used here: every datatype and name goes through, and its errors come as exceptions.

import { beforeAll, describe, expect, test } from "vitest";
import { bytesOf, DATATYPES, type Datatype, type Tensor } from "../tensors/datatypes.ts";
import { testModel } from "../test-server.ts";
import { InlineRunner } from "./inline-runner.ts";
import { ModelRunError, toRuntimeTensor, toTensor, withoutPaths } from "./runner.ts";
import type { openSession } from "./runtime.ts";
import { bytesIn } from "./test-runner.ts";

let open: typeof openSession;

beforeAll(async () => {
  ({ openSession: open } = await import("./runtime.ts"));
});

function load(name: string) {
  return open({ modelPath: testModel(name), threads: 1, executionProvider: "cpu" });
}

function run(session: ReturnType<typeof load>, inputs: readonly Tensor[], outputNames: readonly string[]): Tensor[] {
  return session.run(inputs.map(toRuntimeTensor), outputNames).map(toTensor);
}

/** Values at the edges of each datatype. */
const EDGES: Record<Exclude<Datatype, "BYTES">, Uint8Array> = {
  BOOL: Uint8Array.of(0, 1),
  UINT8: Uint8Array.of(0, 255),
  UINT16: bytesOf(Uint16Array.of(0, 65_535)),
  UINT32: bytesOf(Uint32Array.of(0, 2 ** 32 - 1)),
  UINT64: bytesOf(BigUint64Array.of(0n, 2n ** 64n - 1n)),
  INT8: bytesOf(Int8Array.of(-128, 127)),
  INT16: bytesOf(Int16Array.of(-32_768, 32_767)),
  INT32: bytesOf(Int32Array.of(-(2 ** 31), 2 ** 31 - 1)),
  INT64: bytesOf(BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)),
  // 1, minus infinity, a NaN, the smallest number above zero.
  FP16: bytesOf(Uint16Array.of(0x3c00, 0xfc00, 0x7e01, 1)),
  FP32: bytesOf(Float32Array.of(Number.NaN, -Infinity, 1e-45, -0)),
  FP64: bytesOf(Float64Array.of(Number.NaN, Infinity, 5e-324, -0)),
};

describe("what goes in comes out, bit by bit", () => {
  test.each(DATATYPES.filter((datatype) => datatype !== "BYTES"))("%s", (datatype) => {
    const session = load(`identity-${datatype.toLowerCase()}`);
    const data = EDGES[datatype];
    const shape = [data.length / (datatype === "BOOL" ? 1 : Number(/\d+/.exec(datatype)?.[0]) / 8)];
    // Also where it lies unaligned in the body of a request.
    const body = new Uint8Array(data.length + 1);
    body.set(data, 1);
    for (const given of [data.slice(), body.subarray(1)]) {
      const [y] = run(session, [{ name: "x", datatype, shape, data: given }], ["y"]);
      expect(y).toEqual({ name: "y", datatype, shape, data: expect.any(Uint8Array) as unknown });
      expect([...bytesIn(y)]).toEqual([...data]);
    }
  });

  test("BYTES", () => {
    const texts: Tensor = { name: "x", datatype: "BYTES", shape: [3], data: ["", "ü", "\u{1F6A2}"] };
    expect(run(load("identity-bytes"), [texts], ["y"])).toEqual([{ ...texts, name: "y" }]);
  });

  test("no elements", () => {
    const none: Tensor = { name: "x", datatype: "FP32", shape: [0, 3], data: new Uint8Array(0) };
    expect(run(load("identity-rows"), [none], ["y"])).toEqual([{ ...none, name: "y" }]);
  });
});

describe("inputs and outputs as the model describes them", () => {
  test.each([
    ["scalar", [{ name: "x", isTensor: true, type: "float32", shape: [] }]],
    ["identity-rows", [{ name: "x", isTensor: true, type: "float32", shape: ["n", 3] }]],
    ["identity-fp16", [{ name: "x", isTensor: true, type: "float16", shape: ["n"] }]],
    ["identity-bytes", [{ name: "x", isTensor: true, type: "string", shape: ["n"] }]],
    ["constant", []],
  ])("%s", (name, inputs) => {
    expect(load(name).inputs).toEqual(inputs);
  });

  test("an output that is no tensor says so", () => {
    expect(load("sequence-output").outputs).toEqual([{ name: "y", isTensor: false }]);
  });

  test("every datatype has its name", () => {
    for (const datatype of DATATYPES) {
      const { inputs } = load(`identity-${datatype.toLowerCase()}`);
      expect(
        toTensor({ ...toRuntimeTensor({ name: "x", datatype, shape: [0], data: [] }), type: inputs[0]?.type as never }),
      ).toMatchObject({ datatype });
    }
  });
});

test("names that mean something to JavaScript are names", () => {
  const x: Tensor = { name: "__proto__", datatype: "FP32", shape: [1], data: bytesOf(Float32Array.of(7)) };
  const output = '{"1": "a/b c"}';
  expect(run(load("odd-names"), [x], [output])).toEqual([{ ...x, name: output }]);
});

test("only the outputs that were asked for, in that order", () => {
  const session = load("add-sub");
  const ones = (name: string, value: number): Tensor => ({
    name,
    datatype: "INT32",
    shape: [1, 16],
    data: bytesOf(new Int32Array(16).fill(value)),
  });
  const inputs = [ones("INPUT0", 5), ones("INPUT1", 3)];
  expect(run(session, inputs, ["OUTPUT1"])).toEqual([ones("OUTPUT1", 2)]);
  expect(run(session, inputs, ["OUTPUT1", "OUTPUT0"])).toEqual([ones("OUTPUT1", 2), ones("OUTPUT0", 8)]);
});

describe("errors", () => {
  test.each([
    ["no model", import.meta.filename, /Protobuf parsing failed/],
    ["no file", "/nonexistent/model.onnx", /doesn't exist/],
  ])("%s", (_name, modelPath, message) => {
    expect(() => open({ modelPath, threads: 1, executionProvider: "cpu" })).toThrow(message);
  });

  test("the GPU where there is none: an exception, not the CPU without a word", () => {
    const onGpu = { modelPath: testModel("scalar"), threads: 1, executionProvider: "cuda" } as const;
    expect(() => open(onGpu)).toThrow(/cuda/i);
  });

  test.each([
    ["a build's source files", "/onnxruntime_src/onnxruntime/core/x.cc:84 Foo::Bar bad shape", "Foo::Bar bad shape"],
    ["a header at the start", "/a/b.h:1 text", "text"],
    [
      "the host's name",
      "CUDA failure 2: out of memory ; GPU=0 ; hostname=node-7 ; file=/onnxruntime_src/core/cuda_allocator.cc ; line=47 ; expr=cudaMalloc(&p, size);",
      "CUDA failure 2: out of memory ; GPU=0 ; expr=cudaMalloc(&p, size);",
    ],
    ["line breaks", "one\n  two\r\nthree ", "one two three"],
    ["what only looks like a path", "shape {7,11} / 3", "shape {7,11} / 3"],
  ])("%s are left out of messages", (_name, message, expected) => {
    expect(withoutPaths(message)).toBe(expected);
  });
});

describe("on the calling thread", () => {
  const numbers = (length: number): Tensor => ({
    name: "x",
    datatype: "FP32",
    shape: [length],
    data: bytesOf(new Float32Array(length)),
  });

  test("runs, and leaves the memory of the inputs alone", async () => {
    const x = numbers(77);
    const result = await new InlineRunner(load("needs-77")).run({ inputs: [x], outputNames: ["y"] });
    expect(result).toMatchObject({ freed: [], outputs: [{ name: "y", shape: [7, 11] }] });
    expect(result.computeSeconds).toBeGreaterThan(0);
    expect(x.data).toHaveLength(77 * 4);
  });

  test("a run that fails says why, and the next works", async () => {
    const runner = new InlineRunner(load("needs-77"));
    const failing = runner.run({ inputs: [numbers(5)], outputNames: ["y"] });
    await expect(failing).rejects.toThrow(ModelRunError);
    await expect(failing).rejects.toThrow(
      /^the model failed on this input: [^/]*Input shape:\{5\}, requested shape:\{7,11\}$/,
    );
    await expect(runner.run({ inputs: [numbers(77)], outputNames: ["y"] })).resolves.toBeDefined();
  });

  test("outputs do not change when the memory of the inputs is used again", async () => {
    const runner = new InlineRunner(load("identity-fp32"));
    const x = numbers(100_000);
    const { outputs } = await runner.run({ inputs: [x], outputNames: ["y"] });
    (x.data as Uint8Array).fill(0xff);
    expect(bytesIn(outputs[0]).every((byte) => byte === 0)).toBe(true);
  });
});
