// What a model must show before the server is ready: its contract and a sample request, and every way to fall short.

import { afterEach, describe, expect, test, vi } from "vitest";

import type { Config } from "./config.ts";
import { startTestServer, type TestServer, testModel } from "./test-server.ts";

vi.setConfig({ testTimeout: 30_000 });

const servers: TestServer[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

async function load(model: string, settings: Partial<Config>): Promise<TestServer> {
  const server = await startTestServer(testModel(model), settings);
  servers.push(server);
  await server.loaded;
  return server;
}

/** scale-rows: `scaled` is `rows` times `factor`, `opposite` is minus `factor`. */
const request = {
  inputs: [
    { name: "rows", datatype: "FP32", shape: [1, 2], data: [1, 2] },
    { name: "factor", datatype: "FP32", shape: [1, 1], data: [10] },
  ],
};
const scaled = { name: "scaled", shape: [1, 2], data: [10, 20] };

describe("the smoke test", () => {
  const passing: [string, object][] = [
    ["without expected outputs: the request must only succeed", { request }],
    ["the outputs are as expected", { request, outputs: [scaled, { name: "opposite", data: [-10] }] }],
    ["they differ within the tolerance", { request, outputs: [{ name: "scaled", data: [10.1, 20] }], tolerance: 0.01 }],
    ["the data is nested", { request, outputs: [{ name: "scaled", data: [[10, 20]] }] }],
  ];
  test.each(passing)("passes: %s", async (_name, smokeTest) => {
    const server = await load("scale-rows", { smokeTest: JSON.stringify(smokeTest) });
    expect((await server.get("/v2/health/ready")).status).toBe(200);
  });

  const failing: [string, unknown, RegExp][] = [
    [
      "other numbers",
      { request, outputs: [{ name: "scaled", data: [10, 21] }] },
      /output "scaled" is \[1, 2\] \[10, 20\]; expected was \[1, 2\] \[10, 21\], within 0.001/,
    ],
    [
      "outside the tolerance",
      { request, outputs: [{ name: "scaled", data: [10.1, 20] }], tolerance: 0.001 },
      /expected was/,
    ],
    [
      "another shape",
      { request, outputs: [{ name: "scaled", shape: [2, 1], data: [10, 20] }] },
      /expected was \[2, 1\]/,
    ],
    ["an output that the model lacks", { request, outputs: [{ name: "label", data: [1] }] }, /output "label" is exp/],
    [
      "expected data that is too short",
      { request, outputs: [{ name: "scaled", data: [1] }] },
      /expected output "scaled": "data" has 1 elements/,
    ],
    ["an input that the model lacks", { request: { inputs: [{ ...request.inputs[0], name: "x" }] } }, /input "x"/],
    ["no request", {}, /the smoke test failed/],
    ["no JSON", "{", /--smoke-test is no JSON/],
    ["a list", "[]", /--smoke-test must be a JSON object/],
    ["a tolerance that is no number", { request, tolerance: "1" }, /"tolerance" must be a number/],
    ["outputs that are no list", { request, outputs: 1 }, /"outputs" must be a list/],
  ];
  test.each(failing)("fails: %s", async (_name, smokeTest, message) => {
    const text = typeof smokeTest === "string" ? smokeTest : JSON.stringify(smokeTest);
    await expect(load("scale-rows", { smokeTest: text })).rejects.toMatchObject({
      code: "SMOKE_TEST_FAILED",
      phase: "warm-up",
      message: expect.stringMatching(message) as unknown,
    });
    expect((await servers[0]?.get("/v2/health/ready"))?.status).toBe(503);
  });

  test("fails where the model fails on the request", async () => {
    const inputs = [{ name: "x", datatype: "INT64", shape: [1], data: [99] }];
    const smokeTest = JSON.stringify({ request: { inputs } });
    await expect(load("lookup", { smokeTest })).rejects.toThrow(
      /the smoke test failed: the model failed on this input/,
    );
  });

  test("keeps integers that a double cannot hold", async () => {
    const tensor = '"name": "x", "datatype": "INT64", "shape": [1], "data": [9007199254740993]';
    const expecting = (value: string) =>
      `{"request": {"inputs": [{${tensor}}]}, "outputs": [{"name": "y", "data": [${value}]}]}`;
    await load("identity-int64", { smokeTest: expecting("9007199254740993") });
    await expect(load("identity-int64", { smokeTest: expecting("9007199254740992") })).rejects.toThrow(
      'output "y" is [1] [9007199254740993]; expected was [1] [9007199254740992]',
    );
  });
});

describe("the contract", () => {
  const inputs = [
    { name: "factor", datatype: "FP32", shape: [-1, 1] },
    { name: "rows", datatype: "FP32", shape: [-1, 2] },
  ];
  const outputs = [
    { name: "scaled", datatype: "FP32", shape: [-1, 2] },
    { name: "opposite", datatype: "FP32", shape: [-1, 1] },
  ];

  test.each([
    ["inputs and outputs, in any order", { inputs, outputs }],
    ["inputs alone", { inputs }],
    ["outputs alone", { outputs }],
  ])("holds: %s", async (_name, contract) => {
    await load("scale-rows", { contract: JSON.stringify(contract) });
  });

  const broken: [string, unknown, RegExp][] = [
    ["an input is missing", { inputs: [inputs[0]] }, /the model's inputs are "rows" .*; the contract says "factor"/],
    ["another name", { inputs: [{ ...inputs[0], name: "f" }, inputs[1]] }, /the contract says "f" \(FP32 \[-1, 1\]\)/],
    ["another datatype", { outputs: [{ ...outputs[0], datatype: "FP64" }, outputs[1]] }, /the model's outputs are/],
    ["another shape", { inputs: [{ ...inputs[0], shape: [1, 1] }, inputs[1]] }, /the contract says/],
    ["none", { outputs: [] }, /the contract says none/],
    ["no list", { inputs: {} }, /"inputs" must be a list of/],
    ["no names", { inputs: [null] }, /"inputs" must be a list of/],
  ];
  test.each(broken)("does not hold: %s", async (_name, contract, message) => {
    await expect(load("scale-rows", { contract: JSON.stringify(contract) })).rejects.toMatchObject({
      code: "CONTRACT_MISMATCH",
      message: expect.stringMatching(message) as unknown,
    });
  });
});
