// The paths of TensorFlow Serving's REST interface: predict, classify, regress, status and metadata, in its words.

import { InferenceError, type InferenceErrorCode, invalidArgument } from "../../inference-error.ts";
import type { Log } from "../../log.ts";
import type { ModelMetadata } from "../../models/metadata.ts";
import type { ServedModel } from "../../models/served-model.ts";
import type { Tensor } from "../../tensors/datatypes.ts";
import type { ProtocolContext } from "../context.ts";
import { errorAnswer, type HttpAnswer, type HttpRequest } from "../http/exchange.ts";
import { countInference } from "../http/inference.ts";
import { decodeLargeJson, isLargeJson } from "../large-json.ts";
import { decodeExamples } from "./decode-examples.ts";
import { decodePredictRequest, type PredictRequest } from "./decode-predict.ts";
import { describeMetadata, describeStatus } from "./describe.ts";
import { encodeClassifications, encodePredictResponse, encodeRegressions } from "./encode.ts";
import { checkEncodable } from "./nested-text.ts";
import { findClassification, findRegression } from "./signature.ts";

// As TensorFlow Serving has them: matched without regard to case, on the path as the client encoded it.
const INFERENCE_PATH = /^\/v1\/models\/([^/:]+)(?:\/versions\/(\d+)|\/labels\/([^/:]+))?:(classify|regress|predict)$/i;
const DESCRIPTION_PATH = /^\/v1\/models(?:\/([^/:]+))?(?:\/versions\/(\d+)|\/labels\/([^/:]+))?(?:\/(metadata))?$/i;

const STATUS = {
  INVALID_ARGUMENT: 400,
  NOT_FOUND: 404,
  TOO_LARGE: 413,
  UNSUPPORTED_ENCODING: 415,
  CANCELLED: 499,
  INTERNAL: 500,
  UNSUPPORTED: 501,
  UNAVAILABLE: 503,
} as const satisfies Record<InferenceErrorCode, number>;

const RETRY_AFTER_SECONDS = "1";

/** Versions are 64-bit integers there. */
const LARGEST_VERSION = 2n ** 63n - 1n;

/** Which model a path names. */
interface ModelSpec {
  readonly name: string;
  /** As the path has it; undefined where it names none. */
  readonly version: string | undefined;
  readonly label: string | undefined;
}

/** Undefined when the path is none of this protocol's (it does not begin with /v1). */
export async function tensorflowServingRest(
  request: HttpRequest,
  context: ProtocolContext,
): Promise<HttpAnswer | undefined> {
  if (request.path[0]?.toLowerCase() !== "v1" || request.path.length < 2) {
    return undefined;
  }
  try {
    return await route(request, context);
  } catch (error) {
    return toErrorAnswer(error, context.log);
  }
}

async function route(request: HttpRequest, context: ProtocolContext): Promise<HttpAnswer> {
  const path = encodePath(request.path);
  if (request.method === "POST") {
    const match = INFERENCE_PATH.exec(path);
    const method = match?.[4];
    if (match !== null && (method === "predict" || method === "classify" || method === "regress")) {
      return answerInference(request, context, method, readModelSpec(match));
    }
  }
  if (request.method === "GET") {
    const match = DESCRIPTION_PATH.exec(path);
    if (match !== null) {
      return describe(readModelSpec(match), match[4], context);
    }
  }
  throw invalidArgument(`Malformed request: ${request.method} ${path}`);
}

/** As most clients encode it: colons stand for themselves in the last part only, before a verb. */
function encodePath(parts: readonly string[]): string {
  const encoded = parts.map(encodeURIComponent);
  const last = encoded.pop() ?? "";
  const colon = last.lastIndexOf("%3A");
  const end = colon < 0 ? last : `${last.slice(0, colon)}:${last.slice(colon + 3)}`;
  return `/${[...encoded, end].join("/")}`;
}

function readModelSpec([, name = "", version, label]: RegExpExecArray): ModelSpec {
  if (version !== undefined && BigInt(version) > LARGEST_VERSION) {
    throw invalidArgument(`Failed to convert version: ${version} to numeric.`);
  }
  return {
    name: decodeURIComponent(name),
    version,
    label: label === undefined ? undefined : decodeURIComponent(label),
  };
}

function describe(spec: ModelSpec, subject: string | undefined, context: ProtocolContext): HttpAnswer {
  const { model } = context;
  if (spec.name === "") {
    throw invalidArgument("Missing model name in request.");
  }
  // In lower case only: TensorFlow Serving takes any other for a question after the status.
  if (subject === "metadata") {
    checkServable(model, spec);
    return indented(describeMetadata(model.readyMetadata()));
  }
  checkLabel(model, spec);
  if (!isServed(model, spec)) {
    const versions = spec.version === undefined ? "any versions" : `version ${BigInt(spec.version)}`;
    throw new InferenceError("NOT_FOUND", `Could not find ${versions} of model ${spec.name}`);
  }
  return indented(describeStatus(context));
}

