// TensorFlow Serving's paths without a socket: who answers what, with which status, in TensorFlow Serving's words.

import { describe, expect, test } from "vitest";

import { Cancellation } from "../../cancellation.ts";
import { InferenceError, type InferenceErrorCode } from "../../inference-error.ts";
import type { ServedModel } from "../../models/served-model.ts";
import { recordingLog } from "../../test-server.ts";
import type { ProtocolContext } from "../context.ts";
import { tensorflowServingRest } from "./routes.ts";
import { metadataOf, servedModelOf, tensorOf } from "./test-model.ts";

/** Half of x plus two, as TensorFlow Serving's own test model, for one row per element. */
const HALF_PLUS_TWO = servedModelOf(metadataOf({ x: ["FP32", -1, 1] }, { y: ["FP32", -1, 1] }), ({ inputs }) => {
  const [{ shape, data }] = inputs as [ReturnType<typeof tensorOf>];
  const bytes = Uint8Array.from(data as Uint8Array);
  return [
    tensorOf(
      "y",
      "FP32",
      shape,
      new Float32Array(bytes.buffer).map((x) => x / 2 + 2),
    ),
  ];
});

const STARTING: ServedModel = {
  ...HALF_PLUS_TWO,
  readiness: { ready: false, reason: "model is starting: load" },
  readyMetadata: () => {
    throw new InferenceError("UNAVAILABLE", "model is starting: load");
  },
  admit: () => {
    throw new InferenceError("UNAVAILABLE", "model is starting: load");
  },
};

function failing(code: InferenceErrorCode): ServedModel {
  return { ...HALF_PLUS_TWO, infer: async () => Promise.reject(new InferenceError(code, "no")) };
}

interface Ask {
  readonly model?: ServedModel;
  readonly isStopping?: boolean;
  readonly body?: string;
}

async function ask(request: string, { model = HALF_PLUS_TWO, isStopping = false, body = "" }: Ask = {}) {
  const [method = "", path = ""] = request.split(" ");
  const counted: string[] = [];
  const context: ProtocolContext = {
    model,
    metrics: {
      requestReceived: (protocol) => counted.push(`${protocol} received`),
      requestEnded: (protocol, code) => counted.push(`${protocol} ${code}`),
    },
    isStopping: () => isStopping,
    renderMetrics: async () => "",
    calibration: async () => undefined,
    serverVersion: "0",
    clock: () => 0,
    log: recordingLog().log,
  };
  const answer = await tensorflowServingRest(
    {
      method,
      path: path.split("/").slice(1).map(decodeURIComponent),
      headers: {},
      cancellation: new Cancellation(),
      readBody: async () => Buffer.from(body),
    },
    context,
  );
  return answer === undefined ? undefined : { ...answer, json: parse(answer.body), counted };
}

function parse(body: string | Uint8Array | readonly Uint8Array[]): unknown {
  const parts = typeof body === "string" || body instanceof Uint8Array ? [body] : body;
  return JSON.parse(parts.map((part) => Buffer.from(part).toString()).join(""));
}

const ROWS = '{"instances": [[1.0], [3.0]]}';

describe("inference", () => {
  const cases: [string, string, string, unknown][] = [
    ["rows", "/v1/models/m:predict", ROWS, { predictions: [[2.5], [3.5]] }],
    ["columns", "/v1/models/m:predict", '{"inputs": [[3.0], [4.0]]}', { outputs: [[3.5], [4]] }],
    ["a version", "/v1/models/m/versions/3:predict", ROWS, { predictions: [[2.5], [3.5]] }],
    ["a version with zeros in front", "/v1/models/m/versions/003:predict", ROWS, { predictions: [[2.5], [3.5]] }],
    ["a label", "/v1/models/m/labels/stable:predict", ROWS, { predictions: [[2.5], [3.5]] }],
    ["a path in capitals", "/V1/Models/m/Labels/canary:predict", ROWS, { predictions: [[2.5], [3.5]] }],
    ["an encoded colon", "/v1/models/m%3Apredict", ROWS, { predictions: [[2.5], [3.5]] }],
    ["regressions", "/v1/models/m:regress", '{"examples": [{"x": 80.0}, {"x": 1}]}', { results: [42, 2.5] }],
    ["classifications", "/v1/models/m:classify", '{"examples": [{"x": 20.0}]}', { results: [[["", 12]]] }],
  ];
  test.each(cases)("%s", async (_name, path, body, expected) => {
    const answer = await ask(`POST ${path}`, { body });
    expect(answer?.json).toEqual(expected);
    expect(answer).toMatchObject({
      status: 200,
      headers: { "content-type": "application/json" },
      counted: ["tfs-rest received", "tfs-rest 200"],
    });
  });
});

