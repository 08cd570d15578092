// The OpenAPI document of a model: valid by an independent validator, and true of requests and answers.

import { createRequire } from "node:module";

import SwaggerParser from "@apidevtools/swagger-parser";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { startTestServer, type TestServer, testModel } from "../../test-server.ts";

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

type Validate = (value: unknown) => boolean;

/** The validator of JSON Schema that swagger-parser itself uses. */
const { default: Ajv } = createRequire(import.meta.resolve("@apidevtools/swagger-parser"))("ajv/dist/2020.js") as {
  default: new (options: object) => { compile: (schema: unknown) => Validate };
};

const servers = new Map<string, TestServer>();
const MODELS = [
  "add-sub",
  "identity-rows",
  "identity-bytes",
  "identity-int64",
  "scalar",
  "odd-names",
  "constant",
  "identity-fp16",
];

beforeAll(async () => {
  await Promise.all(
    MODELS.map(async (name) => {
      const server = await startTestServer(testModel(name), { modelName: "a/b {c}" });
      servers.set(name, server);
      await server.loaded;
    }),
  );
});

afterAll(async () => {
  await Promise.all([...servers.values()].map((server) => server.stop()));
});

const PATH = "/v2/models/a%2Fb%20%7Bc%7D";

interface OpenApi {
  readonly openapi: string;
  readonly servers: { url: string }[];
  readonly paths: Record<string, Record<string, unknown>>;
  readonly components: { schemas: Record<string, unknown> };
}

async function documentOf(model: string): Promise<OpenApi> {
  const { status, json } = await servers.get(model)!.get(`${PATH}/openapi.json`);
  expect(status).toBe(200);
  return json as OpenApi;
}

async function schemaOf(model: string, name: string): Promise<Validate> {
  return new Ajv({ strict: false, validateFormats: false }).compile((await documentOf(model)).components.schemas[name]);
}

test.each(MODELS)("%s has a valid document", async (model) => {
  const document = await documentOf(model);
  expect(document.openapi).toBe("3.1.0");
  await expect(SwaggerParser.validate(structuredClone(document) as never)).resolves.toBeDefined();
});

test("each path without a body is there and answers as described", async () => {
  const server = servers.get("identity-rows")!;
  const {
    paths,
    servers: [{ url } = { url: "" }],
  } = await documentOf("identity-rows");
  const base = new URL(url, `${server.url}${PATH}/openapi.json`);
  const gets = Object.entries(paths).filter(([, operations]) => "get" in operations);
  expect(gets.map(([path]) => path)).toEqual(["/v2/health/live", "/v2/health/ready", `${PATH}/ready`, PATH]);
  for (const [path] of gets) {
    expect(await server.get(`${base.pathname.replace(/\/$/, "")}${path}`)).toMatchObject({ status: 200 });
  }
  expect((await schemaOf("identity-rows", "Metadata"))((await server.get(PATH)).json)).toBe(true);
});

const ONES = Array.from({ length: 16 }, () => 1);

describe("requests that the model takes, and its answers, are as described", () => {
  const v2 = (...inputs: object[]) => ({ inputs });
  const cases: [string, string, object][] = [
    ["identity-rows", "infer", v2({ name: "x", shape: [2, 3], datatype: "FP32", data: [1, 2.5, 3, 4, 5, 6] })],
    ["identity-rows", "infer", v2({ name: "x", shape: [1, 3], datatype: "FP32", data: [[1, 2, 3]] })],
    ["identity-rows", "predict", { instances: [[1, 2, 3]] }],
    ["identity-rows", "predict", { signature_name: "serving_default", inputs: { x: [[1, 2, 3]] } }],
    [
      "identity-bytes",
      "infer",
      { id: "7", ...v2({ name: "x", shape: [1], datatype: "BYTES", data: ["a"] }), outputs: [{ name: "y" }] },
    ],
    ["identity-bytes", "predict", { instances: ["a", { b64: "aGk=" }] }],
    ["identity-int64", "infer", v2({ name: "x", shape: [1], datatype: "INT64", data: [-5] })],
    ["scalar", "infer", v2({ name: "x", shape: [], datatype: "FP32", data: [3] })],
    ["scalar", "predict", { inputs: 3 }],
    ["odd-names", "infer", v2({ name: "__proto__", shape: [1], datatype: "FP32", data: [3] })],
    ["constant", "infer", { inputs: [] }],
    [
      "add-sub",
      "infer",
      v2(...["INPUT1", "INPUT0"].map((name) => ({ name, shape: [1, 16], datatype: "INT32", data: ONES }))),
    ],
    ["add-sub", "predict", { instances: [{ INPUT0: ONES, INPUT1: ONES }] }],
    ["add-sub", "predict", { inputs: { INPUT0: [ONES], INPUT1: [ONES] } }],
  ];
  test.each(cases)("%s: %s %j", async (model, operation, body) => {
    const [kind, path] =
      operation === "infer" ? ["Infer", `${PATH}/infer`] : ["Predict", `${PATH.replace("v2", "v1")}:predict`];
    expect((await schemaOf(model, `${kind}Request`))(body)).toBe(true);
    const answer = await servers.get(model)!.post(path, body);
    expect(answer.status).toBe(200);
    expect((await schemaOf(model, `${kind}Response`))(answer.json)).toBe(true);
  });
});

describe("requests that the model refuses are not as described", () => {
  const cases: [string, string, object][] = [
    ["another input", "InferRequest", { inputs: [{ name: "z", shape: [1, 3], datatype: "FP32", data: [1, 2, 3] }] }],
    ["another datatype", "InferRequest", { inputs: [{ name: "x", shape: [1, 3], datatype: "FP64", data: [1, 2, 3] }] }],
    ["another rank", "InferRequest", { inputs: [{ name: "x", shape: [3], datatype: "FP32", data: [1, 2, 3] }] }],
    [
      "another size of a fixed dimension",
      "InferRequest",
      { inputs: [{ name: "x", shape: [1, 4], datatype: "FP32", data: [1, 2, 3, 4] }] },
    ],
    [
      "texts for numbers",
      "InferRequest",
      { inputs: [{ name: "x", shape: [1, 3], datatype: "FP32", data: ["a", "b", "c"] }] },
    ],
    ["no data", "InferRequest", { inputs: [{ name: "x", shape: [1, 3], datatype: "FP32" }] }],
    ["no inputs", "InferRequest", {}],
    ["rows of another length", "PredictRequest", { instances: [[1, 2]] }],
    ["no rows", "PredictRequest", { instances: [] }],
    ["another column", "PredictRequest", { inputs: { y: [[1, 2, 3]] } }],
    ["both forms", "PredictRequest", { instances: [[1, 2, 3]], inputs: [[1, 2, 3]] }],
  ];
  test.each(cases)("%s", async (_name, schema, body) => {
    expect((await schemaOf("identity-rows", schema))(body)).toBe(false);
  });
});

test("another model has none", async () => {
  expect(await servers.get("scalar")!.get("/v2/models/nobody/openapi.json")).toMatchObject({
    status: 404,
    json: { error: 'model "nobody" is not found; this server has "a/b {c}"' },
  });
});
