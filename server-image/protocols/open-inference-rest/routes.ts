// The paths of the Open Inference Protocol over HTTP: health, metadata, inference, and Triton's extensions of them.

import type { ServedModel } from "../../models/served-model.ts";
import { type ProtocolContext, SERVER_NAME } from "../context.ts";
import { findModel, serverReadiness } from "../find-model.ts";
import { errorAnswer, type HttpAnswer, type HttpRequest, jsonAnswer } from "../http/exchange.ts";
import { infer, toErrorAnswer } from "./infer.ts";
import { modelConfig } from "./model-config.ts";
import { describeStatistics } from "./model-statistics.ts";
import { explicitControlRefused, repositoryIndex } from "./repository.ts";

/** Of the protocol, by Triton's names: what clients look for before they use it. */
export const EXTENSIONS = [
  "binary_tensor_data",
  "model_configuration",
  "model_repository",
  "schedule_policy",
  "statistics",
] as const;

/** Undefined when the path is none of this protocol's (it does not begin with /v2). */
export async function openInferenceRest(
  request: HttpRequest,
  context: ProtocolContext,
): Promise<HttpAnswer | undefined> {
  if (request.path[0] !== "v2") {
    return undefined;
  }
  try {
    return await route(request, context);
  } catch (error) {
    return toErrorAnswer(error, context.log);
  }
}

async function route(request: HttpRequest, context: ProtocolContext): Promise<HttpAnswer> {
  const [, section, ...rest] = request.path;
  switch (section) {
    case undefined:
      return get(request, () =>
        jsonAnswer(200, { name: SERVER_NAME, version: context.serverVersion, extensions: EXTENSIONS }),
      );
    case "health":
      return health(request, rest, context);
    case "models":
      return models(request, rest, context);
    case "repository":
      return repository(request, rest, context);
    default:
      return notFound();
  }
}

function health(request: HttpRequest, rest: readonly string[], context: ProtocolContext): HttpAnswer {
  switch (rest.join("/")) {
    case "live":
      return get(request, () => jsonAnswer(200, { live: true }));
    case "ready":
      return get(request, () => {
        const readiness = serverReadiness(context);
        return readiness.ready
          ? jsonAnswer(200, { ready: true })
          : jsonAnswer(503, { ready: false, error: readiness.reason });
      });
    default:
      return notFound();
  }
}

/** Nothing, `stats`, or `NAME[/versions/VERSION]` with one of the model's own verbs. */
async function models(request: HttpRequest, rest: readonly string[], context: ProtocolContext): Promise<HttpAnswer> {
  const [name] = rest;
  if (name === undefined) {
    return get(request, () => jsonAnswer(200, { models: [context.model.name] }));
  }
  if (name === "stats" && rest.length === 1) {
    return getLater(request, () => statistics(context.model));
  }
  const version = rest[1] === "versions" ? rest[2] : undefined;
  const verb = rest.slice(version === undefined ? 1 : 3).join("/");
  const find = () => findModel(context.model, name, version);
  switch (verb) {
    case "":
      return get(request, () => jsonAnswer(200, describe(find())));
    case "ready":
      return get(request, () => modelReady(find(), context));
    case "infer":
      return request.method === "POST" ? infer(request, context, find) : methodNotAllowed("POST");
    case "config":
      return get(request, () => jsonAnswer(200, modelConfig(find().readyMetadata(), find().readyPlan())));
    case "stats":
      return getLater(request, () => statistics(find()));
    default:
      return notFound();
  }
}

function modelReady(model: ServedModel, context: ProtocolContext): HttpAnswer {
  const readiness = serverReadiness(context);
  return readiness.ready
    ? jsonAnswer(200, { name: model.name, ready: true })
    : jsonAnswer(503, { name: model.name, ready: false, error: readiness.reason });
}

async function statistics(model: ServedModel): Promise<HttpAnswer> {
  const { version } = model.readyMetadata();
  return jsonAnswer(200, describeStatistics(model.name, version, await model.statistics()));
}

/** With what runs it among the parameters, which clients of the protocol may ignore. */
function describe(model: ServedModel): unknown {
  const { name, version, platform, inputs, outputs } = model.readyMetadata();
  const parameters = { execution_provider: model.readyPlan().executionProvider };
  return { name, versions: [version], platform, inputs, outputs, parameters };
}

/** `index` and `models/NAME/(load|unload)` */
async function repository(
  request: HttpRequest,
  rest: readonly string[],
  { model }: ProtocolContext,
): Promise<HttpAnswer> {
  const isIndex = rest.join("/") === "index";
  const isControl = rest.length === 3 && rest[0] === "models" && (rest[2] === "load" || rest[2] === "unload");
  if (!isIndex && !isControl) {
    return notFound();
  }
  if (request.method !== "POST") {
    return methodNotAllowed("POST");
  }
  if (isControl) {
    throw explicitControlRefused();
  }
  return jsonAnswer(200, repositoryIndex(await request.readBody(), model));
}

function get(request: HttpRequest, answer: () => HttpAnswer): HttpAnswer {
  return isGet(request) ? answer() : methodNotAllowed("GET, HEAD");
}

async function getLater(request: HttpRequest, answer: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
  return isGet(request) ? answer() : methodNotAllowed("GET, HEAD");
}

function isGet({ method }: HttpRequest): boolean {
  return method === "GET" || method === "HEAD";
}

function methodNotAllowed(allow: string): HttpAnswer {
  return errorAnswer(405, "Method Not Allowed", { allow });
}

function notFound(): HttpAnswer {
  return errorAnswer(404, "Not Found");
}