describe("refusals", () => {
  const malformed = (request: string) => `Malformed request: ${request}`;
  const cases: [string, string, number, string][] = [
    // From TensorFlow Serving's own tests.
    ["an unknown path", "GET /v1/foo", 400, malformed("GET /v1/foo")],
    ["an unknown path to post to", "POST /v1/foo", 400, malformed("POST /v1/foo")],
    ["no model", "GET /v1/models", 400, "Missing model name in request."],
    ["too long a path", "GET /v1/models/debug/model_name", 400, malformed("GET /v1/models/debug/model_name")],
    ["posting to all models", "POST /v1/models", 400, malformed("POST /v1/models")],
    ["getting a verb", "GET /v1/models/foo:predict", 400, malformed("GET /v1/models/foo:predict")],
    [
      "version for versions",
      "POST /v1/models/foo/version/50:regress",
      400,
      malformed("POST /v1/models/foo/version/50:regress"),
    ],
    [
      "a version that is no number",
      "POST /v1/models/foo/versions/HELLO:regress",
      400,
      malformed("POST /v1/models/foo/versions/HELLO:regress"),
    ],
    [
      "a version beyond 64 bits",
      "POST /v1/models/foo/versions/18446744073709551615:regress",
      400,
      "Failed to convert version: 18446744073709551615 to numeric.",
    ],
    ["posting to metadata", "POST /v1/models/foo/metadata", 400, malformed("POST /v1/models/foo/metadata")],
    [
      "label for labels",
      "POST /v1/models/foo/label/some_label:regress",
      400,
      malformed("POST /v1/models/foo/label/some_label:regress"),
    ],
    [
      "a version and a label",
      "POST /v1/models/foo/versions/50/labels/some_label:regress",
      400,
      malformed("POST /v1/models/foo/versions/50/labels/some_label:regress"),
    ],
    ["another model", "POST /v1/models/foo:predict", 404, "Servable not found for request: Latest(foo)"],
    [
      "a version of another model",
      "POST /v1/models/foo/versions/50:predict",
      404,
      "Servable not found for request: Specific(foo, 50)",
    ],
    [
      "another version",
      "POST /v1/models/m/versions/99:predict",
      404,
      "Servable not found for request: Specific(m, 99)",
    ],
    ["an unknown label", "POST /v1/models/m/labels/nope:predict", 400, "Unrecognized servable version label: nope"],
    [
      "a label of another model",
      "POST /v1/models/foo/labels/stable:classify",
      400,
      "Unrecognized servable version label: stable",
    ],
    ["no body", "POST /v1/models/m:predict", 400, "JSON Parse error: The document is empty"],
    // Its other rules.
    ["a verb in capitals", "POST /v1/models/m:PREDICT", 400, malformed("POST /v1/models/m:PREDICT")],
    ["an unknown verb", "POST /v1/models/m:explain", 400, malformed("POST /v1/models/m:explain")],
    ["another method", "DELETE /v1/models/m", 400, malformed("DELETE /v1/models/m")],
    ["the status of another model", "GET /v1/models/foo", 404, "Could not find any versions of model foo"],
    ["the status of another version", "GET /v1/models/m/versions/99", 404, "Could not find version 99 of model m"],
    [
      "the status of an unknown label",
      "GET /v1/models/m/labels/nope",
      400,
      "Unrecognized servable version label: nope",
    ],
    ["metadata of another model", "GET /v1/models/foo/metadata", 404, "Servable not found for request: Latest(foo)"],
    [
      "metadata of another version",
      "GET /v1/models/m/versions/99/metadata",
      404,
      "Servable not found for request: Specific(m, 99)",
    ],
    [
      "metadata of an unknown label",
      "GET /v1/models/m/labels/nope/metadata",
      400,
      "Unrecognized servable version label: nope",
    ],
  ];
  test.each(cases)("%s", async (_name, request, status, error) => {
    const answer = await ask(request);
    expect(answer?.json).toEqual({ error });
    expect(answer?.status).toBe(status);
    expect(answer?.headers).toEqual({ "content-type": "application/json" });
  });

  const statuses: [InferenceErrorCode, number, string | undefined][] = [
    ["INVALID_ARGUMENT", 400, undefined],
    ["NOT_FOUND", 404, undefined],
    ["TOO_LARGE", 413, undefined],
    ["UNSUPPORTED_ENCODING", 415, undefined],
    ["CANCELLED", 499, undefined],
    ["INTERNAL", 500, undefined],
    ["UNSUPPORTED", 501, undefined],
    ["UNAVAILABLE", 503, "1"],
  ];
  test.each(statuses)("%s is %d", async (code, status, retryAfter) => {
    const answer = await ask("POST /v1/models/m:predict", { model: failing(code), body: ROWS });
    expect(answer).toMatchObject({
      status,
      json: { error: "no" },
      counted: ["tfs-rest received", `tfs-rest ${status}`],
    });
    expect(answer?.headers?.["retry-after"]).toBe(retryAfter);
  });

  test("a fault of this server stays inside", async () => {
    const model = { ...HALF_PLUS_TWO, infer: async () => Promise.reject(new Error("secret")) };
    const answer = await ask("POST /v1/models/m:regress", { model, body: '{"examples": [{"x": 1}]}' });
    expect(answer).toMatchObject({ status: 500, json: { error: "internal error" } });
  });

  test("a model that fits neither method says which it has", async () => {
    const model = servedModelOf(metadataOf({ x: ["FP32", -1] }, { y: ["INT64", -1] }), () => []);
    const body = '{"examples": [{"x": 1}]}';
    expect((await ask("POST /v1/models/m:classify", { model, body }))?.json).toEqual({
      error:
        "Expected classification signature method_name to be tensorflow/serving/classify. Was: tensorflow/serving/predict",
    });
    expect((await ask("POST /v1/models/m:regress", { model, body }))?.json).toEqual({
      error:
        "Expected regression signature method_name to be tensorflow/serving/regress. Was: tensorflow/serving/predict",
    });
  });

  test("outputs that cannot be written are refused before the run", async () => {
    const model = servedModelOf(metadataOf({ x: ["FP32", -1] }, { y: ["FP16", -1] }), () => {
      throw new Error("must not run");
    });
    expect(await ask("POST /v1/models/m:predict", { model, body: '{"instances": [1]}' })).toMatchObject({
      status: 400,
      json: { error: "Failed to write JSON value for tensor type: half" },
    });
  });
});