/**
 * Throws `NOT_FOUND` for another model or version, `INVALID_ARGUMENT` for an unknown label, `UNAVAILABLE` for a version
 * of a model that is not loaded.
 */
function checkServable(model: ServedModel, spec: ModelSpec): void {
  const { name, version } = spec;
  checkLabel(model, spec);
  if (!isServed(model, spec)) {
    const sought = version === undefined ? `Latest(${name})` : `Specific(${name}, ${BigInt(version)})`;
    throw new InferenceError("NOT_FOUND", `Servable not found for request: ${sought}`);
  }
}

function checkLabel(model: ServedModel, { name, label }: ModelSpec): void {
  if (label !== undefined && (name !== model.name || !model.versionLabels.includes(label))) {
    throw invalidArgument(`Unrecognized servable version label: ${label}`);
  }
}

/** Throws `UNAVAILABLE` where that depends on the version of a model that is not loaded. */
function isServed(model: ServedModel, { name, version }: ModelSpec): boolean {
  // Digits may have zeros in front.
  return name === model.name && (version === undefined || BigInt(model.readyMetadata().version) === BigInt(version));
}

type Method = "predict" | "classify" | "regress";

async function answerInference(
  request: HttpRequest,
  context: ProtocolContext,
  method: Method,
  spec: ModelSpec,
): Promise<HttpAnswer> {
  return countInference(request, context, "tfs-rest", () =>
    RUN[method](request, context.model, spec).catch((error: unknown) => toErrorAnswer(error, context.log)),
  );
}

const RUN = { predict, classify, regress } as const satisfies Record<
  Method,
  (request: HttpRequest, model: ServedModel, spec: ModelSpec) => Promise<HttpAnswer>
>;

async function predict(request: HttpRequest, model: ServedModel, spec: ModelSpec): Promise<HttpAnswer> {
  const body = await readBody(request, model, spec);
  const metadata = model.readyMetadata();
  const { form, inputs } = isLargeJson(body.length)
    ? await decodeLargeJson<PredictRequest>({ kind: "predict", body, metadata })
    : decodePredictRequest(body, metadata);
  checkEncodable(metadata.outputs.map(({ datatype }) => datatype));
  const outputNames = metadata.outputs.map(({ name }) => name);
  const { outputs } = await model.infer({ inputs, outputNames }, request.cancellation);
  return json(encodePredictResponse(form, outputs));
}

async function classify(request: HttpRequest, model: ServedModel, spec: ModelSpec): Promise<HttpAnswer> {
  const body = await readBody(request, model, spec);
  const metadata = model.readyMetadata();
  const inputs = await decodeExampleBody(body, metadata);
  const classification = findClassification(metadata);
  const outputNames = [classification.classes, classification.scores].flatMap((output) => output?.name ?? []);
  const { outputs } = await model.infer({ inputs, outputNames }, request.cancellation);
  return json(encodeClassifications(classification, outputs, inputs[0]?.shape[0] ?? 0));
}

async function regress(request: HttpRequest, model: ServedModel, spec: ModelSpec): Promise<HttpAnswer> {
  const body = await readBody(request, model, spec);
  const metadata = model.readyMetadata();
  const inputs = await decodeExampleBody(body, metadata);
  const { name } = findRegression(metadata);
  const { outputs } = await model.infer({ inputs, outputNames: [name] }, request.cancellation);
  const [output] = outputs;
  if (output === undefined) {
    throw new InferenceError("INTERNAL", `the model gave no output ${JSON.stringify(name)}`);
  }
  return json(encodeRegressions(output, inputs[0]?.shape[0] ?? 0));
}

/** After all that can be refused without it: a rejection must cost next to nothing. */
async function readBody(request: HttpRequest, model: ServedModel, spec: ModelSpec): Promise<Buffer> {
  checkServable(model, spec);
  model.admit();
  return request.readBody();
}

async function decodeExampleBody(body: Buffer, metadata: ModelMetadata): Promise<Tensor[]> {
  return isLargeJson(body.length)
    ? decodeLargeJson<Tensor[]>({ kind: "examples", body, metadata })
    : decodeExamples(body, metadata);
}

function json(body: HttpAnswer["body"]): HttpAnswer {
  return { status: 200, headers: { "content-type": "application/json" }, body };
}

/** Descriptions are written for people there. */
function indented(value: unknown): HttpAnswer {
  return json(`${JSON.stringify(value, null, 1)}\n`);
}

/** The protocol's form of an error; anything that is no InferenceError is a fault of this server and stays inside. */
function toErrorAnswer(error: unknown, log: Log): HttpAnswer {
  if (!(error instanceof InferenceError)) {
    log.error({ err: error }, "inference request failed unexpectedly");
    return errorAnswer(500, "internal error");
  }
  const headers = error.code === "UNAVAILABLE" ? { "retry-after": RETRY_AFTER_SECONDS } : undefined;
  return errorAnswer(STATUS[error.code], error.message, headers);
}
