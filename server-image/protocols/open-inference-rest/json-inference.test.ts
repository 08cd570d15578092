// Inference over real HTTP against real models, data as JSON: every datatype, shapes, names, selected outputs.

import { describe, expect, test, vi } from "vitest";

import { ocrModel, startTestServer } from "../../test-server.ts";
import { testServers } from "./test-servers.ts";

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

const serverOf = testServers();

const ROWS = { name: "x", shape: [2, 3], datatype: "FP32", data: [1, 2, 3, 4, 5, 6] };

describe("inference", () => {
  test("flat data", async () => {
    const answer = await (await serverOf("identity-rows")).infer({ id: "my id", inputs: [ROWS] });
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
    const answer = await (await serverOf("identity-rows")).infer({ inputs: [nested] });
    expect(answer.json).toMatchObject({ outputs: [{ shape: [2, 3], data: [1, 2, 3, 4, 5, 6] }] });
  });

  test("an id is made where none is given", async () => {
    const answer = await (await serverOf("identity-rows")).infer({ inputs: [ROWS] });
    expect(answer.json).toMatchObject({ id: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown });
  });

  test("the version in the path", async () => {
    const answer = await (await serverOf("identity-rows")).post("/v2/models/m/versions/1/infer", { inputs: [ROWS] });
    expect(answer.status).toBe(200);
  });

  test("no rows give no rows", async () => {
    const answer = await (await serverOf("identity-rows")).infer({ inputs: [{ ...ROWS, shape: [0, 3], data: [] }] });
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
    const all = await (await serverOf("add-sub")).infer({ inputs });
    expect(all.json).toMatchObject({ outputs: [{ name: "OUTPUT0" }, { name: "OUTPUT1" }] });
    const one = await (await serverOf("add-sub")).infer({ inputs, outputs: [{ name: "OUTPUT1" }] });
    expect(one.json).toMatchObject({ outputs: [{ name: "OUTPUT1", data: Array.from({ length: 16 }).fill(99) }] });
    expect((one.json as { outputs: unknown[] }).outputs).toHaveLength(1);
  });

  test("64-bit integers keep every digit", async () => {
    const body =
      '{"inputs":[{"name":"x","shape":[2],"datatype":"INT64","data":[9007199254740993,-9223372036854775808]}]}';
    const answer = await (await serverOf("identity-int64")).infer(body);
    expect(answer.text).toContain('"data":[9007199254740993,-9223372036854775808]');
  });

  test("texts", async () => {
    const data = ["", "ä 漢 😀", 'a "quoted" \\ word'];
    const answer = await (await serverOf("identity-bytes")).infer({
      inputs: [{ name: "x", shape: [3], datatype: "BYTES", data }],
    });
    expect(answer.json).toMatchObject({ outputs: [{ datatype: "BYTES", data }] });
  });

  test("a scalar", async () => {
    const answer = await (await serverOf("scalar")).infer({
      inputs: [{ name: "x", shape: [], datatype: "FP32", data: [1.5] }],
    });
    expect(answer.json).toMatchObject({ outputs: [{ name: "square", shape: [], data: [2.25] }] });
  });

  test("NaN and infinities go in and out as tokens", async () => {
    const input = (name: string, data: string) => `{"name":"${name}","shape":[4],"datatype":"FP32","data":${data}}`;
    const body = `{"inputs":[${input("a", "[0,1,-1,NaN]")},${input("b", "[0,0,0,1]")}]}`;
    const answer = await (await serverOf("divide")).infer(body);
    expect(answer.status).toBe(200);
    expect(answer.text).toMatch(/"data":\[NaN,Infinity,-Infinity,NaN\]/);
  });

  test("names that are awkward", async () => {
    const server = await serverOf("odd-names");
    const input = '{"inputs":[{"name":"__proto__","shape":[1],"datatype":"FP32","data":[4]}]}';
    const answer = await server.infer(input);
    expect(answer.json).toMatchObject({ outputs: [{ name: '{"1": "a/b c"}', data: [4] }] });
  });

  test("a model without inputs", async () => {
    const server = await serverOf("constant");
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
    const server = await serverOf(`identity-${name}`);
    const answer = await server.infer({ inputs: [{ name: "x", shape: [2], datatype, data }] });
    expect(answer.json).toMatchObject({ outputs: [{ name: "y", datatype, shape: [2], data }] });
  });

  test("uint64 through onnxruntime", async () => {
    const server = await serverOf("identity-uint64");
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