describe("status", () => {
  const version = (state: string, code = "OK", message = "") => ({
    model_version_status: [{ version: "3", state, status: { error_code: code, error_message: message } }],
  });
  const notReady = { ...HALF_PLUS_TWO, readiness: { ready: false, reason: "all workers failed" } } as const;
  const cases: [string, string, Ask, number, unknown][] = [
    ["of all versions", "/v1/models/m", {}, 200, version("AVAILABLE")],
    ["of the version", "/v1/models/m/versions/3", {}, 200, version("AVAILABLE")],
    ["of a label", "/v1/models/m/labels/canary", {}, 200, version("AVAILABLE")],
    ["whatever the case of a word behind", "/v1/models/m/METADATA", {}, 200, version("AVAILABLE")],
    ["while stopping", "/v1/models/m", { isStopping: true }, 200, version("UNLOADING")],
    [
      "after a failure",
      "/v1/models/m",
      { model: notReady },
      200,
      version("LOADING", "UNAVAILABLE", "all workers failed"),
    ],
    ["before the model is loaded", "/v1/models/m", { model: STARTING }, 503, { error: "model is starting: load" }],
  ];
  test.each(cases)("%s", async (...[, path, asked, status, expected]) => {
    const answer = await ask(`GET ${path}`, asked);
    expect(answer?.json).toEqual(expected);
    expect(answer).toMatchObject({ status, counted: [] });
  });

  test("is written for people", async () => {
    expect((await ask("GET /v1/models/m"))?.body).toContain('{\n "model_version_status": [\n  {\n');
  });
});

describe("metadata", () => {
  // As TensorFlow Serving describes its model saved_model_half_plus_two, but for the tensors' names in the graph.
  const tensor = (name: string) => ({
    dtype: "DT_FLOAT",
    tensor_shape: {
      dim: [
        { size: "-1", name: "" },
        { size: "1", name: "" },
      ],
      unknown_rank: false,
    },
    name,
  });
  const expected = {
    model_spec: { name: "m", signature_name: "", version: "3" },
    metadata: {
      signature_def: {
        signature_def: {
          serving_default: {
            inputs: { x: tensor("x") },
            outputs: { y: tensor("y") },
            method_name: "tensorflow/serving/predict",
            defaults: {},
          },
        },
      },
    },
  };
  test.each(["/v1/models/m/metadata", "/v1/models/m/versions/3/metadata", "/v1/models/m/labels/stable/metadata"])(
    "%s",
    async (path) => {
      const answer = await ask(`GET ${path}`);
      expect(answer?.json).toEqual(expected);
      expect(answer).toMatchObject({ status: 200, counted: [] });
    },
  );

  test("before the model is loaded", async () => {
    expect(await ask("GET /v1/models/m/metadata", { model: STARTING })).toMatchObject({
      status: 503,
      json: { error: "model is starting: load" },
    });
  });
});

test("before the model is loaded its body is not read", async () => {
  const answer = await ask("POST /v1/models/m:predict", { model: STARTING, body: "no JSON" });
  expect(answer).toMatchObject({
    status: 503,
    headers: { "retry-after": "1" },
    json: { error: "model is starting: load" },
    counted: ["tfs-rest received", "tfs-rest 503"],
  });
});

test("a model's name is decoded", async () => {
  const model = { ...HALF_PLUS_TWO, name: "a/b c" };
  expect(await ask("POST /v1/models/a%2Fb%20c:predict", { model, body: ROWS })).toMatchObject({ status: 200 });
  expect(await ask("GET /v1/models/a%2Fb%20c", { model })).toMatchObject({ status: 200 });
});

test.each(["GET /v2/models/m", "GET /", "GET /v1", "POST /v10/models/m:predict"])(
  "%s is not for it",
  async (request) => {
    expect(await ask(request)).toBeUndefined();
  },
);
