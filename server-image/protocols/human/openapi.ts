// The interface of one model as an OpenAPI document: paths with its name, schemas with its own shapes and datatypes.

import type { ModelMetadata } from "../../models/metadata.ts";
import {
  errorSchema,
  inferRequestSchema,
  inferResponseSchema,
  metadataSchema,
  predictRequestSchema,
  predictResponseSchema,
} from "./openapi-schemas.ts";

/** OpenAPI 3.1, whose schemas are those of JSON Schema 2020-12. */
const OPENAPI_VERSION = "3.1.0";

export function describeInterface(metadata: ModelMetadata, serverVersion: string): unknown {
  const { name, version } = metadata;
  return {
    openapi: OPENAPI_VERSION,
    info: {
      title: `Model ${name}`,
      version,
      description: `Served by Plimsoll ${serverVersion} over the Open Inference Protocol and TensorFlow Serving's REST interface.`,
    },
    // Relative to this document, which may be seen through a proxy that puts something before its path.
    servers: [{ url: "../../.." }],
    tags: [{ name: "inference" }, { name: "description" }, { name: "health" }],
    paths: paths(name),
    components: {
      schemas: {
        Error: errorSchema(),
        Metadata: metadataSchema(metadata),
        InferRequest: inferRequestSchema(metadata),
        InferResponse: inferResponseSchema(metadata),
        PredictRequest: predictRequestSchema(metadata),
        PredictResponse: predictResponseSchema(metadata),
      },
    },
  };
}

function paths(name: string): unknown {
  const encoded = encodeURIComponent(name);
  return {
    "/v2/health/live": { get: health("serverLive", "Whether the server lives", "live", []) },
    "/v2/health/ready": { get: health("serverReady", "Whether the server takes requests", "ready", [503]) },
    [`/v2/models/${encoded}/ready`]: { get: health("modelReady", "Whether the model takes requests", "ready", [503]) },
    [`/v2/models/${encoded}`]: {
      get: {
        operationId: "modelMetadata",
        summary: "Inputs and outputs of the model",
        tags: ["description"],
        responses: { 200: json("The model", reference("Metadata")), ...errors([503]) },
      },
    },
    [`/v2/models/${encoded}/infer`]: {
      post: inference("infer", "Runs the model (Open Inference Protocol)", ["InferRequest", "InferResponse"]),
    },
    [`/v1/models/${encoded}:predict`]: {
      post: inference("predict", "Runs the model (TensorFlow Serving)", ["PredictRequest", "PredictResponse"]),
    },
  };
}

function health(operationId: string, summary: string, field: string, failures: readonly number[]): unknown {
  const schema = {
    type: "object",
    properties: { name: { type: "string" }, [field]: { type: "boolean" } },
    required: [field],
  };
  const answers = failures.map((status) => [status, json(DESCRIPTIONS[status] ?? "Failure", schema)]);
  return {
    operationId,
    summary,
    tags: ["health"],
    responses: { 200: json("It does", schema), ...Object.fromEntries(answers) },
  };
}

function inference(operationId: string, summary: string, [request, response]: readonly [string, string]): unknown {
  return {
    operationId,
    summary,
    tags: ["inference"],
    requestBody: { required: true, content: { "application/json": { schema: reference(request) } } },
    responses: {
      200: json("What the model makes of it", reference(response)),
      ...errors([400, 413, 415, 500, 501, 503]),
    },
  };
}

const DESCRIPTIONS: Readonly<Record<number, string>> = {
  400: "The request is wrong",
  413: "The body is larger than the server takes",
  415: "The body's encoding is not taken",
  500: "The model or the server failed",
  501: "Right by the protocol, and not offered here",
  503: "Not now: starting, stopping, or too many requests wait already",
};

function errors(statuses: readonly number[]): Record<string, unknown> {
  return Object.fromEntries(
    statuses.map((status) => [status, json(DESCRIPTIONS[status] ?? "Failure", reference("Error"))]),
  );
}

function json(description: string, schema: unknown): unknown {
  return { description, content: { "application/json": { schema } } };
}

function reference(schema: string): unknown {
  return { $ref: `#/components/schemas/${schema}` };
}
