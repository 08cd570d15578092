// Large JSON bodies: decoded as small ones are, while this thread answers others.

import { setImmediate } from "node:timers/promises";

import { describe, expect, test, vi } from "vitest";

import { Cancellation } from "../cancellation.ts";
import { InferenceError } from "../inference-error.ts";
import { recordingLog } from "../test-server.ts";
import type { ProtocolContext } from "./context.ts";
import type { HttpAnswer, HttpRequest } from "./http/exchange.ts";
import { decodeLargeJson, isLargeJson, type LargeJson } from "./large-json.ts";
import { decodeInferRequest } from "./open-inference-rest/decode.ts";
import { prepareModel } from "./open-inference-rest/prepared-model.ts";
import { openInferenceRest } from "./open-inference-rest/routes.ts";
import { decodeExamples } from "./tensorflow-serving-rest/decode-examples.ts";
import { decodePredictRequest } from "./tensorflow-serving-rest/decode-predict.ts";
import { tensorflowServingRest } from "./tensorflow-serving-rest/routes.ts";
import { metadataOf, servedModelOf, tensorOf } from "./tensorflow-serving-rest/test-model.ts";

vi.setConfig({ testTimeout: 60_000 });

const METADATA = metadataOf({ x: ["FP32", -1] }, { y: ["FP32", -1] });
const V2 = '{"inputs":[{"name":"x","datatype":"FP32","shape":[3],"data":[1,2,3.5]}]}';

type Protocol = (
  request: HttpRequest,
  context: ProtocolContext,
) => HttpAnswer | Promise<HttpAnswer | undefined> | undefined;

function decodeHere({ kind, body, headerLength, metadata }: LargeJson): unknown {
  const bytes = Buffer.from(body);
  switch (kind) {
    case "infer":
      return decodeInferRequest(bytes, headerLength, prepareModel(metadata));
    case "predict":
      return decodePredictRequest(bytes, metadata);
    case "examples":
      return decodeExamples(bytes, metadata);
  }
}

describe("decoded as elsewhere", () => {
  const json = (text: string) => Buffer.from(text);
  const CASES: Record<string, Pick<LargeJson, "kind" | "body" | "headerLength">> = {
    V2: { kind: "infer", body: json(V2) },
    "V2 with the length of its JSON, which is all of it": {
      kind: "infer",
      body: json(V2),
      headerLength: String(V2.length),
    },
    predict: { kind: "predict", body: json('{"instances":[1,2,3.5]}') },
    "classify and regress": { kind: "examples", body: json('{"examples":[{"x":1.5},{"x":2.5}]}') },
  };
  test.each(Object.entries(CASES))("%s", async (_name, parts) => {
    const expected = decodeHere({ ...parts, metadata: METADATA });
    expect(normal(await decodeLargeJson({ ...parts, metadata: METADATA }))).toEqual(normal(expected));
  });

  test("refused in the same words, and the next is decoded all the same", async () => {
    const wrong: LargeJson = { kind: "infer", body: Buffer.from(V2.replace("[3]", "[4]")), metadata: METADATA };
    let message = "";
    try {
      decodeHere(wrong);
    } catch (error) {
      message = (error as Error).message;
    }
    const refused = decodeLargeJson(wrong);
    const next = decodeLargeJson({ kind: "infer", body: Buffer.from(V2), metadata: METADATA });
    await expect(refused).rejects.toThrow(InferenceError);
    await expect(refused).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message });
    await expect(next).resolves.toBeDefined();
  });
});

/** Buffers of other threads come as plain bytes. */
function normal(decoded: unknown): unknown {
  return JSON.parse(
    JSON.stringify(decoded, (_key, value: unknown) => (value instanceof Uint8Array ? [...value] : value)),
  );
}

describe("this thread goes on with other work while a body of 9 MiB is decoded:", () => {
  const COUNT = 2_300_000;
  const numbers = `[${"0.5,".repeat(COUNT - 1)}0.5]`;
  const { log } = recordingLog();
  const model = servedModelOf(METADATA, () => [tensorOf("y", "FP32", [1], new Float32Array([0.5]))]);
  const context: ProtocolContext = {
    model,
    metrics: { requestReceived: () => undefined, requestEnded: () => undefined },
    isStopping: () => false,
    renderMetrics: async () => "",
    calibration: async () => undefined,
    serverVersion: "0",
    clock: () => 0,
    log,
  };
  const CASES: Record<string, [path: string[], body: string, Protocol, answer: unknown]> = {
    V2: [
      ["v2", "models", "m", "infer"],
      `{"inputs":[{"name":"x","datatype":"FP32","shape":[${COUNT}],"data":${numbers}}]}`,
      openInferenceRest,
      { outputs: [{ data: [0.5] }] },
    ],
    predict: [["v1", "models", "m:predict"], `{"instances":${numbers}}`, tensorflowServingRest, { predictions: [0.5] }],
  };
  test.each(Object.entries(CASES))("%s", async (_name, [path, text, protocol, expected]) => {
    const body = Buffer.from(text);
    expect(isLargeJson(body.length)).toBe(true);
    const request: HttpRequest = {
      method: "POST",
      path,
      headers: {},
      cancellation: new Cancellation(),
      readBody: async () => body,
    };
    const ended = new AbortController();
    const answering = Promise.resolve(protocol(request, context)).finally(() => ended.abort());
    let turns = 0;
    while (!ended.signal.aborted) {
      await setImmediate();
      turns += 1;
    }
    const { status, body: sent } = (await answering) ?? { status: 404, body: "" };
    expect(status).toBe(200);
    expect(JSON.parse(Array.isArray(sent) ? sent.map(String).join("") : String(sent))).toMatchObject(
      expected as object,
    );
    // Decoded here it would be answered within a few turns of the event loop.
    expect(turns).toBeGreaterThan(50);
  });
});
